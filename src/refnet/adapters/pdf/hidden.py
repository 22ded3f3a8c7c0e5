"""Text that a page holds and its reader cannot see.

Cheap signs first: the mode of drawing, transparency, size, white, a place off the page, something drawn over it. White and
drawn over are only suspicions, for white letters may stand on a dark bar and a coloured bar may let text through: there the
page is drawn with the text and without, and text that makes no difference is hidden.

Not found: text cut off by a clipping path, or in the colour of the bar it stands on where that is not near white.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping, Sequence
from ctypes import byref, c_float, c_int, c_uint

from refnet.adapters.pdf import pdfium

INVISIBLE, TRANSPARENT, WHITE, TINY, OFF_PAGE, COVERED = (
    "invisible",
    "transparent",
    "white",
    "tiny",
    "off the page",
    "covered",
)
#: Points; the smallest print that is meant to be read has 4.
TINY_SIZE = 2.5
#: Of 255.
_WHITE_FROM, _OPAQUE_FROM = 250, 13
#: Difference of grey, of 255, that an eye can find.
_SEEN = 20
#: The longer side of a page drawn, in pixels, and what its pictures may have.
_LONGEST, _MOST_PIXELS = 1_500, 20_000_000
#: Objects of a page looked at, and of those that may cover text the largest.
_MOST_OBJECTS, _MOST_COVERS = 20_000, 100
#: Square points that can hide a word.
_SMALLEST_COVER = 150.0
_MODE_STROKE, _MODE_FILL_STROKE, _MODE_INVISIBLE, _MODE_CLIP = 1, 2, 3, 7
_GRAY = 1

Box = tuple[float, float, float, float]

_red, _green, _blue, _alpha = c_uint(), c_uint(), c_uint(), c_uint()
_colours = byref(_red), byref(_green), byref(_blue), byref(_alpha)
_left, _bottom, _right, _top = c_float(), c_float(), c_float(), c_float()
_sides = byref(_left), byref(_bottom), byref(_right), byref(_top)


def sign(text: pdfium.Handle, size: float) -> str | None:
    """How a text object is hidden by its own looks; `WHITE` is a suspicion. `size` is in points on the page."""
    if size < TINY_SIZE:
        return TINY
    mode = pdfium.render_mode(text)
    if mode in (_MODE_INVISIBLE, _MODE_CLIP):
        return INVISIBLE
    if mode != _MODE_STROKE and pdfium.fill_colour(text, *_colours):
        found = _by_colour()
        if found is None or mode != _MODE_FILL_STROKE:
            return found
    if mode in (_MODE_STROKE, _MODE_FILL_STROKE) and pdfium.stroke_colour(text, *_colours):
        return _by_colour()
    return None


def _by_colour() -> str | None:
    if _alpha.value < _OPAQUE_FROM:
        return TRANSPARENT
    return WHITE if min(_red.value, _green.value, _blue.value) >= _WHITE_FROM else None


def bounds(thing: pdfium.Handle) -> Box | None:
    """Left, bottom, right, top."""
    if not pdfium.object_bounds(thing, *_sides):
        return None
    return _left.value, _bottom.value, _right.value, _top.value


class Surface:
    """What a page holds besides text, as far as it decides what can be seen."""

    def __init__(self, page: pdfium.Handle) -> None:
        self._page = page
        self._plain = True
        self._pixels = 0
        #: Square points that its pictures take up.
        self.pictures = 0.0
        self._texts: list[pdfium.Handle] = []
        #: area, how many texts were drawn before, bounds
        self._covers: list[tuple[float, int, Box]] = []
        for number in range(min(pdfium.count_objects(page), _MOST_OBJECTS)):
            thing = pdfium.page_object(page, number)
            kind = pdfium.object_type(thing)
            if kind == pdfium.TEXT:
                self._texts.append(thing)
            else:
                self._plain = False
                self._add(thing, kind)

    def _add(self, thing: pdfium.Handle, kind: int) -> None:
        if kind == pdfium.IMAGE:
            width, height = c_uint(), c_uint()
            pdfium.image_size(thing, byref(width), byref(height))
            self._pixels += width.value * height.value
            if (place := bounds(thing)) is not None:
                self.pictures += (place[2] - place[0]) * (place[3] - place[1])
        if not self._texts:
            return  # it is under all text
        if kind == pdfium.PATH:
            fill, stroke = c_int(), c_int()
            if not pdfium.draw_mode(thing, byref(fill), byref(stroke)) or not fill.value:
                return
        box = bounds(thing)
        if box is not None and (area := (box[2] - box[0]) * (box[3] - box[1])) >= _SMALLEST_COVER:
            self._covers.append((area, len(self._texts), box))

    def covered(self) -> set[pdfium.Handle]:
        """Texts over which something was drawn: a suspicion."""
        found: set[pdfium.Handle] = set()
        boxes: dict[int, Box | None] = {}
        for _, before, (left, bottom, right, top) in sorted(self._covers, reverse=True)[:_MOST_COVERS]:
            for number, text in enumerate(self._texts[:before]):
                if number not in boxes:
                    boxes[number] = bounds(text)
                box = boxes[number]
                if (
                    box is not None
                    and left <= (box[0] + box[2]) / 2 <= right
                    and bottom <= (box[1] + box[3]) / 2 <= top
                ):
                    found.add(text)
        return found

    def unseen(self, suspects: Mapping[pdfium.Handle, Sequence[Box]]) -> set[pdfium.Handle]:
        """Of the texts that stand in these boxes, those that make no difference when the page is drawn.

        All of them where there is nothing but text, and where the page's pictures are too large to draw.
        """
        if self._plain or not suspects or self._pixels > _MOST_PIXELS:
            return set(suspects)
        width, height = pdfium.page_width(self._page), pdfium.page_height(self._page)
        scale = min(1.0, _LONGEST / max(width, height, 1.0))
        size = max(int(width * scale), 1), max(int(height * scale), 1)
        drawn_with = self._draw(size)
        for text in suspects:
            pdfium.set_active(text, 0)
        drawn_without = self._draw(size)
        for text in suspects:
            pdfium.set_active(text, 1)
        return {
            text
            for text, boxes in suspects.items()
            if not any(_differ(drawn_with, drawn_without, size[0], place) for place in self._places(boxes, size))
        }

    def _draw(self, size: tuple[int, int]) -> bytes:
        """The page in grey, a byte for each pixel."""
        width, height = size
        pixels = ctypes.create_string_buffer(width * height)
        bitmap = pdfium.create_bitmap(width, height, _GRAY, pixels, width)
        pdfium.fill_bitmap(bitmap, 0, 0, width, height, 0xFFFFFFFF)
        pdfium.render(bitmap, self._page, 0, 0, width, height, 0, 0)
        pdfium.destroy_bitmap(bitmap)
        return pixels.raw

    def _places(self, boxes: Iterable[Box], size: tuple[int, int]) -> Iterable[tuple[int, int, int, int]]:
        """Boxes of the page in pixels: from and to across, from and to downwards."""
        x, y = c_int(), c_int()
        for left, bottom, right, top in boxes:
            corners = []
            for across, up in ((left, bottom), (right, top)):
                pdfium.to_device(self._page, 0, 0, *size, 0, across, up, byref(x), byref(y))
                corners.append((min(max(x.value, 0), size[0]), min(max(y.value, 0), size[1])))
            (x0, y0), (x1, y1) = corners
            yield min(x0, x1), max(x0, x1) + 1, min(y0, y1), max(y0, y1) + 1


def _differ(one: bytes, other: bytes, width: int, place: tuple[int, int, int, int]) -> bool:
    x0, x1, y0, y1 = place
    for row in range(y0, y1):
        a, b = one[row * width + x0 : row * width + x1], other[row * width + x0 : row * width + x1]
        if a != b and any(abs(p - q) > _SEEN for p, q in zip(a, b, strict=True)):
            return True
    return False
