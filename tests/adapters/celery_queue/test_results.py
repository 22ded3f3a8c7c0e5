from __future__ import annotations

import json
import logging
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from celery import Celery
from celery.app.task import Context
from celery.exceptions import BackendGetMetaError, BackendStoreError, ImproperlyConfigured, SecurityError
from celery.exceptions import SoftTimeLimitExceeded as TimeLimit
from psycopg import sql
from sqlalchemy.engine import make_url

from refnet.adapters.celery_queue import results
from refnet.adapters.celery_queue.keeper import Keeper
from refnet.adapters.celery_queue.results import READ_RETRIES, DatabaseResults
from refnet.adapters.database.engine import database_url, open_engine
from refnet.adapters.database.migrate import upgrade
from refnet.domain.errors import ConfigurationError
from tests.servers import fresh_database, ticks

PAPER = "649def34f8be52c8b66281af98ae884c09aef38b"
SUMMARY = {"status": "success", "paper_id": PAPER}


@pytest.fixture(scope="module")
def migrated(postgres_url: str) -> Iterator[str]:
    """One database for these tests; making one for each would take most of their time."""
    with fresh_database(postgres_url) as url:
        engine = open_engine(database_url(url))
        upgrade(engine)
        engine.dispose()
        yield url


@pytest.fixture
def admin(migrated: str, postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection beside those that are tested, to another database of the same server."""
    with psycopg.connect(_plain(postgres_url), autocommit=True) as connection:
        yield connection


@pytest.fixture
def table(migrated: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to the table, empty at first."""
    with psycopg.connect(_plain(migrated), autocommit=True) as connection:
        connection.execute("DELETE FROM celery_taskmeta")
        yield connection


@pytest.fixture
def app(migrated: str, table: psycopg.Connection[Any]) -> Celery:
    return celery_app(migrated)


@pytest.fixture
def stock(migrated: str, table: psycopg.Connection[Any]) -> Celery:
    """An application with Celery's own backend on the same table."""
    return celery_app(migrated, ours=False)


def celery_app(url: str, *, ours: bool = True, **settings: Any) -> Celery:
    app = Celery("test", set_as_current=False)
    if ours:
        app.loader.override_backends = {"db": "refnet.adapters.celery_queue.results:DatabaseResults"}
    app.conf.update({"result_backend": f"db+{url}", "result_extended": True} | settings)
    return app


class Eventful(DatabaseResults):
    """Instead of a pause between two tries, `pause` is called with the number of the try."""

    def __init__(self, app: Celery, url: str, pause: Callable[[int], None]) -> None:
        super().__init__(app=app, url=url)
        self.tries = 0
        self._pause = pause

    def _sleep(self, amount: float) -> None:
        self.tries += 1
        assert self.tries <= 100, "tried again and again"
        self._pause(self.tries)


def request(task_id: str, **more: Any) -> Context:
    """What a worker knows of the task while it stores the result."""
    known = {
        "id": task_id,
        "task": "crawler.tasks.fetch_paper_metadata",
        "args": [PAPER],
        "kwargs": {"depth": 1},
        "hostname": "crawler@host",
        "retries": 2,
        "delivery_info": {"routing_key": "crawler"},
        "_children": [],
    }
    return Context(known | more)


def failed() -> tuple[ValueError, str]:
    try:
        raise ValueError("no such paper", 7)
    except ValueError as error:
        return error, 'Traceback (most recent call last):\n  File "x.py", line 1\nValueError: no such paper'


def row_of(table: psycopg.Connection[Any], task_id: str) -> dict[str, Any]:
    cursor = table.execute("SELECT * FROM celery_taskmeta WHERE task_id = %s", [task_id])
    row = cursor.fetchone()
    assert row is not None
    assert cursor.description is not None
    return dict(zip([column.name for column in cursor.description], row, strict=True))


def server_process(backend: DatabaseResults) -> int:
    """The server's process that serves this thread's connection."""
    return int(backend._held().connection.info.backend_pid)


def shut(admin: psycopg.Connection[Any], url: str) -> None:
    """Let nobody into the database, and everybody out."""
    name = make_url(url).database
    admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])


