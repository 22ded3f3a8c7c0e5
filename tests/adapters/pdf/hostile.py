"""PDFs made to do harm, and ones made by hand for what no library would write."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator, Sequence


def raw_pdf(objects: Sequence[bytes], root: int = 1) -> bytes:
    """A file of these objects, numbered from 1, with a table of where they are."""
    out = bytearray(b"%PDF-1.5\n")
    places = []
    for number, held in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, held)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer<</Size %d/Root %d 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, root, table)
    return bytes(out)


def stream(content: bytes, extra: bytes = b"") -> bytes:
    return b"<</Length %d%s>>stream\n%s\nendstream" % (len(content), extra, content)


FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


def one_page(content: bytes, extra: bytes = b"", resources: bytes = b"", *more: bytes) -> bytes:
    """A page with this content stream; `more` are further objects, from number 6 on."""
    return raw_pdf(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 612 792]>>",
            b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F 5 0 R>>%s>>>>" % resources,
            stream(content, extra),
            FONT,
            *more,
        ]
    )


def words(text: bytes = b"Words that can be read.") -> bytes:
    return b"BT /F 12 Tf 72 700 Td (%s) Tj ET\n" % text


def flate_bomb(megabytes: int) -> bytes:
    """A page whose content has so many megabytes of white space, and is a thousandth of it packed."""
    packer = zlib.compressobj(9)
    packed = (
        packer.compress(words())
        + b"".join(packer.compress(b" " * 1_000_000) for _ in range(megabytes))
        + packer.flush()
    )
    return one_page(packed, b"/Filter/FlateDecode")


def double_flate_bomb() -> bytes:
    """A gigabyte, packed twice."""
    once = zlib.compressobj(9)
    packed = b"".join(once.compress(b" " * 1_000_000) for _ in range(1_000)) + once.flush()
    return one_page(zlib.compress(packed, 9), b"/Filter[/FlateDecode/FlateDecode]")


def deep_tree(depth: int) -> bytes:
    """A page below so many nodes of the tree of pages."""
    objects = [b"<</Type/Catalog/Pages 2 0 R>>"]
    objects += [b"<</Type/Pages/Kids[%d 0 R]/Count 1>>" % (number + 3) for number in range(depth)]
    objects.append(b"<</Type/Page/Parent %d 0 R/MediaBox[0 0 99 99]>>" % (depth + 1))
    return raw_pdf(objects)


def circular_tree() -> bytes:
    return raw_pdf([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2>>"])


def many_pages(count: int) -> bytes:
    """The same page so many times."""
    kids = b" ".join([b"3 0 R"] * count)
    return raw_pdf(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[%s]/Count %d/MediaBox[0 0 612 792]>>" % (kids, count),
            b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
            stream(words()),
            FONT,
        ]
    )


def fan_out(levels: int) -> bytes:
    """A form that draws ten, each of which draws ten, and so on: ten to the power of `levels`."""
    forms = []
    for level in range(levels):
        last = level == levels - 1
        content = words() if last else b"/X Do " * 10
        refers = b"/Resources<</Font<</F 5 0 R>>%s>>" % (b"" if last else b"/XObject<</X %d 0 R>>" % (7 + level))
        forms.append(stream(content, b"/Type/XObject/Subtype/Form/BBox[0 0 612 792]" + refers))
    return one_page(b"/X Do", b"", b"/XObject<</X 6 0 R>>", *forms)


def endless() -> bytes:
    """A form that is drawn ten thousand times and does nothing, at length: it takes minutes, and no memory."""
    nothing = zlib.compress(b"q Q " * 200_000)
    kind = b"/Type/XObject/Subtype/Form/BBox[0 0 612 792]"
    tens = [stream(b"/X Do " * 10, kind + b"/Resources<</XObject<</X %d 0 R>>>>" % (7 + level)) for level in range(4)]
    return one_page(
        b"/X Do", b"", b"/XObject<</X 6 0 R>>", *tens, stream(nothing, kind + b"/Resources<<>>/Filter/FlateDecode")
    )


def long_text(characters: int) -> bytes:
    """A page with so many letters, packed."""
    line = b"(" + b"a b c d e f g h i j " * 50 + b") Tj 0 -1 Td\n"
    content = b"BT /F 4 Tf 72 700 Td " + line * (characters // 1_000) + b"ET"
    return one_page(zlib.compress(content), b"/Filter/FlateDecode")


def huge_image() -> bytes:
    """White words on a picture of ten thousand million pixels."""
    picture = stream(
        zlib.compress(b"\0" * 1_000_000),
        b"/Type/XObject/Subtype/Image/Width 100000/Height 100000/ColorSpace/DeviceGray/BitsPerComponent 8/Filter/FlateDecode",
    )
    content = b"q 612 0 0 792 0 0 cm /I Do Q 1 g " + words()
    return one_page(content, b"", b"/XObject<</I 6 0 R>>", picture)


def nested_arrays(depth: int) -> bytes:
    return one_page(words() + b"[" * depth + b"]" * depth + b" TJ")


def endless_forms() -> bytes:
    """A form that draws itself."""
    form = stream(b"/X Do", b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 6 0 R>>>>")
    return one_page(b"/X Do", b"", b"/XObject<</X 6 0 R>>", form)


#: Files that take as much as they can get of a reader that lets them.
BOMBS: dict[str, Callable[[], bytes]] = {
    "flate 1 GB": lambda: flate_bomb(1_000),
    "flate twice 1 GB": double_flate_bomb,
    "deep page tree": lambda: deep_tree(50_000),
    "circular page tree": circular_tree,
    "200,000 pages": lambda: many_pages(200_000),
    "forms ten to the ninth": lambda: fan_out(9),
    "forms without end": endless_forms,
    "eight million letters": lambda: long_text(8_000_000),
    "huge picture under white words": huge_image,
    "nested arrays": lambda: nested_arrays(500_000),
}


def mutations(originals: Sequence[bytes], count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """So many files with flipped bits, cut off, with parts doubled, taken out or put elsewhere, and with other numbers."""
    chance = random.Random(seed)
    for number in range(count):
        held = bytearray(chance.choice(originals))
        kind = ("flipped", "cut", "doubled", "taken out", "numbers", "shuffled")[number % 6]
        at = chance.randrange(len(held))
        length = chance.randrange(1, max(len(held) // 8, 2))
        if kind == "flipped":
            for _ in range(chance.choice((1, 10, 100, 1_000))):
                held[chance.randrange(8, len(held))] ^= 1 << chance.randrange(8)
        elif kind == "cut":
            del held[max(at, 16) :]
        elif kind == "doubled":
            held[at:at] = held[at : at + length]
        elif kind == "taken out":
            del held[max(at, 16) : max(at, 16) + length]
        elif kind == "numbers":
            digits = [place for place, byte in enumerate(held) if place > 8 and 48 <= byte <= 57]
            for place in chance.sample(digits, min(len(digits), chance.choice((1, 5, 50, 500)))):
                held[place] = chance.randrange(48, 58)
        else:
            piece = bytes(held[at : at + length])
            del held[at : at + length]
            place = chance.randrange(8, max(len(held), 9))
            held[place:place] = piece
        yield f"{kind} {number}", bytes(held)


def book(pages: int, lines: int = 60) -> bytes:
    """So many pages of some 80 letters a line, each page the same stream."""
    text = b"The tides of the inner bay rise later than those of the open coast by an hour."
    content = b"BT /F 10 Tf 72 720 Td " + b"".join(b"(%s) Tj 0 -11 Td\n" % text for _ in range(lines)) + b"ET"
    kids = b" ".join(b"%d 0 R" % (number + 5) for number in range(pages))
    return raw_pdf(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[%s]/Count %d/MediaBox[0 0 612 792]>>" % (kids, pages),
            stream(content),
            FONT,
            *[b"<</Type/Page/Parent 2 0 R/Contents 3 0 R/Resources<</Font<</F 4 0 R>>>>>>"] * pages,
        ]
    )
