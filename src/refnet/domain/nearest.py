"""The part of a text that is most like a pattern, by the fewest characters put in, left out or replaced.

Sources: the distance by G. Myers, A fast bit-vector algorithm for approximate string matching, J. ACM 46 (1999); where it
has to be computed at all by the pigeonhole principle (S. Wu and U. Manber, Fast text searching allowing errors, CACM 35,
1992): of `most` + n pieces of the pattern n stand unchanged in every part that is near enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

#: A part of the text: where it begins and ends.
Span = tuple[int, int]

#: Where the pieces stand more often than this, and than in one of so many places of the text, to sort them costs more than
#: to look everywhere.
_OFTEN, _SELDOM = 1_000, 5


def nearest(wanted: str, text: str, most: int) -> Span | None:
    """The part of `text` that comes from `wanted` by the fewest insertions, deletions and replacements of characters, if
    not more than `most`: the first of several. It is looked for where `windows` says that it may be.
    """
    return nearest_within(windows(wanted, text, most), wanted, text, most)


def nearest_within(spans: Sequence[Span], wanted: str, text: str, most: int) -> Span | None:
    """The same in these parts of the text. The time grows with their length alone, whatever stands in them."""
    distance, end = len(wanted) + 1, 0
    for start, stop in spans:
        here, ends = _best_end(wanted, text[start:stop])
        if here < distance:
            distance, end = here, start + ends
    if distance > most:
        return None
    window = text[max(0, end - len(wanted) - most) : end]
    _, length = _best_end(wanted[::-1], window[::-1], at_start=True)
    return end - length, end


def windows(wanted: str, text: str, most: int) -> list[Span]:
    """Where in `text` a part may be that comes from `wanted` by at most `most` changes, in order and without overlap."""
    length, whole = len(wanted), [(0, len(text))]
    # So many pieces more than changes, and so many of them stand unchanged, each moved by no more than the changes.
    needed = 2 + most // 4
    if most + needed > length:
        return whole
    moved: list[int] = []
    for at, piece in _pieces(wanted, most + needed):
        for place in _places(piece, text):
            moved.append(place - at)
            if len(moved) > _OFTEN + len(text) // _SELDOM:
                return whole
    moved.sort()
    found = [
        (max(0, first - most), min(len(text), last + length + most))
        for first, last in zip(moved, moved[needed - 1 :], strict=False)
        if last - first <= most
    ]
    return _joined(found)


def size(spans: Sequence[Span]) -> int:
    """Characters in them."""
    return sum(end - start for start, end in spans)


def _pieces(wanted: str, number: int) -> Iterator[tuple[int, str]]:
    """`wanted` in so many pieces of nearly one length, each with its place."""
    edges = [len(wanted) * at // number for at in range(number + 1)]
    for start, end in pairwise(edges):
        yield start, wanted[start:end]


def _places(piece: str, text: str) -> Iterator[int]:
    place = text.find(piece)
    while place >= 0:
        yield place
        place = text.find(piece, place + 1)


def _joined(spans: Sequence[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _best_end(wanted: str, text: str, *, at_start: bool = False) -> tuple[int, int]:
    """The least distance of `wanted` to a part of `text`, and where that part ends; `at_start`: it begins with the text."""
    length = len(wanted)
    every, top = (1 << length) - 1, 1 << (length - 1)
    holding: dict[str, int] = {}
    for at, sign in enumerate(wanted):
        holding[sign] = holding.get(sign, 0) | 1 << at
    plus, minus, score = every, 0, length
    best, best_end = length, 0
    for at, sign in enumerate(text):
        equal = holding.get(sign, 0)
        vertical = equal | minus
        horizontal = ((((equal & plus) + plus) ^ plus) | equal) & every
        rises = minus | (every & ~(horizontal | plus))
        falls = plus & horizontal
        if rises & top:
            score += 1
        elif falls & top:
            score -= 1
        rises = (rises << 1 | at_start) & every
        falls = falls << 1 & every
        plus = falls | (every & ~(vertical | rises))
        minus = rises & vertical
        if score < best:
            best, best_end = score, at + 1
    return best, best_end
