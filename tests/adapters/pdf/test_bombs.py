"""Files made to break their reader end at most the child that reads them, in time, and without the parent growing."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from refnet.adapters.memory import resident_kilobytes
from refnet.adapters.pdf.reader import BoundedPdfReader
from refnet.demo.bundled import PDFS
from refnet.domain.documents import Document, NoFullText, SectionKind
from tests.adapters.pdf.drawing import PROSE, paper
from tests.adapters.pdf.hostile import BOMBS, mutations, one_page, words

MOST_SECONDS = 35.0
MOST_GROWTH = 50 * 1024


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_contained(tmp_path: Path, name: str) -> None:
    fine, bomb = tmp_path / "fine.pdf", tmp_path / "bomb.pdf"
    fine.write_bytes(one_page(words()))
    bomb.write_bytes(BOMBS[name]())
    with BoundedPdfReader() as reader:
        before, begun = resident_kilobytes(os.getpid()), time.monotonic()
        read = reader.read(str(bomb))
        assert time.monotonic() - begun <= MOST_SECONDS
        assert resident_kilobytes(os.getpid()) - before <= MOST_GROWTH
        assert isinstance(read, Document | NoFullText)
    with BoundedPdfReader(wall_seconds=240.0) as reader:
        assert isinstance(reader.read(str(fine)), Document)


@pytest.mark.slow
def test_of_200_000_pages_it_is_told_how_many_were_read(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.pdf"
    bomb.write_bytes(BOMBS["200,000 pages"]())
    with BoundedPdfReader(wall_seconds=240.0) as reader:
        read = reader.read(str(bomb))
    assert isinstance(read, Document)
    assert read.pages == 200_000
    assert 0 < read.pages_read <= 2_000


@pytest.mark.slow
def test_five_hundred_damaged_files_end_no_parent(tmp_path: Path) -> None:
    originals = [
        one_page(words()),
        paper([("1 Introduction", PROSE), ("2 Results", PROSE), ("References", "[1] A. Author. A title. 2001.")]),
        *[file.read_bytes() for file in sorted(PDFS.glob("*.pdf"))],
    ]
    found: list[Document | NoFullText] = []
    before = resident_kilobytes(os.getpid())
    path = tmp_path / "damaged.pdf"
    with BoundedPdfReader() as reader:
        for name, content in mutations(originals, 500, seed=7):
            path.write_bytes(content)
            begun = time.monotonic()
            found.append(reader.read(str(path)))
            assert time.monotonic() - begun <= MOST_SECONDS, name
    assert resident_kilobytes(os.getpid()) - before <= MOST_GROWTH
    read = [one for one in found if isinstance(one, Document)]
    # Or nothing was damaged, or nothing could be read, and neither would show anything.
    assert 50 <= len(read) <= 450
    assert all(sentence.text.strip() for one in read for sentence in one.of(*SectionKind))