def open_again(admin: psycopg.Connection[Any], url: str) -> None:
    admin.execute(f'ALTER DATABASE "{make_url(url).database}" ALLOW_CONNECTIONS true')


def unwanted(number: int) -> None:
    raise AssertionError(f"tried again, {number}")


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


# ---------------------------------------------------------------- what is stored


def test_s02_a_result_stored_by_a_worker_is_read_from_postgresql(
    migrated: str, app: Celery, table: psycopg.Connection[Any]
) -> None:
    app.backend.mark_as_done("t", SUMMARY, request=request("t"))
    assert isinstance(app.backend, DatabaseResults)
    assert celery_app(migrated).AsyncResult("t").get(timeout=0) == SUMMARY
    assert json.loads(row_of(table, "t")["result"]) == SUMMARY


def test_a_failure_keeps_its_exception_and_traceback(migrated: str, app: Celery) -> None:
    error, traceback = failed()
    app.backend.mark_as_failure("t", error, traceback, request=request("t"))
    result = celery_app(migrated).AsyncResult("t")
    assert (result.state, result.traceback) == ("FAILURE", traceback)
    with pytest.raises(ValueError, match="no such paper") as caught:
        result.get(timeout=0)
    assert caught.value.args == ("no such paper", 7)


def test_a_retried_task_is_in_state_retry_with_its_reason_until_it_succeeds(
    app: Celery, table: psycopg.Connection[Any]
) -> None:
    error, traceback = failed()
    app.backend.mark_as_retry("t", error, traceback, request=request("t"))
    result = app.AsyncResult("t")
    assert (result.state, repr(result.result), result.date_done) == ("RETRY", repr(error), None)
    app.backend.mark_as_done("t", SUMMARY, request=request("t"))
    assert (result.state, result.result, result.traceback) == ("SUCCESS", SUMMARY, None)
    assert table.execute("SELECT count(*) FROM celery_taskmeta").fetchone() == (1,)


def test_everything_that_a_result_tells_of_its_task_is_kept(migrated: str, app: Celery) -> None:
    child = app.AsyncResult("child")
    stamps = {"stamped_headers": ["crawl"], "stamps": {"crawl": 7}}
    before = datetime.now(UTC).replace(tzinfo=None)
    app.backend.mark_as_done("t", 1, request=request("t", _children=[child], **stamps))
    result = celery_app(migrated).AsyncResult("t")
    assert (result.name, result.args, result.kwargs) == (
        "crawler.tasks.fetch_paper_metadata",
        [PAPER],
        {"depth": 1},
    )
    assert (result.worker, result.retries, result.queue) == ("crawler@host", 2, "crawler")
    assert [each.id for each in result.children] == ["child"]
    assert result.backend.get_task_meta("t").items() >= {"crawl": 7, "stamped_headers": ["crawl"]}.items()
    assert before <= result.date_done <= datetime.now(UTC).replace(tzinfo=None)


def test_the_time_is_utc_whatever_zones_worker_and_database_live_in(
    migrated: str, table: psycopg.Connection[Any]
) -> None:
    app = celery_app(f"{migrated}?options=-c%20timezone%3DAsia/Tokyo", timezone="America/New_York")
    app.backend.mark_as_done("t", 1)
    assert abs(row_of(table, "t")["date_done"] - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=1)


def test_a_success_stays_whatever_another_delivery_comes_to(app: Celery, stock: Celery) -> None:
    for number, backend in enumerate((app.backend, stock.backend)):
        backend.mark_as_done(f"t{number}", SUMMARY, request=request("t"))
        backend.mark_as_failure(f"t{number}", failed()[0], request=request("t"))
        backend.mark_as_done(f"t{number}", "later", request=request("t"))
        assert app.AsyncResult(f"t{number}").get(timeout=0) == SUMMARY


