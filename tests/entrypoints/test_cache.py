"""`refnet cache`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from refnet.adapters.full_text.cache import PdfCache
from refnet.entrypoints.cli.cache import megabytes
from refnet.entrypoints.cli.main import run


@pytest.fixture
def kept() -> PdfCache:
    """A cache in the user's data folder, with two PDFs of 1.5 MB together."""
    cache = PdfCache(Path(os.environ["REFNET_DATA_DIR"]) / "pdfs", 10**9)
    for size in (500_000, 1_000_000):
        cache.put([b"x" * size])
    return cache


def test_it_tells_number_size_limit_and_folder(
    kept: PdfCache, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFNET_PDF_CACHE_MB", "7")

    assert run(["cache"]) == 0
    assert capsys.readouterr().out == f"2 PDFs, 1.5 MB of at most 7.0 MB.\nFolder: {kept.folder}\n"
    assert run(["cache", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "folder": str(kept.folder),
        "files": 2,
        "bytes": 1_500_000,
        "limit_bytes": 7_000_000,
    }


def test_a_cache_that_was_never_used_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cache"]) == 0
    assert capsys.readouterr().out.startswith("0 PDFs, 0.0 MB of at most 2,000.0 MB.\n")
    assert run(["cache", "empty"]) == 0
    assert capsys.readouterr().out == "0 PDFs removed, 0.0 MB.\n"


@pytest.mark.parametrize("as_json", [False, True])
def test_emptying_it_removes_all_and_tells_what_it_was(
    as_json: bool, kept: PdfCache, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["cache", "empty", *(["--json"] if as_json else [])]) == 0

    said = capsys.readouterr().out
    if as_json:
        assert json.loads(said) == {"folder": str(kept.folder), "files": 2, "bytes": 1_500_000}
    else:
        assert said == "2 PDFs removed, 1.5 MB.\n"
    assert kept.size().files == 0


def test_a_folder_that_cannot_be_used_is_told_with_the_cure(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(os.environ["REFNET_DATA_DIR"])
    folder.mkdir(parents=True)
    (folder / "pdfs").write_text("a file")

    assert run(["cache", "empty"]) == 2
    assert "REFNET_DATA_DIR" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("size", "told"),
    [(0, "0.0 MB"), (999, "1 kB"), (24_000, "24 kB"), (100_000, "0.1 MB"), (1_234_500_000, "1,234.5 MB")],
)
def test_sizes_are_told_in_what_they_fill(size: int, told: str) -> None:
    assert megabytes(size) == told
