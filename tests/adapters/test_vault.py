"""A vault on disk: whole files or none, and never a file outside it."""

from __future__ import annotations

import errno
import os
import resource
import stat
import unicodedata
from pathlib import Path

import pytest

from refnet.adapters.vault import PAPERS, FolderVault
from refnet.domain.errors import ConfigurationError, RefnetError, Stopped, StorageFull, UnreadableDocument
from tests.servers import missing


@pytest.fixture
def vault(tmp_path: Path) -> FolderVault:
    made = FolderVault(tmp_path / "deep" / "vault")
    made.prepare()
    return made


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def test_what_is_written_can_be_read(vault: FolderVault) -> None:
    vault.write("A note", "text\r\n日本\n")
    vault.write_own("index.md", "mine")
    assert vault.read("A note") == "text\r\n日本\n"
    assert vault.read_own("index.md") == "mine"
    assert (vault.path / "papers" / "A note.md").read_bytes() == "text\r\n日本\n".encode()
    assert vault.notes() == {"A note"}
    assert files(vault.path) == {"papers/A note.md", "refnet/index.md"}


def test_what_is_not_there_is_nothing(vault: FolderVault, tmp_path: Path) -> None:
    assert vault.read("A note") is None
    nowhere = FolderVault(tmp_path / "nowhere")
    assert nowhere.read("A note") is None
    assert nowhere.notes() == set()
    assert nowhere.read_own("index.md") is None
    assert not (tmp_path / "nowhere").exists()


def test_bytes_that_are_no_text_come_back_as_they_were(vault: FolderVault) -> None:
    (vault.path / "papers" / "x.md").write_bytes(b"\xef\xbb\xbfa\xff\xfe\r\n")
    vault.write("y", vault.read("x") or "")
    assert (vault.path / "papers" / "y.md").read_bytes() == b"\xef\xbb\xbfa\xff\xfe\r\n"


