"""Cursors: where a page ended, as a text that only this server has to understand."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Annotated, Any, TypeVar

from fastapi import Query

from refnet.entrypoints.web.problems import Problem

Last = TypeVar("Last", int, str)
#: Items of a page at the most, and where nobody said.
MOST, USUAL = 200, 50

Limit = Annotated[int, Query(ge=1, le=MOST, description="Items of a page at the most.")]
Cursor = Annotated[
    str | None,
    Query(max_length=2_000, pattern=r"^[A-Za-z0-9_-]*$", description="`next_cursor` of the page before."),
]


def cursor_behind(last: str | int, *which: object) -> str:
    """The cursor behind an item. `which` are the choices that the page was made with."""
    text = json.dumps([last, _digest(which)], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def after(text: str | None, kind: type[Last], *which: object) -> Last | None:
    """The item that a cursor stands behind; None for the beginning. Raises Problem for a text that is no cursor of these
    choices.
    """
    if not text:
        return None
    try:
        found: Any = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise _refused() from None
    last, digest = found if isinstance(found, list) and len(found) == 2 else (None, None)
    if type(last) is not kind or digest != _digest(which) or not _is_plain(last):
        raise _refused()
    return last


def _refused() -> Problem:
    why = "It is no cursor of this list with these choices."
    return Problem(422, why, errors=[{"field": "query.cursor", "why": why}])


def _digest(which: tuple[object, ...]) -> str:
    return hashlib.sha256(json.dumps(which).encode()).hexdigest()[:12]


def _is_plain(last: object) -> bool:
    if isinstance(last, int):
        return 0 <= last < 2**31
    return isinstance(last, str) and len(last) <= 200 and last.isprintable()
