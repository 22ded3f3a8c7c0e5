"""What a note is made of, before it is text."""

from __future__ import annotations

from dataclasses import dataclass, field

from refnet.domain.papers import ListState, Paper
from refnet.domain.summaries import Summary


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One entry of a note's list; `note` is the name of its note, None where it has none (plain text then)."""

    paper_id: str | None
    title: str | None
    year: int | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class NoteList:
    """A list of a note. `of` is the length that the source states, `state` None for a list never asked for.

    `rows` are those known, linked ones first in the order of their names, then the others; `left_out` counts the
    known ones
    that were not put into `rows`.
    """

    rows: tuple[Neighbour, ...] = ()
    left_out: int = 0
    of: int | None = None
    state: ListState | None = None


@dataclass(frozen=True, slots=True)
class NoteContent:
    """Everything that the note of one paper says.

    `depth` is the distance from the nearest seed over the crawls of the vault, None where it is not known; 0 is a
    seed. `pdf_copy` is the name of a file beside the vault's index that holds the paper's PDF: links lead there.
    """

    paper: Paper
    name: str
    citekey: str | None = None
    summary: Summary | None = None
    references: NoteList = field(default_factory=NoteList)
    citations: NoteList = field(default_factory=NoteList)
    tags: tuple[str, ...] = ()
    depth: int | None = None
    pdf_copy: str | None = None


@dataclass(frozen=True, slots=True)
class WrittenNote:
    """What became of a note: `problem` says in words why it was left alone, `conflicts` are the parts where a reader's
    edit was kept although refnet has something new to say.
    """

    problem: str | None = None
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Baseline:
    """What refnet last wrote into a note, by which a reader's edits are told from its own text.

    `parts` maps a part (`property:year`, `section:references`) to the digests of what may stand there as ours:
    normally one,
    two while a write is under way. `deleted` says that the reader removed the note.
    """

    parts: dict[str, tuple[str, ...]]
    deleted: bool = False
