"""The PDFs on disk: once each, never half of one, the limit, several processes, a full disk."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from refnet.adapters.full_text.cache import IN_USE, LEFT_BEHIND, CacheSize, PdfCache
from refnet.domain.errors import ConfigurationError, SourceUnavailable, StorageFull
from tests.adapters.disks import fill, small_disk

LARGE = 10**9


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def put(cache: PdfCache, body: bytes, used: float = 0.0) -> str:
    """Keep a body that was last used so many seconds ago."""
    digest, path = cache.put([body])
    os.utime(path, (time.time() - used, time.time() - used))
    return digest


def test_a_file_lies_under_the_digest_of_its_bytes(tmp_path: Path) -> None:
    cache = PdfCache(tmp_path / "pdfs", LARGE)

    digest, path = cache.put([b"%PDF-", b"", b"1.7"])

    assert digest == hashlib.sha256(b"%PDF-1.7").hexdigest()
    assert path == tmp_path / "pdfs" / digest[:2] / f"{digest}.pdf"
    assert path.read_bytes() == b"%PDF-1.7"
    assert cache.get(digest) == path
    assert files(tmp_path) == [path]


def test_what_is_put_twice_is_kept_once(tmp_path: Path) -> None:
    cache = PdfCache(tmp_path, LARGE)

    assert cache.put([b"a", b"b"]) == cache.put([b"ab"])
    assert cache.size() == CacheSize(1, 2)


def test_what_was_never_put_is_not_there(tmp_path: Path) -> None:
    assert PdfCache(tmp_path / "nowhere", LARGE).get("0" * 64) is None
    assert PdfCache(tmp_path / "nowhere", LARGE).size() == CacheSize(0, 0)
    assert PdfCache(tmp_path / "nowhere", LARGE).empty() == CacheSize(0, 0)


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "0" * 63, "0" * 65, "A" * 64, "0" * 63 + "/", "0" * 64 + "\n"]
)
def test_what_is_no_digest_names_no_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="64"):
        PdfCache(tmp_path, LARGE).get(name)


@pytest.mark.parametrize("damaged", [b"", b"%PDF-1.", b"%PDF-1.8", b"%PDF-1.7\0"])
def test_a_damaged_file_is_as_good_as_none_and_is_gone(damaged: bytes, tmp_path: Path) -> None:
    cache = PdfCache(tmp_path, LARGE)
    digest, path = cache.put([b"%PDF-1.7"])
    path.write_bytes(damaged)

    assert cache.get(digest) is None
    assert files(tmp_path) == []
    assert cache.put([b"%PDF-1.7"]) == (digest, path)


def test_nothing_is_left_of_pieces_that_come_to_an_early_end(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"%PDF-1.7"
        assert len(files(tmp_path)) == 1
        raise SourceUnavailable("it broke off")

    with pytest.raises(SourceUnavailable):
        PdfCache(tmp_path, LARGE).put(pieces())

    assert files(tmp_path) == []


def test_what_a_killed_process_left_half_written_is_removed_in_time(tmp_path: Path) -> None:
    cache = PdfCache(tmp_path, 100)
    put(cache, b"a" * 10)
    old, new = tmp_path / "incoming" / "1.part", tmp_path / "incoming" / "2.part"
    for part, age in ((old, LEFT_BEHIND + 10), (new, LEFT_BEHIND - 60)):
        part.write_bytes(b"x")
        os.utime(part, (time.time() - age, time.time() - age))

    put(cache, b"b" * 10)

    assert new.exists()
    assert not old.exists()


# ---------------------------------------------------------------- the limit


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    cache = PdfCache(tmp_path, 100)
    old = [
        put(cache, letter * 20, used=IN_USE + age)
        for letter, age in ((b"a", 50), (b"b", 400), (b"c", 300), (b"d", 200))
    ]
    assert cache.get(old[1]) is not None  # used again, and now the newest

    put(cache, b"e" * 40)

    assert [cache.get(digest) is not None for digest in old] == [True, True, False, False]
    assert cache.size() == CacheSize(3, 80)


def test_what_was_used_just_now_is_kept_even_beyond_the_limit(tmp_path: Path) -> None:
    cache = PdfCache(tmp_path, 100)
    digests = [put(cache, letter * 60) for letter in (b"a", b"b", b"c")]

    assert all(cache.get(digest) for digest in digests)
    for digest in digests:
        path = cache.get(digest)
        assert path is not None
        os.utime(path, (0, 0))
    newest = put(cache, b"d" * 60)
    assert [cache.get(digest) is not None for digest in (*digests, newest)] == [False, False, False, True]


def test_a_file_larger_than_the_limit_is_kept_for_whoever_got_it(tmp_path: Path) -> None:
    cache = PdfCache(tmp_path, 10)
    os.utime(cache.put([b"a" * 9])[1], (0, 0))

    digest, path = cache.put([b"b" * 100])

    assert cache.get(digest) == path
    assert cache.size() == CacheSize(1, 100)


def test_a_new_process_counts_what_is_there_already(tmp_path: Path) -> None:
    old = put(PdfCache(tmp_path, LARGE), b"a" * 100, used=IN_USE + 10)

    put(PdfCache(tmp_path, 100), b"b")

    assert PdfCache(tmp_path, 100).get(old) is None


def test_emptying_removes_all_and_tells_what_it_was(tmp_path: Path) -> None:
    cache = PdfCache(tmp_path, LARGE)
    for letter in (b"a", b"b", b"c"):
        put(cache, letter * 10)
    (tmp_path / "incoming" / "being-written.part").write_bytes(b"x")
    (tmp_path / "notes.txt").write_bytes(b"somebody's own")

    assert cache.size() == CacheSize(3, 30)
    assert cache.empty() == CacheSize(3, 30)
    assert cache.size() == CacheSize(0, 0)
    assert [path.name for path in files(tmp_path)] == ["being-written.part", "notes.txt"]


# ---------------------------------------------------------------- several processes

RACE = """
import sys, time
from pathlib import Path
from refnet.adapters.full_text.cache import PdfCache

