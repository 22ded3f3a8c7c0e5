"""What was counted, kept over all processes and restarts: tasks, and requests to sources."""

from __future__ import annotations

import logging

from sqlalchemy import Connection, Engine, delete, select

from refnet.adapters.database.bulk import upsert
from refnet.adapters.database.clock import Clock, database_time
from refnet.adapters.database.engine import writing
from refnet.adapters.database.schema import count_batches, request_counts, task_counts
from refnet.domain.counts import RequestCount, TaskCount
from refnet.domain.errors import RefnetError

_log = logging.getLogger(__name__)

#: Seconds after which it is forgotten which batch a worker kept last. It sends one twice within seconds, or never.
FORGOTTEN = 86_400.0


class TaskCounts:
    """Where a worker's main process adds up what it counted; `writer` is a name that no other process ever has."""

    def __init__(self, engine: Engine, writer: str, *, clock: Clock = database_time) -> None:
        self._engine = engine
        self._writer = writer
        self._clock = clock

    def add(self, batch: int, counts: list[TaskCount]) -> None:
        """Add a batch to what is there, once, however often it is sent: an answer to the commit may have been lost.

        Raises what the store raises.
        """
        with writing(self._engine) as connection:
            now = self._clock(connection)
            if self._is_new(connection, batch, now):
                rows = [(one.task, one.state, one.le, one.count, one.seconds) for one in counts]
                upsert(
                    connection,
                    task_counts,
                    ("task", "state", "le", "count", "seconds"),
                    rows,
                    "(task, state, le) DO UPDATE SET count = task_counts.count + excluded.count, "
                    "seconds = task_counts.seconds + excluded.seconds",
                )

    def _is_new(self, connection: Connection, batch: int, now: float) -> bool:
        last = connection.execute(
            select(count_batches.c.batch).where(count_batches.c.writer == self._writer)
        ).scalar_one_or_none()
        if last is not None and last >= batch:
            return False
        if last is None:
            connection.execute(delete(count_batches).where(count_batches.c.at < now - FORGOTTEN))
        upsert(
            connection,
            count_batches,
            ("writer", "batch", "at"),
            [(self._writer, batch, now)],
            "(writer) DO UPDATE SET batch = excluded.batch, at = excluded.at",
        )
        return True


class RequestCounts:
    """Counts the requests to one source."""

    def __init__(self, engine: Engine, source: str) -> None:
        self._engine = engine
        self._source = source

    def answered(self, status: str, waited: float) -> None:
        """Count a request. The database's own troubles are logged: an answer is worth more than its count."""
        try:
            with writing(self._engine) as connection:
                upsert(
                    connection,
                    request_counts,
                    ("source", "status", "count", "waited"),
                    [(self._source, status, 1, waited)],
                    "(source, status) DO UPDATE SET count = request_counts.count + excluded.count, "
                    "waited = request_counts.waited + excluded.waited",
                )
        except RefnetError as error:
            _log.warning("A request was not counted: %s", error)


def read_tasks(connection: Connection) -> list[TaskCount]:
    return [TaskCount(*row) for row in connection.execute(select(task_counts).order_by(*task_counts.primary_key))]


def read_requests(connection: Connection) -> list[RequestCount]:
    rows = connection.execute(select(request_counts).order_by(*request_counts.primary_key))
    return [RequestCount(*row) for row in rows]
