"""The time that leases and due times are measured by."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Connection, text

#: Seconds since the epoch, as a transaction sees them.
Clock = Callable[[Connection], float]


def database_time(connection: Connection) -> float:
    """PostgreSQL's clock, which all workers share; with SQLite this machine's, which all its processes share."""
    if connection.dialect.name == "sqlite":
        return time.time()
    return float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
