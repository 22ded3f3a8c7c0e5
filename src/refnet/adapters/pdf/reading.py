"""A PDF's bytes as a document: what the child does with each."""

from __future__ import annotations

import ctypes
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from refnet.adapters.pdf import limits, pdfium, text
from refnet.adapters.pdf.abstracts import headless_abstract
from refnet.adapters.pdf.keywords import find_keywords
from refnet.adapters.pdf.line_numbers import cut_line_numbers
from refnet.adapters.pdf.lines import Line, PageText, TooMuchText, read_page
from refnet.adapters.pdf.outline import Heading, find_headings
from refnet.adapters.pdf.running_heads import without_running_heads
from refnet.adapters.pdf.sections import make_sections
from refnet.domain.documents import Document, Hidden, NoFullText

#: Characters for each page below which a file of pictures has no text.
_SCAN_LETTERS = 40
#: The part of a page that is a picture from which the page is one, with little text on it, and without any: not a logo.
_PICTURE, _PICTURE_ALONE = 0.5, 0.1


@dataclass(slots=True)
class Pages:
    """What was read of the pages of a file that has `count` of them, of which `seen` were looked at."""

    count: int
    seen: int = 0
    texts: list[PageText] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)
    too_much_text: bool = False


def read_document(content: bytearray, seconds: float) -> Document | NoFullText:
    """Read a PDF, of a long one as many pages as the time allows. `seconds` are of the clock, for everything."""
    if b"%PDF-" not in content[: limits.HEADER_WITHIN]:
        return NoFullText.NOT_A_PDF
    pages = read_pages(content, _time_for_reading(seconds))
    return pages if isinstance(pages, NoFullText) else arrange(pages)


def read_pages(content: bytearray, go_on: Callable[[], bool]) -> Pages | NoFullText:
    """The lines of each page, as long as `go_on` says so."""
    pdfium.initialise()
    held = (ctypes.c_char * len(content)).from_buffer(content)
    document = pdfium.load_document(ctypes.addressof(held), len(content), None)
    if document is None:
        wanted = pdfium.last_error() == pdfium.ERROR_PASSWORD
        return NoFullText.NEEDS_PASSWORD if wanted else NoFullText.DAMAGED
    try:
        pages = Pages(max(pdfium.page_count(document), 0))
        left = limits.MOST_CHARACTERS
        for number in range(min(pages.count, limits.MOST_PAGES)):
            if not go_on():
                break
            try:
                read = _page(document, number, left)
            except TooMuchText:
                pages.too_much_text = True
                break
            pages.seen += 1
            if read is None:
                pages.damaged.append(number + 1)
                continue
            left -= read.characters
            pages.texts.append(read)
        return pages
    finally:
        pdfium.close_document(document)
        del held


def _page(document: pdfium.Handle, number: int, most: int) -> PageText | None:
    page = pdfium.load_page(document, number)
    if page is None:
        return None
    try:
        return read_page(page, number + 1, most)
    finally:
        pdfium.close_page(page)


def arrange(pages: Pages) -> Document | NoFullText:
    """Sections, sentences and keywords of what was read."""
    hidden = _clean(pages)
    if not any(text.has_letters(line.text) for page in pages.texts for line in page.lines):
        return _nothing(pages)
    by_page = without_running_heads(pages.texts)
    if not any(by_page):  # all there was are heads
        by_page = [page.lines for page in pages.texts]
    lines = [line for page in by_page for line in page]
    if _is_scan(pages, lines):
        return NoFullText.SCAN
    pictures = tuple(
        page.number
        for page, kept in zip(pages.texts, by_page, strict=True)
        if page.pictures > _PICTURE_ALONE and not any(text.has_letters(line.text) for line in kept)
    )
    words = text.vocabulary(line.text for line in lines)
    keywords, keyword_lines = find_keywords(lines)
    return Document(
        pages=pages.count,
        pages_read=pages.seen - len(pages.damaged) - len(pictures),
        sections=make_sections(lines, _headings(lines), words, keyword_lines),
        keywords=tuple(text.resolve_hyphens(keyword, words) for keyword in keywords),
        lang=text.language(line.text for line in lines),
        hidden=hidden,
        damaged_pages=tuple(pages.damaged),
        picture_pages=pictures,
    )


def found_headings(content: bytearray) -> list[tuple[Heading, int]]:
    """The headings with their pages, for those who measure how well they are found."""
    pages = read_pages(content, lambda: True)
    if isinstance(pages, NoFullText):
        return []
    _clean(pages)
    lines = [line for page in without_running_heads(pages.texts) for line in page]
    return [(heading, lines[heading.first].page) for heading in _headings(lines)]


def _headings(lines: Sequence[Line]) -> list[Heading]:
    found = find_headings(lines)
    return sorted([*headless_abstract(lines, found), *found], key=lambda heading: heading.first)


def _clean(pages: Pages) -> Hidden:
    """Leave in each line what shows, without the number of the line in the margin, and return what does not show."""
    hidden: Counter[str] = Counter()
    hidden_on: list[int] = []
    for page in pages.texts:
        for line in page.lines:
            whole = text.whole_letters(line.text)
            page.hidden["invisible"] += text.hidden_letters(whole)
            line.text = text.clean(whole)
        page.lines = [line for line in page.lines if line.text]
        page.hidden = +page.hidden
        if page.hidden:
            hidden += page.hidden
            hidden_on.append(page.number)
    cut_line_numbers(pages.texts)
    return Hidden(hidden.total(), tuple(hidden_on), tuple(sorted(hidden)))


def _nothing(pages: Pages) -> NoFullText:
    if pages.too_much_text:
        return NoFullText.TOO_LARGE
    if pages.seen < pages.count and pages.seen < limits.MOST_PAGES:
        return NoFullText.TOO_LONG
    if pages.seen and len(pages.damaged) == pages.seen:
        return NoFullText.DAMAGED
    return NoFullText.SCAN if any(page.pictures > _PICTURE_ALONE for page in pages.texts) else NoFullText.NO_TEXT


def _is_scan(pages: Pages, lines: Sequence[Line]) -> bool:
    """Whether the pages are pictures, with no more text than a stamp, or what was taken for text in a figure."""
    held: Counter[int] = Counter()
    for line in lines:
        held[line.page] += len(line.text)
    pictures = {page.number for page in pages.texts if page.pictures > _PICTURE}
    return held.total() < _SCAN_LETTERS * pages.seen and all(number in pictures for number in held)


def _time_for_reading(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds * limits.READING_SHARE
    used = time.process_time() + limits.READING_SECONDS

    def go_on() -> bool:
        return time.monotonic() < until and time.process_time() < used

    return go_on
