"""The notes' side of the database: what notes say, their names, and what was last written where."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    Select,
    case,
    cast,
    func,
    select,
    update,
)

from refnet.adapters.database import summaries as summary_rows
from refnet.adapters.database.bulk import upsert
from refnet.adapters.database.clock import Clock, database_time
from refnet.adapters.database.engine import reading, writing
from refnet.adapters.database.lock import lock_number
from refnet.adapters.database.note_lists import note_lists
from refnet.adapters.database.schema import (
    citations,
    crawl_papers,
    crawl_seeds,
    lists,
    note_names,
    papers,
    summaries,
    unmatched,
    vault_crawls,
    vault_notes,
    vaults,
)
from refnet.adapters.database.vaults import ENGLISH, language_of, set_language
from refnet.domain.naming import collision_key
from refnet.domain.notes import Baseline, NoteContent
from refnet.domain.papers import Author, ListName, Paper


class NoteTables:
    """Implements the `NoteStore` port."""

    def __init__(self, engine: Engine, clock: Clock = database_time) -> None:
        self._engine = engine
        self._clock = clock

    # Which papers

    def add_to_vault(self, vault: str, crawl_id: int) -> None:
        """Count a crawl among those that a vault holds."""
        with writing(self._engine) as connection:
            upsert(connection, vaults, ("path", "lang"), [(vault, ENGLISH)], "DO NOTHING")
            upsert(connection, vault_crawls, ("path", "crawl_id"), [(vault, crawl_id)], "DO NOTHING")

    def vault_crawls(self, vault: str) -> list[int]:
        """The crawls that a vault holds."""
        with reading(self._engine) as connection:
            query = (
                select(vault_crawls.c.crawl_id).where(vault_crawls.c.path == vault).order_by(vault_crawls.c.crawl_id)
            )
            return list(connection.execute(query).scalars())

    def vault_language(self, vault: str) -> str:
        """The language of a vault's headings."""
        with reading(self._engine) as connection:
            return language_of(connection, vault)

    def set_vault_language(self, vault: str, lang: str) -> bool:
        """Have the notes of a vault in another language from the next writing on; whether that changes anything."""
        with writing(self._engine) as connection:
            return set_language(connection, vault, lang)

    def vault_papers(self, vault: str) -> list[str]:
        with reading(self._engine) as connection:
            return sorted(connection.execute(_collected(vault)).scalars().all())

    # What notes say

    def note_contents(self, vault: str, paper_ids: Sequence[str], names: Mapping[str, str]) -> list[NoteContent]:
        with reading(self._engine) as connection:
            found = {
                row.paper_id: row for row in connection.execute(select(papers).where(papers.c.paper_id.in_(paper_ids)))
            }
            citekeys = _by_paper(
                connection,
                select(crawl_seeds.c.paper_id, func.min(crawl_seeds.c.citekey)).group_by(crawl_seeds.c.paper_id),
                crawl_seeds,
                paper_ids,
            )
            made = summary_rows.find(connection, paper_ids)
            depths = _by_paper(
                connection,
                select(crawl_papers.c.paper_id, func.min(crawl_papers.c.depth))
                .join(vault_crawls, vault_crawls.c.crawl_id == crawl_papers.c.crawl_id)
                .where(vault_crawls.c.path == vault)
                .group_by(crawl_papers.c.paper_id),
                crawl_papers,
                paper_ids,
            )
            details = [paper_of(found[paper_id]) for paper_id in paper_ids]
            references = note_lists(connection, ListName.REFERENCES, details, names)
            cited_by = note_lists(connection, ListName.CITATIONS, details, names)
        return [
            NoteContent(
                paper=paper,
                name=names[paper.paper_id],
                citekey=citekeys.get(paper.paper_id),
                summary=made.get(paper.paper_id),
                references=references[paper.paper_id],
                citations=cited_by[paper.paper_id],
                depth=depths.get(paper.paper_id),
            )
            for paper in details
        ]

    def papers(self, paper_ids: Sequence[str]) -> list[Paper]:
        """The details of papers, in the order given; those without details are left out."""
        with reading(self._engine) as connection:
            query = select(papers).where(papers.c.paper_id.in_(paper_ids), papers.c.fetched_at.is_not(None))
            found = {row.paper_id: paper_of(row) for row in connection.execute(query)}
        return [found[paper_id] for paper_id in paper_ids if paper_id in found]

    # Names

    def note_names(self, vault: str) -> dict[str, str]:
        with reading(self._engine) as connection:
            query = select(note_names).where(note_names.c.paper_id.in_(_collected(vault)))
            return {row.paper_id: row.name for row in connection.execute(query)}

    def unnamed(self, vault: str) -> Iterator[Paper]:
        with reading(self._engine) as connection:
            named = select(note_names.c.paper_id)
            query = select(papers.c.paper_id, papers.c.title, papers.c.year, papers.c.authors).where(
                papers.c.paper_id.in_(_collected(vault)), papers.c.paper_id.not_in(named)
            )
            rows = connection.execute(query).all()
        for row in sorted(rows, key=lambda row: str(row.paper_id)):
            yield Paper(row.paper_id, row.title or "", authors=_authors(row.authors), year=row.year)

    def give_names(self, names: Mapping[str, str]) -> None:
        """Name papers that have no name. One that got one meanwhile keeps it, and one whose name went to another stays
        without: several may name the papers of several vaults at once.
        """
        with writing(self._engine) as connection:
            used = {collision_key(name) for name in _held_names(connection)}
            free = [(one, name) for one, name in sorted(names.items()) if collision_key(name) not in used]
            upsert(connection, note_names, ("paper_id", "name"), free, "DO NOTHING")

    def rename_notes(self, names: Mapping[str, str]) -> None:
        """Give papers the names that a reader chose, as far as no other has them."""
        with writing(self._engine) as connection:
            used = set(_held_names(connection))
            free = [(one, name) for one, name in sorted(names.items()) if name not in used]
            ours = "(paper_id) DO UPDATE SET name = excluded.name"
            upsert(connection, note_names, ("paper_id", "name"), free, ours)

    def taken_names(self) -> Iterable[str]:
        with reading(self._engine) as connection:
            return list(connection.execute(select(note_names.c.name)).scalars())

    # What was written

    def baselines(self, vault: str, paper_ids: Sequence[str] | None = None) -> dict[str, Baseline]:
        with reading(self._engine) as connection:
            query = select(vault_notes).where(vault_notes.c.path == vault)
            if paper_ids is not None:
                query = query.where(vault_notes.c.paper_id.in_(paper_ids))
            return {
                row.paper_id: Baseline({part: tuple(digests) for part, digests in row.parts.items()}, row.deleted)
                for row in connection.execute(query)
            }

    def save_baselines(self, vault: str, baselines: Mapping[str, Baseline]) -> None:
        with writing(self._engine) as connection:
            self._save_baselines(connection, vault, baselines)

    def _save_baselines(self, connection: Connection, vault: str, baselines: Mapping[str, Baseline]) -> None:
        rows = [
            (vault, paper_id, json.dumps(baselines[paper_id].parts, sort_keys=True), baselines[paper_id].deleted)
            for paper_id in sorted(baselines)
        ]
        upsert(
            connection,
            vault_notes,
            ("path", "paper_id", "parts", "deleted"),
            rows,
            "(path, paper_id) DO UPDATE SET parts = excluded.parts, deleted = excluded.deleted",
        )

    def _problems(self, connection: Connection, vault: str) -> list[str]:
        """Why notes of a vault were left alone at their last writing."""
        query = select(vault_notes.c.problem).where(
            vault_notes.c.path == vault, vault_notes.c.problem.is_not(None), vault_notes.c.deleted.is_(False)
        )
        return sorted(connection.execute(query).scalars())

    def revision(self, vault: str) -> str:
        # Sums of whole milliseconds are exact on both databases, and change with every write of a row.
        def marks(column: ColumnElement[float]) -> list[ColumnElement[int]]:
            return [func.count(), func.coalesce(func.sum(cast(column * 1000, BigInteger)), 0)]

        collected = _collected(vault)
        queries = [
            select(*marks(papers.c.fetched_at)).where(papers.c.paper_id.in_(collected)),
            select(*marks(lists.c.fetched_at)).where(lists.c.paper_id.in_(collected)),
            # What the lists of other papers say stands in these notes, too.
            select(func.count()).select_from(citations),
            select(func.count()).select_from(unmatched),
            select(*marks(summaries.c.made_at)).where(summaries.c.paper_id.in_(collected)),
            select(func.count(), func.count(crawl_seeds.c.citekey)).where(crawl_seeds.c.paper_id.in_(collected)),
            # A further crawl of papers that are all there may still make seeds of some.
            select(func.count(), func.coalesce(func.sum(crawl_papers.c.depth), 0))
            .join(vault_crawls, vault_crawls.c.crawl_id == crawl_papers.c.crawl_id)
            .where(vault_crawls.c.path == vault),
            select(func.count(), func.coalesce(func.sum(case((vault_notes.c.deleted, 1), else_=0)), 0)).where(
                vault_notes.c.path == vault
            ),
        ]
        with reading(self._engine) as connection:
            lang = connection.execute(select(vaults.c.lang).where(vaults.c.path == vault)).scalar() or ""
            return "/".join(
                ["-".join(str(int(mark)) for mark in connection.execute(query).one()) for query in queries] + [lang]
            )

    def written_revision(self, vault: str) -> str | None:
        with reading(self._engine) as connection:
            return connection.execute(select(vaults.c.revision).where(vaults.c.path == vault)).scalar()

    def mark_written(self, vault: str, revision: str) -> None:
        with writing(self._engine) as connection:
            connection.execute(update(vaults).where(vaults.c.path == vault).values(revision=revision))


