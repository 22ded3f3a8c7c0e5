"""Keeping secrets out of what is written down for others to read."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from refnet.domain.dead_messages import shown

HIDDEN = "***"
#: Parts of a secret that are shorter stand in too many words; in a URL they are hidden all the same.
_LEAST = 4
#: Name and password of any URL, and what a header says that lets somebody in.
_ANY = re.compile(
    r"(?<=://)[^\s/?#'\"<>]*(?=@)"
    r"|(?<=\bbearer )[^\s'\",;]+"
    r"|(?<=\bx-api-key: )[^\s'\",;]+"
    r"|(?<=\bauthorization: )[^\r\n'\"]+",
    re.IGNORECASE,
)


def redactor(secrets: Iterable[str]) -> Callable[[str], str]:
    """What hides these secrets in a text, however they are written there, and anybody's in URLs and headers."""
    forms = {form for secret in secrets for part in _parts(secret) for form in _forms(part)}
    known = sorted(forms, key=lambda form: (-len(form), form))
    own = re.compile("|".join(map(re.escape, known))) if known else None

    def redact(text: str) -> str:
        if own is not None:
            text = own.sub(HIDDEN, text)
        return _ANY.sub(HIDDEN, text)

    return redact


def _parts(secret: str) -> Iterator[str]:
    """A secret and what of it is one by itself: the password of a URL, each of several keys, what follows a name."""
    found = [secret]
    try:
        url = urlsplit(secret)
        found += [url.password or "", *(value for name, value in parse_qsl(url.query) if "pass" in name.lower())]
    except ValueError:
        url = None
    if url is None or not url.scheme or "://" not in secret:
        found += [secret.partition(":")[2], *(key.strip() for key in secret.split(","))]
    return (part for one in found for part in {one, unquote(one)} if len(part) >= _LEAST)


def _forms(part: str) -> set[str]:
    """As it stands in a URL, in Python's and JSON's quotes, in a line that was made printable, and in a header."""
    return {
        part,
        quote(part, safe=""),
        repr(part)[1:-1],
        json.dumps(part)[1:-1],
        shown(part),
        base64.b64encode(part.encode(errors="replace")).decode(),
    }
