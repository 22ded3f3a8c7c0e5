"""A new rendering put into a note that its reader may have edited.

A note is taken as parts: each of our properties, the lines before the first heading, each of our sections. What refnet last wrote
there is known by digests (the baseline), so a part that still is what refnet wrote is replaced, one that is not is the reader's and
stays, one that is gone stays gone. All else (other properties, comments, other headings, lines above or below our text in our
sections, line ends, a byte order mark) is passed through as it stands.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from refnet.domain import frontmatter
from refnet.domain.frontmatter import BrokenNote, Entry, Value
from refnet.domain.note_text import Rendered, to_text
from refnet.domain.note_words import LANGUAGES, SECTIONS
from refnet.domain.notes import Baseline

#: In a baseline, that a part may also be missing and still be ours: it was added or taken away by a write under way.
ABSENT = "-"
#: The part of a baseline that holds the languages of our headings.
HEADINGS = "headings"
LEAD = "lead"

Digests = dict[str, tuple[str, ...]]

_HEADING = re.compile(r" {0,3}(#{1,6})(?=\s|\Z)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Merged:
    """`digests` are those to keep as the baseline once `text` stands in the file.

    `kept` names the parts that the reader edited and that refnet would now write otherwise. `problem` says why the note was left
    as it is, in words for the user.
    """

    text: str
    digests: Digests
    kept: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(slots=True)
class _Block:
    """A heading with what stands below it up to the next; the first block of a note has no heading."""

    heading: str
    level: int
    lines: list[str]
    part: str | None = None


def digests_of(rendered: Rendered) -> Digests:
    """The baseline of a note that says `rendered` and nothing else."""
    digests: Digests = {f"property:{key}": (_digest_value(one.says),) for key, one in rendered.properties.items()}
    if rendered.lead:
        digests[LEAD] = (_digest_lines(rendered.lead.split("\n")),)
    for key, section in rendered.sections.items():
        digests[f"section:{key}"] = (_digest_lines(section.body.split("\n")),)
    digests[HEADINGS] = (rendered.lang,)
    return digests


def pending(baseline: Baseline | None, digests: Digests) -> Digests:
    """The baseline to save before a write, true whether the write happens or not."""
    old = baseline.parts if baseline else {}
    return {
        part: tuple(dict.fromkeys((*old.get(part, (ABSENT,)), *digests.get(part, (ABSENT,)))))
        for part in (*old, *(part for part in digests if part not in old))
    }


def was_written(baseline: Baseline) -> bool:
    """Whether the note's file surely stood once; a write that was announced may not have happened."""
    return any(ABSENT not in digests for digests in baseline.parts.values())


def undo_rename(text: str, renames: Mapping[str, str], baseline: Baseline) -> Digests:
    """The baseline of a note after Obsidian followed renamed notes in its links: what it changed for that is still ours.

    `renames` are the new names by the old ones. Where the note is broken, the baseline is as it was.
    """
    digests = dict(baseline.parts)
    if not any(f"[[{new}" in text for new in renames.values()):
        return digests
    try:
        blocks = _blocks(frontmatter.split(text).body)
    except BrokenNote:
        return digests
    for block in blocks:
        before = block.lines
        for old, new in renames.items():
            for end in ("]", "|", "#"):
                before = [line.replace(f"[[{new}{end}", f"[[{old}{end}") for line in before]
        if before == block.lines:
            continue
        for part, held in baseline.parts.items():
            found = _find(before, held) if part.startswith("section:") else None
            if found:
                digests[part] = tuple(dict.fromkeys((*held, _digest_lines(block.lines[slice(*found)]))))
    return digests


def merge(existing: str | None, rendered: Rendered, baseline: Baseline | None) -> Merged:
    """The note as it should stand now. Without a baseline only what equals `rendered` is taken for ours."""
    new = digests_of(rendered)
    fresh = to_text(rendered)
    if existing is None or existing == fresh:
        return Merged(fresh, new)
    try:
        head = frontmatter.split(existing)
        return _Merge(rendered, baseline, new, "\r\n" if "\r\n" in existing else "\n").run(head)
    except BrokenNote as broken:
        return Merged(existing, dict(baseline.parts) if baseline else {}, problem=str(broken))