def test_a_failure_gives_way_to_the_success_of_another_delivery(app: Celery) -> None:
    app.backend.mark_as_failure("t", failed()[0], request=request("t"))
    app.backend.mark_as_done("t", SUMMARY, request=request("t"))
    assert app.AsyncResult("t").get(timeout=0) == SUMMARY


def test_stamps_stay_until_there_are_others(app: Celery) -> None:
    def stamped(crawl: int) -> Context:
        return request("t", stamped_headers=["crawl"], stamps={"crawl": crawl})

    app.backend.mark_as_retry("t", failed()[0], request=stamped(7))
    app.backend.mark_as_retry("t", failed()[0])
    assert app.backend.get_task_meta("t")["crawl"] == 7
    app.backend.mark_as_retry("t", failed()[0], request=stamped(8))
    assert app.backend.get_task_meta("t")["crawl"] == 8


def test_storing_a_task_again_uses_up_no_ids(app: Celery, table: psycopg.Connection[Any]) -> None:
    for _ in range(5):
        app.backend.mark_as_retry("t", failed()[0], request=request("t"))
    app.backend.mark_as_done("u", 1)
    assert row_of(table, "u")["id"] == row_of(table, "t")["id"] + 1


def test_without_extended_results_only_the_result_is_stored(migrated: str, table: psycopg.Connection[Any]) -> None:
    app = celery_app(migrated, result_extended=False)
    app.backend.mark_as_done("t", SUMMARY, request=request("t"))
    assert app.AsyncResult("t").get(timeout=0) == SUMMARY
    assert (row_of(table, "t")["args"], row_of(table, "t")["name"]) == (None, None)


# ---------------------------------------------------------------- beside Celery's own backend

STORED: dict[str, Callable[[Any, str], None]] = {
    "success": lambda backend, task_id: backend.mark_as_done(task_id, SUMMARY, request=request(task_id)),
    "success without a request": lambda backend, task_id: backend.mark_as_done(task_id, None),
    "failure": lambda backend, task_id: backend.mark_as_failure(task_id, *failed(), request=request(task_id)),
    "retry": lambda backend, task_id: backend.mark_as_retry(task_id, *failed(), request=request(task_id)),
    "revoked": lambda backend, task_id: backend.mark_as_revoked(task_id, "terminated", request=request(task_id)),
    "started": lambda backend, task_id: backend.store_result(task_id, {"pid": 1}, "STARTED", request=request(task_id)),
    "children and stamps": lambda backend, task_id: backend.mark_as_done(
        task_id,
        ["日本語", 1.5, datetime(2026, 1, 1, tzinfo=UTC)],
        request=request(
            task_id, _children=[backend.app.AsyncResult("c")], stamped_headers=["crawl"], stamps={"crawl": [7]}
        ),
    ),
}


@pytest.mark.parametrize("case", STORED)
def test_rows_are_those_that_celery_writes(
    case: str, app: Celery, stock: Celery, table: psycopg.Connection[Any]
) -> None:
    STORED[case](app.backend, "ours")
    STORED[case](stock.backend, "stock")
    ours, theirs = row_of(table, "ours"), row_of(table, "stock")
    for row in (ours, theirs):
        del row["task_id"], row["id"]
        row["date_done"] = row["date_done"] is not None
    assert ours == theirs


@pytest.mark.parametrize("case", STORED)
def test_each_backend_reads_what_the_other_wrote(case: str, app: Celery, stock: Celery) -> None:
    STORED[case](app.backend, "ours")
    STORED[case](stock.backend, "stock")
    for task_id in ("ours", "stock"):
        read, expected = app.backend.get_task_meta(task_id), stock.backend.get_task_meta(task_id)
        assert repr(read.pop("result")) == repr(expected.pop("result"))  # no two exceptions are equal
        assert read == expected


