"""A page's text as PDFium's lines, each with its place and print, without what cannot be seen."""

from __future__ import annotations

import ctypes
import math
import re
from collections import Counter
from ctypes import byref, c_double
from dataclasses import dataclass, field

from refnet.adapters.pdf import hidden, pdfium

#: PDFium puts it for the hyphen at the end of a line that it joined with the next.
JOINED = "\x02"
_NOTHING = "\u200b"
_LINE_END = "\r\n"
#: Characters looked at at once: what lies between two of one text object is of that object, too.
_STRIDE = 8
_BOLD = re.compile(
    r"bold|black|heavy|demi|semib|[-,_]b(?![a-z])|\bcmbx|\bcmssbx|\bsfbx|medi(?!um)|gothicbbb|W[6-9]\b", re.IGNORECASE
)
_BOLD_WEIGHT = 600
#: Of the size of the letters: by how much base lines on one line may differ, how wide a gap may be within one, and from what
#: width it is a space.
_SAME_LINE, _SIDE_BY_SIDE, _SPACE = 0.45, 1.5, 0.15

_x, _y = c_double(), c_double()
_place = byref(_x), byref(_y)
_matrix, _rect = pdfium.Matrix(), pdfium.Rect()
_matrix_at, _rect_at = byref(_matrix), byref(_rect)


@dataclass(frozen=True, slots=True)
class Print:
    """How letters look: `size` in points on the page, rounded to half ones; `font` without the tag of a subset."""

    size: float
    font: str
    bold: bool


@dataclass(slots=True)
class Line:
    """`x0` and `y` are where its first letter stands, on the base line; `x1` is its right end. `look` is that of most of
    its letters, `lead` that of the first and `lead_length` how many letters have that look before the first that has not.
    """

    text: str
    page: int
    look: Print
    lead: Print
    lead_length: int
    x0: float
    x1: float
    y: float


@dataclass(slots=True)
class PageText:
    """The lines of a page; `number` is from 1, `bottom` and `top` are those of the page. `hidden` counts characters.
    `pictures` is the part of the page that pictures take up.
    """

    number: int
    bottom: float
    top: float
    lines: list[Line] = field(default_factory=list)
    hidden: Counter[str] = field(default_factory=Counter)
    pictures: float = 0.0

    @property
    def characters(self) -> int:
        return sum(len(line.text) for line in self.lines)


@dataclass(slots=True)
class _Run:
    """Characters `start` to `end` of the page, of one text object."""

    start: int
    end: int
    thing: pdfium.Handle
    look: Print
    hidden: str | None


def read_page(page: pdfium.Handle, number: int, most: int) -> PageText | None:
    """None where the page's text cannot be read. Raises TooMuchText where it has more than `most` characters."""
    text_page = pdfium.load_text(page)
    if text_page is None:
        return None
    try:
        count = pdfium.count_characters(text_page)
        if count < 0:
            return None
        if count > most:
            raise TooMuchText
        return _Reader(page, text_page, count).read(number)
    finally:
        pdfium.close_text(text_page)


def _put_together(line: Line, after: Line) -> bool:
    """Put `after` behind `line` where PDFium parted what stands side by side, as it does at raised figures."""
    size = max(line.look.size, after.look.size)
    gap = after.x0 - line.x1
    if abs(line.y - after.y) > _SAME_LINE * size or not -0.5 * size < gap < _SIDE_BY_SIDE * size:
        return False
    if len(after.text) > len(line.text):
        line.look = after.look
    line.text = f"{line.text}{' ' if gap > _SPACE * size else ''}{after.text}"
    line.x1 = after.x1
    return True


class TooMuchText(Exception):
    """A page has more text than a paper may have."""


