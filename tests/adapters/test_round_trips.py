"""How seldom a PostgreSQL server is waited for, by what libpq says that it sent and got; and that nothing suffers."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from refnet.adapters.database import round_trips
from refnet.adapters.database.engine import database_url, open_engine, reading, unread, writing
from refnet.adapters.database.lock import shared_on_server
from refnet.domain.errors import StoreUnavailable

ROWS = text("SELECT a FROM t ORDER BY a")


@pytest.fixture
def engine(postgres_database: str) -> Iterator[Engine]:
    engine = open_engine(database_url(postgres_database))
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE t (a integer PRIMARY KEY)"))
    yield engine
    engine.dispose()


def add(connection: Connection, number: int) -> None:
    unread(connection, text("INSERT INTO t VALUES (:a)").bindparams(a=number))


def add_all(engine: Engine, *numbers: int) -> None:
    with writing(engine) as connection:
        for number in numbers:
            add(connection, number)


def rows(engine: Engine) -> list[int]:
    with reading(engine) as connection:
        return list(connection.execute(ROWS).scalars())


def trips(engine: Engine, work: Callable[[], object]) -> int:
    """How often something was sent after an answer had come, or at first."""
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
    with tempfile.TemporaryFile("w+") as file:
        driver.pgconn.trace(file.fileno())
        try:
            work()
        finally:
            driver.pgconn.untrace()
        file.seek(0)
        ways = [line.split("\t")[1] for line in file if "\t" in line]
    return sum(way == "F" and before == "B" for before, way in zip(["B", *ways], ways, strict=False))


def test_what_is_read_takes_a_round_trip_and_all_else_goes_with_it_or_with_the_end(engine: Engine) -> None:
    def work() -> None:
        with writing(engine) as connection:
            add(connection, 1)
            add(connection, 2)
            assert list(connection.execute(ROWS).scalars()) == [1, 2]
            add(connection, 3)

    assert trips(engine, work) == 2
    assert rows(engine) == [1, 2, 3]


def test_what_nobody_reads_takes_one_round_trip_for_the_whole_transaction(engine: Engine) -> None:
    assert trips(engine, lambda: add_all(engine, *range(5))) == 1
    assert rows(engine) == [0, 1, 2, 3, 4]


def test_reading_takes_a_round_trip_a_statement_and_doing_nothing_none(engine: Engine) -> None:
    def nothing() -> None:
        with writing(engine):
            pass

    assert trips(engine, lambda: rows(engine)) == 1
    assert trips(engine, nothing) == 0


def test_rows_are_read_in_portions_as_elsewhere(engine: Engine) -> None:
    add_all(engine, *range(25))
    for begin in (reading, writing):
        with begin(engine) as connection:
            found = connection.execute(ROWS.execution_options(yield_per=10)).scalars()
            assert list(found) == list(range(25))


def test_one_statement_that_fails_takes_all_of_its_transaction_with_it(engine: Engine) -> None:
    with pytest.raises(IntegrityError, match="duplicate key"):
        add_all(engine, 1, 2, 2, 3)
    assert rows(engine) == []
    add_all(engine, 4)
    assert rows(engine) == [4]


def test_what_is_handled_meanwhile_does_not_hide_what_went_wrong_in_the_database(engine: Engine) -> None:
    """A failure of the source is stored while it is handled."""
    with pytest.raises(IntegrityError, match="duplicate key"):  # noqa: PT012 - what is shown happens while it is handled
        try:
            raise ValueError("the source's")
        except ValueError:
            add_all(engine, 1, 1)


def test_an_error_of_ours_leaves_nothing(engine: Engine) -> None:
    def fail(*, read: bool) -> None:
        with writing(engine) as connection:
            add(connection, 1)
            if read:
                connection.execute(ROWS).all()
            raise ZeroDivisionError

    for read in (True, False):
        with pytest.raises(ZeroDivisionError):
            fail(read=read)
    assert rows(engine) == []


class Late(Exception):
    pass


def test_a_time_limit_is_a_time_limit_also_while_several_answers_are_awaited(engine: Engine) -> None:
    def strike(*_: object) -> None:
        raise Late

    def work() -> None:
        with writing(engine) as connection:
            add(connection, 1)
            unread(connection, text("SELECT pg_sleep(30)"))
            signal.setitimer(signal.ITIMER_REAL, 0.3)

    before = signal.signal(signal.SIGALRM, strike)
    try:
        with pytest.raises(Late):
            work()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert rows(engine) == []
    with reading(engine) as connection:
        asleep = text("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(30)'")
        assert connection.execute(asleep).scalar_one() == 0


def end_all_others(engine: Engine, url: str) -> None:
    other = open_engine(database_url(url))
    with writing(other) as connection:
        ended = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        connection.execute(text(f"{ended} AND datname = current_database()")).all()
    other.dispose()


def test_a_lock_is_held_without_a_transaction(engine: Engine) -> None:
    """Which the server would end."""
    states = text("SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
    with shared_on_server(engine) as check:
        check()
        with reading(engine) as connection:
            assert set(connection.execute(states).scalars()) == {"idle"}


def test_a_connection_that_nobody_used_for_a_while_is_looked_at_before(
    engine: Engine, postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_all_others(engine, postgres_database)
    with pytest.raises(StoreUnavailable):
        rows(engine)  # it was used just now
    assert rows(engine) == []
    end_all_others(engine, postgres_database)
    monkeypatch.setattr(round_trips, "IDLE", 0.0)
    assert rows(engine) == []