def test_an_unknown_id_is_pending_as_with_celery(app: Celery, stock: Celery) -> None:
    assert app.AsyncResult("nobody").state == "PENDING"
    assert app.backend.get_task_meta("nobody") == stock.backend.get_task_meta("nobody")
    assert not app.backend.task_result_exists("nobody")


def test_a_result_that_is_there_exists_even_if_it_is_pending(app: Celery) -> None:
    app.backend.store_result("t", None, "PENDING")
    assert app.backend.task_result_exists("t")


# ---------------------------------------------------------------- what must not be read


class Bomb:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return Path.touch, (self.file,)


@pytest.mark.parametrize("column", ["result", "children", "args", "kwargs", "stamps"])
def test_a_pickled_row_is_refused_and_not_run(
    column: str, app: Celery, table: psycopg.Connection[Any], tmp_path: Path
) -> None:
    app.backend.mark_as_done("t", SUMMARY)
    bomb = tmp_path / "went off"
    table.execute(
        sql.SQL("UPDATE celery_taskmeta SET {} = %s").format(sql.Identifier(column)), [pickle.dumps(Bomb(bomb))]
    )
    with pytest.raises(SecurityError, match=f"column {column} of task t .* is pickled, which refnet never reads"):
        _ = app.AsyncResult("t").state
    assert not bomb.exists()


def test_no_other_serializer_can_be_chosen(migrated: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="kept as JSON; result_serializer is 'pickle'"):
        _ = celery_app(migrated, result_serializer="pickle").backend


def test_a_stamp_cannot_pretend_to_be_the_result(app: Celery) -> None:
    stamps = {"stamped_headers": ["status", "name"], "stamps": {"status": "FAILURE", "name": "other"}}
    app.backend.store_result("t", 1, "SUCCESS")
    with psycopg.connect(_plain(f"{app.backend.url}"), autocommit=True) as connection:
        connection.execute("UPDATE celery_taskmeta SET stamps = %s", [json.dumps(stamps).encode()])
    assert (app.AsyncResult("t").state, app.AsyncResult("t").name) == ("SUCCESS", None)


# ---------------------------------------------------------------- what PostgreSQL refuses


def test_texts_that_postgresql_refuses_are_stored_with_marks_in_their_place(app: Celery) -> None:
    known = {"task": "a\x00b", "hostname": "w\x00", "delivery_info": {"routing_key": "q\ud800"}}
    app.backend.mark_as_failure("t", ValueError("v\x00\ud800"), "File '\udcff.py'\x00", request=request("t", **known))
    result = app.AsyncResult("t")
    assert (result.name, result.worker, result.queue) == ("a\ufffdb", "w\ufffd", "q?")
    assert result.traceback == "File '?.py'\ufffd"
    assert result.result.args == ("v\x00\ud800",)


def test_names_and_numbers_too_long_for_their_columns_are_cut(app: Celery) -> None:
    app.backend.store_result("t", 1, "S" * 60, request=request("t", task="é" * 200, retries=2**40))
    result = app.AsyncResult("t")
    assert (result.name, result.state, result.retries) == ("é" * 155, "S" * 50, 2**31 - 1)


@pytest.mark.parametrize("task_id", ["x" * 156, "a\x00b", "\ud800"])
def test_an_id_that_fits_no_row_is_told_and_stays_pending(
    task_id: str, app: Celery, table: psycopg.Connection[Any], caplog: pytest.LogCaptureFixture
) -> None:
    app.backend.mark_as_done(task_id, SUMMARY)
    assert "is not kept" in caplog.text
    assert app.AsyncResult(task_id).state == "PENDING"
    app.backend.forget(task_id)
    assert table.execute("SELECT count(*) FROM celery_taskmeta").fetchone() == (0,)


# ---------------------------------------------------------------- deleting


