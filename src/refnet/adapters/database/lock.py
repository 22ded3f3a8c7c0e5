"""One working process per database, where no broker shares the work out."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from refnet.adapters.database.engine import shown, translated
from refnet.domain.errors import Busy, ConfigurationError, RefnetError, StorageFull

#: Seconds between two times that whoever has a turn asks the server something.
ASK_EVERY = 5.0


@contextmanager
def one_at_work(database: Path) -> Iterator[None]:
    """Hold the lock beside a database file; the system drops it when the process ends, however it ends.

    Raises Busy when another process holds it, ConfigurationError or StorageFull where the lock cannot be made.
    """
    path = database.with_name(f"{database.name}.lock")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _failed(path, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
            who = f"process {holder}" if holder.isdigit() else "another refnet"
            raise Busy(
                f"{who.capitalize()} is at work on {database}. Wait until it has finished, or give this one a database "
                "of its own (REFNET_DATA_DIR)."
            ) from error
        except OSError as error:
            raise _failed(path, error) from error
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            raise _failed(path, error) from error
        yield
    finally:
        os.close(descriptor)


def _failed(path: Path, error: OSError) -> RefnetError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(f"No room is left for {path}. Free some space and run the same command again.")
    return ConfigurationError(
        f"The lock {path} cannot be made ({error.strerror}). Check the folder and its permissions."
    )


#: The number of refnet's advisory lock in a PostgreSQL database.
_LOCK = 0x7265666E6574


@contextmanager
def one_on_server(engine: Engine) -> Iterator[None]:
    """The same on PostgreSQL, by an advisory lock on a connection of its own. Raises Busy."""
    with _connection(engine) as connection:
        if not _taken(engine, connection, "pg_try_advisory_lock", _LOCK):
            where = shown(engine.url)
            raise Busy(
                f"Another refnet is at work on {where} (its workers count, too). Wait until it has finished, or set "
                "DATABASE_URL to another database."
            )
        yield


@contextmanager
def shared_on_server(engine: Engine) -> Iterator[Callable[[], None]]:
    """Work on a PostgreSQL database together with others that do the same. Raises Busy where one works alone.

    What is yielded raises StoreUnavailable when the server has taken the lock back.
    """
    with _connection(engine) as connection:
        if not _taken(engine, connection, "pg_try_advisory_lock_shared", _LOCK):
            raise Busy(f"A refnet that works alone is at work on {shown(engine.url)}. Wait until it has finished.")

        def check() -> None:
            with translated(engine):
                connection.execute(text("SELECT 1"))

        yield check


@contextmanager
def try_on_server(engine: Engine, what: str) -> Iterator[bool]:
    """Whether this process may do `what`, which one at a time can; the server takes the turn back when it is gone."""
    with _connection(engine) as connection:
        yield _taken(engine, connection, "pg_try_advisory_lock", lock_number(what))


@contextmanager
def turn_on_server(engine: Engine, what: str) -> Iterator[bool]:
    """The same, for something that one of many workers does. As long as this process has the turn it asks the server
    something every few seconds, so that others see whether it still runs: see `sessions`.
    """
    with _connection(engine) as connection:
        if _taken(engine, connection, "pg_try_advisory_lock", lock_number(what)):
            with _asking(connection):
                yield True
        else:
            yield False


@contextmanager
def _asking(connection: Connection) -> Iterator[None]:
    # The driver's connection is safe for threads.
    driver: Any = connection.connection.driver_connection
    ended = threading.Event()

    def ask() -> None:
        with suppress(Exception):  # the connection is lost, and the turn with it
            while not ended.wait(ASK_EVERY):
                driver.execute("SELECT 1")

    thread = threading.Thread(target=ask, name="turn", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        # The system has no room for it. Others may take the turn for lost if it takes long; without it nothing would go on.
        yield
        return
    try:
        yield
    finally:
        ended.set()
        thread.join()


def lock_number(what: str) -> int:
    """The number of the advisory lock of `try_on_server` and `turn_on_server`."""
    return int.from_bytes(hashlib.sha256(what.encode()).digest()[:8], "big", signed=True)


@contextmanager
def _connection(engine: Engine) -> Iterator[Connection]:
    with translated(engine):
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        yield connection
    finally:
        # Here and now, for a server may take a moment to see that a connection is closed.
        with suppress(DBAPIError):
            if not connection.invalidated:
                connection.execute(text("SELECT pg_advisory_unlock_all()"))
        # Not back into the pool: only a closed connection surely gives up the lock.
        connection.invalidate()
        connection.close()


def _taken(engine: Engine, connection: Connection, function: str, number: int) -> bool:
    with translated(engine):
        return bool(connection.execute(text(f"SELECT {function}(:lock)"), {"lock": number}).scalar())
