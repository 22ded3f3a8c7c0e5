"""Opening a database: SQLite in a file, or PostgreSQL; and what their errors mean."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Executable, create_engine, event, text
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from refnet.domain.errors import ConfigurationError, StorageFull, StoreUnavailable

#: Seconds that a connection waits for another process's write.
BUSY_SECONDS = 30
#: The options of a statement of which nobody reads the result; see `unread`.
UNREAD = {"unread": True}
#: Connections that a process has to a server at the most. Those that a busy time took are kept: opening one costs as
#: much as ten questions.
MOST_CONNECTIONS = 15
#: Seconds for telling a server that nobody waits for a statement any more.
CANCEL_SECONDS = 1.0
#: The server, too, gives up a client that vanished (as above; its own default is two hours) or that was stopped
#: in the middle of a transaction, between two round trips (within one: see `sessions`): with the session go its locks,
#: for which all others may be waiting. Not as `options` of the connection, with which PgBouncer takes none; but what the
#: URL's own options set stays.
_SESSION = """
    SELECT set_config(name, value, false)
    FROM pg_settings JOIN (VALUES
        ('tcp_keepalives_idle', '5'), ('tcp_keepalives_interval', '2'), ('tcp_keepalives_count', '3'),
        ('tcp_user_timeout', '10000'), ('idle_in_transaction_session_timeout', '15s')
    ) AS ours (name, value) USING (name)
    WHERE source <> 'client'
"""
#: How a PostgreSQL server says that it will not let us in; the library passes on the words, but not the code.
REFUSED = re.compile(
    r"FATAL:.*(authentication failed|no pg_hba\.conf entry|does not exist|not permitted to log in)|no password supplied"
)


def database_url(text: str) -> URL:
    """The URL as SQLAlchemy takes it; `postgresql://` means psycopg 3. Raises ConfigurationError."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Not from the error: its text may hold a part of the password.
        raise ConfigurationError(
            "DATABASE_URL is not a database URL. Write sqlite:////path/to/file.db or postgresql://user:password@host:5432/name "
            "(a password with : / @ ? # in it percent-encoded)."
        ) from None
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigurationError(
            f"DATABASE_URL names {url.get_backend_name()}, which refnet does not use. Choose SQLite or PostgreSQL."
        )
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise ConfigurationError("DATABASE_URL names no file. Write sqlite:////path/to/file.db.")
    return url


def shown(url: URL) -> str:
    """The URL for a message, without anything secret: a password may stand in its query, too."""
    return url.set(query={}).render_as_string(hide_password=True)


def sqlite_file(url: URL) -> Path | None:
    """The file of an SQLite database, None for a server."""
    if url.get_backend_name() != "sqlite" or url.database is None:
        return None
    return Path(url.database).expanduser().absolute()


