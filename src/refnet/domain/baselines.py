"""What refnet last wrote into a note, and what of it a reader has changed since."""

from __future__ import annotations

from collections.abc import Mapping

from refnet.domain import frontmatter
from refnet.domain.frontmatter import BrokenNote
from refnet.domain.note_parts import ABSENT, digest_lines, digest_own, digest_value, find, split_body
from refnet.domain.note_text import Rendered
from refnet.domain.notes import Baseline

#: The part of a baseline that holds the languages of our headings.
HEADINGS = "headings"
#: The lines before the first heading.
LEAD = "lead"

Digests = dict[str, tuple[str, ...]]


def digests_of(rendered: Rendered) -> Digests:
    """The baseline of a note that says `rendered` and nothing else."""
    digests: Digests = {f"property:{key}": (digest_value(one.says),) for key, one in rendered.properties.items()}
    if rendered.lead:
        digests[LEAD] = (digest_own(rendered.lead),)
    for key, section in rendered.sections.items():
        digests[f"section:{key}"] = (digest_own(section.body),)
    digests[HEADINGS] = (rendered.lang,)
    return digests


def pending(baseline: Baseline | None, digests: Digests) -> Digests:
    """The baseline to save before a write, true whether the write happens or not."""
    old = baseline.parts if baseline else {}
    both = {part: (ABSENT, *told) for part, told in digests.items() if part not in old}
    for part, told in old.items():
        now = digests.get(part, (ABSENT,))
        both[part] = told if told == now else tuple(dict.fromkeys((*told, *now)))
    return both


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
        blocks = split_body(frontmatter.split(text).body)
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
            found = find(before, held) if part.startswith("section:") else None
            if found:
                digests[part] = tuple(dict.fromkeys((*held, digest_lines(block.lines[slice(*found)]))))
    return digests


def foreign_edits(text: str, baseline: Baseline) -> tuple[str, ...]:
    """The parts of a note that are no longer what refnet wrote, or are gone. Raises BrokenNote."""
    head = frontmatter.split(text)
    says = {entry.key: digest_value(frontmatter.value_of(entry.raw)) for entry in head.entries if entry.key}
    blocks = split_body(head.body)
    edited = []
    for part, digests in baseline.parts.items():
        if part == HEADINGS or ABSENT in digests:
            continue
        if part.startswith("property:"):
            same = says.get(part.removeprefix("property:")) in digests
        else:
            same = any(find(block.lines, digests) for block in (blocks[:1] if part == LEAD else blocks))
        if not same:
            edited.append(part)
    return tuple(edited)
