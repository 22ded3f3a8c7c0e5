"""What stands at the head or foot of many pages: titles, names, numbers of pages."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from refnet.adapters.pdf.lines import Line, PageText, Print
from refnet.domain.wording import THING

#: The part of a page's height, from above and from below, in which heads and feet stand.
MARGIN = 0.09
#: Pages on which a line must stand to be one, and on which it must where it also stands out: heads of left and right pages
#: take turns.
_REPEATED, _REPEATED_APART = 3, 2
#: Points by which heads of two pages may differ in height, the words of one, so that `Table 1` is none, and, of the size of
#: its letters, the gap to the text.
_SAME_HEIGHT, _WORDS, _GAP = 2.0, 2, 2.2
_DIGITS = re.compile(r"\d+")
#: A number before or behind a head, which may be the page's; other numbers tell one heading or caption from the next.
_OF_PAGE = re.compile(r"^\d{1,5}(?=\s)|(?<=\s)\d{1,5}$")
_WORD = re.compile(r"[^\W\d_]+")
#: What looks like the number of a heading, the number of a part of a figure, or a caption, is no head by two pages alone.
_OWN = re.compile(
    rf"(?:\d{{1,2}}(?:\.\d{{1,2}})+|\d{{1,2}}\.|[A-Z]\.\d|\([a-z\d]{{1,2}}\)|第?\d+[章節]|[図表]\s?\d|{THING}\b\.?\s?[A-Z]?\d)",
    re.IGNORECASE,
)
_PAGE_NUMBER = re.compile(
    r"[\W_]*(?:page|p\.?|s\.)?\s*(?:\d{1,5}|[ivxlc]{1,6})(?:\s*(?:/|of|von)\s*\d{1,5})?[\W_]*", re.IGNORECASE
)
#: What arXiv prints along the left edge of a first page.
_STAMP = re.compile(r"arXiv:\d{4}\.\d{4,5}(?:v\d+)?\s+\[[\w.-]+\]\s+\d{1,2} \w{3} \d{4}\s*|viXra:\S+.*")


def without_running_heads(pages: Sequence[PageText]) -> list[list[Line]]:
    """The lines of each page without heads, feet and stamps; texts must be clean."""
    seen: defaultdict[str, set[int]] = defaultdict(set)
    apart: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
    body = _body(pages)
    for page in pages:
        for line in margins(page):
            seen[_folded(line)].add(page.number)
            if _stands_apart(line, page, body):
                for height in _heights(line):
                    apart[_unnumbered(line), height].add(page.number)
    kept: list[list[Line]] = []
    for page in pages:
        dropped = {
            id(line)
            for line in margins(page)
            if len(seen[_folded(line)]) >= _REPEATED
            or any(len(apart[_unnumbered(line), height]) >= _REPEATED_APART for height in _heights(line))
            or _PAGE_NUMBER.fullmatch(line.text)
        }
        kept.append([line for line in page.lines if id(line) not in dropped and not _STAMP.fullmatch(line.text)])
    return kept


def _body(pages: Sequence[PageText]) -> Print | None:
    """How most of the letters look."""
    looks: Counter[Print] = Counter()
    for page in pages:
        for line in page.lines:
            looks[line.look] += len(line.text)
    return looks.most_common(1)[0][0] if looks else None


def _stands_apart(line: Line, page: PageText, body: Print | None) -> bool:
    """Whether a line of words is printed otherwise than the text, or has a gap to all others, but is not in the print of a
    heading, nor numbered like one or like a caption.
    """
    if len(_WORD.findall(line.text)) < _WORDS or _OWN.match(line.text):
        return False
    if body is not None and (line.look.size > body.size or (line.look.bold and not body.bold)):
        return False
    if body is not None and line.look != body:
        return True
    others = (abs(one.y - line.y) for one in page.lines if one is not line)
    return all(gap < 1 or gap > _GAP * line.look.size for gap in others)


def _heights(line: Line) -> tuple[int, int]:
    """Steps of height of which lines at the same height share one."""
    at = int(line.y // _SAME_HEIGHT)
    return at, at + 1


def margins(page: PageText) -> Iterator[Line]:
    """The lines at the head and at the foot of a page."""
    height = page.top - page.bottom
    low, high = page.bottom + MARGIN * height, page.top - MARGIN * height
    return (line for line in page.lines if not low < line.y < high)


def _folded(line: Line) -> str:
    return _DIGITS.sub("#", line.text.lower())


def _unnumbered(line: Line) -> str:
    """A line whose number is told by how far it is from the place of its page, which is the same for numbers of pages."""
    return _OF_PAGE.sub(lambda found: f"#{int(found[0]) - line.page}", line.text.lower())
