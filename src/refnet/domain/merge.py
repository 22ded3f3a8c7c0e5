"""A new rendering put into a note that its reader may have edited.

A note is taken as parts: each of our properties, the lines before the first heading, each of our sections. What refnet last wrote
there is known by digests (the baseline), so a part that still is what refnet wrote is replaced, one that is not is the reader's and
stays, one that is gone stays gone. All else (other properties, comments, other headings, lines above or below our text in our
sections, line ends, a byte order mark) is passed through as it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from refnet.domain import frontmatter
from refnet.domain.baselines import HEADINGS, LEAD, Digests, digests_of
from refnet.domain.frontmatter import BrokenNote, Entry
from refnet.domain.note_parts import ABSENT, Block, digest_lines, digest_value, find, key_of, split_body, title_of
from refnet.domain.note_text import Rendered, to_text
from refnet.domain.note_words import LANGUAGES, SECTIONS
from refnet.domain.notes import Baseline


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


def merge(existing: str | None, rendered: Rendered, baseline: Baseline | None) -> Merged:
    """The note as it should stand now. Without a baseline only what equals `rendered` is taken for ours.

    Findings tell who made them where the summary above is the reader's, and the summary that the findings are.
    """
    merged = _merged(existing, rendered, baseline)
    new = digests_of(rendered)
    # After a crash several may be kept of one part.
    summary, findings = (
        set(new.get(part, ())) <= set(merged.digests.get(part, ())) for part in ("section:summary", "section:findings")
    )
    apart = [*(["findings"] if findings and not summary else []), *(["summary"] if summary and not findings else [])]
    if "summary" in apart and "section:findings" not in merged.kept:
        apart.remove("summary")  # there are none below it
    apart = [key for key in apart if key in rendered.apart]
    return _merged(existing, rendered.with_apart(apart), baseline) if apart and merged.problem is None else merged


def _merged(existing: str | None, rendered: Rendered, baseline: Baseline | None) -> Merged:
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
            present = digest_value(frontmatter.value_of(entry.raw))
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
        blocks = split_body(text)
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

    def _claim(self, blocks: Sequence[Block]) -> None:
        """Say which block is which of our sections: by heading, else by text under a heading that the reader renamed."""
        for key in SECTIONS:
            part = f"section:{key}"
            digests = self._known(part)
            if not digests:
                continue  # a heading that we use elsewhere, but not in this note
            named = [
                block for block in blocks if block.part is None and block.level == 2 and key_of(block.heading) == key
            ]
            ours = [block for block in named if find(block.lines, digests)]
            if not named and part in self._old:
                ours = [
                    block
                    for block in blocks[1:]
                    if block.part is None
                    and not (block.level == 2 and key_of(block.heading))
                    and find(block.lines, digests)
                ]
            for block in (ours or named)[:1]:
                block.part = part

    def _known(self, part: str) -> tuple[str, ...]:
        return (*self._new.get(part, ()), *self._old.get(part, ()))

    def _lead(self, first: Block) -> None:
        found = find(first.lines, self._known(LEAD))
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

    def _put_lead(self, first: Block) -> None:
        lead = [line + self._newline for line in self._rendered.lead.split("\n")]
        first.lines[:0] = [
            self._newline,
            *lead,
            *([] if first.lines and not first.lines[0].strip() else [self._newline]),
        ]
        self._digests[LEAD] = self._new[LEAD]

    def _section(self, blocks: list[Block], block: Block, part: str, key: str) -> None:
        found = find(block.lines, self._known(part))
        if found is None:
            bare = not any(line.strip() for line in block.lines)
            if not (bare and part in self._new and self._missing_stays(part)):
                self._readers(part)
        else:
            body = self._rendered.sections[key].body if part in self._new else ""
            self._replace(block, found, part, body)
            if not body and not any(line.strip() for line in block.lines) and key_of(block.heading) == key:
                blocks.remove(block)
                return
        self._translate(block, key)

    def _translate(self, block: Block, key: str) -> None:
        """Put our heading into the language of the note, where it is ours."""
        before = self._old.get(HEADINGS, tuple(LANGUAGES))
        told = title_of(block.heading)
        if block.level == 2 and any(LANGUAGES[lang].headings[key] == told for lang in before if lang in LANGUAGES):
            language = LANGUAGES.get(self._rendered.lang, LANGUAGES["en"])
            block.heading = block.heading.replace(told, language.headings[key], 1)

    def _replace(self, block: Block, found: tuple[int, int], part: str, text: str) -> None:
        start, end = found
        if part in self._new:
            self._digests[part] = self._new[part]
            if digest_lines(block.lines[start:end]) == self._new[part][0]:
                return
        last = block.lines[end - 1]
        ours = [line + self._newline for line in text.split("\n")] if text else []
        if ours and not last.endswith("\n"):
            ours[-1] = ours[-1].removesuffix(self._newline)
        block.lines[start:end] = ours
        if not ours and start < len(block.lines) and start and not block.lines[start].strip():
            del block.lines[start]  # the empty line that parted our text from what follows

    def _insert_section(self, blocks: list[Block], key: str) -> None:
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
        blocks.insert(place, Block(f"## {section.heading}{self._newline}", 2, lines, part))
        self._digests[part] = self._new[part]
