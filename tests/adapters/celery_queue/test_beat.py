"""The schedule of the periodic tasks: turns are kept in the database, and each is sent once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from celery import Celery
from celery.schedules import crontab, schedule
from sqlalchemy import Engine, text

from refnet.adapters.celery_queue.application import Connections, create_app
from refnet.adapters.celery_queue.beat import AWAY, HELD, Scheduler, turn_id
from refnet.adapters.celery_queue.due_times import latest_due, next_due
from refnet.adapters.database.engine import database_url, open_engine
from refnet.adapters.database.migrate import upgrade
from tests.servers import free_port

EVERY = 3_600.0
KEYS = (b"k" * 32,)
MakeBeat = Callable[[], Scheduler]


def at(words: str) -> float:
    return datetime.fromisoformat(words).replace(tzinfo=UTC).timestamp()


@pytest.fixture
def engine(postgres_database: str) -> Iterator[Engine]:
    made = open_engine(database_url(postgres_database))
    upgrade(made)
    yield made
    made.dispose()


@pytest.fixture
def app(postgres_database: str, engine: Engine, redis_url: str) -> Iterator[Celery]:
    """With one health check an hour."""
    address = str(database_url(postgres_database).render_as_string(hide_password=False))
    made = create_app(lambda: Connections(redis_url, address), lambda: KEYS)
    made.conf.beat_schedule["health-check"]["schedule"] = EVERY
    yield made
    made.close()


@pytest.fixture
def beat(app: Celery) -> Iterator[MakeBeat]:
    """Makes beats; each is a process as far as the database can tell."""
    beats: list[Scheduler] = []

    def make() -> Scheduler:
        beats.append(Scheduler(app))
        return beats[-1]

    yield make
    for one in beats:
        one.close()


def put(engine: Engine, slot: float) -> None:
    """Let the health check's last turn have been that many seconds ago."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE periodic SET slot = 1000 * (extract(epoch FROM clock_timestamp()) - :ago)"
                " WHERE name = 'health-check'"
            ),
            {"ago": slot},
        )


def kept(engine: Engine) -> float:
    with engine.connect() as connection:
        return float(
            connection.execute(text("SELECT slot FROM periodic WHERE name = 'health-check'")).scalar_one() / 1_000
        )


def sent(app: Celery) -> list[str]:
    """The ids of the messages in the queue, which is emptied."""
    found: list[str] = []
    with app.connection_for_read() as connection:
        queue = app.amqp.queues["crawler"](connection.default_channel)
        while (message := queue.get(no_ack=True)) is not None:
            found.append(message.headers["id"])
    return found


# ---------------------------------------------------------------- when something is due


def test_turns_of_an_interval_are_its_multiples_whoever_counts() -> None:
    minute = schedule(60.0)
    assert next_due(minute, 119.9) == 120.0
    assert next_due(minute, 120.0) == 180.0
    assert latest_due(minute, 60.0, 119.9) is None
    assert latest_due(minute, 60.0, 120.0) == 120.0
    assert latest_due(minute, 59.0, 600.5) == 600.0


def test_a_turn_of_an_interval_that_is_no_whole_milliseconds_comes_once() -> None:
    third = schedule(1 / 3)
    # As the database keeps it.
    assert latest_due(third, 0.0, 100.34) == 100.333
    assert latest_due(third, 100.333, 100.34) is None


@pytest.mark.parametrize(
    ("after", "now", "expected"),
    [
        ("2026-03-01T04:00", "2026-03-02T03:59:59", None),
        ("2026-03-01T04:00", "2026-03-02T04:00", "2026-03-02T04:00"),
        ("2026-03-01T04:00", "2026-03-02T04:30", "2026-03-02T04:00"),
        ("2026-03-01T12:00", "2026-03-02T03:00", None),
        ("2026-03-01T12:00", "2026-03-09T15:00", "2026-03-09T04:00"),
        ("2025-12-31T04:00", "2026-12-31T03:00", "2026-12-30T04:00"),
    ],
)
def test_of_a_crontab_s_turns_the_last_that_has_come_counts(after: str, now: str, expected: str | None) -> None:
    nightly = crontab(minute="0", hour="4")
    assert latest_due(nightly, at(after), at(now)) == (None if expected is None else at(expected))


def test_a_crontab_s_turn_years_ago_is_found() -> None:
    leap = crontab(minute="0", hour="0", day_of_month="29", month_of_year="2")
    assert latest_due(leap, at("2020-01-01"), at("2026-12-01")) == at("2024-02-29")
    assert next_due(leap, at("2026-12-01")) == at("2028-02-29")


# ---------------------------------------------------------------- what is sent


def test_a_task_never_seen_begins_with_its_next_turn(app: Celery, beat: MakeBeat, engine: Engine) -> None:
    wait = beat().tick()
    assert sent(app) == []
    assert 0 < wait <= 300
    with engine.connect() as connection:
        names = connection.execute(text("SELECT name FROM periodic ORDER BY name")).scalars().all()
    assert names == ["celery.backend_cleanup", "health-check"]


