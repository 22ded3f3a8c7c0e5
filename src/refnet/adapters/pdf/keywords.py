"""The authors' own keywords."""

from __future__ import annotations

import re
from collections.abc import Sequence

from refnet.adapters.pdf.lines import Line

_LABEL = re.compile(
    r"(?:(?:author )?key[ -]?words?(?: and phrases)?|index terms|キーワード|検索語)"
    r"\s*(?:[:：.—–―-]\s*|$|(?=\s)|(?<=ド)\s*)",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(r"\s*[;；,，、・•·|]\s*|\s+[-–—]\s+|\s*\.\s+(?=[A-Z])")
#: What follows a list of keywords on a first page.
_NEXT = re.compile(
    r"(?:\d{1,2}\.?\s+)?(?:abstract|introduction|ccs concepts|acm reference|general terms|categories|permission|copyright"
    r"|received|correspond|doi|©|概要|はじめに)|\W*\d{1,2}[.\s]|https?:",
    re.IGNORECASE,
)
_PAGES, _MOST_LINES, _MOST, _LONGEST = 3, 6, 20, 80


def find_keywords(lines: Sequence[Line]) -> tuple[tuple[str, ...], frozenset[int]]:
    """The keywords and the numbers of the lines on which they stand; both empty where there are none.

    A paper may have them in two languages; its own come first.
    """
    keywords: dict[str, None] = {}
    places: set[int] = set()
    labels: set[str] = set()
    for at, line in enumerate(lines):
        if line.page > _PAGES:
            break
        label = _LABEL.match(line.text)
        if label is None or at in places or label[0].strip(" :：.").lower() in labels:
            continue
        pieces, last = [line.text[label.end() :]], at
        while _continues(lines, at, last, pieces):
            last += 1
            pieces.append(lines[last].text)
        if found := _split(" ".join(pieces)):
            labels.add(label[0].strip(" :：.").lower())
            keywords |= dict.fromkeys(found)
            places |= set(range(at, last + 1))
    return tuple(keywords), frozenset(places)


def _continues(lines: Sequence[Line], first: int, last: int, pieces: Sequence[str]) -> bool:
    if last + 1 >= len(lines) or last + 1 - first >= _MOST_LINES:
        return False
    line, after = lines[last], lines[last + 1]
    if after.page != line.page or _NEXT.match(after.text):
        return False
    if not "".join(pieces).strip():
        return True  # the label has a line of its own
    if pieces[-1].rstrip().endswith("."):
        return False
    began = lines[first + 1] if not pieces[0].strip() and last > first else line
    near = -1 < line.y - after.y <= 1.6 * max(line.look.size, 6)
    return near and after.look.size == began.look.size and after.look.bold == began.look.bold


def _split(text: str) -> tuple[str, ...]:
    parts = (part.strip(" .:：—–\"'“”*") for part in _SEPARATOR.split(text))
    found = list(dict.fromkeys(part for part in parts if part))
    if not found or len(found) > _MOST or any(len(part) > _LONGEST for part in found):
        return ()
    return tuple(found)
