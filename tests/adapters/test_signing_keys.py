from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from refnet.adapters.signing_keys import signing_keys
from refnet.domain.errors import ConfigurationError

FIRST, SECOND = "a" * 32, "b" * 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data directory that is not there yet."""
    return tmp_path / "data" / "refnet"


# Keys that somebody chose


def test_of_several_keys_the_first_signs_and_no_file_is_made(folder: Path) -> None:
    assert signing_keys(f"{FIRST},{SECOND}", folder) == (FIRST.encode(), SECOND.encode())
    assert not folder.exists()


def test_spaces_and_empty_places_between_keys_are_no_keys(folder: Path) -> None:
    assert signing_keys(f" {FIRST} ,, {SECOND},\n", folder) == (FIRST.encode(), SECOND.encode())


@pytest.mark.parametrize("given", ["", " ", ",", "short", f"{FIRST},short", "x" * 15])
def test_a_key_that_is_missing_or_too_short_is_refused_without_being_shown(folder: Path, given: str) -> None:
    with pytest.raises(ConfigurationError, match="REFNET_SIGNING_KEYS") as refused:
        signing_keys(given, folder)
    assert "short" not in str(refused.value)
    assert not folder.exists()


def test_sixteen_characters_are_enough(folder: Path) -> None:
    assert signing_keys("x" * 16, folder) == (b"x" * 16,)


# The key of one machine


def test_whoever_is_first_makes_a_key_and_all_others_read_it(folder: Path) -> None:
    (made,) = signing_keys(None, folder)
    assert len(made) == 64
    assert int(made, 16)
    assert signing_keys(None, folder) == (made,)
    assert signing_keys(None, folder.parent / "another") != (made,)


def test_the_file_is_for_its_owner_alone_and_nothing_lies_beside_it(folder: Path) -> None:
    signing_keys(None, folder)
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.stat().st_nlink == 1


def test_many_that_start_at_once_agree_on_one_key(folder: Path) -> None:
    start = threading.Barrier(8)

    def read(_: int) -> bytes:
        start.wait(30)
        return signing_keys(None, folder)[0]

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(read, range(8)))
    assert len(found) == 1
    assert [file.name for file in folder.iterdir()] == ["signing.key"]


def test_processes_agree_on_it_too(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from refnet.adapters.signing_keys import signing_keys;"
        "print(signing_keys(None, Path(sys.argv[1]))[0].decode())"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    said = {process.communicate(timeout=60)[0].strip() for process in running}
    assert len(said) == 1
    assert len(said.pop()) == 64


def test_a_key_put_there_by_hand_is_used_as_it_stands(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "signing.key").write_text(f"{FIRST}\n")
    assert signing_keys(None, folder) == (FIRST.encode(),)


@pytest.mark.parametrize("held", ["", "\n", "too short"])
def test_a_file_without_a_key_is_told_of_and_left_alone(folder: Path, held: str) -> None:
    folder.mkdir(parents=True)
    file = folder / "signing.key"
    file.write_text(held)
    with pytest.raises(ConfigurationError, match="holds no key"):
        signing_keys(None, folder)
    assert file.read_text() == held


@pytest.fixture
def closed(folder: Path) -> Path:
    """A file where the folder should be: nobody can make anything in it, root included."""
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way")
    return folder


def test_a_folder_that_cannot_be_made_is_told_of_with_its_cure(closed: Path) -> None:
    with pytest.raises(ConfigurationError, match="REFNET_DATA_DIR"):
        signing_keys(None, closed)


def test_a_file_that_cannot_be_read_is_told_of(folder: Path) -> None:
    (folder / "signing.key").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="REFNET_SIGNING_KEYS"):
        signing_keys(None, folder)


def test_a_link_that_leads_nowhere_is_told_of_and_nothing_is_written_through_it(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "signing.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError):
        signing_keys(None, folder)
    assert not (tmp_path / "elsewhere").exists()
    assert [file.name for file in folder.iterdir()] == ["signing.key"]


def die_while_making(folder: Path, at: str) -> Path:
    """A process that ends for good in the middle of making a key; what it leaves beside the key."""
    code = (
        f"import os, sys; from pathlib import Path; {at} = lambda *_, **__: os._exit(9);"
        "from refnet.adapters.signing_keys import signing_keys; signing_keys(None, Path(sys.argv[1]))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(folder)], check=False).returncode == 9
    (left,) = folder.glob("signing.key.*")
    assert stat.S_IMODE(left.stat().st_mode) == 0o600
    return left


def make_older(file: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(file, (then, then))


@pytest.mark.parametrize("at", ["os.link", "Path.unlink"], ids=["before it had a name", "after it had one"])
def test_what_a_process_leaves_that_dies_while_it_makes_a_key_is_removed(folder: Path, at: str) -> None:
    left = die_while_making(folder, at)
    make_older(left, 61)
    (key,) = signing_keys(None, folder)
    assert len(key) == 64
    assert [file.name for file in folder.iterdir()] == ["signing.key"]
    assert (folder / "signing.key").stat().st_nlink == 1


def test_what_somebody_may_be_at_just_now_is_left_alone(folder: Path) -> None:
    left = die_while_making(folder, "os.link")
    signing_keys(None, folder)
    assert left.exists()


def test_the_clock_being_set_back_keeps_no_leftover(folder: Path) -> None:
    left = die_while_making(folder, "os.link")
    make_older(left, -3600)
    signing_keys(None, folder)
    assert not left.exists()


def test_files_beside_the_key_that_are_none_of_ours_are_left_alone(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(parents=True)
    (tmp_path / "kept").write_text(FIRST)
    link, copy, inner = (folder / f"signing.key.{end}" for end in ("0" * 16, "old", "1" * 16))
    link.symlink_to(tmp_path / "kept")
    copy.write_text(FIRST)
    inner.mkdir()
    os.utime(link, (0, 0), follow_symlinks=False)
    make_older(copy, 3600)
    make_older(inner, 3600)
    signing_keys(None, folder)
    assert {file.name for file in folder.iterdir()} == {"signing.key", link.name, copy.name, inner.name}
    assert (tmp_path / "kept").exists()
