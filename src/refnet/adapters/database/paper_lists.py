"""Collected papers as the API lists them, and where a paper is found by any of its ids."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, select

from refnet.adapters.database.engine import reading
from refnet.adapters.database.notes import paper_of
from refnet.adapters.database.schema import papers, summaries
from refnet.domain.notes import Summary
from refnet.domain.papers import Paper


@dataclass(frozen=True, slots=True)
class StoredPaper:
    """A collected paper with its summary. `fetched_at` is seconds since the epoch."""

    paper: Paper
    summary: Summary | None
    fetched_at: float


class PaperLists:
    """The part of the store that the API's papers are read from."""

    _engine: Engine

    def paper_page(self, words: str, year: int | None, after: str, most: int) -> list[Paper]:
        """Collected papers in the order of ids, from the one behind `after`, whose title holds `words` whatever their case."""
        query = select(papers).where(papers.c.fetched_at.is_not(None), papers.c.paper_id > after)
        if words:
            query = query.where(papers.c.title.icontains(words, autoescape=True))
        if year is not None:
            query = query.where(papers.c.year == year)
        with reading(self._engine) as connection:
            return [paper_of(row) for row in connection.execute(query.order_by(papers.c.paper_id).limit(most))]

    def stored_paper(self, paper_id: str) -> StoredPaper | None:
        query = (
            select(papers, summaries.c.text, summaries.c.basis)
            .outerjoin(summaries, summaries.c.paper_id == papers.c.paper_id)
            .where(papers.c.paper_id == paper_id, papers.c.fetched_at.is_not(None))
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        return StoredPaper(paper_of(row), None if row.text is None else Summary(row.text, row.basis), row.fetched_at)