class _Merge:
    def __init__(self, rendered: Rendered, baseline: Baseline | None, new: Digests, newline: str) -> None:
        self._rendered = rendered
        self._new = new
        self._old = baseline.parts if baseline else {}
        self._newline = newline
        self._digests: Digests = {HEADINGS: new[HEADINGS]}
        self._kept: list[str] = []

    def run(self, head: frontmatter.Head) -> Merged:
        properties = self._properties(head)
        body = self._body(head.body)
        if body and properties.endswith("---"):
            properties += self._newline
        return Merged(properties + body, self._digests, tuple(self._kept))

    # Whose a part is

    def _missing_stays(self, part: str) -> bool:
        """Whether a part that is not in the file was taken out by the reader."""
        old = self._old.get(part)
        if old is None or ABSENT in old:
            return False
        self._digests[part] = old
        return True

    def _readers(self, part: str) -> None:
        """Note down that the reader's text stays."""
        old = self._old.get(part)
        new = self._new.get(part)
        if new is None and (old is None or ABSENT in old):
            return
        if not (old and new and new[0] in old):
            self._kept.append(part)
        kept = tuple(one for one in old or new or () if one != ABSENT)
        if kept:
            self._digests[part] = kept

    # Properties

    def _properties(self, head: frontmatter.Head) -> str:
        entries: list[Entry] = []
        for entry in head.entries:
            part = f"property:{entry.key}"
            if entry.key is None or (part not in self._new and part not in self._old):
                entries.append(entry)
                continue
            present = _digest_value(frontmatter.value_of(entry.raw))
            if present == self._new.get(part, ("",))[0]:
                entries.append(entry)
                self._digests[part] = self._new[part]
            elif present not in self._old.get(part, ()):
                entries.append(entry)
                self._readers(part)
            elif part in self._new:
                entries.append(Entry(entry.key, self._own_lines(self._rendered.properties[entry.key].yaml)))
                self._digests[part] = self._new[part]
        there = {entry.key for entry in head.entries}
        for key in self._rendered.properties:
            if key not in there and not self._missing_stays(f"property:{key}"):
                self._insert_property(entries, key)
        for part in self._old:
            if part.startswith("property:") and part not in self._new and part.removeprefix("property:") not in there:
                self._missing_stays(part)
        if not entries and not head.closing:
            return head.opening  # at most a byte order mark
        opening, closing = head.opening, head.closing
        if not closing:
            opening, closing = f"{opening}---{self._newline}", f"---{self._newline}"
        return opening + "".join(entry.raw for entry in entries) + closing

    def _insert_property(self, entries: list[Entry], key: str) -> None:
        order = list(self._rendered.properties)
        before = set(order[: order.index(key)])
        place = max((at + 1 for at, entry in enumerate(entries) if entry.key in before), default=0)
        entries.insert(place, Entry(key, self._own_lines(self._rendered.properties[key].yaml)))
        self._digests[f"property:{key}"] = self._new[f"property:{key}"]

    def _own_lines(self, text: str) -> str:
        return text.replace("\n", self._newline)

    # Lines before the first heading, and sections

    def _body(self, text: str) -> str:
        blocks = _blocks(text)
        self._claim(blocks)
        held = {block.part: block for block in blocks if block.part}
        self._lead(blocks[0])
        for key in SECTIONS:
            part = f"section:{key}"
            if part in held:
                self._section(blocks, held[part], part, key)
            elif not self._missing_stays(part) and part in self._new:
                self._insert_section(blocks, key)
        return "".join(block.heading + "".join(block.lines) for block in blocks)

    def _claim(self, blocks: Sequence[_Block]) -> None:
        """Say which block is which of our sections: by heading, else by text under a heading that the reader renamed."""
        for key in SECTIONS:
            part = f"section:{key}"
            digests = self._known(part)
            if not digests:
                continue  # a heading that we use elsewhere, but not in this note
            named = [
                block for block in blocks if block.part is None and block.level == 2 and _key_of(block.heading) == key
            ]
            ours = [block for block in named if _find(block.lines, digests)]
            if not named and part in self._old:
                ours = [
                    block
                    for block in blocks[1:]
                    if block.part is None
                    and not (block.level == 2 and _key_of(block.heading))
                    and _find(block.lines, digests)
                ]
            for block in (ours or named)[:1]:
                block.part = part

    def _known(self, part: str) -> tuple[str, ...]:
        return (*self._new.get(part, ()), *self._old.get(part, ()))

    def _lead(self, first: _Block) -> None:
        found = _find(first.lines, self._known(LEAD))
        if found:
            self._replace(first, found, LEAD, self._rendered.lead)
            return
        text = any(line.strip() for line in first.lines)
        fresh = LEAD not in self._old or ABSENT in self._old[LEAD]
        if LEAD in self._new and fresh and (self._old or not text):
            self._put_lead(first)
        elif text:
            self._readers(LEAD)
        else:
            self._missing_stays(LEAD)

    def _put_lead(self, first: _Block) -> None:
        lead = [line + self._newline for line in self._rendered.lead.split("\n")]
        first.lines[:0] = [
            self._newline,
            *lead,
            *([] if first.lines and not first.lines[0].strip() else [self._newline]),
        ]
        self._digests[LEAD] = self._new[LEAD]

    def _section(self, blocks: list[_Block], block: _Block, part: str, key: str) -> None:
        found = _find(block.lines, self._known(part))
        if found is None:
            bare = not any(line.strip() for line in block.lines)
            if not (bare and part in self._new and self._missing_stays(part)):
                self._readers(part)
        else:
            body = self._rendered.sections[key].body if part in self._new else ""
            self._replace(block, found, part, body)
            if not body and not any(line.strip() for line in block.lines) and _key_of(block.heading) == key:
                blocks.remove(block)
                return
        self._translate(block, key)

    def _translate(self, block: _Block, key: str) -> None:
        """Put our heading into the language of the note, where it is ours."""
        before = self._old.get(HEADINGS, tuple(LANGUAGES))
        told = _title_of(block.heading)
        if block.level == 2 and any(LANGUAGES[lang].headings[key] == told for lang in before if lang in LANGUAGES):
            language = LANGUAGES.get(self._rendered.lang, LANGUAGES["en"])
            block.heading = block.heading.replace(told, language.headings[key], 1)

    def _replace(self, block: _Block, found: tuple[int, int], part: str, text: str) -> None:
        start, end = found
        if part in self._new:
            self._digests[part] = self._new[part]
            if _digest_lines(block.lines[start:end]) == self._new[part][0]:
                return
        last = block.lines[end - 1]
        ours = [line + self._newline for line in text.split("\n")] if text else []
        if ours and not last.endswith("\n"):
            ours[-1] = ours[-1].removesuffix(self._newline)
        block.lines[start:end] = ours
        if not ours and start < len(block.lines) and start and not block.lines[start].strip():
            del block.lines[start]  # the empty line that parted our text from what follows

    def _insert_section(self, blocks: list[_Block], key: str) -> None:
        earlier = {f"section:{one}" for one in SECTIONS[: SECTIONS.index(key)]}
        later = {f"section:{one}" for one in SECTIONS[SECTIONS.index(key) :]}
        after = [at for at, block in enumerate(blocks) if block.part in earlier]
        before = [at for at, block in enumerate(blocks) if block.part in later]
        if after:
            place = after[-1] + 1
            while place < len(blocks) and blocks[place].part is None and blocks[place].level > 2:
                place += 1  # the reader's own headings below ours stay below it
        else:
            place = before[0] if before else len(blocks)
        section = self._rendered.sections[key]
        above = blocks[place - 1]
        if above.lines and not above.lines[-1].endswith("\n"):
            above.lines[-1] += self._newline
        elif not above.lines and above.heading and not above.heading.endswith("\n"):
            above.heading += self._newline
        if not above.lines or above.lines[-1].strip():
            above.lines.append(self._newline)
        lines = [self._newline, *(line + self._newline for line in section.body.split("\n"))]
        if place < len(blocks):
            lines.append(self._newline)
        part = f"section:{key}"
        blocks.insert(place, _Block(f"## {section.heading}{self._newline}", 2, lines, part))
        self._digests[part] = self._new[part]


