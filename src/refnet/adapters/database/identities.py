"""Which of the collected papers is meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Engine, func, select

from refnet.adapters.database import record
from refnet.adapters.database.engine import reading
from refnet.adapters.database.schema import identifiers, merged, paper_identifiers, papers

#: Names among a paper's external ids, by what stands before such an id in a request.
_EXTERNAL = {
    "DOI": "DOI",
    "ARXIV": "ArXiv",
    "PMID": "PubMed",
    "PMCID": "PubMedCentral",
    "ACL": "ACL",
    "MAG": "MAG",
    "CORPUSID": "CorpusId",
}


class Identities:
    """The part of the store that knows papers by what others call them."""

    _engine: Engine

    def known(self, wanted: Iterable[str]) -> dict[str, str]:
        """Paper by identifier as the source takes it, for those whose details are stored."""
        found: dict[str, str] = {}
        for texts in _chunks(wanted):
            found |= self._known(texts)
        return found

    def _known(self, texts: Sequence[str]) -> dict[str, str]:
        with reading(self._engine) as connection:
            fetched = select(papers.c.paper_id).where(papers.c.fetched_at.is_not(None))
            asked = select(identifiers.c.identifier, identifiers.c.paper_id).where(
                identifiers.c.identifier.in_(texts), identifiers.c.paper_id.in_(fetched)
            )
            old = select(merged.c.old_id, merged.c.paper_id).where(
                merged.c.old_id.in_(texts), merged.c.paper_id.in_(fetched)
            )
            own = connection.execute(fetched.where(papers.c.paper_id.in_(texts))).scalars()
            found = {text: text for text in own}
            # A paper merged into another is that one, though what was known of it is still here.
            found |= {row[0]: row[1] for query in (asked, old) for row in connection.execute(query)}
            return found

    def with_external_id(self, identifier: str) -> str | None:
        """The collected paper that has an identifier, such as `DOI:10.1/x`, among the ids that its source tells of it.

        One that was merged into another is that one.
        """
        prefix, _, value = identifier.partition(":")
        if (name := _EXTERNAL.get(prefix.upper())) is None:
            return None
        key = record.external_id(name, value)
        query = (
            select(papers.c.external_ids, func.coalesce(merged.c.paper_id, papers.c.paper_id).label("present"))
            .join(paper_identifiers, paper_identifiers.c.paper_id == papers.c.paper_id)
            .outerjoin(merged, merged.c.old_id == papers.c.paper_id)
            .where(paper_identifiers.c.identifier == key, papers.c.fetched_at.is_not(None))
            .order_by(papers.c.paper_id)
        )
        with reading(self._engine) as connection:
            for row in connection.execute(query):
                # What the source has taken back since is still in the table.
                if record.external_id(name, row.external_ids.get(name, "")) == key:
                    return str(row.present)
        return None

    def titles(self, paper_ids: Iterable[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        with reading(self._engine) as connection:
            for ids in _chunks(paper_ids):
                query = select(papers.c.paper_id, papers.c.title).where(papers.c.paper_id.in_(ids))
                found |= {row.paper_id: row.title or "" for row in connection.execute(query)}
        return found


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Each text once, as many at a time as both databases take in one statement."""
    every = sorted(set(texts))
    for start in range(0, len(every), 10_000):
        yield every[start : start + 10_000]
