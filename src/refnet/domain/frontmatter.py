"""The properties at the head of a note: ours written so that every YAML reader agrees, a reader's own kept byte for byte."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

#: What a property says, whatever its spelling in YAML: Obsidian writes all of them anew when a reader edits one.
Value = str | tuple[str, ...]


class BrokenNote(ValueError):
    """A note that cannot be taken apart with certainty; the message says why, in words for the user."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One property as it stands in the file, line ends included; `key` is None for comments and empty lines."""

    key: str | None
    raw: str


@dataclass(frozen=True, slots=True)
class Head:
    """A note in two: the properties, and what follows them.

    `opening` and `closing` are the fences as they stand, a byte order mark included; both empty where there are no properties.
    """

    opening: str
    entries: tuple[Entry, ...]
    closing: str
    body: str


def scalar(text: str) -> str:
    """`text` in double quotes, read alike by PyYAML and npm's `yaml`.

    It must be free of controls and surrogates (`inert.value`). Not escaped to ASCII: PyYAML would take the two halves of an emoji
    for two characters.
    """
    return json.dumps(text, ensure_ascii=False)


def entry(key: str, content: str | int | Sequence[str]) -> str:
    """One property as YAML; `content` is text, a number, or a list of texts."""
    if isinstance(content, int):
        return f"{key}: {content}\n"
    if isinstance(content, str):
        return f"{key}: {scalar(content)}\n"
    return f"{key}:\n" + "".join(f"  - {scalar(item)}\n" for item in content)


_FENCE = re.compile(r"---[ \t]*\r?\n")
_END = re.compile(r"---[ \t]*(?:\r?\n|\Z)")
_KEY = re.compile(
    r"""("(?:[^"\\\n]|\\.)*"[ \t]*|'(?:[^'\n]|'')*'[ \t]*|(?:[^\s\-?:,\[\]{}#&*!|>'"%@`]|-(?=[^\s:]))(?:[^:\n]|:(?=[^\s]))*):(?=\s|\Z)"""
)
_DOUBLE = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SINGLE = re.compile(r"'(?:[^']|'')*'", re.DOTALL)
_COMMENT = re.compile(r"(?:\A|\s)#")
_BLOCK = re.compile(r"([|>])[+-]?\Z")
_ITEM = re.compile(r"[ ]*-(?:[ ]+(.*))?\Z")


def split(text: str) -> Head:
    """Take a note apart; joining the parts gives `text` again. Raises BrokenNote."""
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    fence = _FENCE.match(text, len(mark))
    if not fence:
        return Head(mark, (), "", text[len(mark) :])
    lines = _lines(text[fence.end() :])
    for number, line in enumerate(lines):
        if _END.fullmatch(line):
            entries = _entries(lines[:number])
            return Head(text[: fence.end()], entries, line, "".join(lines[number + 1 :]))
    raise BrokenNote("the properties begin with --- and never end")


def property_of(text: str, key: str) -> str | None:
    """What one property of a note says, None where it is missing or no single text. Raises BrokenNote."""
    found = next((one for one in split(text).entries if one.key == key), None)
    says = value_of(found.raw) if found else None
    return says if isinstance(says, str) else None


def value_of(raw: str) -> Value | None:
    """What one property says; None where it says more than text, a number or a list of these, or carries a comment."""
    colon = _KEY.match(raw)
    if not colon:
        return None
    first, *more = raw[colon.end() :].replace("\r\n", "\n").rstrip().split("\n")
    first = first.strip()
    if not first:
        return _list(more)
    block = _BLOCK.match(first)
    if block:
        return (" " if block[1] == ">" else "\n").join(line.strip() for line in more)
    text = " ".join((first, *(line.strip() for line in more)))
    if text.startswith("["):
        return _flow(text)
    return _scalar(text)


def _lines(text: str) -> list[str]:
    return [line for line in re.split(r"(?<=\n)", text) if line]


