"""PDFs on disk, each once, under the digest of its bytes; shared by all processes that have the folder.

A file is written beside its place and moved over it, so nobody sees half of one, and of two who write the same the later changes nothing.
What is read is held against its name, so a damaged file is as good as none. When it was last used is its time of change.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from refnet.domain.errors import ConfigurationError, Stopped, StorageFull

#: The folder below REFNET_DATA_DIR.
FOLDER = "pdfs"
_INCOMING = "incoming"
#: Seconds after its last use for which a file is not removed to make room: whoever got its path has opened it by then.
IN_USE = 300.0
#: Seconds after which a file that is being written was left behind by a killed process: no download takes a tenth of that.
LEFT_BEHIND = 3_600.0
#: Share of the limit that is made free at once, so that not every new file has all the others looked at.
_ROOM = 0.05
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG}


@dataclass(frozen=True, slots=True)
class CacheSize:
    files: int
    bytes: int


class PdfCache:
    """PDFs in `folder`, together about `most_bytes`: the least recently used go first, none that was used just now.

    Several processes that write at once may exceed it by a twentieth each. Every method raises StorageFull; ConfigurationError for a
    folder that cannot be written; Stopped for an ill disk.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder = folder
        self.most_bytes = most_bytes
        #: bytes written since the others were last looked at; at first more than anybody would write
        self._written = most_bytes

    def get(self, sha256: str) -> Path | None:
        """The file with this digest, which counts as used now; None where it is not there, or damaged, which removes it."""
        path = self._path(sha256)
        with self._disk():
            try:
                with path.open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
                if found != sha256:
                    path.unlink(missing_ok=True)
                    return None
                os.utime(path)
            except FileNotFoundError:
                return None
        return path

    def put(self, pieces: Iterable[bytes]) -> tuple[str, Path]:
        """Keep what the pieces make up: its digest, and where it is. Where they, or the disk, come to an early end nothing is left."""
        part = self.folder / _INCOMING / f"{secrets.token_hex(8)}.part"
        with self._disk():
            part.parent.mkdir(parents=True, exist_ok=True)
            file = part.open("xb")
        try:
            digest, size = hashlib.sha256(), 0
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
                # Around this alone: the pieces come from outside and have errors of their own.
                with self._disk():
                    file.write(piece)
            with self._disk():
                file.close()
            return digest.hexdigest(), self._move(part, digest.hexdigest(), size)
        finally:
            with suppress(OSError):
                file.close()
            with suppress(OSError):
                part.unlink(missing_ok=True)

    @contextmanager
    def trial(self, content: bytes) -> Iterator[Path]:
        """A file with this content where files come in, gone at the end; and a look whether all the other folders can be written.

        So that somebody can find out before it matters.
        """
        part = self.folder / _INCOMING / f"{secrets.token_hex(8)}.part"
        with self._disk():
            part.parent.mkdir(parents=True, exist_ok=True)
            for folder in (self.folder, *self._folders()):
                # Those of another user are such, where two have worked in one data directory.
                if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
                    raise PermissionError(errno.EACCES, f"{os.strerror(errno.EACCES)}: {folder.name}")
        try:
            with self._disk():
                part.write_bytes(content)
            yield part
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def size(self) -> CacheSize:
        """Files that are kept, and their bytes."""
        found = [size for _, size, _ in self._kept()]
        return CacheSize(len(found), sum(found))

    def empty(self) -> CacheSize:
        """Remove every file but those that are being written, and tell what was removed. Any of them can be fetched again."""
        files = size = 0
        for _, length, path in self._kept():
            if self._remove(path):
                files, size = files + 1, size + length
        self._tidy()
        return CacheSize(files, size)

    def _path(self, sha256: str) -> Path:
        if not _DIGEST.fullmatch(sha256):
            raise ValueError("a digest is 64 letters of hex")
        return self.folder / sha256[:2] / f"{sha256}.pdf"

    def _move(self, part: Path, sha256: str, size: int) -> Path:
        path = self._path(sha256)
        with self._disk():
            path.parent.mkdir(exist_ok=True)
            part.replace(path)
        self._written += size
        if self._written >= self.most_bytes * _ROOM:
            self._make_room(path)
        return path

    def _make_room(self, newest: Path) -> None:
        self._tidy()
        kept = sorted(self._kept())
        total = sum(size for _, size, _ in kept)
        self._written = 0
        if total <= self.most_bytes:
            return
        used_before = time.time() - IN_USE
        for used, size, path in kept:
            if total <= self.most_bytes * (1 - _ROOM) or used > used_before:
                break
            if path != newest and self._remove(path):
                total -= size

    def _tidy(self) -> None:
        """Remove what killed processes left half written."""
        before = time.time() - LEFT_BEHIND
        for used, _, path in self._files(self.folder / _INCOMING, ".part"):
            if used < before:
                self._remove(path)

    def _kept(self) -> Iterator[tuple[float, int, Path]]:
        for folder in self._folders():
            yield from self._files(folder, ".pdf")

    def _folders(self) -> Iterator[Path]:
        return (self.folder / f"{number:02x}" for number in range(256))

    def _files(self, folder: Path, end: str) -> Iterator[tuple[float, int, Path]]:
        """When each file was last used, its bytes and its path."""
        with self._disk(), suppress(FileNotFoundError), os.scandir(folder) as entries:
            for entry in entries:
                # Another process may remove it meanwhile.
                with suppress(FileNotFoundError):
                    if entry.name.endswith(end) and entry.is_file(follow_symlinks=False):
                        found = entry.stat(follow_symlinks=False)
                        yield found.st_mtime, found.st_size, Path(entry.path)

    def _remove(self, path: Path) -> bool:
        """Whether it was this process that removed it."""
        with self._disk():
            try:
                path.unlink()
            except FileNotFoundError:
                return False
        return True

    @contextmanager
    def _disk(self) -> Iterator[None]:
        """Say in refnet's words what an error of the disk means."""
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                raise StorageFull(
                    f"No room is left for the PDFs in {self.folder}. Free some space (refnet cache empty removes them), and run "
                    "the same command again; it resumes."
                ) from error
            if error.errno in _REFUSED:
                raise ConfigurationError(
                    f"The folder {self.folder} for PDFs cannot be used ({error.strerror}). Set REFNET_DATA_DIR to a folder you may "
                    "write."
                ) from error
            raise Stopped(f"{self.folder} could not be read or written: {error.strerror}.") from error
