"""Processes that stop themselves while they hold locks on a PostgreSQL server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_BEGINNING = """
import os, signal, sys
from sqlalchemy import text
from refnet.adapters.database.engine import database_url, open_engine, unread, writing
from refnet.adapters.database.lock import turn_on_server
engine = open_engine(database_url(sys.argv[1]))
def stop():
    os.kill(os.getpid(), signal.SIGSTOP)
"""
#: In the middle of a transaction, where it would send the statement after `what`.
WITHIN_A_ROUND_TRIP = """
with writing(engine) as connection:
    unread(connection, text(sys.argv[2]))
    connection.connection.driver_connection.send(stop)
"""
#: Holding the turn `what`, which only one can have.
IN_ITS_TURN = """
with turn_on_server(engine, sys.argv[2]) as mine:
    assert mine
    stop()
"""


@contextmanager
def stopped(script: str, url: str, what: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has stopped itself; `what` is its statement, or its turn."""
    process = subprocess.Popen(
        [sys.executable, "-c", _BEGINNING + script, url, what], stderr=subprocess.PIPE, text=True
    )
    try:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), process.communicate()[1]
        yield process
    finally:
        process.kill()
        process.communicate()
