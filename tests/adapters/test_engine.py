from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, Text, TypeDecorator, bindparam, event, select, text

from refnet.adapters.database.engine import (
    MOST_CONNECTIONS,
    database_url,
    open_engine,
    reading,
    shown,
    sqlite_file,
    writing,
)
from refnet.adapters.database.migrate import open_at_head, upgrade
from refnet.domain.errors import ConfigurationError, RefnetError, StorageFull, StoreUnavailable
from tests.adapters.disks import mounts_a_disk, small_disk

SECRET = "s3cr3t-p4ssw0rd"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(database_url(f"sqlite:///{tmp_path}/refnet.db"))
    yield engine
    engine.dispose()


def at(path: Path) -> Engine:
    return open_engine(database_url(f"sqlite:///{path}"))


def error_of(engine: Engine, statement: str = "SELECT count(*) FROM papers") -> RefnetError:
    """What the user is told when a transaction is begun."""
    try:
        with pytest.raises(RefnetError) as caught, writing(engine) as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)
    return caught.value


# Addresses


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_means_psycopg_3(scheme: str) -> None:
    assert database_url(f"{scheme}://u:p@h:5432/d").drivername == "postgresql+psycopg"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "refnet.db",
        f"postgresql://u:{SECRET}@h:port/d",
        f"mysql://u:{SECRET}@h/d",
        "sqlite://",
        "sqlite:///:memory:",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_telling_the_password(address: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL") as caught:
        database_url(address)
    assert SECRET[:6] not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_address_is_shown_without_its_secrets() -> None:
    url = database_url(f"postgresql://u:{SECRET}@h:5432/d?password={SECRET}&sslmode=require")
    assert shown(url) == "postgresql+psycopg://u:***@h:5432/d"


def test_the_file_of_an_address_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert sqlite_file(database_url("sqlite:///folder/x.db")) == tmp_path / "folder" / "x.db"
    assert sqlite_file(database_url("postgresql://h/d")) is None


def test_opening_makes_the_folder_and_connects_to_nothing(tmp_path: Path) -> None:
    at(tmp_path / "deep" / "er" / "refnet.db").dispose()
    assert list((tmp_path / "deep" / "er").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=f"{tmp_path}/file.*REFNET_DATA_DIR"):
        at(tmp_path / "file" / "refnet.db")


# SQLite


def test_a_writer_is_not_in_the_way_of_readers(engine: Engine) -> None:
    upgrade(engine)
    with writing(engine) as writer:
        writer.execute(text("INSERT INTO merged VALUES ('a', 'b')"))
        with reading(engine) as reader:
            assert reader.execute(text("SELECT count(*) FROM merged")).scalar() == 0


def test_a_reader_sees_one_state_of_the_database(engine: Engine) -> None:
    upgrade(engine)
    with reading(engine) as reader:
        assert reader.execute(text("SELECT count(*) FROM merged")).scalar() == 0
        with writing(engine) as writer:
            writer.execute(text("INSERT INTO merged VALUES ('a', 'b')"))
        assert reader.execute(text("SELECT count(*) FROM merged")).scalar() == 0


def test_a_failed_transaction_leaves_nothing(engine: Engine) -> None:
    upgrade(engine)

    def fail() -> None:
        with writing(engine) as connection:
            connection.execute(text("INSERT INTO merged VALUES ('a', 'b')"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM merged")).scalar() == 0


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Dear diary, this is no database. " * 50)
    error = error_of(at(tmp_path / "notes.txt"))
    assert isinstance(error, ConfigurationError)
    assert f"{tmp_path}/notes.txt is damaged or not a refnet database" in str(error)
    assert (tmp_path / "notes.txt").read_text().startswith("Dear diary")


def test_a_corrupt_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "refnet.db"
    engine = at(path)
    upgrade(engine)
    with writing(engine) as connection:
        connection.execute(text("INSERT INTO merged VALUES (:id, 'b')"), [{"id": f"{n}"} for n in range(2_000)])
    engine.dispose()
    content = bytearray(path.read_bytes())
    content[4_096:] = b"\xff" * (len(content) - 4_096)
    path.write_bytes(content)
    error = error_of(at(path), "SELECT count(*) FROM merged")
    assert isinstance(error, ConfigurationError)
    assert "is damaged or not a refnet database" in str(error)


def test_a_database_in_a_folder_that_cannot_be_written_is_named() -> None:
    """By a user without rights, since nothing is closed to root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        asking = (
            "from refnet.adapters.database.engine import *\n"
            f"engine = open_engine(database_url('sqlite:///{folder}/refnet.db'))\n"
            "with writing(engine): pass\n"
        )
        done = as_nobody(asking)
        folder.chmod(0o755)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("refnet.domain.errors.ConfigurationError: ")
    assert f"{folder}/refnet.db cannot be opened for writing" in last


def as_nobody(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program without root's rights; what it imports is loaded before they are given up."""
    head = "import os\nimport refnet.adapters.database.engine, sqlalchemy.dialects.sqlite.pysqlite\n"
    drop = "if os.geteuid() == 0:\n    os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)\n"
    return subprocess.run([sys.executable, "-c", head + drop + program], capture_output=True, text=True, check=False)


def test_a_folder_in_the_place_of_the_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "folder.db"
    path.mkdir()
    error = error_of(at(path))
    assert isinstance(error, ConfigurationError)
    assert "cannot be opened for writing" in str(error)


def test_a_full_disk_stops_the_work_and_keeps_what_is_there(engine: Engine) -> None:
    upgrade(engine)
    with writing(engine) as connection:
        connection.execute(text("INSERT INTO merged VALUES ('kept', 'b')"))
        pages = connection.execute(text("PRAGMA page_count")).scalar()
        connection.execute(text(f"PRAGMA max_page_count = {pages}"))
    with (
        pytest.raises(StorageFull, match=r"No room is left for the database .*refnet\.db"),
        writing(engine) as connection,
    ):
        connection.execute(text("INSERT INTO merged VALUES (:id, 'b')"), [{"id": f"{n:0500}"} for n in range(500)])
    with reading(engine) as connection:
        assert connection.execute(text("SELECT old_id FROM merged")).scalars().all() == ["kept"]


@mounts_a_disk
def test_a_disk_that_is_really_full_stops_the_work(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        engine = at(disk / "refnet.db")
        upgrade(engine)
        with writing(engine) as connection:
            connection.execute(text("INSERT INTO merged VALUES ('kept', 'b')"))
        rows = [{"id": f"{n:0500}"} for n in range(3_000)]
        with pytest.raises(StorageFull), writing(engine) as connection:
            connection.execute(text("INSERT INTO merged VALUES (:id, 'b')"), rows)
        with reading(engine) as connection:
            assert connection.execute(text("SELECT old_id FROM merged")).scalars().all() == ["kept"]
        engine.dispose()
        with closing(sqlite3.connect(disk / "refnet.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_database_that_another_program_writes_to_for_too_long_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("refnet.adapters.database.engine.BUSY_SECONDS", 0)
    engine = at(tmp_path / "refnet.db")
    upgrade(engine)
    with writing(engine):
        error = error_of(at(tmp_path / "refnet.db"))
    assert isinstance(error, StoreUnavailable)
    assert "locked by another program" in str(error)
    engine.dispose()


# PostgreSQL


def test_a_server_that_is_down_is_unavailable() -> None:
    error = error_of(open_engine(database_url(f"postgresql://u:{SECRET}@127.0.0.1:1/d?application_name={SECRET}")))
    assert isinstance(error, StoreUnavailable)
    assert "postgresql+psycopg://u:***@127.0.0.1:1/d does not answer" in str(error)


@pytest.mark.parametrize("wrong", ["password", "user", "database"])
def test_a_server_that_refuses_us_names_the_settings(postgres_database: str, wrong: str) -> None:
    url = database_url(postgres_database)
    change = {
        "password": url.set(password=SECRET),
        "user": url.set(username="nobody"),
        "database": url.set(database="nowhere"),
    }
    error = error_of(open_engine(change[wrong]))
    assert isinstance(error, ConfigurationError)
    assert "The database server refuses" in str(error)
    assert (url.password or "?") not in str(error)


def test_a_server_that_takes_no_writes_is_unavailable_to_writers_and_read_by_readers(postgres_database: str) -> None:
    engine = open_engine(database_url(f"{postgres_database}?options=-c%20default_transaction_read_only%3Don"))
    with reading(engine) as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    error = error_of(engine, "CREATE TABLE t (a integer)")
    assert isinstance(error, StoreUnavailable)
    assert "takes no writes: cannot execute CREATE TABLE in a read-only transaction" in str(error)


#: What PgBouncer lets a client say at the start, beside what it is told to ignore.
POOLERS_TAKE = {"user", "database", "application_name", "client_encoding", "datestyle", "timezone"}


def test_a_connection_begins_with_nothing_that_a_pooler_refuses() -> None:
    said: list[str] = []

    def listen(server: socket.socket) -> None:
        with server.accept()[0] as client:
            length = int.from_bytes(client.recv(4))
            words = client.recv(length - 4)[4:].split(b"\0")
            said.extend(word.decode() for word in words[:-2:2])

    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        listening = pool.submit(listen, server)
        error_of(open_engine(database_url(f"postgresql://u@127.0.0.1:{server.getsockname()[1]}/d?sslmode=disable")))
        listening.result(60)

    assert {"user", "database"} <= set(said) <= POOLERS_TAKE


def test_a_session_is_given_up_by_the_server_as_we_say_and_else_as_the_address_says(postgres_database: str) -> None:
    asked = text("SELECT current_setting('tcp_user_timeout'), current_setting('idle_in_transaction_session_timeout')")
    usual = open_engine(database_url(postgres_database))
    own = open_engine(database_url(f"{postgres_database}?options=-c%20idle_in_transaction_session_timeout%3D7s"))
    for engine, expected in ((usual, ("10000", "15s")), (own, ("10000", "7s"))):
        with reading(engine) as connection:
            assert connection.execute(asked).one() == expected
        engine.dispose()


def test_a_server_without_our_tables_names_the_command(postgres_database: str) -> None:
    engine = open_engine(database_url(postgres_database))
    error = error_of(engine)
    assert isinstance(error, ConfigurationError)
    assert "refnet db upgrade" in str(error)
    with pytest.raises(ConfigurationError, match="refnet db upgrade"):
        open_at_head(engine)
    engine.dispose()


def test_a_connection_cut_by_the_server_is_unavailable_and_the_next_one_works(postgres_database: str) -> None:
    engine = open_engine(database_url(postgres_database))

    def cut() -> None:
        with writing(engine) as connection, writing(engine) as other:
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar()
            other.execute(text(f"SELECT pg_terminate_backend({pid})"))
            connection.execute(text("SELECT 1"))

    with pytest.raises(StoreUnavailable):
        cut()
    with reading(engine) as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    engine.dispose()


def test_connections_that_a_busy_time_took_are_kept(postgres_database: str) -> None:
    engine = open_engine(database_url(postgres_database))
    opened: list[object] = []
    event.listen(engine, "connect", lambda connection, _: opened.append(connection))
    for _ in range(2):
        with ExitStack() as busy:
            for _ in range(MOST_CONNECTIONS):
                busy.enter_context(reading(engine))

    engine.dispose()
    assert len(opened) == MOST_CONNECTIONS


def test_a_question_of_one_statement_begins_no_transaction_on_a_server(postgres_database: str) -> None:
    engine = open_engine(database_url(postgres_database))
    with reading(engine) as connection:
        connection.execute(text("SELECT 1"))
        driver = connection.connection.driver_connection
        assert driver is not None
        assert driver.info.transaction_status.name == "IDLE"
    engine.dispose()


def test_a_time_limit_that_strikes_within_a_statement_passes_through_and_ends_the_statement_and_its_locks(
    postgres_database: str,
) -> None:
    server = open_engine(database_url(postgres_database))

    class TooLong(Exception):
        """What a time limit raises."""

    def strike(_number: int, _frame: object) -> None:
        raise TooLong

    def work() -> None:
        with writing(server) as connection:
            connection.execute(text("SELECT * FROM held FOR UPDATE"))
            connection.execute(text("SELECT pg_sleep(60)"))

    with writing(server) as connection:
        connection.execute(text("CREATE TABLE held (id int)"))
        connection.execute(text("INSERT INTO held VALUES (1)"))
    old = signal.signal(signal.SIGALRM, strike)
    try:
        signal.setitimer(signal.ITIMER_REAL, 1.0)
        with pytest.raises(TooLong):
            work()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, old)
    with writing(server) as connection:
        connection.execute(text("SET LOCAL lock_timeout = '10s'"))
        assert connection.execute(text("SELECT id FROM held FOR UPDATE")).all() == [(1,)]
    server.dispose()


def test_our_own_mistakes_are_not_taken_for_the_database_being_away(engine: Engine, postgres_database: str) -> None:
    upgrade(engine)
    server = open_engine(database_url(postgres_database))
    for one, statement in ((engine, "SELECT nothing FROM papers"), (server, "SELECT nothing")):
        with pytest.raises(Exception, match="nothing") as caught, reading(one) as connection:
            connection.execute(text(statement))
        assert not isinstance(caught.value, RefnetError)
        assert caught.value.__cause__ is not caught.value
    server.dispose()


def test_what_struck_while_a_statement_was_put_together_comes_out_with_a_chain_that_ends(engine: Engine) -> None:
    class Odd(TypeDecorator[str]):
        impl = Text
        cache_ok = True

        def process_bind_param(self, value: object, dialect: object) -> str:
            raise TypeError("never a text")

    with pytest.raises(TypeError, match="never a text") as caught, reading(engine) as connection:
        connection.execute(select(bindparam("odd", "x", Odd())))
    chain: list[BaseException] = []
    one: BaseException | None = caught.value
    while one is not None:
        assert one not in chain
        chain.append(one)
        one = one.__cause__ or one.__context__
