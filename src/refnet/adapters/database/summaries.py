"""Summaries as they are kept, and which papers are still to be summarised."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Engine, Select, and_, delete, func, or_, select, true, update

from refnet.adapters.database.bulk import in_order, upsert
from refnet.adapters.database.clock import Clock
from refnet.adapters.database.dead import MANUAL
from refnet.adapters.database.engine import reading, writing
from refnet.adapters.database.schema import crawl_papers, crawls, papers, summaries, vault_crawls, vaults, workers
from refnet.adapters.database.vaults import UNNAMED, language_of
from refnet.domain.papers import Paper
from refnet.domain.summaries import FULL_TEXT, NOTHING, Finding, Provenance, Summary

#: Seconds after which it is worth another look whether a paper has become open.
LOOK_AGAIN = 86_400.0
_COLUMNS = ("paper_id", "basis", "text", "made_at", "findings", "keywords", "lang", "why", "provenance")
_STAYS = f"excluded.why IS NULL AND excluded.basis <> '{FULL_TEXT}' AND summaries.why IS NOT NULL"
_FETCHED = "(SELECT fetched_at FROM papers WHERE papers.paper_id = excluded.paper_id)"
#: What a summary that is made anew puts in place of one that is there, where that is not just the new value.
_KEPT = {
    "why": f"CASE WHEN {_STAYS} THEN summaries.why ELSE excluded.why END",
    # As old as the record, so that it does not count as tried since: who wants the paper read looks again.
    "made_at": f"CASE WHEN {_STAYS} THEN coalesce({_FETCHED}, excluded.made_at) ELSE excluded.made_at END",
}
#: The ids that lead to a place where a PDF may be.
_LEADING = ("ArXiv", "DOI")


def summary_of(row: Any) -> Summary:
    """A row of the table as what it says."""
    return Summary(
        text=row.text,
        basis=row.basis,
        findings=tuple(Finding(**one) for one in row.findings or ()),
        keywords=tuple(row.keywords or ()),
        lang=row.lang or "en",
        why=row.why,
        provenance=None if row.provenance is None else Provenance(**row.provenance),
    )


def save(connection: Connection, made: Mapping[str, Summary], now: float) -> None:
    """Keep summaries. One made from the record alone does not forget why the paper could not be read."""
    rows = [
        (
            paper_id,
            one.basis,
            one.text,
            now,
            _json([asdict(finding) for finding in one.findings]),
            _json(list(one.keywords)),
            one.lang,
            one.why,
            _json(None if one.provenance is None else asdict(one.provenance)),
        )
        for paper_id, one in sorted(made.items())
    ]
    changed = ", ".join(f"{name} = {_KEPT.get(name, f'excluded.{name}')}" for name in _COLUMNS[1:])
    upsert(connection, summaries, _COLUMNS, rows, f"(paper_id) DO UPDATE SET {changed}")


def forget_why(connection: Connection, found: Sequence[Paper]) -> None:
    """Forget why papers could not be read that have a place for a PDF which they had not when that was tried. To be called
    before what was found takes the place of what is stored.
    """
    by_id = {paper.paper_id: paper for paper in found}
    query = (
        select(papers.c.paper_id, papers.c.pdf_url, papers.c.external_ids)
        .join(summaries, summaries.c.paper_id == papers.c.paper_id)
        .where(papers.c.paper_id.in_(sorted(by_id)), summaries.c.why.is_not(None))
        # In the order in which `save` takes them: two that each wait for the other would both be refused.
        .order_by(in_order(connection, summaries.c.paper_id))
        .with_for_update(of=summaries)
    )
    gained = [
        row.paper_id
        for row in connection.execute(query)
        if _places(by_id[row.paper_id].pdf_url, by_id[row.paper_id].external_ids)
        - _places(row.pdf_url, row.external_ids or {})
    ]
    if not gained:
        return
    those = summaries.c.paper_id.in_(gained)
    # Of one that had nothing to go by, the reason is all that it says.
    connection.execute(delete(summaries).where(those, summaries.c.basis == NOTHING))
    connection.execute(update(summaries).where(those).values(why=None))


def _places(pdf_url: str | None, external_ids: Mapping[str, str]) -> set[str]:
    return {one.lower() for one in (pdf_url, *(external_ids.get(kind) for kind in _LEADING)) if one}


def _json(value: list[Any] | dict[str, Any] | None) -> str | None:
    return json.dumps(value, ensure_ascii=False) if value else None


def unsummarized(connection: Connection, crawl_id: int) -> list[str]:
    """Collected papers of a crawl that have something to go by, and no summary made since they were last fetched. What was
    read in full stays as it is.
    """
    stale = and_(summaries.c.made_at < papers.c.fetched_at, summaries.c.basis != FULL_TEXT)
    query = (
        select(papers.c.paper_id)
        .join(crawl_papers, crawl_papers.c.paper_id == papers.c.paper_id)
        .outerjoin(summaries, summaries.c.paper_id == papers.c.paper_id)
        .where(
            crawl_papers.c.crawl_id == crawl_id,
            crawl_papers.c.missing.is_(False),
            papers.c.fetched_at.is_not(None),
            papers.c.tldr.is_not(None) | papers.c.abstract.is_not(None),
            or_(summaries.c.paper_id.is_(None), stale),
        )
    )
    return sorted(connection.execute(query).scalars())


def full_texts_due(connection: Connection, crawl_id: int, now: float) -> list[str]:
    """Of the best papers of a crawl, as many as it wants read, those whose PDF nobody has read or just tried to read; the
    best first.
    """
    wanted = connection.execute(select(crawls.c.full_texts).where(crawls.c.id == crawl_id)).scalar()
    return _due(connection, crawl_id, wanted, now)


def _due(
    connection: Connection, crawl_id: int, wanted: int | None, now: float, among: Sequence[str] | None = None
) -> list[str]:
    if wanted == 0:
        return []
    best = (
        select(crawl_papers.c.paper_id, crawl_papers.c.depth, crawl_papers.c.rank, papers.c.fetched_at)
        .join(papers, papers.c.paper_id == crawl_papers.c.paper_id)
        .where(
            crawl_papers.c.crawl_id == crawl_id,
            crawl_papers.c.missing.is_(False),
            papers.c.fetched_at.is_not(None),
            true() if among is None else crawl_papers.c.paper_id.in_(among),
        )
        .order_by(crawl_papers.c.depth, crawl_papers.c.rank, crawl_papers.c.paper_id)
        .limit(wanted)
        .subquery()
    )
    # A reason that is as old as the record was taken over from the one before.
    tried = and_(
        summaries.c.why.is_not(None),
        summaries.c.made_at > best.c.fetched_at,
        summaries.c.made_at > now - LOOK_AGAIN,
    )
    query = (
        select(best.c.paper_id)
        .outerjoin(summaries, summaries.c.paper_id == best.c.paper_id)
        .where(or_(summaries.c.paper_id.is_(None), and_(summaries.c.basis != FULL_TEXT, ~tried)))
        .order_by(best.c.depth, best.c.rank, best.c.paper_id)
    )
    return list(connection.execute(query).scalars())


class Summaries:
    """The part of the store that holds summaries."""

    _engine: Engine
    _clock: Clock

    def unsummarized(self, crawl_id: int) -> list[str]:
        with reading(self._engine) as connection:
            return unsummarized(connection, crawl_id)

    def full_texts_due(self, crawl_id: int, wanted: int | None, among: Sequence[str] | None = None) -> list[str]:
        """Of the `wanted` best papers of a crawl (None for all; `among` those given), those whose PDF nobody has read or just
        tried to read; the best first.
        """
        with reading(self._engine) as connection:
            return _due(connection, crawl_id, wanted, self._clock(connection), among)

    def save_summaries(self, made: Mapping[str, Summary]) -> None:
        with writing(self._engine) as connection:
            save(connection, made, self._clock(connection))

    def stored_summaries(self, paper_ids: Sequence[str]) -> dict[str, Summary]:
        with reading(self._engine) as connection:
            return find(connection, paper_ids)

    def summary_count(self, crawl_id: int) -> int:
        """Papers of a crawl that have a summary."""
        return self._count(crawl_id, summaries.c.basis != NOTHING)

    def full_text_count(self, crawl_id: int) -> int:
        """Papers of a crawl whose summary rests on the full text."""
        return self._count(crawl_id, summaries.c.basis == FULL_TEXT)

    def full_texts_missed(self, crawl_id: int) -> dict[str, int]:
        """How many papers of a crawl could not be read, by the reason (`NoFullText`)."""
        query = (
            select(summaries.c.why, func.count())
            .join(crawl_papers, crawl_papers.c.paper_id == summaries.c.paper_id)
            .where(crawl_papers.c.crawl_id == crawl_id, crawl_papers.c.missing.is_(False), summaries.c.why.is_not(None))
            .group_by(summaries.c.why)
            .order_by(func.count().desc(), summaries.c.why)
        )
        with reading(self._engine) as connection:
            return {row.why: row[1] for row in connection.execute(query)}

    def _count(self, crawl_id: int, *which: Any) -> int:
        with reading(self._engine) as connection:
            query = (
                select(func.count())
                .select_from(summaries)
                .join(crawl_papers, crawl_papers.c.paper_id == summaries.c.paper_id)
                .where(crawl_papers.c.crawl_id == crawl_id, crawl_papers.c.missing.is_(False), *which)
            )
            return connection.execute(query).scalar_one()

    def summary_lang(self, paper_id: str) -> str:
        """The language of the vault where the newest crawl with the paper writes its note."""
        query = (
            select(crawls.c.id, crawls.c.vault)
            .join(crawl_papers, crawl_papers.c.crawl_id == crawls.c.id)
            .where(crawl_papers.c.paper_id == paper_id, crawls.c.lang.is_not(None), crawls.c.key != MANUAL)
            .order_by(crawls.c.updated_at.desc(), crawls.c.id.desc())
            .limit(1)
        )
        with reading(self._engine) as connection:
            crawl = connection.execute(query).one_or_none()
            place = None if crawl is None else crawl.vault or connection.execute(_holding(crawl.id)).scalar()
            if place is None and (wished := connection.execute(_WISHED).scalar()):
                return str(wished)
            return language_of(connection, str(place or connection.execute(_WRITTEN).scalar() or ""))


def _holding(crawl_id: int) -> Select[Any]:
    return select(vault_crawls.c.path).where(vault_crawls.c.crawl_id == crawl_id).order_by(vault_crawls.c.path).limit(1)


#: What is wished for where workers write, whose name nobody knew.
_WISHED = select(vaults.c.lang).where(vaults.c.path == UNNAMED)
#: Where workers write what nobody wants elsewhere.
_WRITTEN = (
    select(workers.c.output_dir).where(workers.c.output_dir.is_not(None)).order_by(workers.c.seen_at.desc()).limit(1)
)


def find(connection: Connection, paper_ids: Sequence[str]) -> dict[str, Summary]:
    """Summaries by paper."""
    query = select(summaries).where(summaries.c.paper_id.in_(paper_ids))
    return {row.paper_id: summary_of(row) for row in connection.execute(query)}
