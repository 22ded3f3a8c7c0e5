"""Keeping secrets out of what is written down for others to read."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from urllib.parse import parse_qsl, unquote, urlsplit

from refnet.domain.passwords import is_default

HIDDEN = "***"
#: Parts of a secret that are shorter stand in too many words; in a URL they are hidden all the same.
_LEAST = 4
#: The same of what is left of one that was encoded together with what stood beside it.
_LEAST_ENCODED = 8
#: Name and password of any URL, and what a header says that lets somebody in.
_ANY = re.compile(
    r"(?<=://)[^\s/?#'\"<>]*(?=@)"
    r"|(?<=\bbearer )[^\s'\",;]+"
    r"|(?<=\bx-api-key: )[^\s'\",;]+"
    r"|(?<=\bauthorization: )[^\r\n'\"]+",
    re.IGNORECASE,
)
#: Backslashes in place of one, at the most: quoted three times over. More would take a long text of them long.
_DEPTH = 8
#: What stands before a sign that would be taken for a quote's end, once or more often.
_BACKSLASH = r"(?:\\|%(?:25){0,8}5[Cc])"
#: How pages write what would be taken for their own signs, behind `&`.
_ENTITIES = {"&": "amp|#38", "<": "lt|#60", ">": "gt|#62", "'": "#39|#x27|apos", '"': "quot|#34|#x22"}


def redactor(secrets: Iterable[str]) -> Callable[[str], str]:
    """What hides these secrets in a text, however they are written there, and anybody's in URLs and headers."""
    parts = {part for secret in secrets for part in _parts(secret)}
    forms = [form for part in sorted(parts, key=lambda part: (-len(part), part)) for form in _forms(part)]
    own = re.compile("|".join(pattern for pattern, _ in forms)) if forms else None
    signs = sorted({sign for _, sign in forms}, key=len)

    def redact(text: str) -> str:
        # Nearly all texts hold none of them, and that is soon seen.
        if own is not None and any(sign in text for sign in signs):
            text = own.sub(HIDDEN, text)
        return _ANY.sub(HIDDEN, text)

    return redact


def _parts(secret: str) -> Iterator[str]:
    """A secret and what of it is one by itself: the password of a URL, each of several keys, what follows a name.

    Not a password of a URL that anybody would try: a server of the own machine may have such a one, and to hide it would
    tell nothing but that, and take words out of all that is told. Within URLs it is hidden as any is.
    """
    found = [secret]
    try:
        url = urlsplit(secret)
        password = url.password or ""
        found += [
            "" if is_default(unquote(password)) else password,
            *(value for name, value in parse_qsl(url.query) if "pass" in name.lower()),
        ]
    except ValueError:
        url = None
    if url is None or not url.scheme or "://" not in secret:
        found += [secret.partition(":")[2], *(key.strip() for key in secret.split(","))]
    return (part for one in found for part in {one, unquote(one)} if len(part) >= _LEAST)


def _forms(part: str) -> Iterator[tuple[str, str]]:
    """As it stands in quotes inside of quotes, in a URL, in a page, in a line that was made printable, and encoded.

    Each a pattern, and what stands in every text that it finds.
    """
    raw = part.encode(errors="replace")
    whole = base64.b64encode(raw).decode()
    yield _pattern(part), _run(part)
    yield raw.hex(), raw.hex()
    yield raw.hex().upper(), raw.hex().upper()
    yield _pattern(whole), _run(whole)
    # Of three letters each that are encoded together, the first may be anybody's.
    for shift, others in ((0, 0), (1, 2), (2, 3)):
        inside = base64.b64encode(b"\0" * shift + raw).decode()[others : (shift + len(raw)) * 8 // 6]
        if len(inside) >= _LEAST_ENCODED:
            yield "".join(_in_either_alphabet(one) for one in inside), _run(inside)


def _run(text: str) -> str:
    """The longest part of a text that is the same in all the ways to write it."""
    return max(re.findall("[A-Za-z0-9]+", text), key=len, default="")


def _pattern(text: str) -> str:
    """A pattern for a text in all the ways to write it, to a depth of quotes that nobody goes beyond."""
    runs = ((one, len([*same])) for one, same in groupby(text))
    return "".join(
        f"{_BACKSLASH}{{{number},{_DEPTH * number}}}" if one == "\\" else _written(one) * number for one, number in runs
    )


def _written(one: str) -> str:
    if one.isascii() and one.isalnum():
        return one
    code, often = ord(one), f"{{0,{_DEPTH}}}"
    quoted = "".join(f"%(?:25){often}{byte:02x}" for byte in one.encode(errors="replace"))
    ways = [
        f"{_BACKSLASH}{often}(?:{re.escape(one)}|(?i:{quoted}))",
        f"{_BACKSLASH}{{1,{_DEPTH}}}(?i:u{code:04x}|u{code:08x}" + (f"|x{code:02x})" if code < 0x100 else ")"),
    ]
    if one in _ENTITIES:
        ways.append(f"&(?:amp;){often}(?:{_ENTITIES[one]});")
    if one == " ":
        ways.append(r"\+")
    return f"(?:{'|'.join(ways)})"


def _in_either_alphabet(one: str) -> str:
    return {"+": r"(?:[+\-]|%(?:25){0,8}2[Bb])", "/": r"(?:\\{0,8}/|_|%(?:25){0,8}2[Ff])"}.get(one, one)