def test_a_forgotten_result_is_gone(app: Celery, table: psycopg.Connection[Any]) -> None:
    app.backend.mark_as_done("t", SUMMARY)
    app.backend.mark_as_done("u", SUMMARY)
    app.AsyncResult("t").forget()
    assert app.AsyncResult("t").state == "PENDING"
    assert app.AsyncResult("u").state == "SUCCESS"


def test_the_cleanup_deletes_what_is_older_than_asked_however_much(
    migrated: str, table: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "CHUNK", 2)
    # Far from the server's zone: the table is in UTC.
    app = celery_app(f"{migrated}?options=-c%20timezone%3DAsia/Tokyo", result_expires=3_600)
    for task_id in ("old1", "old2", "old3", "old4", "young"):
        app.backend.mark_as_done(task_id, 1)
    app.backend.mark_as_retry("going on", failed()[0])
    table.execute("UPDATE celery_taskmeta SET date_done = date_done - interval '61 min' WHERE task_id LIKE 'old%'")
    table.execute("UPDATE celery_taskmeta SET date_done = date_done - interval '59 min' WHERE task_id = 'young'")
    app.backend.cleanup()
    rows = table.execute("SELECT task_id FROM celery_taskmeta ORDER BY 1").fetchall()
    assert rows == [("going on",), ("young",)]


def test_a_retry_of_which_nothing_more_comes_expires_and_one_that_goes_on_does_not(
    migrated: str, table: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "CHUNK", 2)
    app = celery_app(migrated, result_expires=3_600)
    for task_id in ("lost1", "lost2", "lost3", "going on"):
        app.backend.mark_as_retry(task_id, failed()[0])
    app.backend.cleanup()
    app.backend.mark_as_retry("going on", failed()[0])
    assert app.AsyncResult("going on").date_done is None
    table.execute("UPDATE celery_taskmeta SET date_done = date_done - interval '59 min'")
    app.backend.cleanup()
    assert {app.AsyncResult(f"lost{number}").state for number in (1, 2, 3)} == {"RETRY"}
    table.execute("UPDATE celery_taskmeta SET date_done = date_done - interval '2 min' WHERE task_id LIKE 'lost%'")
    app.backend.cleanup()
    assert table.execute("SELECT task_id FROM celery_taskmeta").fetchall() == [("going on",)]


@pytest.mark.parametrize("expires", [None, 0])
def test_results_that_never_expire_stay(expires: int | None, migrated: str, table: psycopg.Connection[Any]) -> None:
    app = celery_app(migrated, result_expires=expires)
    app.backend.mark_as_done("t", 1)
    app.backend.mark_as_retry("again", failed()[0])
    table.execute("UPDATE celery_taskmeta SET date_done = '1999-01-01' WHERE task_id = 't'")
    app.backend.cleanup()
    assert app.AsyncResult("t").state == "SUCCESS"
    assert app.AsyncResult("again").date_done is None


# ---------------------------------------------------------------- the database away


def test_a_result_survives_a_connection_that_the_server_dropped(app: Celery, admin: psycopg.Connection[Any]) -> None:
    app.backend.mark_as_done("t", 1)
    before = server_process(app.backend)
    admin.execute("SELECT pg_terminate_backend(%s, 10000)", [before])
    app.backend.mark_as_done("u", 2)
    assert server_process(app.backend) != before
    admin.execute("SELECT pg_terminate_backend(%s, 10000)", [server_process(app.backend)])
    assert app.AsyncResult("u").get(timeout=0) == 2


def test_a_result_is_stored_after_an_outage_however_many_tries_it_takes(
    migrated: str, app: Celery, admin: psycopg.Connection[Any]
) -> None:
    def pause(number: int) -> None:
        if number == 3 * READ_RETRIES:
            open_again(admin, migrated)

    backend = Eventful(app, migrated, pause)
    backend.mark_as_done("t", 1)
    shut(admin, migrated)
    try:
        backend.mark_as_done("u", 2)
    finally:
        open_again(admin, migrated)
    # The first try met the lost connection, each other one a closed door.
    assert backend.tries == 3 * READ_RETRIES
    assert backend.get_result("u") == 2


