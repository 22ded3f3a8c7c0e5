"""The time that leases and due times are measured by."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import ColumnElement, Connection, Double, cast, extract, func, text

#: Seconds since the epoch, as a transaction sees them.
Clock = Callable[[Connection], float]
#: Such a time, or what stands for it in a statement.
Moment = float | ColumnElement[float]


def moment(connection: Connection, clock: Clock) -> Moment:
    """The same as a part of statements, each of which sees the time at which it begins: PostgreSQL's clock then takes
    none of its own.
    """
    if clock is database_time and connection.dialect.name == "postgresql":
        return cast(extract("epoch", func.statement_timestamp()), Double)
    return clock(connection)


def database_time(connection: Connection) -> float:
    """PostgreSQL's clock, which all workers share; with SQLite this machine's, which all its processes share."""
    if connection.dialect.name == "sqlite":
        return time.time()
    return float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
