"""Connections to PostgreSQL that wait for an answer as seldom as they can: from a far server each takes its time."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, Self

import psycopg
from psycopg.abc import Params
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from sqlalchemy import Connection, Dialect, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection, ExecutionContext
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

#: Seconds after which a connection that nobody used is asked whether it still works, before it is used again.
IDLE = 1.0


class ThriftyConnection(psycopg.Connection[Any]):
    """Sends BEGIN along with the first statement; and what nobody reads the results of with the next statement whose
    results are read, at the latest with COMMIT. What goes wrong with it is raised there.

    To be used in autocommit: a transaction is what `begin` begins.
    """

    def __init__(self, pgconn: psycopg.pq.abc.PGconn, row_factory: Any = tuple_row) -> None:
        super().__init__(pgconn, row_factory)
        self.cursor_factory = _Cursor
        self.server_cursor_factory = _ServerCursor
        self._waiting: list[tuple[str, Params | None]] = []

    @property
    def is_waiting(self) -> bool:
        """Whether something is still to be sent."""
        return bool(self._waiting)

    def begin(self) -> None:
        self._waiting = [("BEGIN", None)]

    def later(self, query: str, params: Params | None) -> None:
        """Send a statement with the next one. Outside of a transaction it is executed at once."""
        if self._waiting or self.info.transaction_status == TransactionStatus.INTRANS:
            self._waiting.append((query, params))
        else:
            psycopg.Cursor(self).execute(query, params)

    def send(self, last: Callable[[], object] | None = None) -> None:
        """Send all that waits, and then what `last` executes; all of it is one round trip."""
        waiting, self._waiting = self._waiting, []
        handled = sys.exception()  # by whoever stores something because of it
        try:
            with self.pipeline():
                for query, params in waiting:
                    psycopg.Cursor(self).execute(query, params)
                if last is not None:
                    last()
        except psycopg.Error as error:
            # A time limit that strikes while answers are awaited is covered by the complaint that they were left.
            struck = error.__context__
            if struck is None or struck is handled or isinstance(struck, psycopg.Error):
                raise
            raise struck from None

    def commit(self) -> None:
        if not self._waiting:
            super().commit()
        elif self._waiting == [("BEGIN", None)]:
            self._waiting = []  # nothing was done
        else:
            self._waiting.append(("COMMIT", None))
            self.send()

    def rollback(self) -> None:
        self._waiting = []
        super().rollback()


class _Cursor(psycopg.Cursor[Any]):
    def execute(self, query: Any, params: Params | None = None, **options: Any) -> Self:
        run = super().execute
        if (thrifty := _waits(self.connection)) is not None:
            thrifty.send(lambda: run(query, params, **options))
        else:
            run(query, params, **options)
        return self

    def executemany(self, query: Any, params_seq: Iterable[Params], *, returning: bool = False) -> None:
        if (thrifty := _waits(self.connection)) is not None:
            thrifty.send()
        super().executemany(query, params_seq, returning=returning)


class _ServerCursor(psycopg.ServerCursor[Any]):
    def execute(self, query: Any, params: Params | None = None, **options: Any) -> Self:
        # It lasts as long as its transaction, which those who only read do without.
        idle = self.connection.info.transaction_status == TransactionStatus.IDLE
        if idle and isinstance(self.connection, ThriftyConnection) and not self.connection.is_waiting:
            self.connection.begin()
        if (thrifty := _waits(self.connection)) is not None:
            thrifty.send()
        return super().execute(query, params, **options)


def _waits(connection: psycopg.Connection[Any]) -> ThriftyConnection | None:
    return connection if isinstance(connection, ThriftyConnection) and connection.is_waiting else None


def save_round_trips(engine: Engine) -> None:
    """Let an engine, whose isolation level is AUTOCOMMIT, have such connections."""

    def connect(_dialect: Dialect, _record: ConnectionPoolEntry, words: Any, options: Any) -> ThriftyConnection:
        return ThriftyConnection.connect(*words, **options)

    def begin(connection: Connection) -> None:
        # A server reads each statement as of its beginning, in a transaction or not; unless all are to be of one moment.
        options = connection.get_execution_options()
        begins = options.get("writes", True) or options.get("snapshot", False)
        if begins and options.get("isolation_level") != "AUTOCOMMIT":
            connection.connection.driver_connection.begin()  # type: ignore[union-attr]

    def execute(cursor: Any, statement: str, parameters: Any, context: ExecutionContext | None) -> bool:
        if context is None or not context.execution_options.get("unread", False):
            return False
        cursor.connection.later(statement, parameters)
        return True

    def used(_driver: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info["used"] = time.monotonic()

    def look(driver: DBAPIConnection, record: ConnectionPoolEntry, _proxy: object) -> None:
        """Before work is done on a connection that a firewall may have forgotten: another one is made in its place."""
        if time.monotonic() - record.info.get("used", math.inf) < IDLE:
            return
        try:
            engine.dialect.do_ping(driver)
        except psycopg.Error as error:
            raise InvalidatePoolError from error

    for name, listener in (("connect", connect), ("execute", execute)):
        event.listen(engine, f"do_{name}", listener)
    event.listen(engine, "begin", begin)
    event.listen(engine, "checkin", used)
    event.listen(engine, "checkout", look)
