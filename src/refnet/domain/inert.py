"""Text from outside made inert: in a note it is text and nothing else, and a person reads what the author wrote.

Titles, abstracts, names of people and venues, and what a language model says are all written by others. In a note's body
every sign that would start something is escaped with a backslash, which CommonMark, Obsidian and its plugins honour: shown
is the text as it was. Two signs that mean something only together (`%%`, `{{`, `::`) get a backslash between them, so that
the pair stands nowhere in the file, because Templater, Dataview and Obsidian's comments look at the file, not at the page.
Properties know no escapes, so there a space parts the pair; no look-alike letters are used, since they would spoil searching.
"""

from __future__ import annotations

import html
import re
from urllib.parse import quote, urlsplit

#: Controls, surrogates, noncharacters, and what takes no room: zero width, bidi marks and overrides, fillers, tag letters.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufdd0-\ufdef\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
    + "".join(f"{chr(plane | 0xFFFE)}{chr(plane | 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000))
    + "]"
)
#: The same among ASCII, where most text ends: the large class costs ten times as much to look for.
_INVISIBLE_ASCII = re.compile(r"[\x00-\x08\x0e-\x1b\x7f]")
#: What sources really send: `R&amp;D`, `&lt;i&gt;`, `&#8217;`.
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});")
_MARKUP = re.compile(
    r"<(/?)((?:jats:)?(?:i|b|em|strong|italic|bold|sub|sup|inf|scp|sc|tt|u|p|title|sec))>", re.IGNORECASE
)

_DANGEROUS = (
    "javascript", "vbscript", "livescript", "data", "file", "obsidian", "mailto", "tel", "sms", "blob", "about",
    "app", "shell", "cmd", "vscode", "zotero", "view-source", "filesystem", "jar", "intent",
)  # fmt: skip
_AFTER_DANGEROUS = "|".join(f"(?<={scheme}:)" for scheme in _DANGEROUS)

# Each branch looks back over the sign that the leading class has already taken: so the engine scans for the class in C.
_ESCAPED = re.compile(
    r"[`*$\[\](\\<>%{}:=~_#&^]"
    r"(?:"
    r"(?<=[`*$\[])"
    r"|(?<=\\)(?=[!-/:-@\[-`{-~]|\Z)"
    r"|(?<=\])(?=[\]\[:])|(?<=\]\])|(?<=\]\()"
    r"|(?<=<)(?=[A-Za-z/!?%])"
    r"|(?<=%>)"
    r"|(?<=[<{%]%)|(?<=%)(?=[%>}])"
    r"|(?<=\{\{)|(?<=\{)(?=\{)|(?<=[}%]\})|(?<=\})(?=\})"
    rf"|(?<=:)(?:(?<=::)|(?<!http:)(?<!https:)(?=//)|(?:{_AFTER_DANGEROUS})(?=\S))"
    r"|(?<==)(?:(?<=[`$=]=)|(?==))"
    r"|(?<=~~)|(?<=~)(?=~)"
    r"|(?<=_)(?:(?<![^\W_]_)|(?![^\W_]))"
    r"|(?<=#)(?<!\w#)(?=\S)"
    r"|(?<=&)(?=#?\w{1,31};)"
    r"|(?<=\^)(?<!\S\^)(?=[A-Za-z0-9-])"
    r")",
    re.IGNORECASE,
)
#: What starts a quote, heading, list or rule, if nothing stands before it.
_START = re.compile(r"(?:[0-9]{1,9}(?=[.)](?:\s|\Z)))|(?=>|[#](?:[#\s]|\Z)|[-+](?:[-+\s]|\Z)|\|)")
_WEB = re.compile(r"https?://\S+", re.IGNORECASE)

_PARTED = re.compile(
    r"(?<=<)(?=[A-Za-z/!?%])|(?<=%)(?=[%>}])|(?<=\{)(?=[{%])|(?<=\})(?=\})"
    r"|(?<=\[)(?=\[)|(?<=\])(?=[\](])|(?<=!)(?=\[)|(?<=`)(?=\$?=)|(?<=``)(?=`)|(?<=~~)(?=~)"
    rf"|(?<=:)(?:(?=:(?:[:\s]|\Z))|(?<!http:)(?<!https:)(?=//)|(?:{_AFTER_DANGEROUS})(?=\S))",
    re.IGNORECASE,
)