def _blocks(text: str) -> list[_Block]:
    """Take a body apart at its headings; those inside fenced code are none. Raises BrokenNote for code that never ends."""
    blocks = [_Block("", 0, [])]
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
            blocks.append(_Block(line, len(heading[1]), []))
            continue
        blocks[-1].lines.append(line)
    if fence:
        raise BrokenNote("a block of code in it begins and never ends")
    return blocks


def _title_of(heading: str) -> str:
    found = _HEADING.match(heading)
    if not found:
        return ""
    title = heading[found.end() :].strip()
    closed = title.rstrip("#")
    return closed.rstrip() if not closed or closed[-1] in " \t" else title


def _key_of(heading: str) -> str | None:
    title = _title_of(heading)
    return next((key for lang in LANGUAGES.values() for key, told in lang.headings.items() if told == title), None)


def _find(lines: Sequence[str], digests: Sequence[str]) -> tuple[int, int] | None:
    """Where among `lines` a text with one of `digests` stands, as from and to; the longest, since one may be a part of another."""
    wanted = {digest for digest in digests if digest != ABSENT}
    for size in sorted({int(digest.rpartition(".")[2]) for digest in wanted}, reverse=True):
        for start in range(len(lines) - size + 1):
            if lines[start].strip() and _digest_lines(lines[start : start + size]) in wanted:
                return start, start + size
    return None


def _digest_lines(lines: Sequence[str]) -> str:
    """A digest that does not depend on line ends, with the number of lines, so that the text can be found among others."""
    text = "\n".join(line.rstrip() for line in lines)
    return f"{_digest(text)}.{len(lines)}"


def _digest_value(says: Value | None) -> str:
    if says is None:
        return "?"  # nothing that we write
    return _digest(says if isinstance(says, str) else "\x1f".join(("", *says)))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=10).hexdigest()


def foreign_edits(text: str, baseline: Baseline) -> tuple[str, ...]:
    """The parts of a note that are no longer what refnet wrote, or are gone. Raises BrokenNote."""
    head = frontmatter.split(text)
    says = {entry.key: _digest_value(frontmatter.value_of(entry.raw)) for entry in head.entries if entry.key}
    blocks = _blocks(head.body)
    edited = []
    for part, digests in baseline.parts.items():
        if part == HEADINGS or ABSENT in digests:
            continue
        if part.startswith("property:"):
            same = says.get(part.removeprefix("property:")) in digests
        else:
            same = any(_find(block.lines, digests) for block in (blocks[:1] if part == LEAD else blocks))
        if not same:
            edited.append(part)
    return tuple(edited)
