"""A document as JSON, and back. What comes back is checked to the last item: a hostile file may have taken over the child."""

from __future__ import annotations

import json
import re
from typing import Any

from refnet.adapters.pdf import limits
from refnet.domain.documents import Document, DocumentSection, Hidden, NoFullText, SectionKind, Sentence

#: Controls and halves of pairs.
_UNKEPT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Malformed(Exception):
    """No answer that this module writes."""


def encode(read: Document | NoFullText) -> bytes:
    if isinstance(read, NoFullText):
        return json.dumps({"none": read.value}).encode()
    hidden = read.hidden
    sections = [
        {
            "kind": section.kind.value,
            "title": section.title,
            # Texts and pages apart: a third smaller than a pair for each.
            "texts": [sentence.text for sentence in section.sentences],
            "pages": [sentence.page for sentence in section.sentences],
        }
        for section in read.sections
    ]
    held = {
        "pages": read.pages,
        "pages_read": read.pages_read,
        "sections": sections,
        "keywords": read.keywords,
        "lang": read.lang,
        "hidden": {"characters": hidden.characters, "pages": hidden.pages, "kinds": hidden.kinds},
        "damaged": read.damaged_pages,
        "pictures": read.picture_pages,
    }
    return json.dumps(held, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def decode(answer: bytes) -> Document | NoFullText:
    """Raises Malformed."""
    try:
        held = json.loads(answer)
        if "none" in held:
            return NoFullText(held["none"])
        pages = _number(held["pages"], 1 << 31)
        hidden = held["hidden"]
        return Document(
            pages=pages,
            pages_read=_number(held["pages_read"], pages),
            sections=tuple(_section(one, pages) for one in held["sections"]),
            keywords=tuple(_text(one) for one in held["keywords"]),
            lang=_one_of(held["lang"], ("en", "ja")),
            hidden=Hidden(
                _number(hidden["characters"], 1 << 31),
                tuple(_number(one, pages) for one in hidden["pages"]),
                tuple(_text(one) for one in hidden["kinds"]),
            ),
            damaged_pages=tuple(_number(one, pages) for one in held["damaged"]),
            picture_pages=tuple(_number(one, pages) for one in held["pictures"]),
        )
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise Malformed(type(error).__name__) from error


def _section(held: Any, pages: int) -> DocumentSection:
    texts, places = held["texts"], held["pages"]
    return DocumentSection(
        SectionKind(held["kind"]),
        _text(held["title"]),
        tuple(Sentence(_text(text), _number(page, pages)) for text, page in zip(texts, places, strict=True)),
    )


def _text(held: Any) -> str:
    if not isinstance(held, str) or len(held) > limits.MOST_CHARACTERS:
        raise ValueError("no text")
    # Neither is kept by a database, nor written by the child.
    if _UNKEPT.search(held):
        raise ValueError("no text")
    return held


def _number(held: Any, most: int) -> int:
    if type(held) is not int or not 0 <= held <= most:
        raise ValueError("no number")
    return held


def _one_of(held: Any, allowed: tuple[str, ...]) -> str:
    if held not in allowed:
        raise ValueError("none of those")
    return str(held)