def test_storing_gives_up_after_as_many_tries_as_are_set(migrated: str, admin: psycopg.Connection[Any]) -> None:
    backend = Eventful(celery_app(migrated, result_backend_max_retries=2), migrated, lambda number: None)
    shut(admin, migrated)
    try:
        with pytest.raises(BackendStoreError):
            backend.mark_as_done("t", 1)
    finally:
        open_again(admin, migrated)
    assert backend.tries == 2


def test_no_try_is_repeated_where_the_settings_forbid_it(migrated: str, admin: psycopg.Connection[Any]) -> None:
    backend = Eventful(celery_app(migrated, result_backend_always_retry=False), migrated, unwanted)
    shut(admin, migrated)
    try:
        with pytest.raises(psycopg.OperationalError):
            backend.mark_as_done("t", 1)
    finally:
        open_again(admin, migrated)


def test_readers_give_up_sooner_for_they_may_ask_again(
    migrated: str, app: Celery, admin: psycopg.Connection[Any]
) -> None:
    backend = Eventful(app, migrated, lambda number: None)
    shut(admin, migrated)
    try:
        with pytest.raises(BackendGetMetaError):
            app.AsyncResult("t", backend=backend).get(timeout=0)
    finally:
        open_again(admin, migrated)
    assert backend.tries == READ_RETRIES
    assert app.AsyncResult("t", backend=backend).state == "PENDING"


def test_a_result_goes_to_the_primary_after_a_failover(
    migrated: str, app: Celery, admin: psycopg.Connection[Any]
) -> None:
    # A former primary accepts connections and reads, and refuses to write.
    def promote(number: int) -> None:
        admin.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')

    name = make_url(migrated).database
    backend = Eventful(
        app,
        migrated,
        promote,
    )
    admin.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    backend.mark_as_done("t", 1)
    assert backend.tries == 1
    assert backend.get_result("t") == 1


def test_a_statement_that_hangs_is_cancelled_and_tried_again(
    migrated: str, app: Celery, table: psycopg.Connection[Any]
) -> None:
    app.backend.mark_as_retry("t", failed()[0])
    with psycopg.connect(_plain(migrated)) as other:
        other.execute("SELECT * FROM celery_taskmeta FOR UPDATE")
        url = f"{migrated}?options=-c%20statement_timeout%3D100"
        backend = Eventful(app, url, lambda number: other.rollback())
        assert backend._held().connection.execute("SHOW statement_timeout").fetchone() == ("100ms",)
        backend.mark_as_done("t", 1)
    assert backend.tries == 1
    assert backend.get_result("t") == 1


def test_connections_that_hang_are_noticed_within_ten_seconds(app: Celery) -> None:
    connection = app.backend._held().connection
    assert connection.execute("SHOW statement_timeout").fetchone() == ("30s",)
    used = connection.info.get_parameters()
    assert (used["connect_timeout"], used["tcp_user_timeout"], used["keepalives"]) == ("10", "10000", "1")
    assert int(used["keepalives_idle"]) + int(used["keepalives_interval"]) * int(used["keepalives_count"]) == 10


def test_a_time_limit_between_question_and_answer_spoils_no_later_result(
    migrated: str, app: Celery, table: psycopg.Connection[Any]
) -> None:
    def strike(number: int, frame: object) -> None:
        raise TimeLimit

    app.backend.mark_as_retry("t", failed()[0])
    previous = signal.signal(signal.SIGALRM, strike)
    try:
        with psycopg.connect(_plain(migrated)) as other:
            other.execute("SELECT * FROM celery_taskmeta FOR UPDATE")
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(TimeLimit):
                app.backend.mark_as_done("t", 1)
    finally:
        signal.signal(signal.SIGALRM, previous)
    backend = Eventful(app, migrated, unwanted)
    backend._threads = app.backend._threads
    backend.mark_as_done("u", 2)
    assert backend.get_result("u") == 2


