"""How far the numbers of a paper's headings have come, and which number may follow."""

from __future__ import annotations

from collections.abc import Sequence

from refnet.adapters.pdf.headings import Number

#: Sections that a paper has before an appendix that stands before its references.
_APPENDIX_AFTER = 3


class Numbering:
    """How far the numbers of the headings have come."""

    def __init__(self, scheme: str | None) -> None:
        self._scheme = scheme
        self._top: int | None = None
        self._under: tuple[int, ...] = ()
        self._letter = 0
        self._letter_under: tuple[int, ...] = ()
        self.references = False
        self.in_appendix = False

    @property
    def begun(self) -> bool:
        return self._top is not None

    def take(self, readings: Sequence[Number], *, exact: bool) -> int:
        """Go on to one of these numbers, if one follows, and return its level, else 0; `exact` lets none be left out."""
        for number in readings:
            if number.scheme != self._scheme or len(number.parts) > 1 or self.references:
                continue
            value, following = number.parts[0], (0, 1) if self._top is None else (self._top + 1,)
            if value in following or (not exact and value == following[-1] + 1):
                self._top, self._under, self._letter = value, (), 0
                return 1
        return self.take_under(readings)

    def take_under(self, readings: Sequence[Number]) -> int:
        """Go on to a number below the top level, or of an appendix; its level, else 0."""
        for number in readings:
            level = self._decimal_under(number) if number.scheme == "decimal" else 0
            level = self._letters(number) if number.scheme == "letter" else level
            if level:
                return level
        return 0

    def _decimal_under(self, number: Number) -> int:
        first, *under = number.parts
        top = self._top or 0
        if self._scheme != "decimal" or not under or first not in (top, top + 1):
            return 0
        if first == top and tuple(under) <= self._under:
            return 0
        self._top, self._under = first, tuple(under)
        return len(number.parts)

    def _letters(self, number: Number) -> int:
        first, *under = number.parts
        if not (self._scheme == "roman" or self.references or self._top):
            return 0
        if under:
            if first != self._letter or tuple(under) <= self._letter_under:
                return 0
            self._letter_under = tuple(under)
            return 1 + len(under)
        if first != self._letter + 1:
            return 0
        below = self._scheme == "roman" and not self.references
        if not below and not self.references and first == 1 and (self._top or 0) < _APPENDIX_AFTER:
            return 0
        self._letter, self._letter_under = first, ()
        self.in_appendix = not below
        return 2 if below else 1