def test_many_missed_turns_are_made_up_for_by_one(app: Celery, beat: MakeBeat, engine: Engine) -> None:
    first, second = beat(), beat()
    first.tick()
    put(engine, 100 * EVERY)
    for one in (first, second, first, second):
        one.tick()
    [only] = sent(app)
    assert only == turn_id("health-check", kept(engine))
    assert kept(engine) % EVERY == 0


def test_a_nightly_task_that_was_missed_is_sent_once(app: Celery, beat: MakeBeat, engine: Engine) -> None:
    one = beat()
    one.tick()
    with engine.begin() as connection:
        connection.execute(text("UPDATE periodic SET slot = slot - 3 * 86400000 WHERE name LIKE 'celery%'"))
    one.tick()
    one.tick()
    assert len(sent(app)) == 1


def test_what_was_sent_and_not_committed_is_sent_again_as_the_same_message(
    app: Celery, beat: MakeBeat, engine: Engine
) -> None:
    one = beat()
    one.tick()
    put(engine, 2 * EVERY)
    before = kept(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'gone' USING ERRCODE = '57P01'; END $$"
        )
        connection.exec_driver_sql(
            "CREATE CONSTRAINT TRIGGER fails AFTER UPDATE ON periodic DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION fail()"
        )
    assert one.tick() == AWAY
    assert kept(engine) == before
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER fails ON periodic")
    beat().tick()

    first, again = sent(app)
    assert first == again == turn_id("health-check", kept(engine))


def test_a_turn_that_another_beat_is_at_is_left_to_it_without_waiting(
    app: Celery, beat: MakeBeat, engine: Engine
) -> None:
    one = beat()
    one.tick()
    put(engine, 2 * EVERY)
    with engine.connect() as other, other.begin() as transaction:
        other.execute(text("SELECT 1 FROM periodic FOR UPDATE"))
        waits = [0.0]
        thread = threading.Thread(target=lambda: waits.append(one.tick()))
        thread.start()
        thread.join(30)
        assert not thread.is_alive()
        assert waits[-1] == HELD
        transaction.rollback()
    assert sent(app) == []
    one.tick()
    assert len(sent(app)) == 1


def test_a_turn_whose_message_cannot_be_sent_is_not_taken(
    app: Celery, beat: MakeBeat, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = beat()
    one.tick()
    put(engine, 2 * EVERY)
    before = kept(engine)
    with monkeypatch.context() as away:
        away.setitem(app.conf, "broker_write_url", f"redis://127.0.0.1:{free_port()}/0")
        assert one.tick() == AWAY
    assert kept(engine) == before
    one.tick()
    assert len(sent(app)) == 1


def test_a_task_that_cannot_be_sent_keeps_no_other_from_being_sent(
    app: Celery, beat: MakeBeat, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    broken = {"task": "check_health", "schedule": EVERY, "kwargs": {"no": object()}}
    app.conf.beat_schedule = {"broken": broken, **app.conf.beat_schedule}
    one = beat()
    one.schedule = {"broken": one.schedule.pop("broken"), **one.schedule}  # Celery puts them in any order
    one.tick()
    put(engine, 2 * EVERY)
    with engine.begin() as connection:
        connection.execute(text("UPDATE periodic SET slot = slot - 7200000 WHERE name = 'broken'"))
    assert one.tick() == AWAY
    assert sent(app) == [turn_id("health-check", kept(engine))]
    assert "broken" in caplog.text


def test_after_the_database_s_clock_was_set_back_far_turns_begin_anew(
    app: Celery, beat: MakeBeat, engine: Engine
) -> None:
    one = beat()
    one.tick()
    put(engine, -86_400.0)
    one.tick()
    assert sent(app) == []
    with engine.connect() as connection:
        now = float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
    assert now - 60 < kept(engine) <= now


# ---------------------------------------------------------------- a database that is not ready


def test_beat_ends_with_the_cure_where_the_database_has_not_been_upgraded(
    app: Celery, beat: MakeBeat, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0002'")
    with pytest.raises(SystemExit) as ended:
        beat()
    assert ended.value.code == 2
    assert "Run: refnet db upgrade" in caplog.text


def test_beat_starts_and_goes_on_while_the_database_is_away(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    address = f"postgresql+psycopg://127.0.0.1:{free_port()}/x"
    app = create_app(lambda: Connections(redis_url, address), lambda: KEYS)
    one = Scheduler(app)
    assert [one.tick(), one.tick()] == [AWAY, AWAY]
    assert caplog.text.count("Beat goes on") == 1
    one.close()
    app.close()


def test_a_scheduler_made_for_its_banner_connects_to_nothing() -> None:
    def unread() -> Any:
        return Connections("redis://127.0.0.1:1/0", "postgresql+psycopg://127.0.0.1:1/x")

    assert Scheduler(create_app(unread, lambda: KEYS), lazy=True).info == ""