# ---------------------------------------------------------------- what is not to be waited for


# ---------------------------------------------------------------- in a worker's main process


def test_a_workers_main_thread_waits_for_no_result_to_be_stored_and_others_do(
    app: Celery, migrated: str, table: psycopg.Connection[Any]
) -> None:
    backend = app.backend
    backend.keep_aside(Keeper(lambda _: None))
    with psycopg.connect(_plain(migrated)) as locking:
        locking.execute("LOCK TABLE celery_taskmeta IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        backend.mark_as_failure("mine", ValueError("gone"))
        with pytest.raises(BackendGetMetaError):
            backend.get_task_meta("mine")
        assert time.monotonic() - began < 5.0
        with ThreadPoolExecutor(1) as pool:
            theirs = pool.submit(backend.mark_as_done, "theirs", 1)
            assert not wait([theirs], 0.5).done
            locking.commit()
            theirs.result(30)
    assert any(backend.get_state("mine") == "FAILURE" for _ in ticks(20))


def test_what_goes_wrong_with_storing_in_the_background_is_told(
    postgres_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    backend = celery_app(postgres_database).backend
    backend.keep_aside(Keeper(lambda _: None))
    backend.mark_as_done("t", 1)
    assert any("The result of a task is lost: ConfigurationError" in caplog.text for _ in ticks(20)), caplog.text


def test_a_missing_table_is_told_with_its_cure(postgres_database: str) -> None:
    backend = Eventful(celery_app(postgres_database), postgres_database, unwanted)
    with pytest.raises(ConfigurationError, match="Run: refnet db upgrade"):
        backend.mark_as_done("t", 1)
    with pytest.raises(ConfigurationError, match="Run: refnet db upgrade"):
        backend.get_task_meta("t")
    backend.close()


@pytest.mark.parametrize("wrong", [{"password": "wrong-secret"}, {"database": "nowhere"}])
def test_a_server_that_refuses_us_is_told_at_once_and_without_the_password(
    wrong: dict[str, str], migrated: str, app: Celery
) -> None:
    url = make_url(migrated).set(**wrong)  # type: ignore[arg-type]
    backend = Eventful(app, url.render_as_string(hide_password=False), unwanted)
    with pytest.raises(ConfigurationError, match="The database server refuses") as caught:
        backend.mark_as_done("t", 1)
    assert url.password
    assert url.password not in f"{caught.value} {caught.value.__cause__}"


@pytest.mark.parametrize("url", ["sqlite:////tmp/x.db", "postgresql://host:port/x"])
def test_other_databases_and_broken_urls_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        DatabaseResults(app=celery_app(url), url=url)


def test_groups_are_not_kept_and_say_so(app: Celery) -> None:
    group = app.GroupResult("g", [app.AsyncResult("t")])
    for call in (group.save, group.delete, lambda: app.GroupResult.restore("g")):
        with pytest.raises(NotImplementedError, match="not of groups"):
            call()


# ---------------------------------------------------------------- addresses


def test_no_password_is_shown(app: Celery, migrated: str) -> None:
    password = make_url(migrated).password
    assert password
    for shown in (app.backend.as_uri(), repr(app.backend), repr(app.AsyncResult("t")), repr(vars(app.backend))):
        assert password not in shown.replace(app.backend.url, "")
    assert app.backend.as_uri(include_password=True) == migrated
    in_query = DatabaseResults(app=app, url="postgresql://host/x?password=secret")
    assert in_query.as_uri() == "postgresql+psycopg://host/x"


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "postgresql", "postgres"])
def test_passwords_and_parameters_arrive_as_they_are_meant(
    scheme: str, migrated: str, admin: psycopg.Connection[Any], table: psycopg.Connection[Any]
) -> None:
    admin.execute("CREATE ROLE \"us er@\" LOGIN SUPERUSER PASSWORD 'p:/w@?#%41 ü'")
    try:
        server = make_url(migrated)
        url = (
            f"{scheme}://us%20er%40:p%3A%2Fw%40%3F%23%2541%20%C3%BC@{server.host}:{server.port}/{server.database}"
            "?application_name=mine&options=-c%20lock_timeout%3D7s"
        )
        backend = celery_app(url).backend
        backend.mark_as_done("t", 1)
        connection = backend._held().connection
        assert connection.info.user == "us er@"
        assert connection.execute("SHOW application_name").fetchone() == ("mine",)
        assert connection.execute("SHOW lock_timeout").fetchone() == ("7s",)
        assert connection.execute("SHOW statement_timeout").fetchone() == ("30s",)
        backend.close()
    finally:
        admin.execute('DROP ROLE "us er@"')