#: Signs without which nothing needs to be parted.
_PAIRING = re.compile(r"[<%{}\[\]`~:]")

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_TWICE = re.compile(r"(?<=([:=~_]))\1")
_LONGEST_URL = 2_000

_NO_TAG = re.compile(r"[^\w/-]+")


def clean(text: str) -> str:
    """One line of plain text: entities resolved, harmless markup (`<i>…</i>`) and invisible characters gone, spaces single."""
    if "&" in text:
        text = _ENTITY.sub(lambda found: html.unescape(found[0]), text)
    text = _visible(text)
    if "<" in text:
        text = _without_markup(text)
    return " ".join(text.split())


def has_invisible(text: str) -> bool:
    return _visible(text) != text


def inline(text: str) -> str:
    """`text` as part of one line of a note's body; it may stand at the start of a paragraph or list item."""
    return _escape(clean(text))


def block(text: str) -> str:
    """`text` as paragraphs, each on one line, with an empty line between."""
    paragraphs: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.strip():
            paragraphs[-1].append(line)
        elif paragraphs[-1]:
            paragraphs.append([])
    return "\n\n".join(shown for lines in paragraphs if (shown := inline(" ".join(lines))))


def value(text: str) -> str:
    """`text` as the value of a property, not yet quoted for YAML."""
    text = clean(text)
    return _PARTED.sub(" ", text) if _PAIRING.search(text) else text


def link_url(url: str | None) -> str | None:
    """`url` in a form that can stand in a Markdown link and a property; None unless it is a plain http or https address."""
    url = " ".join(_visible(url or "").split())
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    if scheme not in ("http", "https") or "@" in parts.netloc or not _HOST.fullmatch(host):
        return None
    rest = url_path(parts.path)
    rest += f"?{url_path(parts.query, '/?')}" if parts.query else ""
    rest += f"#{url_path(parts.fragment, '/?')}" if parts.fragment else ""
    shown = f"{scheme}://{host}{f':{port}' if port else ''}{rest}"
    return shown if len(shown) <= _LONGEST_URL else None


def url_path(text: str, also: str = "/") -> str:
    """`text` percent-encoded as a part of an address, with nothing left that Markdown or a plugin reads.

    The signs in `also` may stand, beside those that may stand anywhere.
    """
    encoded = quote(_BROKEN_PERCENT.sub("%25", text), safe=f":!,+=&.-_~%@'{also}")
    return _TWICE.sub(lambda found: f"%{ord(found[0]):02X}", encoded)


def tag(text: str) -> str | None:
    """`text` as a tag without its `#`; None where nothing is left. A tag of digits alone is none to Obsidian, so it gets a `y`."""
    name = _NO_TAG.sub("-", clean(text)).strip("-/")
    if not name:
        return None
    return name if any(not sign.isdigit() and sign not in "-/_" for sign in name) else f"y{name}"


def _visible(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return (_INVISIBLE_ASCII if text.isascii() else _INVISIBLE).sub("", text)


def _escape(text: str) -> str:
    escaped = _ESCAPED.sub(r"\\\g<0>", text)
    start = _START.match(escaped)
    if start:
        escaped = f"{escaped[: start.end()]}\\{escaped[start.end() :]}"
    if "://" in escaped:
        # Obsidian links a bare address up to the next space, backslashes included: such a one is rather not linked.
        escaped = _WEB.sub(lambda found: found[0].replace(":", "\\:", 1) if "\\" in found[0] else found[0], escaped)
    return escaped


def _without_markup(text: str) -> str:
    """Drop tags of plain emphasis where both ends are there; `a<b>c` is an inequality and stays."""
    opened: dict[str, list[re.Match[str]]] = {}
    dropped: list[re.Match[str]] = []
    for found in _MARKUP.finditer(text):
        name = found[2].lower()
        if not found[1]:
            opened.setdefault(name, []).append(found)
        elif opened.get(name):
            dropped += [opened[name].pop(), found]
    kept: list[str] = []
    end = 0
    for found in sorted(dropped, key=lambda match: match.start()):
        kept.append(text[end : found.start()])
        end = found.end()
    return "".join((*kept, text[end:]))
