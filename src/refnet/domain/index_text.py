"""The index note: what a vault holds, where it began, what weighs most in it, and what is missing.

It is called `refnet index`, not `Index`, because wikilinks go by file name and many people have an `Index` of their own; and it links
only a bounded number of notes, so that it does not become the hub of Obsidian's graph.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from refnet.domain import inert
from refnet.domain.naming import is_linkable
from refnet.domain.note_text import number, why_incomplete
from refnet.domain.note_words import words
from refnet.domain.notes import NoteContent

NAME = "refnet index"

_MOST_LINKED = 25
_SEEDS = 100
_YEARS = 60
_INCOMPLETE = 100


@dataclass(frozen=True, slots=True)
class Line:
    """What the index needs of one note."""

    name: str
    cited_here: int
    citation_count: int | None
    year: int | None


@dataclass(slots=True)
class Census:
    """Gathered while the notes are rendered, so that no note need be kept."""

    lang: str
    notes: int = 0
    links: int = 0
    deleted: int = 0
    lines: list[Line] = field(default_factory=list)
    seeds: list[str] = field(default_factory=list)
    incomplete: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, content: NoteContent) -> None:
        say = words(self.lang)
        cited_here = sum(row.note is not None for row in content.citations.rows)
        self.notes += 1
        self.links += cited_here
        self.lines.append(Line(content.name, cited_here, content.paper.citation_count, content.paper.year))
        if content.depth == 0:
            self.seeds.append(content.name)
        for kind, held in (("references", content.references), ("citations", content.citations)):
            reason = why_incomplete(kind, held, say)
            if reason:
                self.incomplete.append((content.name, say.headings[kind], reason))


def index_text(census: Census) -> str:
    say = words(census.lang)
    told = say.index
    intro = told["intro"].format(notes=number(census.notes), links=number(census.links))
    if census.deleted:
        intro += say.joined + told["deleted"].format(count=number(census.deleted))
    parts = [intro]
    if census.seeds:
        parts += [
            f"## {told['seeds']}",
            _listed([f"- {_link(name)}" for name in sorted(census.seeds)], _SEEDS, say.more),
        ]
    linked = heapq.nsmallest(_MOST_LINKED, (line for line in census.lines if line.cited_here), key=_weight)
    if linked:
        columns = (told["paper"], told["cited_here"], told["cited_all"])
        rows = [(_link(line.name), number(line.cited_here), _count(line.citation_count)) for line in linked]
        parts += [f"## {told['linked']}", told["linked_intro"], _table(columns, rows)]
    if census.lines:
        parts += [f"## {told['years']}", *_years(census)]
    if census.incomplete:
        lines = [f"- {_link(name)}, {heading}: {reason}" for name, heading, reason in sorted(census.incomplete)]
        parts += [f"## {told['incomplete']}", told["incomplete_intro"], _listed(lines, _INCOMPLETE, say.more)]
    parts += [f"## {told['about']}", f"{told['attribution']}{say.joined}{told['ours']}"]
    return "\n\n".join(parts) + "\n"


def _years(census: Census) -> Iterable[str]:
    say = words(census.lang)
    by_year: dict[int, list[Line]] = {}
    for line in census.lines:
        by_year.setdefault(-1 if line.year is None else line.year, []).append(line)
    years = sorted(by_year, reverse=True)
    rows = []
    for year in years[:_YEARS]:
        best = min(by_year[year], key=_weight)
        shown = str(year) if year >= 0 else say.index["no_year"]
        rows.append((shown, number(len(by_year[year])), _link(best.name) if best.cited_here else ""))
    yield _table((say.index["year"], say.index["papers"], say.index["most_cited"]), rows)
    if len(years) > _YEARS:
        yield say.more.format(count=len(years) - _YEARS)


def _weight(line: Line) -> tuple[int, int, str]:
    return -line.cited_here, -(line.citation_count or 0), line.name


def _count(amount: int | None) -> str:
    return "" if amount is None else number(amount)


def _link(name: str) -> str:
    return f"[[{name}]]" if is_linkable(name) else inert.inline(name).replace("|", "\\|")


def _listed(lines: Sequence[str], most: int, more: str) -> str:
    shown = [*lines[:most], *(["- " + more.format(count=len(lines) - most)] if len(lines) > most else [])]
    return "\n".join(shown)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; numbers stand right. Names of notes hold no bar, which would end a cell."""
    head = f"| {' | '.join(columns)} |"
    rule = (
        "|"
        + "|".join("---" if any(row[at].startswith("[[") for row in rows) else "--:" for at in range(len(columns)))
        + "|"
    )
    return "\n".join((head, rule, *(f"| {' | '.join(row)} |" for row in rows)))
