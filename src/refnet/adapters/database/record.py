"""Writing what a source said:

details, lists and the edges in them. All functions run inside the caller's transaction.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, Table, delete, exists, func, select, update

from refnet.adapters.database.bulk import upsert
from refnet.adapters.database.engine import unread
from refnet.adapters.database.schema import (
    citations,
    crawl_papers,
    crawl_seeds,
    identifiers,
    lists,
    merged,
    note_names,
    paper_identifiers,
    papers,
    unmatched,
    vault_notes,
)
from refnet.adapters.database.summaries import forget_why
from refnet.domain.crawl import FLAGS, Ask
from refnet.domain.papers import Answer, Listing, ListName, ListState, Paper, Stub, folded, is_short

#: The number of the advisory lock under which answers are written to PostgreSQL.
_TURN = 0x7265636F7264
#: In whose list an edge was seen.
SEEN = {ListName.REFERENCES: 1, ListName.CITATIONS: 2}

_DETAILS = (
    "paper_id",
    "title",
    "year",
    "citation_count",
    "reference_count",
    "venue",
    "abstract",
    "tldr",
    "authors",
    "external_ids",
    "publication_date",
    "pdf_url",
    "url",
    "fetched_at",
    "folded",
)
_REPLACE_DETAILS = "(paper_id) DO UPDATE SET " + ", ".join(f'"{name}" = excluded."{name}"' for name in _DETAILS[1:])
_STUB = ("paper_id", "title", "year", "citation_count", "reference_count")
_COMPLETE_STUB = (
    "(paper_id) DO UPDATE SET "
    + ", ".join(f'"{name}" = coalesce(papers."{name}", excluded."{name}")' for name in _STUB[1:])
    + " WHERE papers.fetched_at IS NULL AND (papers.title IS NULL OR papers.citation_count IS NULL)"
)
_EDGE = "(citing, cited) DO UPDATE SET seen = citations.seen | excluded.seen WHERE citations.seen | excluded.seen <> citations.seen"
_LIST = "(paper_id, list) DO UPDATE SET " + ", ".join(
    f'"{name}" = excluded."{name}"' for name in ("state", "have", "of", "fetched_at")
)


def external_id(kind: str, value: str) -> str:
    """How an external id stands in `paper_identifiers`; no kind of them tells upper from lower case."""
    return f"{kind}:{value}".lower()


def write_details(connection: Connection, found: Sequence[Paper], now: float) -> None:
    rows = {
        paper.paper_id: (
            paper.paper_id,
            paper.title,
            paper.year,
            paper.citation_count,
            paper.reference_count,
            paper.venue,
            paper.abstract,
            paper.tldr,
            json.dumps([[author.name, author.author_id] for author in paper.authors], ensure_ascii=False),
            json.dumps(dict(paper.external_ids), ensure_ascii=False),
            paper.publication_date,
            paper.pdf_url,
            paper.url,
            now,
            folded(paper.title or ""),
        )
        for paper in found
    }
    forget_why(connection, found)
    upsert(connection, papers, _DETAILS, [rows[key] for key in sorted(rows)], _REPLACE_DETAILS)
    told = {(external_id(kind, value), paper.paper_id) for paper in found for kind, value in paper.external_ids.items()}
    upsert(connection, paper_identifiers, ("identifier", "paper_id"), sorted(told), "DO NOTHING")


def write_lists(
    connection: Connection, listings: Sequence[tuple[str, ListName, Listing]], now_known: Mapping[str, str]
) -> None:
    """Write the rows of lists: stubs, edges and unmatched entries.

    `now_known` maps ids that the source has merged into other papers to those, so that an old list names the paper of
    today.
    """
    stubs: dict[str, Stub] = {}
    edges: dict[tuple[str, str], int] = {}
    nameless: dict[tuple[str, str, str], tuple[str | None, int | None]] = {}
    for paper_id, name, listing in listings:
        seen = SEEN[name]
        for stub in listing.rows:
            if stub.paper_id is None:
                nameless.setdefault((paper_id, name.value, _title_key(stub)), (stub.title, stub.year))
                continue
            other = now_known.get(stub.paper_id, stub.paper_id)
            if other == paper_id:
                continue
            stubs.setdefault(other, stub)
            edge = (paper_id, other) if name is ListName.REFERENCES else (other, paper_id)
            edges[edge] = edges.get(edge, 0) | seen
    upsert(
        connection,
        papers,
        _STUB,
        [(key, s.title, s.year, s.citation_count, s.reference_count) for key, s in sorted(stubs.items())],
        _COMPLETE_STUB,
    )
    upsert(
        connection,
        citations,
        ("citing", "cited", "seen"),
        [(*edge, seen) for edge, seen in sorted(edges.items())],
        _EDGE,
    )
    upsert(
        connection,
        unmatched,
        ("paper_id", "list", "key", "title", "year"),
        [(*key, *value) for key, value in sorted(nameless.items())],
        "DO NOTHING",
    )


def write_states(
    connection: Connection, states: Iterable[tuple[str, ListName, ListState, int, int | None]], now: float
) -> None:
    """How much is held of each list: paper, list, state, rows held, rows that the source counts."""
    rows = {
        (paper_id, name.value): (paper_id, name.value, state.value, have, of, now)
        for paper_id, name, state, have, of in states
    }
    upsert(
        connection,
        lists,
        ("paper_id", "list", "state", "have", "of", "fetched_at"),
        [rows[key] for key in sorted(rows)],
        _LIST,
    )


def rows_held(connection: Connection, paper_id: str, name: ListName) -> int:
    """How many entries of a list are stored, matched or not."""
    own, seen = (citations.c.citing, 1) if name is ListName.REFERENCES else (citations.c.cited, 2)
    edges = connection.execute(
        select(func.count()).select_from(citations).where(own == paper_id, citations.c.seen.op("&")(seen) != 0)
    ).scalar_one()
    nameless = connection.execute(
        select(func.count())
        .select_from(unmatched)
        .where(unmatched.c.paper_id == paper_id, unmatched.c.list == name.value)
    ).scalar_one()
    return edges + nameless


def merged_ids(connection: Connection) -> dict[str, str]:
    """Old id to present id, for all papers that the source is known to have merged."""
    return {row.old_id: row.paper_id for row in connection.execute(select(merged))}


def merge_papers(connection: Connection, answers: Mapping[str, Answer]) -> None:
    """Let the papers that the source gives under another id than the one asked for take that id everywhere.

    `answers` is by the id asked for. A crawl that already holds the other id keeps that one, and the place of the old
    one is free. The paper keeps its note, unless it has one under the other id.
    """
    for old, answer in sorted(answers.items()):
        new = answer.paper_id
        connection.execute(update(merged).where(merged.c.paper_id == old).values(paper_id=new))
        upsert(
            connection,
            merged,
            ("old_id", "paper_id"),
            [(old, new)],
            "(old_id) DO UPDATE SET paper_id = excluded.paper_id",
        )
        connection.execute(update(identifiers).where(identifiers.c.paper_id == old).values(paper_id=new))
        _rename_edges(connection, old, new)
        holding = select(crawl_papers.c.crawl_id).where(crawl_papers.c.paper_id == new)
        connection.execute(
            update(crawl_papers)
            .where(crawl_papers.c.paper_id == old, crawl_papers.c.crawl_id.in_(holding.scalar_subquery()))
            .values(missing=True)
        )
        connection.execute(
            update(crawl_papers)
            .where(crawl_papers.c.paper_id == old, crawl_papers.c.missing.is_(False))
            .values(paper_id=new)
        )
        _rename_where_free(connection, crawl_seeds, crawl_seeds.c.crawl_id.name, old, new)
        _rename_where_free(connection, note_names, None, old, new)
        _rename_where_free(connection, vault_notes, vault_notes.c.path.name, old, new)
        connection.execute(delete(papers).where(papers.c.paper_id == old, papers.c.fetched_at.is_(None)))


def _rename_where_free(connection: Connection, table: Table, within: str | None, old: str, new: str) -> None:
    other = table.alias()
    taken = exists().where(other.c.paper_id == new)
    if within is not None:
        taken = taken.where(other.c[within] == table.c[within])
    connection.execute(update(table).where(table.c.paper_id == old, ~taken).values(paper_id=new))


def _rename_edges(connection: Connection, old: str, new: str) -> None:
    for row in connection.execute(
        select(citations).where((citations.c.citing == old) | (citations.c.cited == old))
    ).all():
        edge = (new if row.citing == old else row.citing, new if row.cited == old else row.cited)
        connection.execute(delete(citations).where(citations.c.citing == row.citing, citations.c.cited == row.cited))
        if edge[0] != edge[1]:
            upsert(connection, citations, ("citing", "cited", "seen"), [(*edge, row.seen)], _EDGE)


def mark_unknown(connection: Connection, paper_ids: Sequence[str], asked: Ask, now: float) -> None:
    """The source does not know these papers, or not any more.

    The places of those never collected are free, in every crawl. A collected one stays what it is, with what is held
    of it: nothing new is to be had.
    """
    if not paper_ids:
        return
    stored = select(papers.c.paper_id).where(papers.c.paper_id.in_(paper_ids), papers.c.fetched_at.is_not(None))
    collected = sorted(connection.execute(stored).scalars())
    unknown = sorted(set(paper_ids).difference(collected))
    connection.execute(update(crawl_papers).where(crawl_papers.c.paper_id.in_(unknown)).values(missing=True))
    if Ask.DETAILS in asked:
        connection.execute(update(papers).where(papers.c.paper_id.in_(collected)).values(fetched_at=now))
    states = []
    for paper_id in collected:
        for name in (name for name, (nested, _) in FLAGS.items() if nested in asked):
            have, of = rows_held(connection, paper_id, name), count_of(connection, paper_id, name)
            state = ListState.SHORT if is_short(have, of) else ListState.COMPLETE
            states.append((paper_id, name, state, have, of))
    write_states(connection, states, now)


def count_of(connection: Connection, paper_id: str, name: ListName) -> int | None:
    """The length of a list by the source's own count."""
    column = papers.c.reference_count if name is ListName.REFERENCES else papers.c.citation_count
    return connection.execute(select(column).where(papers.c.paper_id == paper_id)).scalar()


def take_turns(connection: Connection) -> None:
    """Let one process write answers at a time: papers are in each other's lists, so two could wait for each other.

    To be called before the first row is locked. SQLite has one writer anyway.
    """
    if connection.dialect.name == "postgresql":
        unread(connection, select(func.pg_advisory_xact_lock(_TURN)))


_NOT_WORD = re.compile(r"\W+")


def _title_key(stub: Stub) -> str:
    return _NOT_WORD.sub(" ", (stub.title or "").casefold()).strip()[:200] or f"untitled {stub.year or ''}".strip()