def _entries(lines: Sequence[str]) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    loose: list[str] = []  # comments and empty lines: part of the entry above only if it goes on after them
    seen: set[str] = set()
    for number, line in enumerate(lines, start=2):
        stripped = line.strip()
        if not stripped or line.startswith("#"):
            loose.append(line)
            continue
        if line[0] == " " or stripped == "-" or line.startswith("- "):
            if not entries or entries[-1].key is None:
                raise BrokenNote(f"line {number} of the properties belongs to none")
            entries[-1] = Entry(entries[-1].key, entries[-1].raw + "".join(loose) + line)
            loose = []
            continue
        found = _KEY.match(line)
        if not found:
            raise BrokenNote(f"line {number} of the properties is no property")
        key = _scalar(found[1].strip()) or found[1].strip()
        if key in seen:
            raise BrokenNote(f"the property {key} stands there twice")
        seen.add(key)
        entries += [Entry(None, spare) for spare in loose]
        loose = []
        entries.append(Entry(key, line))
    entries += [Entry(None, spare) for spare in loose]
    for one in entries:
        if one.key is not None:
            _refuse_broken(one)
    return tuple(entries)


def _refuse_broken(one: Entry) -> None:
    """Raise BrokenNote for a value whose quotes or brackets do not close, or that YAML forbids to stand bare."""
    colon = _KEY.match(one.raw)
    text = one.raw[colon.end() if colon else 0 :].strip()
    first_line = text.split("\n", 1)[0].rstrip()
    listed = one.raw[colon.end() if colon else 0 :].split("\n", 1)[0].strip() == ""
    if not text or listed or _COMMENT.match(text) or text[0] in "|>&*!":
        return
    for quote, pattern in (('"', _DOUBLE), ("'", _SINGLE)):
        if text[0] == quote:
            closed = pattern.match(text)
            if not closed or not _only_comment(text[closed.end() :]):
                raise BrokenNote(f"the quotes of the property {one.key} do not close")
            return
    if text[0] in "[{":
        rest = _after_brackets(text)
        if rest is None or not _only_comment(rest):
            raise BrokenNote(f"the brackets of the property {one.key} do not close")
        return
    plain = _COMMENT.split(first_line, maxsplit=1)[0]
    if text[0] in "]},@`%" or text.startswith(("- ", "? ")) or re.search(r":(?:\s|\Z)", plain):
        raise BrokenNote(f"the value of the property {one.key} needs quotes")


def _only_comment(rest: str) -> bool:
    return all(not line.strip() or line.lstrip().startswith("#") for line in rest.split("\n"))


def _after_brackets(text: str) -> str | None:
    """What follows the flow collection that `text` begins with; None if it does not close."""
    open_ends: list[str] = []
    place = 0
    while place < len(text):
        sign = text[place]
        if sign in "\"'" and (place == 0 or text[place - 1] in " \t\n,[{:"):
            quoted = (_DOUBLE if sign == '"' else _SINGLE).match(text, place)
            if not quoted:
                return None
            place = quoted.end()
            continue
        if sign in "[{":
            open_ends.append("]" if sign == "[" else "}")
        elif sign in "]}":
            if not open_ends or open_ends.pop() != sign:
                return None
            if not open_ends:
                return text[place + 1 :]
        place += 1
    return None


def _scalar(text: str) -> str | None:
    if text.startswith('"'):
        try:
            read = json.loads(text)
        except ValueError:
            return None
        return read if isinstance(read, str) else None
    if text.startswith("'"):
        return text[1:-1].replace("''", "'") if _SINGLE.fullmatch(text) else None
    if text[:1] in ("[", "{", "|", ">", "&", "*", "!") or _COMMENT.search(text):
        return None
    return "" if text in ("null", "~") else text


def _list(lines: Sequence[str]) -> Value | None:
    if not lines:
        return ""
    items: list[str] = []
    for line in lines:
        found = _ITEM.match(line)
        item = _scalar((found[1] or "").strip()) if found else None
        if item is None:
            return None
        items.append(item)
    return tuple(items)


def _flow(text: str) -> Value | None:
    """A list on one line, `["a", b]`."""
    rest = _after_brackets(text)
    if rest is None or rest.strip():
        return None
    items: list[str] = []
    inner = text[1 : text.rindex("]")].strip()
    while inner:
        quoted = (_DOUBLE if inner[0] == '"' else _SINGLE).match(inner) if inner[0] in "\"'" else None
        end = quoted.end() if quoted else (inner.find(",") if "," in inner else len(inner))
        item = _scalar(inner[:end].strip())
        if item is None:
            return None
        items.append(item)
        inner = inner[end:].strip().removeprefix(",").strip()
    return tuple(items)