cache, go = PdfCache(Path(sys.argv[1]), 3_000_000), Path(sys.argv[2])
print("ready", flush=True)
while not go.exists():
    pass
for number in range(60):
    body = (b"%PDF-" + str(number).encode()) * 20_000
    digest, path = cache.put(body[i : i + 5_000] for i in range(0, len(body), 5_000))
    assert path.read_bytes() == body, "what was just got is not whole"
    assert cache.get(digest) == path, "what was just got is gone"
print("done", flush=True)
"""


def test_processes_that_put_the_same_at_once_each_get_it_whole_and_it_is_kept_once(tmp_path: Path) -> None:
    folder, go = tmp_path / "pdfs", tmp_path / "go"
    words = [sys.executable, "-c", RACE, str(folder), str(go)]
    racing = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in racing:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    go.touch()

    assert [process.communicate()[0] for process in racing] == ["done\n", "done\n"]
    assert [process.returncode for process in racing] == [0, 0]
    assert len(files(folder)) == 60
    for path in files(folder):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem


# ---------------------------------------------------------------- disks


def test_a_full_disk_keeps_what_was_there_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        cache = PdfCache(disk / "pdfs", LARGE)
        digest, path = cache.put([b"%PDF-1.7" * 1_000])
        fill(disk)

        for body in (b"x", b"x" * 200_000):
            with pytest.raises(StorageFull, match="refnet cache empty"):
                cache.put([body, body])

        assert cache.get(digest) == path
        assert files(disk / "pdfs") == [path]


def test_a_folder_that_is_a_file_is_a_fault_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "pdfs").write_text("a file")

    for call in (lambda: PdfCache(tmp_path / "pdfs", LARGE).put([b"x"]), PdfCache(tmp_path / "pdfs", LARGE).size):
        with pytest.raises(ConfigurationError, match="REFNET_DATA_DIR"):
            call()