def test_a_copy_of_the_backend_stores_in_the_same_place(app: Celery) -> None:
    _, (cls, args, kwargs) = app.backend.__reduce__()
    copy = cls(*args, app=app, **kwargs)
    copy.mark_as_done("t", 1)
    assert app.AsyncResult("t").get(timeout=0) == 1
    assert copy.expires == app.backend.expires


# ---------------------------------------------------------------- threads and processes


def test_threads_have_connections_of_their_own_that_end_with_them(
    app: Celery, migrated: str, admin: psycopg.Connection[Any], table: psycopg.Connection[Any]
) -> None:
    backend = app.backend
    both = threading.Barrier(2)
    used = []

    def work(thread: int) -> None:
        both.wait(30)
        for number in range(50):
            backend.mark_as_done(f"{thread}-{number}", [thread, number])
        used.append(server_process(backend))
        both.wait(30)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(work, thread) for thread in range(2)]:
            done.result(60)
    assert len(set(used)) == 2
    for thread in range(2):
        for number in range(50):
            assert backend.get_result(f"{thread}-{number}") == [thread, number]
    left = "SELECT pid FROM pg_stat_activity WHERE pid = ANY(%s)"
    assert any(admin.execute(left, [used]).fetchone() is None for _ in ticks(20)), "still connected"


FORK = """
import gc, os, sys
from celery import Celery

app = Celery("test", set_as_current=False)
app.loader.override_backends = {"db": "refnet.adapters.celery_queue.results:DatabaseResults"}
app.conf.update(result_backend="db+" + sys.argv[1], result_extended=True)

def store(task_id):
    app.backend.mark_as_done(task_id, task_id)
    print(app.backend._held().connection.info.backend_pid, flush=True)

store("parent before")
if (child := os.fork()) == 0:
    store("child")
    gc.collect()
    sys.exit(int(sys.argv[2]))  # with all that Python does at its end
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == int(sys.argv[2])
store("parent after")
"""


def test_a_forked_child_leaves_its_parents_connection_alone(
    migrated: str, app: Celery, root: Path, tmp_path: Path
) -> None:
    # A process of its own: pytest's has threads, with which a fork is not safe.
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORK, migrated, "3"],
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    before, child, after = done.stdout.split()
    assert before == after
    assert child != before
    for task_id in ("parent before", "child", "parent after"):
        assert app.AsyncResult(task_id).get(timeout=0) == task_id


def test_a_lost_connection_is_told_in_the_log(
    app: Celery, admin: psycopg.Connection[Any], caplog: pytest.LogCaptureFixture
) -> None:
    app.backend.mark_as_done("t", 1)
    admin.execute("SELECT pg_terminate_backend(%s, 10000)", [server_process(app.backend)])
    with caplog.at_level(logging.WARNING, "celery.backends.base"):
        app.backend.mark_as_done("u", 2)
    assert "Failed operation _store_result. Retrying" in caplog.text
