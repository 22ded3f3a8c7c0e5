"""The lists that stand in notes: neighbours with a note as links, of the others as many as a reader can use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, func, select

from refnet.adapters.database.schema import citations, lists, papers, unmatched
from refnet.domain.naming import is_linkable
from refnet.domain.notes import Neighbour, NoteList
from refnet.domain.papers import ListName, ListState, Paper

#: Entries without a note that a list shows. A paper rarely has more references; of its citations the newest are enough to go on with.
MOST_PLAIN = {ListName.REFERENCES: 300, ListName.CITATIONS: 50}
#: Ids in one statement.
_CHUNK = 10_000


def note_lists(
    connection: Connection, name: ListName, found: Sequence[Paper], names: Mapping[str, str]
) -> dict[str, NoteList]:
    """One list of each of these papers, by paper id. `names` are the notes that can be linked to.

    Which neighbours have a note is looked up here and not by the database: for a whole vault that is several times as fast.
    """
    most = MOST_PLAIN[name]
    ids = [paper.paper_id for paper in found]
    linked: dict[str, list[Neighbour]] = {paper_id: [] for paper_id in ids}
    plain: dict[str, list[str]] = {paper_id: [] for paper_id in ids}
    known_plain = dict.fromkeys(ids, 0)
    own, other = _ends(name)
    for paper_id, neighbour in connection.execute(
        select(own, other).where(own.in_(ids)).execution_options(yield_per=5_000)
    ):
        note = names.get(neighbour)
        if note is not None and is_linkable(note):
            linked[paper_id].append(Neighbour(neighbour, None, None, note))
            continue
        known_plain[paper_id] += 1
        # Of a long list only the best are shown, and the database finds them; until then nothing of it is kept here.
        if known_plain[paper_id] <= most:
            plain[paper_id].append(neighbour)
    short = [paper_id for paper_id in ids if known_plain[paper_id] <= most]
    told = _told(connection, sorted({neighbour for paper_id in short for neighbour in plain[paper_id]}))
    nameless = _nameless(connection, name, ids)
    states = {
        row.paper_id: (ListState(row.state), row.of)
        for row in connection.execute(select(lists).where(lists.c.paper_id.in_(ids), lists.c.list == name.value))
    }
    result: dict[str, NoteList] = {}
    for paper in found:
        paper_id = paper.paper_id
        if known_plain[paper_id] <= most:
            best = [told[neighbour] for neighbour in plain[paper_id] if neighbour in told]
            best.sort(key=lambda entry: entry[0])
            rows = [neighbour for _, neighbour in best]
        else:
            rows = _best(connection, name, paper_id, {entry.paper_id for entry in linked[paper_id]}, most)
        shown = [*rows, *nameless.get(paper_id, ())][:most]
        left_out = known_plain[paper_id] + len(nameless.get(paper_id, ())) - len(shown)
        counted = paper.reference_count if name is ListName.REFERENCES else paper.citation_count
        state, of = states.get(paper_id, (None, counted))
        links = sorted(linked[paper_id], key=lambda entry: (entry.note or "").casefold())
        result[paper_id] = NoteList((*links, *shown), left_out, of, state)
    return result


def _ends(name: ListName) -> tuple[ColumnElement[str], ColumnElement[str]]:
    if name is ListName.REFERENCES:
        return citations.c.citing, citations.c.cited
    return citations.c.cited, citations.c.citing


#: What entries are ordered by: year, new first, none last; citation count, high first; paper id.
_Order = tuple[int, int, str]


def _told(connection: Connection, paper_ids: Sequence[str]) -> dict[str, tuple[_Order, Neighbour]]:
    """Title and year of papers without a note, with their place in a list."""
    result: dict[str, tuple[_Order, Neighbour]] = {}
    columns = (papers.c.paper_id, papers.c.title, papers.c.year, papers.c.citation_count)
    for start in range(0, len(paper_ids), _CHUNK):
        query = select(*columns).where(papers.c.paper_id.in_(paper_ids[start : start + _CHUNK]))
        for paper_id, title, year, count in connection.execute(query):
            order = (1 if year is None else -year, 1 if count is None else -count, paper_id)
            result[paper_id] = (order, Neighbour(paper_id, title, year))
    return result


def _best(
    connection: Connection, name: ListName, paper_id: str, linked: Iterable[str | None], most: int
) -> list[Neighbour]:
    """The first entries without a note of a list that has more of them than are shown."""
    own, other = _ends(name)
    apart = set(linked)
    query = (
        select(other.label("other"), papers.c.title, papers.c.year)
        .join(papers, papers.c.paper_id == other)
        .where(own == paper_id)
        .order_by(func.coalesce(papers.c.year, -1).desc(), func.coalesce(papers.c.citation_count, -1).desc(), other)
        .limit(most + len(apart))
    )
    rows = [Neighbour(row.other, row.title, row.year) for row in connection.execute(query) if row.other not in apart]
    return rows[:most]


def _nameless(connection: Connection, name: ListName, paper_ids: Sequence[str]) -> dict[str, list[Neighbour]]:
    """Entries that the source could not match to a paper, in the order of their titles."""
    query = (
        select(unmatched)
        .where(unmatched.c.paper_id.in_(paper_ids), unmatched.c.list == name.value)
        .order_by(unmatched.c.paper_id, unmatched.c.key)
    )
    result: dict[str, list[Neighbour]] = {}
    for row in connection.execute(query):
        result.setdefault(row.paper_id, []).append(Neighbour(None, row.title, row.year))
    return result
