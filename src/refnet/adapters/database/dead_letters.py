"""Dead letters, jobs and messages: apart, and page by page together, for their ids are from one sequence."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, select

from refnet.adapters.database import dead, dead_messages
from refnet.adapters.database.clock import Clock
from refnet.adapters.database.engine import reading, writing
from refnet.adapters.database.schema import crawl_papers, crawls, jobs
from refnet.domain.dead_messages import DeadMessage
from refnet.domain.jobs import DeadLetter


class DeadLetters:
    """The part of the store that keeps them."""

    _engine: Engine
    _clock: Clock

    def dead_letters(self, crawl_id: int | None = None) -> list[DeadLetter]:
        """Dead jobs, the oldest first; of one crawl, or of all."""
        with reading(self._engine) as connection:
            return dead.find(connection, crawl_id)

    def retry_dead(self, ids: Sequence[int] | None) -> list[int]:
        """Queue dead jobs again with their attempts forgotten, all for None; returns the ids that were there. Where workers
        do the work, their crawls go on from there.
        """
        with writing(self._engine) as connection:
            return self._retry_dead(connection, ids)

    def _retry_dead(self, connection: Connection, ids: Sequence[int] | None) -> list[int]:
        return dead.retry(connection, ids, self._clock(connection))

    def purge_dead(self, ids: Sequence[int]) -> list[int]:
        """Forget dead jobs; returns the ids that were there."""
        with writing(self._engine) as connection:
            return dead.purge(connection, ids)

    def dead_messages(self) -> list[DeadMessage]:
        """Messages that workers refused, the oldest first, without what they hold."""
        with reading(self._engine) as connection:
            return dead_messages.find(connection)

    def dead_message(self, identity: int) -> DeadMessage | None:
        """One of them with all that is kept of it."""
        with reading(self._engine) as connection:
            return dead_messages.get(connection, identity)

    def messages_refused_for(self, reasons: Sequence[str]) -> tuple[int, str]:
        """How many there are with one of these reasons, and the queue of the last; it is empty where there are none."""
        with reading(self._engine) as connection:
            return dead_messages.refused_for(connection, reasons)

    def dead_message_count(self) -> int:
        with reading(self._engine) as connection:
            return dead_messages.count(connection)

    def purge_dead_messages(self, ids: Sequence[int]) -> list[DeadMessage]:
        """Forget messages; returns those that were there."""
        with writing(self._engine) as connection:
            return dead_messages.purge(connection, ids)

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
