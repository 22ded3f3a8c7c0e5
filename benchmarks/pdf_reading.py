"""Pages read per second of the processor, stage by stage, beside nothing but the text by pypdfium2.

    python benchmarks/pdf_reading.py [--runs 5]

The recorded papers are read by each stage in turn, each stage with all before it: lines with place and print, the search for
hidden text, sections of sentences with their pages, and all that in the bounded child processes that refnet uses, whose
start, locking down and way to and fro count, too. The papers are those beside the repository, or where REFNET_SHARED says.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import pypdfium2  # type: ignore[import-untyped]
from measuring import ROOT, note, table

from refnet.adapters.pdf import hidden, reading
from refnet.adapters.pdf.reader import BoundedPdfReader
from refnet.domain.documents import Document, NoFullText

GOAL_RATIO = 0.2
SHARED = Path(os.environ.get("REFNET_SHARED") or ROOT.parent / "shared" / "data")


class NothingHidden:
    """A page of which nobody asks what can be seen."""

    pictures = 0.0

    def __init__(self, page: int) -> None: ...

    def covered(self) -> set[int]:
        return set()

    def unseen(self, suspects: object) -> set[int]:
        del suspects
        return set()


@contextmanager
def nobody_looking() -> Iterator[None]:
    kept = hidden.sign, hidden.bounds, hidden.Surface
    hidden.sign, hidden.bounds = lambda _text, _size: None, lambda _thing: None
    hidden.Surface = NothingHidden  # type: ignore[assignment,misc]
    try:
        yield
    finally:
        hidden.sign, hidden.bounds, hidden.Surface = kept  # type: ignore[misc]


def bare(paths: Sequence[Path]) -> int:
    pages = 0
    for path in paths:
        document = pypdfium2.PdfDocument(path.read_bytes())
        for page in document:
            text = page.get_textpage()
            text.get_text_range()
            text.close()
            page.close()
            pages += 1
        document.close()
    return pages


def lines(paths: Sequence[Path]) -> int:
    return sum(_pages(path).seen for path in paths)


def lines_alone(paths: Sequence[Path]) -> int:
    with nobody_looking():
        return lines(paths)


def sections(paths: Sequence[Path]) -> int:
    return sum(_whole(reading.arrange(_pages(path))) for path in paths)


def bounded(paths: Sequence[Path]) -> int:
    with BoundedPdfReader() as reader:
        return sum(_whole(reader.read(str(path))) for path in paths)


def bounded_one_each(paths: Sequence[Path]) -> int:
    with BoundedPdfReader(papers=1) as reader:
        return sum(_whole(reader.read(str(path))) for path in paths)


def _pages(path: Path) -> reading.Pages:
    pages = reading.read_pages(bytearray(path.read_bytes()), lambda: True)
    assert not isinstance(pages, NoFullText)
    return pages


def _whole(read: Document | NoFullText) -> int:
    assert isinstance(read, Document)
    assert read.pages_seen == read.pages, "a busy machine: not all was read in time"
    return read.pages_seen


STAGES: dict[str, Callable[[Sequence[Path]], int]] = {
    "pypdfium2, text only": bare,
    "lines with place and print": lines_alone,
    "… and hidden text": lines,
    "… and sections, sentences, pages": sections,
    "… in bounded children": bounded,
    "… a new child for each paper": bounded_one_each,
}


def processor_seconds() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    paths = sorted((SHARED / "pdf").glob("paper-*.pdf"))
    pages = bare(paths)
    rates: dict[str, list[float]] = {name: [] for name in STAGES}
    for run in range(given.runs):
        for name, stage in STAGES.items():
            before, begun = processor_seconds(), time.perf_counter()
            assert stage(paths) == pages
            rates[name].append(pages / (processor_seconds() - before))
            note(f"run {run + 1}: {name}: {rates[name][-1]:,.0f} pages/CPU-s, {time.perf_counter() - begun:.1f} s")
    base = rates["pypdfium2, text only"]
    rows = [
        (
            name,
            f"{median(found):,.0f}",
            f"{1000 / median(found):.1f}",
            f"{median(one / other for one, other in zip(found, base, strict=True)):.2f}",
        )
        for name, found in rates.items()
    ]
    print(table(("stage", "pages per CPU-second", "ms per page", f"ratio (goal ≥ {GOAL_RATIO} for all)"), rows))
    print(f"\n{len(paths)} papers, {pages} pages. Medians of {given.runs} runs, the stages taking turns.")


if __name__ == "__main__":
    main()
