"""A note's body as headings with what stands below them, and digests by which its parts are known again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from refnet.domain.frontmatter import BrokenNote, Value
from refnet.domain.note_words import LANGUAGES

#: In place of a digest, that a part may also be missing and still be ours: it was added or taken away by a write under way.
ABSENT = "-"

_HEADING = re.compile(r" {0,3}(#{1,6})(?=\s|\Z)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)", re.DOTALL)


@dataclass(slots=True)
class Block:
    """A heading with what stands below it up to the next; the first block of a note has no heading."""

    heading: str
    level: int
    lines: list[str]
    part: str | None = None


def split_body(text: str) -> list[Block]:
    """Take a body apart at its headings; those inside fenced code are none. Raises BrokenNote for code that never ends."""
    blocks = [Block("", 0, [])]
    fence = ""
    for line in re.split(r"(?<=\n)", text):
        if not line:
            continue
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not mark[2].strip():
                fence = ""
        elif mark and not (mark[1][0] == "`" and "`" in mark[2]):
            fence = mark[1]
        elif heading := _HEADING.match(line):
            blocks.append(Block(line, len(heading[1]), []))
            continue
        blocks[-1].lines.append(line)
    if fence:
        raise BrokenNote("a block of code in it begins and never ends")
    return blocks


def title_of(heading: str) -> str:
    found = _HEADING.match(heading)
    if not found:
        return ""
    title = heading[found.end() :].strip()
    closed = title.rstrip("#")
    return closed.rstrip() if not closed or closed[-1] in " \t" else title


def key_of(heading: str) -> str | None:
    title = title_of(heading)
    return next((key for lang in LANGUAGES.values() for key, told in lang.headings.items() if told == title), None)


def find(lines: Sequence[str], digests: Sequence[str]) -> tuple[int, int] | None:
    """Where among `lines` a text with one of `digests` stands, as from and to; the longest, since one may be a part of another."""
    wanted = {digest for digest in digests if digest != ABSENT}
    for size in sorted({int(digest.rpartition(".")[2]) for digest in wanted}, reverse=True):
        for start in range(len(lines) - size + 1):
            if lines[start].strip() and digest_lines(lines[start : start + size]) in wanted:
                return start, start + size
    return None


def digest_lines(lines: Sequence[str]) -> str:
    """A digest that does not depend on line ends, with the number of lines, so that the text can be found among others."""
    text = "\n".join(line.rstrip() for line in lines)
    return f"{_digest(text)}.{len(lines)}"


def digest_own(text: str) -> str:
    """The same for a text of ours, whose lines end in no spaces."""
    return f"{_digest(text)}.{text.count(chr(10)) + 1}"


def digest_value(says: Value | None) -> str:
    if says is None:
        return "?"  # nothing that we write
    return _digest(says if isinstance(says, str) else "\x1f".join(("", *says)))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=10).hexdigest()