def _collected(vault: str) -> Select[str]:
    """The collected papers of all crawls that a vault holds."""
    return (
        select(crawl_papers.c.paper_id)
        .join(vault_crawls, vault_crawls.c.crawl_id == crawl_papers.c.crawl_id)
        .join(papers, papers.c.paper_id == crawl_papers.c.paper_id)
        .where(vault_crawls.c.path == vault, crawl_papers.c.missing.is_(False), papers.c.fetched_at.is_not(None))
        .distinct()
    )


def _by_paper(connection: Connection, query: Select[Any], table: Any, paper_ids: Sequence[str]) -> dict[str, Any]:
    return {row[0]: row[1] for row in connection.execute(query.where(table.c.paper_id.in_(paper_ids)))}


def _authors(stored: Any) -> tuple[Author, ...]:
    return tuple(Author(name, author_id) for name, author_id in stored or ())


def paper_of(row: Any) -> Paper:
    return Paper(
        paper_id=row.paper_id,
        title=row.title or "",
        authors=_authors(row.authors),
        year=row.year,
        venue=row.venue,
        abstract=row.abstract,
        tldr=row.tldr,
        external_ids=row.external_ids or {},
        citation_count=row.citation_count,
        reference_count=row.reference_count,
        publication_date=row.publication_date,
        pdf_url=row.pdf_url,
        url=row.url,
    )


def _held_names(connection: Connection) -> list[str]:
    """All names that are given; nobody else names any until this transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(lock_number("names of notes"))))
    return list(connection.execute(select(note_names.c.name)).scalars())