class _Reader:
    def __init__(self, page: pdfium.Handle, text_page: pdfium.Handle, count: int) -> None:
        self._page, self._text_page, self._count = page, text_page, count
        box = pdfium.Rect()
        pdfium.page_bounds(page, byref(box))
        self._box = box
        self._looks: dict[pdfium.Handle, tuple[Print, str | None]] = {}
        self._fonts: dict[pdfium.Handle | None, tuple[str, bool]] = {}

    def read(self, number: int) -> PageText:
        found = PageText(number, self._box.bottom, self._box.top)
        if not self._count:
            found.pictures = self._share(hidden.Surface(self._page).pictures)
            return found
        text = self._text()
        runs = self._runs()
        found.pictures = self._judge(runs, text)
        at = 0
        start = 0
        while start < len(text):
            end = text.find(_LINE_END, start)
            end = len(text) if end < 0 else end
            while at < len(runs) and runs[at].end <= start:
                at += 1
            line = self._line(text, start, end, runs, at, found)
            if line is not None and not (found.lines and _put_together(found.lines[-1], line)):
                found.lines.append(line)
            start = end + len(_LINE_END)
        return found

    def _text(self) -> str:
        """The page's text, a character for each of PDFium's."""
        held = ctypes.create_string_buffer(4 * self._count + 4)
        units = pdfium.get_text(self._text_page, 0, self._count, held)
        text = held.raw[: 2 * max(units - 1, 0)].decode("utf-16-le", "replace")
        if len(text) == self._count:
            return text
        # Characters without a meaning are left out of the text but counted.
        codes = (pdfium.unicode_of(self._text_page, number) for number in range(self._count))
        return "".join(chr(code) if 0 < code < 0x110000 else _NOTHING for code in codes)

    def _runs(self) -> list[_Run]:
        runs: list[_Run] = []
        count, text_page, object_of = self._count, self._text_page, pdfium.object_of
        at = 0
        thing = object_of(text_page, 0)
        while at < count:
            if thing is None:  # a space or line end that PDFium put in
                at += 1
                thing = object_of(text_page, at) if at < count else None
                continue
            start, following = at, None
            while at + _STRIDE < count and object_of(text_page, at + _STRIDE) == thing:
                at += _STRIDE
            at += 1
            while at < count and ((following := object_of(text_page, at)) == thing or following is None):
                at += 1
            runs.append(_Run(start, at, thing, *self._look(thing, start)))
            thing = following
        return runs

    def _look(self, thing: pdfium.Handle, at: int) -> tuple[Print, str | None]:
        known = self._looks.get(thing)
        if known is None:
            size = pdfium.font_size(self._text_page, at)
            if pdfium.matrix_of(self._text_page, at, _matrix_at):
                size *= math.hypot(_matrix.c, _matrix.d)
            if size < hidden.TINY_SIZE and pdfium.loose_box(self._text_page, at, _rect_at):
                # Fonts made of pictures may have a size of 1 and letters of any.
                size = max(size, min(abs(_rect.top - _rect.bottom), abs(_rect.right - _rect.left) * 2))
            name, bold = self._font(pdfium.font_of(thing))
            known = self._looks[thing] = Print(round(size * 2) / 2, name, bold), hidden.sign(thing, size)
        return known

    def _font(self, font: pdfium.Handle | None) -> tuple[str, bool]:
        known = self._fonts.get(font)
        if known is None:
            name, weight = "", 0
            if font is not None:
                held = ctypes.create_string_buffer(128)
                pdfium.font_name(font, held, len(held))
                name = held.value.decode("utf-8", "replace").partition("+")[2] or held.value.decode("utf-8", "replace")
                weight = pdfium.font_weight(font)
            known = self._fonts[font] = name, bool(_BOLD.search(name)) or weight >= _BOLD_WEIGHT
        return known

    # ------------------------------------------------------------ what can be seen

    def _judge(self, runs: list[_Run], text: str) -> float:
        """Set for each run whether and how it is hidden, and split those of which a part is off the page.

        Returns the part of the page that pictures take up.
        """
        surface = hidden.Surface(self._page)
        covered = surface.covered()
        if self._mostly(runs, text, [run for run in runs if run.thing in covered]):
            covered = set()  # a scan over the text that was recognised in it
        suspects: dict[pdfium.Handle, list[hidden.Box]] = {}
        for run in runs:
            if run.hidden == hidden.WHITE or (run.hidden is None and run.thing in covered):
                suspects.setdefault(run.thing, []).append(self._box_of(run))
        unseen = surface.unseen(suspects)
        for run in runs:
            if run.thing in suspects:
                run.hidden = (run.hidden or hidden.COVERED) if run.thing in unseen else None
        invisible = [run for run in runs if run.hidden == hidden.INVISIBLE]
        if self._mostly(runs, text, invisible):
            for run in invisible:
                run.hidden = None  # a scan under the text that was recognised in it
        runs[:] = [part for run in runs for part in self._on_page(run)]
        return self._share(surface.pictures)

    def _share(self, area: float) -> float:
        page = abs((self._box.right - self._box.left) * (self._box.top - self._box.bottom))
        return float(area / page) if page else 0.0

    @staticmethod
    def _mostly(runs: list[_Run], text: str, some: list[_Run]) -> bool:
        def letters(chosen: list[_Run]) -> int:
            return sum(len(text[run.start : run.end].strip()) for run in chosen)

        return bool(some) and 2 * letters(some) > letters(runs)

    def _box_of(self, run: _Run) -> hidden.Box:
        pdfium.loose_box(self._text_page, run.start, _rect_at)
        box = _rect.left, _rect.bottom, _rect.right, _rect.top
        pdfium.loose_box(self._text_page, run.end - 1, _rect_at)
        return (
            min(box[0], _rect.left),
            min(box[1], _rect.bottom),
            max(box[2], _rect.right),
            max(box[3], _rect.top),
        )

    def _on_page(self, run: _Run) -> list[_Run]:
        if run.hidden is not None:
            return [run]
        box = hidden.bounds(run.thing)
        page = self._box
        inside = box is None or (
            box[0] >= page.left and box[2] <= page.right and box[1] >= page.bottom and box[3] <= page.top
        )
        # Bounds of what is in a form are the form's own, so the ends are looked at, too.
        if inside and self._is_on_page(run.start) and self._is_on_page(run.end - 1):
            return [run]
        parts: list[_Run] = []
        for at in range(run.start, run.end):
            kind = None if self._is_on_page(at) else hidden.OFF_PAGE
            if parts and parts[-1].hidden == kind:
                parts[-1].end = at + 1
            else:
                parts.append(_Run(at, at + 1, run.thing, run.look, kind))
        return parts

    def _is_on_page(self, at: int) -> bool:
        page = self._box
        if not pdfium.loose_box(self._text_page, at, _rect_at):
            return True
        if _rect.left == _rect.right and _rect.top == _rect.bottom:
            return True  # nothing that PDFium has a place for
        return bool(
            _rect.right > page.left and _rect.left < page.right and _rect.top > page.bottom and _rect.bottom < page.top
        )

    # ------------------------------------------------------------ lines

    def _line(self, text: str, start: int, end: int, runs: list[_Run], at: int, page: PageText) -> Line | None:
        pieces: list[str] = []
        looks: Counter[Print] = Counter()
        lead: Print | None = None
        lead_length = 0
        leading = True
        first = last = -1
        done = start
        while at < len(runs) and runs[at].start < end:
            run = runs[at]
            at += 1
            begin, stop = max(run.start, start), min(run.end, end)
            piece = text[begin:stop]
            letters = len(piece.strip())
            if run.hidden is not None:
                page.hidden[run.hidden] += letters
                pieces.append(text[done:begin] or " ")
                done = stop
                continue
            pieces.append(text[done:stop])
            done = stop
            if not letters:
                continue
            if first < 0:
                first, lead = begin, run.look
            last = begin + len(piece.rstrip()) - 1
            looks[run.look] += letters
            leading = leading and run.look == lead
            if leading:
                lead_length += letters
        if lead is None:
            return None
        pdfium.origin_of(self._text_page, first, *_place)
        x, y = _x.value, _y.value
        right = x
        if pdfium.loose_box(self._text_page, last, _rect_at):
            right = _rect.right
        return Line("".join(pieces), page.number, looks.most_common(1)[0][0], lead, lead_length, x, right, y)