def test_a_vault_is_the_same_however_it_is_reached(vault: FolderVault, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(vault.path)
    assert FolderVault(tmp_path / "link").path == vault.path
    assert FolderVault(vault.path / ".." / "vault").path == vault.path


def test_strays_of_a_killed_run_are_removed_and_nothing_else(vault: FolderVault) -> None:
    for name in (".refnet-0123.tmp", "other.tmp", ".refnet-x", "note.md"):
        (vault.path / "papers" / name).write_text("x")
    (vault.path / "refnet" / ".refnet-4567.tmp").write_text("x")
    vault.prepare()
    assert files(vault.path) == {"papers/other.tmp", "papers/.refnet-x", "papers/note.md"}


def test_a_folder_is_tried_without_a_file_that_anybody_sees(
    vault: FolderVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(os, "O_TMPFILE"):
        missing("files without a name, which only Linux has")
    made: list[str] = []
    really = os.open

    def recorded(path: str, flags: int, *rest: int, dir_fd: int | None = None) -> int:
        if flags & os.O_CREAT:
            made.append(path)
        return really(path, flags, *rest, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", recorded)
    vault.prepare(tidy=False)

    assert made == []


def test_what_a_process_left_that_died_as_it_tried_a_folder_is_gone_after_the_next_has_tried(
    vault: FolderVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where others write, whose files are no strays. Only where there are no files without a name."""
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    folder = vault.path / PAPERS
    (folder / ".refnet-trial.tmp").write_bytes(b"")
    (folder / ".refnet-0123456789abcdef.tmp").write_bytes(b"half a no")
    vault.prepare(tidy=False)
    assert [one.name for one in folder.iterdir()] == [".refnet-0123456789abcdef.tmp"]


def test_a_note_keeps_its_permissions_and_a_new_one_follows_the_umask(vault: FolderVault) -> None:
    before = os.umask(0o027)
    try:
        vault.write("new", "x")
        vault.write("old", "x")
        (vault.path / "papers" / "old.md").chmod(0o604)
        vault.write("old", "y")
    finally:
        os.umask(before)
    assert stat.S_IMODE((vault.path / "papers" / "new.md").stat().st_mode) == 0o640
    assert stat.S_IMODE((vault.path / "papers" / "old.md").stat().st_mode) == 0o604


@pytest.mark.parametrize("full", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", ["write", "open"])
def test_a_full_disk_leaves_the_old_note_and_no_stump(
    vault: FolderVault, monkeypatch: pytest.MonkeyPatch, full: int, call: str
) -> None:
    vault.write("note", "old")
    real = getattr(os, call)
    calls = 0

    def failing(*given: object, **more: object) -> object:
        nonlocal calls
        calls += 1
        if call == "write" and calls == 1:
            return real(given[0], bytes(given[1])[:2])  # type: ignore[call-overload]  # a part still fits
        if call == "write" or str(given[0]).endswith(".tmp"):
            raise OSError(full, os.strerror(full))
        return real(*given, **more)

    monkeypatch.setattr(os, call, failing)
    with pytest.raises(StorageFull, match=r"note\.md"):
        vault.write("note", "new and longer")
    monkeypatch.undo()
    assert calls >= (2 if call == "write" else 1)
    assert vault.read("note") == "old"
    assert files(vault.path) == {"papers/note.md"}


def test_a_limit_of_the_system_itself_is_met_the_same_way(vault: FolderVault) -> None:
    vault.write("note", "old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(StorageFull):
            vault.write("note", "x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert vault.read("note") == "old"
    assert files(vault.path) == {"papers/note.md"}


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (errno.EACCES, ConfigurationError),
        (errno.EPERM, ConfigurationError),
        (errno.EROFS, ConfigurationError),
        (errno.ENAMETOOLONG, ConfigurationError),
        (errno.ENOENT, ConfigurationError),
        (errno.ENOSPC, StorageFull),
        (errno.EIO, Stopped),
        (errno.EMFILE, Stopped),
    ],
)
def test_each_fault_of_a_disk_is_told_with_its_path(
    vault: FolderVault, monkeypatch: pytest.MonkeyPatch, fault: int, raised: type[RefnetError]
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(raised, match=r"papers/note\.md") as told:
        vault.write("note", "x")
    assert type(told.value) is raised
    assert files(vault.path) == set()


def test_a_temporary_file_that_another_process_took_for_a_stray_is_written_again(
    vault: FolderVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace
    calls = 0

    def swept_once(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            os.unlink(source, dir_fd=src_dir_fd)
        real(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "replace", swept_once)
    vault.write("note", "x")
    assert calls == 2
    assert files(vault.path) == {"papers/note.md"}


@pytest.mark.parametrize("where", ["", "papers", "refnet"])
def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path, where: str) -> None:
    place = tmp_path / "vault" / where
    place.parent.mkdir(exist_ok=True)
    place.write_text("in the way")
    with pytest.raises(ConfigurationError, match=r"is not a folder: move the file away"):
        FolderVault(tmp_path / "vault").prepare()
    assert place.read_text() == "in the way"


@pytest.mark.parametrize("folder", ["papers", "refnet"])
def test_a_folder_that_is_a_link_is_not_followed(vault: FolderVault, tmp_path: Path, folder: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (vault.path / folder).rmdir()
    (vault.path / folder).symlink_to(outside)
    with pytest.raises(ConfigurationError, match="symbolic link"):
        vault.prepare()
    with pytest.raises(ConfigurationError, match="symbolic link"):
        vault.write("x", "x") if folder == "papers" else vault.write_own("x.md", "x")
    assert not list(outside.iterdir())


@pytest.mark.parametrize("target", ["outside.md", "nothing", "papers/other.md"])
def test_a_note_that_is_a_link_is_neither_read_nor_written(vault: FolderVault, tmp_path: Path, target: str) -> None:
    (tmp_path / "outside.md").write_text("secret")
    (vault.path / "papers" / "link.md").symlink_to(tmp_path / target)
    with pytest.raises(UnreadableDocument, match="symbolic link"):
        vault.read("link")
    with pytest.raises(UnreadableDocument, match="symbolic link"):
        vault.write("link", "x")
    assert (tmp_path / "outside.md").read_text() == "secret"
    assert (vault.path / "papers" / "link.md").is_symlink()
    assert vault.notes() == {"link"}


def test_what_is_no_file_is_refused_and_never_waited_for(vault: FolderVault) -> None:
    (vault.path / "papers" / "folder.md").mkdir()
    os.mkfifo(vault.path / "papers" / "pipe.md")
    for name in ("folder", "pipe"):
        with pytest.raises(UnreadableDocument):
            vault.read(name)
        with pytest.raises(UnreadableDocument):
            vault.write(name, "x")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "/etc/x", "a/b", "a\\b", ".obsidian", "a\x00b", "a\nb", "é" * 130, "..\\x"]
)
def test_a_name_that_is_no_file_of_the_folder_is_refused(vault: FolderVault, tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadableDocument, match="no name"):
        vault.read(name)
    for write in (vault.write, vault.write_own):
        with pytest.raises(UnreadableDocument, match="no name"):
            write(name, "x")
    assert not files(tmp_path / "deep")


def test_names_composed_otherwise_on_disk_are_found(vault: FolderVault) -> None:
    apart = unicodedata.normalize("NFD", "Étude")
    (vault.path / "papers" / f"{apart}.md").write_text("old")
    assert vault.notes() == {"Étude"}
    assert vault.read("Étude") == "old"
    vault.write("Étude", "new")
    assert (vault.path / "papers" / f"{apart}.md").read_text() == "new"
    assert len(files(vault.path)) == 1


def test_links_reach_everything_in_the_larger_vault(vault: FolderVault) -> None:
    large = vault.path.parent
    (large / ".obsidian").mkdir()
    (large / ".obsidian" / "x.md").write_text("x")
    (large / "My note.md").write_text("x")
    (large / "picture.png").write_text("x")
    vault.write("Paper", "x")
    assert vault.link_targets() == {"My note", "picture.png", "Paper", "vault/papers/Paper"}


def test_outside_a_larger_vault_links_reach_what_is_in_it(vault: FolderVault) -> None:
    (vault.path.parent / "My note.md").write_text("x")
    vault.write("Paper", "x")
    assert vault.link_targets() == {"Paper", "papers/Paper"}
