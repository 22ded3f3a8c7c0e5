"""Collected papers as the API lists them, and where a paper is found by any of its ids."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, and_, bindparam, null, select

from refnet.adapters.database.engine import reading
from refnet.adapters.database.notes import paper_of
from refnet.adapters.database.schema import merged, papers, summaries
from refnet.adapters.database.summaries import summary_of
from refnet.domain.matching import why_not_same
from refnet.domain.papers import Paper, folded
from refnet.domain.seeds import Seed
from refnet.domain.summaries import Summary

#: What a list shows of a paper: most of its row are the texts that it does not.
_SHOWN = [column for column in papers.c if column.name not in ("abstract", "tldr", "folded")]
_PAGE = select(*_SHOWN, null().label("abstract"), null().label("tldr")).order_by(papers.c.paper_id)
# Put together once: that takes as long as the answer.
_ALL = _PAGE.where(papers.c.fetched_at.is_not(None), papers.c.paper_id > bindparam("after")).limit(bindparam("most"))
_SUMMARY = ("text", "basis", "findings", "keywords", "lang", "why", "provenance")
_ONE = (
    select(*_SHOWN, papers.c.abstract, papers.c.tldr, *(summaries.c[name] for name in _SUMMARY))
    .outerjoin(summaries, summaries.c.paper_id == papers.c.paper_id)
    .where(papers.c.paper_id == bindparam("wanted"), papers.c.fetched_at.is_not(None))
)


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
        """Collected papers in the order of ids, from the one behind `after`, whose title holds `words`, whatever their
        case and width.
        """
        if not words and year is None:
            with reading(self._engine) as connection:
                return [paper_of(row) for row in connection.execute(_ALL, {"after": after, "most": most})]
        # First the ids alone: for them the index is enough, and what does not match is never looked at itself.
        found = select(papers.c.paper_id).where(papers.c.fetched_at.is_not(None), papers.c.paper_id > after)
        if words:
            found = found.where(papers.c.folded.contains(folded(words), autoescape=True))
        if year is not None:
            found = found.where(papers.c.year == year)
        ids = found.order_by(papers.c.paper_id).limit(most).subquery()
        query = _PAGE.join(ids, ids.c.paper_id == papers.c.paper_id)
        with reading(self._engine) as connection:
            return [paper_of(row) for row in connection.execute(query)]

    def titled(self, seed: Seed) -> list[str]:
        """The collected papers that have the title of a seed, by id. As it is written, whatever its case and width; where none
        has it so, those that would be taken for the paper meant if a source gave them.
        """
        present = and_(papers.c.fetched_at.is_not(None), papers.c.paper_id.not_in(select(merged.c.old_id)))
        exact = select(papers.c.paper_id).where(present, papers.c.folded == folded(seed.title or ""))
        with reading(self._engine) as connection:
            if found := sorted(connection.execute(exact).scalars()):
                return found
            rows = connection.execute(select(papers.c.paper_id, papers.c.title).where(present))
            return sorted(row.paper_id for row in rows if why_not_same(seed, row.title or "", None, ()) is None)

    def stored_paper(self, paper_id: str) -> StoredPaper | None:
        with reading(self._engine) as connection:
            row = connection.execute(_ONE, {"wanted": paper_id}).one_or_none()
        if row is None:
            return None
        return StoredPaper(paper_of(row), None if row.text is None else summary_of(row), row.fetched_at)
