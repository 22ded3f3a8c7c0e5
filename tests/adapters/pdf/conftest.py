"""A reader that waits on a busy machine, and PDFs that reportlab draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from refnet.adapters.pdf.reader import BoundedPdfReader
from refnet.domain.documents import Document, NoFullText

Read = Callable[[bytes], Document | NoFullText]


@pytest.fixture(scope="module")
def reader() -> Iterator[BoundedPdfReader]:
    with BoundedPdfReader(wall_seconds=240.0) as made:
        yield made


@pytest.fixture
def read(reader: BoundedPdfReader, tmp_path: Path) -> Read:
    """What comes of the bytes of a file."""

    def read_bytes(content: bytes) -> Document | NoFullText:
        path = tmp_path / "read.pdf"
        path.write_bytes(content)
        return reader.read(str(path))

    return read_bytes
