"""A vault as a folder on disk.

Each file is written whole beside its place and moved over it, so neither a crash nor a full disk leaves a stump. Folders are opened
without following links and files are reached through them, so a link planted in the vault leads nowhere.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

from refnet.domain.errors import ConfigurationError, Stopped, StorageFull, UnreadableDocument
from refnet.domain.naming import is_file_name

PAPERS = "papers"
OWN = "refnet"
_EXTENSION = ".md"
_TEMPORARY = (".refnet-", ".tmp")
_TRIAL = "trial".join(_TEMPORARY)
#: Bytes in which the properties of a note are looked for, should a file that is none have its name.
_BEGINNING = 1 << 20

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {
    errno.EACCES: "is not open to you: change its permissions, or choose another vault",
    errno.EPERM: "may not be changed: change its permissions, or choose another vault",
    errno.EROFS: "is on a disk that cannot be written: choose another vault",
    errno.ENOTDIR: "is not a folder: move the file away, or choose another vault",
    errno.EEXIST: "is not a folder: move the file away, or choose another vault",
    errno.ELOOP: "is a symbolic link, which is not followed: put a real folder there, or choose another vault",
    errno.ENAMETOOLONG: "is too long a path: choose another vault",
    errno.ENOENT: "is not there any more: choose another vault, or run again",
}


class FolderVault:
    """Implements the `Vault` port.

    A note that is a symbolic link, a folder or a device raises UnreadableDocument, as does a name that is no file name: the caller
    reports it and goes on. An error of the disk itself raises Stopped.
    """

    def __init__(self, path: Path | str) -> None:
        # Resolved once, so that one folder is one vault however it is reached.
        try:
            self._path = Path(path).expanduser().resolve()
        except RuntimeError as error:  # a link that leads to itself, or no such user
            raise ConfigurationError(f"{path} leads nowhere: choose another vault.") from error
        #: what stands on disk for a name, where that is composed otherwise (files that come from a Mac)
        self._spelled: dict[str, str] = {}
        #: folders kept open since `prepare`
        self._open: dict[str, int] = {}

    def __del__(self) -> None:
        self._close()

    @property
    def path(self) -> Path:
        return self._path

    def prepare(self, *, tidy: bool = True) -> None:
        self._close()
        for path in (self._path, self._path / PAPERS, self._path / OWN):
            try:
                path.mkdir(parents=path == self._path, exist_ok=True)
            except OSError as error:
                _refuse(error, path)
        for name in (PAPERS, OWN):
            shown = self._path / name
            try:
                folder = self._open[name] = _open_folder(shown)
                if tidy:
                    _remove_strays(folder)
                _try_to_write(folder)
            except OSError as error:
                _refuse(error, shown)

    def notes(self) -> set[str]:
        with self._folder(PAPERS) as folder:
            if folder is None:
                return set()
            try:
                with os.scandir(folder) as found:
                    files = [one.name for one in found if one.name.endswith(_EXTENSION) and one.name[0] != "."]
            except OSError as error:
                _refuse(error, self._path / PAPERS)
        self._spelled = {}
        names = {name.removesuffix(_EXTENSION) for name in files}
        for name in sorted(names):
            composed = unicodedata.normalize("NFC", name)
            if composed != name and composed not in names:
                self._spelled[composed] = name
        return (names - set(self._spelled.values())) | set(self._spelled)

    def elsewhere(self, names: Iterable[str]) -> Iterator[tuple[str, str, str]]:
        wanted = {_folded(name): name for name in names}
        for folder, below, files in _walk(self._path):
            if folder != self._path and {PAPERS, OWN}.issubset(below):
                below.clear()  # another vault, with notes of its own of the same papers
            if folder == self._path / PAPERS:
                continue
            for file in files:
                name = wanted.get(_folded(file.removesuffix(_EXTENSION))) if file.endswith(_EXTENSION) else None
                if name is None:
                    continue
                path = folder / file
                # It is shown: a folder's name need not be text.
                shown = os.fsencode(path.relative_to(self._path).as_posix()).decode(errors="replace")
                # Not our folder: what cannot be read there is nobody's note.
                with contextlib.suppress(OSError):
                    yield name, shown, _beginning(path)

    def read(self, name: str) -> str | None:
        return self._read(PAPERS, self._note_file(name))

    def write(self, name: str, text: str) -> None:
        self._write(PAPERS, self._note_file(name), text)

    def read_own(self, relative: str) -> str | None:
        return self._read(OWN, _file_name(relative))

    def write_own(self, relative: str, text: str) -> None:
        self._write(OWN, _file_name(relative), text)

    def link_targets(self) -> set[str]:
        """Everything that a wikilink in this vault can reach: file names and paths, those of notes without extension.

        Where the vault is a folder inside a larger one, that one counts: the nearest above with an `.obsidian` folder.
        """
        root = next((at for at in (self._path, *self._path.parents) if (at / ".obsidian").is_dir()), self._path)
        found: set[str] = set()
        for folder, _, files in _walk(root):
            inside = folder.relative_to(root)
            for file in files:
                name = unicodedata.normalize("NFC", file.removesuffix(_EXTENSION))
                found |= {name, unicodedata.normalize("NFC", (inside / name).as_posix())}
        return found

    def _note_file(self, name: str) -> str:
        return _file_name(self._spelled.get(name, name) + _EXTENSION)

    def _close(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    @contextlib.contextmanager
    def _folder(self, name: str) -> Iterator[int | None]:
        """A folder of the vault, None where there is none."""
        held = self._open.get(name)
        if held is not None:
            yield held
            return
        try:
            folder = _open_folder(self._path / name)
        except FileNotFoundError:
            yield None
            return
        except OSError as error:
            _refuse(error, self._path / name)
        try:
            yield folder
        finally:
            os.close(folder)

    def _read(self, name: str, file: str) -> str | None:
        shown = self._path / name / file
        with self._folder(name) as folder:
            if folder is None:
                return None
            try:
                handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            except FileNotFoundError:
                return None
            except OSError as error:
                _unreadable(error, shown)
            try:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    raise UnreadableDocument(f"{shown} is not a file.")
                pieces = []
                while piece := os.read(handle, 1 << 20):
                    pieces.append(piece)
            except OSError as error:
                _unreadable(error, shown)
            finally:
                os.close(handle)
        # What is not UTF-8 comes back as it was when the text is written again.
        return b"".join(pieces).decode(errors="surrogateescape")

    def _write(self, name: str, file: str, text: str) -> None:
        content = text.encode(errors="surrogateescape")
        shown = self._path / name / file
        with self._folder(name) as folder:
            if folder is None:
                _refuse(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)), shown.parent)
            try:
                mode = _mode(folder, file)
                if mode is not None and not stat.S_ISREG(mode):
                    what = "a symbolic link, which is not followed" if stat.S_ISLNK(mode) else "not a file"
                    raise UnreadableDocument(f"{shown} is {what}.")
                try:
                    _replace(folder, file, content, mode)
                except FileNotFoundError:
                    # Another refnet, starting on the same vault, took our temporary file for a stray.
                    _replace(folder, file, content, mode)
            except OSError as error:
                _refuse(error, shown)


def _open_folder(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except NotADirectoryError as error:
        if path.is_symlink():  # this is what Linux answers to the flags together
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from error
        raise


def _walk(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """As `os.walk`, which ends at a thousand folders within each other, but in order, and not into folders whose names
    begin with a dot: these are the bin or the settings, and Obsidian links to nothing there.
    """
    left = [root]
    while left:
        folder = left.pop()
        below: list[str] = []
        files: list[str] = []
        with contextlib.suppress(OSError), os.scandir(folder) as found:
            for one in found:
                if not one.is_dir(follow_symlinks=False):
                    files.append(one.name)
                elif not one.name.startswith("."):
                    below.append(one.name)
        below.sort()
        yield folder, below, sorted(files)
        left += [folder / name for name in reversed(below)]


def _folded(name: str) -> str:
    """As Obsidian compares names when it follows a link."""
    return unicodedata.normalize("NFC", name).casefold()


def _beginning(path: Path) -> str:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return ""
        return file.read(_BEGINNING).decode(errors="surrogateescape")


def _replace(folder: int, file: str, content: bytes, mode: int | None) -> None:
    temporary = _write_beside(folder, content, mode)
    try:
        os.replace(temporary, file, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


def _write_beside(folder: int, content: bytes, mode: int | None) -> str:
    """A new file with `content` in the same folder, gone again if it could not be written whole."""
    temporary = secrets.token_hex(8).join(_TEMPORARY)
    handle = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=folder
    )
    try:
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(handle, left) :]
            if mode is not None:
                os.fchmod(handle, stat.S_IMODE(mode))
        finally:
            os.close(handle)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    return temporary


def _try_to_write(folder: int) -> None:
    """Make a file that is never seen, where the system has such; else one of always the same name, and remove it: what a
    process leaves that dies in between, the next one removes.
    """
    with contextlib.suppress(AttributeError, OSError):
        os.close(os.open(".", os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o666, dir_fd=folder))
        return
    # Not every file system has them. Where it is the folder that refuses, this one says why.
    os.close(os.open(_TRIAL, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=folder))
    with contextlib.suppress(FileNotFoundError):  # others try at the same time
        os.unlink(_TRIAL, dir_fd=folder)


def _remove_strays(folder: int) -> None:
    """Remove what a killed run left behind."""
    with os.scandir(folder) as found:
        strays = [one.name for one in found if one.name.startswith(_TEMPORARY[0]) and one.name.endswith(_TEMPORARY[1])]
    for name in strays:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


def _mode(folder: int, file: str) -> int | None:
    try:
        return os.stat(file, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None


def _file_name(name: str) -> str:
    if not is_file_name(name):
        raise UnreadableDocument(f"{name!r} is no name for a file in a vault.")
    return name


def _unreadable(error: OSError, path: Path) -> NoReturn:
    """A note that cannot be read is that note's trouble, unless the disk is ill."""
    if error.errno == errno.ELOOP:
        raise UnreadableDocument(f"{path} is a symbolic link, which is not followed.") from error
    if error.errno in (errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENXIO, errno.ENAMETOOLONG):
        raise UnreadableDocument(f"{path} cannot be read: {error.strerror}.") from error
    _refuse(error, path)


def _refuse(error: OSError, path: Path) -> NoReturn:
    if error.errno in _FULL:
        raise StorageFull(f"No room left to write {path}: make room and run the same command again.") from error
    why = _REFUSED.get(error.errno or 0)
    if why:
        raise ConfigurationError(f"{path} {why}.") from error
    raise Stopped(f"{path} could not be written or read: {error.strerror}.") from error
