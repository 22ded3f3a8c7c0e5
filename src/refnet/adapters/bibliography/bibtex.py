"""BibTeX and BibLaTeX.

bibtexparser 2 splits the file: it reads entries in parentheses, goes on behind a broken one and hands that over,
and its time is linear. pybtex loses what follows an undefined string: 308 of 988 entries of one recorded library.
Strings and concatenation are ours: bibtexparser resolves a string only where it is the whole value.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import bibtexparser.entrypoint
from bibtexparser.model import (
    Block,
    DuplicateBlockKeyBlock,
    DuplicateFieldKeyBlock,
    ParsingFailedBlock,
    String,
)
from bibtexparser.model import Entry as BibEntry

from refnet.adapters.bibliography.bibtex_fields import entry_of
from refnet.adapters.bibliography.entry import Broken, Entry
from refnet.adapters.bibliography.tex import Decoder

# Its warnings are about broken blocks, each of which is reported to the user; making them costs a third of the time.
logging.getLogger("bibtexparser").setLevel(logging.ERROR)

_log = logging.getLogger(__name__)

_MAX_VALUE = 10_000
#: Characters that the strings of one file may grow to where they are used.
_MAX_EXPANSION = 20_000_000
_COMMENTED_ENTRY = re.compile(r"\s*%+\s*@\s*\w+\s*[{(]")


class _Strings:
    """The strings that a file has defined so far.

    Strings made of strings (a = b # b, …) would fill the memory; beyond the limit they are empty, which is logged.
    """

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._left = _MAX_EXPANSION

    def define(self, name: str, value: str) -> None:
        self._values[name.lower()] = value

    def get(self, name: str) -> str:
        """The value of a string, or what stands there if it is none: a number, an undefined name."""
        value = self._values.get(name.lower())
        if value is None:
            return name
        if self._left > 0 >= self._left - len(value):
            _log.warning("The strings of this file make it too long; where they are used further on, they are left out")
        self._left -= len(value)
        return value if self._left > 0 else ""


@dataclass(frozen=True, slots=True)
class _Found:
    line: int
    kind: str
    key: str
    fields: Mapping[str, str]


def read_bibtex(text: str) -> list[Entry | Broken]:
    """Each entry of the file in order. Entries whose lines are all commented out with % are none."""
    library = bibtexparser.entrypoint.parse_string(_without_asides(text), parse_stack=[])
    strings = _Strings()
    found: list[_Found | Broken] = []
    for block in map(_unwrapped, library.blocks):
        if isinstance(block, String):
            strings.define(block.key, _value(block.value, strings))
        elif isinstance(block, BibEntry) and block.entry_type:
            fields: dict[str, str] = {}
            for field in block.fields:
                fields.setdefault(field.key.lower(), _value(field.value, strings))
            found.append(_Found((block.start_line or 0) + 1, block.entry_type, block.key, fields))
        elif isinstance(block, ParsingFailedBlock) and not _is_aside(block):
            found.append(_broken(block))
    decoder = Decoder()
    entries = _entries(found, decoder)
    if decoder.exhausted:
        _log.warning("The file holds more TeX than refnet works through; commands in later titles are left out")
    return entries


def _without_asides(text: str) -> str:
    """Without commented-out entries and commented-out lines inside entries; the count of lines stays.

    BibTeX itself knows no comments, but BibLaTeX does, and nobody means to cite what is commented out. A line
    in which braces do not pair is left alone: it may be the end of an abstract.
    """
    # Nor does an address (me@home (2020)) begin an entry. NFKC, which titles are compared in, undoes this.
    lines = re.sub(r"(?<=\w)@(?=\w{1,50}[ \t]?[({])", "\N{FULLWIDTH COMMERCIAL AT}", text).split("\n")
    within = False
    for number, line in enumerate(lines):
        if not line.lstrip().startswith("%"):
            within = False
            continue
        within = within or _COMMENTED_ENTRY.match(line) is not None
        if within or line.count("{") == line.count("}"):
            lines[number] = ""
    return "\n".join(lines)


def _unwrapped(block: Block) -> Block:
    """An entry that bibtexparser sets aside for a double key or field is one all the same."""
    while isinstance(block, DuplicateBlockKeyBlock | DuplicateFieldKeyBlock) and block.ignore_error_block:
        block = block.ignore_error_block
    return block


def _is_aside(block: ParsingFailedBlock) -> bool:
    """Whether a broken block is a comment or preamble, or text in which an @ stands before a bracket."""
    return re.match(r"@\s*(?:comment|preamble|[{(])", block.raw or "", re.IGNORECASE) is not None


def _broken(block: ParsingFailedBlock) -> Broken:
    line = (block.start_line or 0) + 1
    key = re.match(r"@\s*\w{1,50}\s*[{(]\s*([^\s,{}()=\"]{1,100})\s*,", block.raw or "")
    reason = str(getattr(block.error, "abort_reason", "")) or "it cannot be read"
    reason = re.sub(r"\s+", " ", reason).strip().rstrip(".")[:200]
    return Broken(f"{key[1]} (line {line})" if key else f"line {line}", f"is not valid BibTeX: {reason}")


def _entries(found: list[_Found | Broken], decoder: Decoder) -> list[Entry | Broken]:
    whole = [one for one in found if isinstance(one, _Found)]
    first = {one.key: one for one in reversed(whole)}
    times = Counter(one.key for one in whole)
    entries: list[Entry | Broken] = []
    for one in found:
        if isinstance(one, Broken):
            entries.append(one)
            continue
        fields = _with_inherited(one, first.get(one.fields.get("crossref", "").strip()))
        name = one.key if one.key and times[one.key] == 1 else f"{one.key} (line {one.line})".strip()
        entries.append(entry_of(name, one.key, fields, decoder))
    return entries


def _with_inherited(child: _Found, parent: _Found | None) -> Mapping[str, str]:
    """With what an entry takes over from the one it refers to: of its book the year, of another article all."""
    if parent is None:
        return child.fields
    names = parent.fields.keys() if parent.kind == child.kind else ("year", "date")
    return {name: parent.fields[name] for name in names if name in parent.fields} | dict(child.fields)


def _value(raw: str, strings: _Strings) -> str:
    """The value of a field: pieces in braces or quotes, numbers and strings, joined by #.

    None is added once there are _MAX_VALUE characters.
    """
    pieces: list[str] = []
    position, length = 0, 0
    while position < len(raw) and length < _MAX_VALUE:
        if raw[position] in " \t\n#":
            position += 1
            continue
        end = _end_of_piece(raw, position)
        piece = raw[position:end]
        name = piece.strip()
        value = piece[1:-1] if piece[0] in '{"' else strings.get(name)
        pieces.append(value)
        length += len(value)
        position = end
    return "".join(pieces)


def _end_of_piece(raw: str, start: int) -> int:
    if raw[start] not in '{"':
        end = raw.find("#", start)
        return len(raw) if end < 0 else end
    depth, quoted = 0, raw[start] == '"'
    for position in range(start, len(raw)):
        c = raw[position]
        if c in "{}" and raw[position - 1 : position] != "\\":
            depth += 1 if c == "{" else -1
            if depth <= 0 and not quoted:
                return position + 1
        elif c == '"' and quoted and depth <= 0 and position > start:
            return position + 1
    return len(raw)
