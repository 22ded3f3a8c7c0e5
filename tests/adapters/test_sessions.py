"""What the server itself does not give up: the locks of a client that was stopped within a round trip."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, text

from refnet.adapters.database import lock
from refnet.adapters.database.engine import database_url, open_engine, reading, writing
from refnet.adapters.database.lock import turn_on_server
from refnet.adapters.database.sessions import LOOKS, StalledSessions
from tests.cluster.lab import until
from tests.stopped import IN_ITS_TURN, WITHIN_A_ROUND_TRIP, stopped

TURN = "a turn"


@pytest.fixture
def engine(postgres_database: str) -> Iterator[Engine]:
    engine = open_engine(database_url(postgres_database))
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE t (a integer)"))
        connection.execute(text("INSERT INTO t VALUES (1)"))
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> StalledSessions:
    return StalledSessions(engine, TURN)


def is_locked(engine: Engine) -> bool:
    with writing(engine) as connection:
        return connection.execute(text("SELECT a FROM t FOR UPDATE SKIP LOCKED")).all() == []


def test_a_client_stopped_within_a_round_trip_loses_its_locks_and_is_told_of_it(
    engine: Engine, sessions: StalledSessions, postgres_database: str
) -> None:
    with stopped(WITHIN_A_ROUND_TRIP, postgres_database, "UPDATE t SET a = 2") as process:
        until(lambda: is_locked(engine), what="the statement")
        assert [sessions.look() for _ in range(LOOKS)] == [0] * LOOKS
        assert is_locked(engine)
        assert sessions.look() == 1
        until(lambda: not is_locked(engine), what="the end of its transaction")
        assert sessions.look() == 0

        process.send_signal(signal.SIGCONT)
        assert "StoreUnavailable" in process.communicate(timeout=60)[1]
    with reading(engine) as connection:
        assert connection.execute(text("SELECT a FROM t")).scalar_one() == 1


def test_the_turn_of_a_process_that_was_stopped_is_free(
    engine: Engine, sessions: StalledSessions, postgres_database: str
) -> None:
    with stopped(IN_ITS_TURN, postgres_database, TURN):
        with turn_on_server(engine, TURN) as mine:
            assert not mine
        assert [sessions.look() for _ in range(LOOKS + 1)] == [0] * LOOKS + [1]
        until(lambda: takes_its_turn(engine), what="the turn")


def takes_its_turn(engine: Engine) -> bool:
    with turn_on_server(engine, TURN) as mine:
        return mine


def test_whoever_has_the_turn_and_works_keeps_it_however_long(
    engine: Engine, sessions: StalledSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "ASK_EVERY", 0.01)
    asked = text(
        "SELECT state_change FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = 'advisory' AND objsubid = 1"
    )

    def last_asked() -> object:
        with reading(engine) as connection:
            return connection.execute(asked).scalar_one()

    def has_changed(before: object) -> bool:
        return last_asked() != before

    with turn_on_server(engine, TURN) as mine:
        assert mine
        for _ in range(2 * LOOKS):
            assert sessions.look() == 0
            before = last_asked()
            until(partial(has_changed, before), what="another question")
        assert not takes_its_turn(engine)


def test_a_session_that_moves_between_two_looks_is_looked_at_anew(
    engine: Engine, sessions: StalledSessions, postgres_database: str
) -> None:
    with stopped(WITHIN_A_ROUND_TRIP, postgres_database, "UPDATE t SET a = 2"):
        until(lambda: is_locked(engine), what="the statement")
        for _ in range(LOOKS):
            sessions.look()
    with stopped(WITHIN_A_ROUND_TRIP, postgres_database, "UPDATE t SET a = 2"):
        until(lambda: is_locked(engine), what="the statement")
        assert sessions.look() == 0


def copy(engine: Engine, rows: Iterator[bytes]) -> None:
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        with driver.cursor().copy("COPY t FROM STDIN") as into:
            for row in rows:
                into.write(row)


def test_clients_that_work_or_hold_nothing_or_copy_are_left_alone(engine: Engine, sessions: StalledSessions) -> None:
    def looking() -> Iterator[bytes]:
        yield b"5\n" * 100_000
        until(lambda: copies(engine), what="the server to wait for more")
        assert [sessions.look() for _ in range(2 * LOOKS)] == [0] * 2 * LOOKS

    with (
        turn_on_server(engine, "another turn") as another,
        engine.connect() as idle,
        writing(engine) as working,
    ):
        assert another
        idle.execute(text("SELECT 1"))
        working.execute(text("UPDATE t SET a = 3"))
        assert [sessions.look() for _ in range(2 * LOOKS)] == [0] * 2 * LOOKS
        working.execute(text("UPDATE t SET a = 4"))
    copy(engine, looking())


def copies(engine: Engine) -> bool:
    with reading(engine) as connection:
        asked = "SELECT 1 FROM pg_stat_activity WHERE query ILIKE 'copy t%' AND wait_event = 'ClientRead' AND backend_xid IS NOT NULL"
        return bool(connection.execute(text(asked)).all())
