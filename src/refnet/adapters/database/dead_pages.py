"""Dead letters page by page, jobs and messages together: their ids are from one sequence."""

from __future__ import annotations

from sqlalchemy import Engine, select

from refnet.adapters.database import dead, dead_messages
from refnet.adapters.database.engine import reading
from refnet.adapters.database.schema import crawl_papers, crawls, jobs
from refnet.domain.dead_messages import DeadMessage
from refnet.domain.jobs import DeadLetter


class DeadPages:
    """The part of the store that the API's dead letters are read from."""

    _engine: Engine

    def dead_page(self, after: int, most: int) -> list[DeadLetter | DeadMessage]:
        """The oldest first, from the one behind the id `after`."""
        with reading(self._engine) as connection:
            letters: list[DeadLetter | DeadMessage] = [
                *dead.find(connection, None, after=after, most=most),
                *dead_messages.find(connection, after=after, most=most),
            ]
        return sorted(letters, key=lambda letter: letter.id)[:most]

    def dead_letter(self, identity: int) -> DeadLetter | DeadMessage | None:
        """One of them; a message without what it holds."""
        found = self.dead_page(identity - 1, 1)
        return found[0] if found and found[0].id == identity else None

    def crawl_of_job(self, identity: int) -> int | None:
        """The latest crawl that the paper of a job is in, of those that nobody cancelled."""
        with reading(self._engine) as connection:
            query = (
                select(crawl_papers.c.crawl_id)
                .join(jobs, jobs.c.paper_id == crawl_papers.c.paper_id)
                .join(crawls, crawls.c.id == crawl_papers.c.crawl_id)
                .where(jobs.c.id == identity, crawls.c.cancelled.is_not(True))
                .order_by(crawl_papers.c.crawl_id.desc())
            )
            return connection.execute(query.limit(1)).scalar()