def open_engine(url: URL) -> Engine:
    """An engine whose transactions are as the store needs them. Connects to nothing yet.

    Raises ConfigurationError where the driver is not installed or the folder of an SQLite file cannot be made.
    """
    file = sqlite_file(url)
    if file is None:
        try:
            from refnet.adapters.database.round_trips import save_round_trips

            engine = create_engine(
                url,
                isolation_level="AUTOCOMMIT",  # of the driver: see `save_round_trips`
                use_native_hstore=False,  # or it would be asked for
                pool_use_lifo=True,  # the one used last need not be looked at
                pool_size=MOST_CONNECTIONS,
                max_overflow=0,
                connect_args={
                    "connect_timeout": 10,
                    "keepalives": 1,
                    "keepalives_idle": 5,
                    "keepalives_interval": 2,
                    "keepalives_count": 3,
                    # What was sent into a link that a firewall forgot is given up after this many milliseconds.
                    "tcp_user_timeout": 10_000,
                },
            )
        except (ImportError, NoSuchModuleError) as error:
            raise ConfigurationError(
                "DATABASE_URL names PostgreSQL, for which the extra 'cluster' is needed: pip install 'refnet[cluster]'."
            ) from error
        save_round_trips(engine)
        event.listen(engine, "connect", _prepare_session)
        event.listen(engine, "handle_error", _drop_interrupted)
        return engine
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The folder {file.parent} for the database cannot be made ({error.strerror}). Set REFNET_DATA_DIR to a folder you may write."
        ) from error
    engine = create_engine(
        url.set(database=str(file)), connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _drop_interrupted(context: ExceptionContext) -> None:
    """A time limit may strike while the server is at a statement: the statement is to end, and with it its locks, and
    nobody else is to get this connection.
    """
    if context.connection is None or isinstance(context.original_exception, context.dialect.loaded_dbapi.Error):
        return
    driver: Any = context.connection.connection.driver_connection
    if driver.info.transaction_status.name != "ACTIVE":
        return  # between two statements it can be rolled back
    context.is_disconnect = True
    context.invalidate_pool_on_disconnect = False
    with suppress(context.dialect.loaded_dbapi.Error):
        driver.cancel_safe(timeout=CANCEL_SECONDS)


def _prepare_session(connection: Any, _record: object) -> None:
    connection.execute(_SESSION)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver must not begin transactions by itself: it would begin them as readers, which cannot become writers
    # without a conflict.
    connection.isolation_level = None
    cursor = connection.cursor()
    # A killed process loses nothing that it committed; only a power cut may take the last transactions, and they are
    # fetched again.
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA cache_size=-32768")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Statements that only read: with SQLite on one snapshot, on PostgreSQL each on its own, as they would be in a
    transaction there, too. Errors are translated.
    """
    with (
        translated(engine),
        engine.connect().execution_options(writes=False) as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """Statements that only read, all of them as of one moment, on both databases. Errors are translated."""
    with (
        translated(engine),
        engine.connect().execution_options(writes=False, snapshot=True) as connection,
        connection.begin(),
    ):
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes. Errors are translated."""
    with (
        translated(engine),
        engine.connect().execution_options(writes=True) as connection,
        connection.begin(),
    ):
        yield connection


def unread(connection: Connection, statement: Executable) -> None:
    """Execute what nobody reads the result of. On PostgreSQL it is on its way with the next statement whose result is
    read, or with the end of the transaction, and what goes wrong with it is raised there.
    """
    connection.execute(statement, execution_options=UNREAD).close()


def see_writes(engine: Engine) -> None:
    """Raises StoreUnavailable for a server that only lets us read."""
    if sqlite_file(engine.url) is not None:
        return  # whose errors say it, and which no fail-over makes so
    asked = text("SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only')::boolean")
    with reading(engine) as connection:
        is_standby, is_read_only = connection.execute(asked).one()
    if is_standby or is_read_only:
        why = "it is a standby of another server" if is_standby else "it is set to read only"
        raise StoreUnavailable(f"The database {shown(engine.url)} takes no writes: {why}.")


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Say in refnet's words what a driver's error means."""
    try:
        yield
    except DBAPIError as error:
        said = _translation(error, engine)
        if said is error:
            raise
        raise said from error
    except NoConnectionFree as error:
        raise StoreUnavailable(f"All connections to the database {shown(engine.url)} are in use.") from error
    except StatementError as error:
        # What struck while a statement was put together is none of the database's.
        struck = error.orig or error
        # Or it would be in its own chain: as the cause of the error in whose handling it is raised.
        error.__cause__ = error.__context__ = None
        raise struck from None


def _translation(error: DBAPIError, engine: Engine) -> Exception:
    where = shown(engine.url)
    file = sqlite_file(engine.url)
    cause = error.orig
    if file is not None:
        text = str(cause)
        code = getattr(cause, "sqlite_errorcode", None)
        primary = code & 0xFF if isinstance(code, int) else None
        if primary == sqlite3.SQLITE_FULL:
            return StorageFull(
                f"No room is left for the database {file}. Free some space and run the same command again; it resumes."
            )
        if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return ConfigurationError(
                f"{file} is damaged or not a refnet database ({text}). Move it away, or put back a copy: "
                "refnet keeps one beside it before each migration."
            )
        if primary in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
            return ConfigurationError(
                f"The database {file} cannot be opened for writing ({text}). Check its folder and permissions."
            )
        if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StoreUnavailable(f"The database {file} is locked by another program.")
        if primary == sqlite3.SQLITE_IOERR:
            return StorageFull(
                f"The disk of the database {file} gives errors ({text}). Nothing committed is lost; check the disk and run again."
            )
        return error
    state = getattr(cause, "sqlstate", None) or ""
    if state.startswith("53100"):
        return StorageFull(f"No room is left on the server of {where}.")
    if state.startswith("28") or state == "3D000" or (not state and REFUSED.search(str(cause))):
        return ConfigurationError(f"The database server refuses {where}: {_first_line(cause)}")
    if state == "25006":
        return StoreUnavailable(f"The database {where} takes no writes: {_first_line(cause)}")
    if (
        error.connection_invalidated
        or (isinstance(error, OperationalError) and not state)
        or state[:2] in ("08", "57", "53", "40")
    ):
        return StoreUnavailable(f"The database {where} does not answer: {_first_line(cause)}")
    if state == "42P01":
        return ConfigurationError(f"The database {where} has no refnet tables. Run: refnet db upgrade")
    return error


def _first_line(error: BaseException | None) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
