"""Numbers of lines in the margin, as manuscripts have them: PDFium reads them as the first or the last word of their lines.

They rise by the same step from line to line, on at least half of the pages, and on most lines as far as the step lets them.
Beside all lines that are not numbered they stand out. Lists and references of an entry a line do as much: what tells them from
text whose every line is numbered is that all their entries begin with a capital. In doubt nothing is cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from refnet.adapters.pdf.lines import Line, PageText
from refnet.adapters.pdf.running_heads import margins

_STEPS = (1, 2, 5, 10)
_AT_LEFT, _AT_RIGHT = re.compile(r"(\d{1,4})(?:\s+|$)"), re.compile(r"(?:^|\s+)(\d{1,4})$")
#: Pages, and numbers on each, and the part of those that its lines would have, from which lines are numbered.
_PAGES, _NUMBERS, _PART = 2, 5, 0.6
#: Numbers that may be missing between two: of a line that holds a formula or a picture.
_MISSING = 2
#: Points by which they must stand out, and the part of the other lines beside which they need not.
_OUT, _STRAY = 3.0, 0.05
#: The part of the lines of running text that begin with a small letter, at the least.
_SMALL = 1 / 3


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A line, its number, and where in its text the number stands."""

    line: Line
    number: int
    span: tuple[int, int]


def cut_line_numbers(pages: Sequence[PageText]) -> None:
    """Take the numbers of lines out of the lines of a paper; texts must be clean."""
    for pattern, right in ((_AT_LEFT, False), (_AT_RIGHT, True)):
        for step in _STEPS:
            chains = [_longest_chain(page.lines, pattern, step) for page in pages]
            strong = [_is_strong(chain, page, step, right) for chain, page in zip(chains, pages, strict=True)]
            numbered = [chain for chain, is_strong in zip(chains, strong, strict=True) if is_strong]
            of_text = sum(1 for page in pages if len(page.lines) >= _NUMBERS)
            if len(numbered) < max(_PAGES, of_text / 2) or (step == 1 and not _runs_on(numbered)):
                continue
            last: int | None = None
            for page, chain, is_strong in zip(pages, chains, strong, strict=True):
                # A page of few lines, or with a table, goes on where the one before it ended.
                goes_on = last is not None and bool(chain) and chain[0].number == last + step
                if is_strong or (goes_on and (len(chain) >= _NUMBERS or _on_most(chain, page.lines, step))):
                    _cut(page, chain)
                last = chain[-1].number if is_strong else None
            break


def _longest_chain(lines: Sequence[Line], pattern: re.Pattern[str], step: int) -> list[_Numbered]:
    """The longest sequence of numbers of lines, in their order, that rises by the step."""
    best: dict[int, tuple[int, int | None, _Numbered]] = {}
    longest: int | None = None
    for one in _numbered(lines, pattern):
        before = [one.number - step * times for times in range(1, _MISSING + 2)]
        previous = max((number for number in before if number in best), key=lambda at: best[at][0], default=None)
        length = 1 + (best[previous][0] if previous is not None else 0)
        if one.number not in best or length > best[one.number][0]:
            best[one.number] = length, previous, one
            if longest is None or length > best[longest][0]:
                longest = one.number
    chain: list[_Numbered] = []
    while longest is not None:
        _, longest, one = best[longest]
        chain.append(one)
    return chain[::-1]


def _numbered(lines: Sequence[Line], pattern: re.Pattern[str]) -> Iterator[_Numbered]:
    for line in lines:
        found = pattern.search(line.text) if pattern is _AT_RIGHT else pattern.match(line.text)
        if found:
            yield _Numbered(line, int(found[1]), found.span())


def _on_most(chain: Sequence[_Numbered], lines: Sequence[Line], step: int) -> bool:
    return len(chain) * step >= _PART * sum(1 for line in lines if not line.text.isdigit())


def _runs_on(chains: Sequence[Sequence[_Numbered]]) -> bool:
    """Whether what stands on numbered lines is running text, not the entries of a list."""
    texts = [(one.line.text[: one.span[0]] + one.line.text[one.span[1] :]) for chain in chains for one in chain]
    texts = [text for text in texts if text]
    return sum(1 for text in texts if text[0].islower()) >= _SMALL * len(texts)


def _is_strong(chain: Sequence[_Numbered], page: PageText, step: int, right: bool) -> bool:
    """Whether the numbers of one page are those of its lines, as far as one page can tell."""
    if len(chain) < _NUMBERS or not _on_most(chain, page.lines, step):
        return False
    places = [one.line.x1 if right else one.line.x0 for one in chain]
    left_out = {id(one.line) for one in chain} | {id(line) for line in margins(page)}
    others = [line for line in page.lines if id(line) not in left_out]
    if not others:
        return any(not one.line.text.isdigit() for one in chain)
    # Beside all of them: in two columns half the text stands further in than whatever is in the first.
    place = median(places)
    beside = sum(1 for line in others if (place - line.x1 if right else line.x0 - place) <= _OUT)
    return beside <= _STRAY * len(others)


def _cut(page: PageText, chain: Sequence[_Numbered]) -> None:
    for one in chain:
        line, (start, end) = one.line, one.span
        line.text = line.text[:start] + line.text[end:]
        if start == 0:
            # What of the print belonged to the number is not known any more.
            line.lead, line.lead_length = line.look, len(line.text)
    page.lines = [line for line in page.lines if line.text]
