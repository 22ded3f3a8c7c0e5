"""S22: health checks by beat, the sweep in the workers, and workers that do not consume."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from refnet.adapters.celery_queue.application import Connections, configuration
from refnet.adapters.celery_queue.queues import canary_queue, depths
from refnet.adapters.database.cluster import ClusterStore
from refnet.adapters.database.engine import database_url, open_engine
from refnet.demo.bundled import SEED, bundled_corpus
from refnet.domain.workers import LEAVES_WORK_AFTER, UNHEALTHY_AFTER
from refnet.entrypoints.celery.watch import CANARY
from tests.acceptance.command import Ended
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import Lab, until
from tests.cluster.two_beats import fast_beat
from tests.redis_server import RedisServer, running_redis

pytestmark = pytest.mark.slow

PROBES = ("--include", "tests.cluster.probe_tasks")


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """One that a test may stop."""
    with running_redis() as server:
        yield server


def checks(lab: Lab) -> list[dict[str, str]]:
    """What health checks that succeeded returned."""
    return [json.loads(row.result) for row in lab.results("health_check") if row.status == "SUCCESS"]


def doctor(lab: Lab, *words: str) -> Ended:
    return lab.refnet("doctor", *words)


# ---------------------------------------------------------------- health checks


def test_s22_a_health_check_tells_who_took_it_and_when_in_utc(lab: Lab) -> None:
    lab.worker("crawler", "-c1")
    before = datetime.now(UTC)
    with lab.app() as app:
        found = app.send_task("health_check").get(timeout=60)

    assert sorted(found) == ["status", "timestamp", "worker"]
    assert found["status"] == "healthy"
    [report] = until(lab.store.workers, what="the worker's first report")  # it may work before
    assert found["worker"] == report.name
    at = datetime.fromisoformat(found["timestamp"])
    assert at.utcoffset() == timedelta(0)
    assert before <= at <= datetime.now(UTC)


def test_s22_beat_sends_a_health_check_every_minute_that_no_clock_can_make_expire() -> None:
    found = configuration(Connections("redis://127.0.0.1:1/0", "postgresql+psycopg://127.0.0.1:1/x"))
    assert found["beat_schedule"] == {"health-check": {"task": "health_check", "schedule": 60.0}}


def test_s22_two_beats_do_no_harm_and_a_crawl_beside_them_ends_as_ever(lab: Lab) -> None:
    lab.worker()
    beats = [fast_beat(lab, number) for number in (1, 2)]
    until(lambda: len(checks(lab)) > 2, what="health checks")

    document = lab.refnet.map(SEED)

    assert document["papers"] == 1 + len(bundled_corpus().breadth_first(SEED, 1)[1])
    assert (document["dead"], document["notes"]) == (0, document["papers"])
    until(lambda: len(checks(lab)) > 8, what="more health checks")
    assert {row.status for row in lab.results()} == {"SUCCESS"}
    assert not any(beat.is_over for beat in beats)


# ---------------------------------------------------------------- the sweep


def test_s22_work_that_nobody_was_told_of_is_found_by_a_worker_s_own_sweep_without_beat(lab: Lab) -> None:
    papers = [str(bundled_corpus().row(place)["paperId"]) for place in range(5)]
    with lab.cluster() as cluster:
        cluster.store.add_by_hand(papers, None, 1)
    lab.worker("crawler", "-c1")

    fetched = "SELECT count(*) FROM papers WHERE fetched_at IS NOT NULL"
    until(lambda: lab.query(fetched)[0][0] == 5, 30.0, "the papers")


def test_s22_one_process_at_a_time_sweeps_and_one_that_dies_gives_up_its_turn(lab: Lab) -> None:
    other = open_engine(database_url(lab.environment["DATABASE_URL"]))
    try:
        with lab.store.sweeping() as first:
            with ClusterStore(other).sweeping() as second:
                assert (first, second) == (True, False)
            # The server ends the first one's connections: what happens when its process is gone.
            with other.begin() as connection:
                connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )

            def takes_over() -> bool:
                with ClusterStore(other).sweeping() as third:
                    return third

            until(takes_over, what="the turn to be given back")
    finally:
        other.dispose()


def test_s22_two_workers_sweep_in_turns(lab: Lab) -> None:
    # Nobody else ever sweeps while somebody holds the turn; both go on with what else they see to.
    with lab.store.sweeping() as mine:
        assert mine
        for name in ("one", "two"):
            lab.worker("crawler", "-c1", name=name)
        papers = [str(bundled_corpus().row(place)["paperId"]) for place in range(3)]
        lab.store.add_by_hand(papers, None, 1)
        seen = "SELECT count(*) FROM workers WHERE seen_at > started_at + 1"
        until(lambda: lab.query(seen)[0][0] == 2, what="two looks of both workers")
        assert not lab.query("SELECT 1 FROM jobs WHERE state <> 'queued' OR hinted_at IS NOT NULL")

    until(lambda: not lab.query("SELECT 1 FROM jobs WHERE stage = 'crawl' AND state <> 'done'"), what="the papers")


# ---------------------------------------------------------------- canaries


def test_s22_a_canary_is_taken_by_the_main_process_alone_and_leaves_no_result(lab: Lab) -> None:
    worker = lab.worker("crawler", "-c1", "--loglevel", "debug")
    [report] = until(lab.store.workers, what="the worker's first report")
    queue = canary_queue(report.name)
    with lab.app() as app, app.connection_for_write() as connection:
        for _ in range(3):
            app.amqp.Producer(connection).publish(
                [[], {}, {}],
                headers={"task": CANARY, "id": CANARY},
                exchange="",
                routing_key=queue.name,
                serializer="json",
            )

        until(lambda: depths(connection, (queue.name,))[queue.name] == 0, what="the canaries to be taken")

        assert app.send_task("health_check").get(timeout=60)["status"] == "healthy"
    assert {row.name for row in lab.results()} == {"health_check"}

    def of_children() -> list[str]:
        return [line for line in worker.text.splitlines() if "ForkPoolWorker" in line]

    # A result is there a moment before its line.
    until(lambda: any("health_check" in line for line in of_children()), what="what a child does to be in its lines")
    assert not any(CANARY in line for line in of_children())


# ---------------------------------------------------------------- workers that are gone, or do not consume


def test_s22_a_worker_that_ends_well_is_forgotten_at_once(lab: Lab) -> None:
    worker = lab.worker("crawler", "-c1")
    until(lab.store.workers, what="the worker's first report")

    assert worker.stop() == 0

    assert lab.store.workers() == []


def test_s22_workers_that_are_killed_or_cut_off_from_the_broker_are_named_within_a_minute(
    make_lab: MakeLab, redis: RedisServer, tmp_path: Path
) -> None:
    lab = make_lab(redis.url)
    cut_off = lab.worker(name="cut-off")
    killed = lab.worker("crawler", "-c1", name="killed")
    busy = lab.worker("hold", "-c1", *PROBES, name="busy")
    beat = lab.beat()
    until(lambda: len(lab.store.workers()) == 3, what="three reports")
    with lab.app() as app:
        app.send_task("probe.hold", (str(tmp_path / "go"),), queue="hold")
    until(lambda: "probe.hold" in busy.text.partition(" ready.")[2], what="the only slot to be taken")
    assert doctor(lab).code == 0
    assert doctor(lab, "--worker", "cut-off").out.startswith("ok   worker cut-off: cut-off@")

    killed.kill()
    with stopped(redis):
        began = time.monotonic()

        until(lambda: doctor(lab, "--worker", "cut-off").code == 1, 120.0, "the canary to be missed")

        # T6 asks for 45 s; a loaded machine takes a little more.
        assert LEAVES_WORK_AFTER - 10 < time.monotonic() - began < UNHEALTHY_AFTER + 15
        assert (
            "does not consume: its own canary has been waiting in its queue for"
            in doctor(lab, "--worker", "cut-off").out
        )
        assert doctor(lab, "--worker", "busy").code == 0, "without a free slot there is nothing to take"
        until(lambda: doctor(lab, "--worker", "killed").code == 1, 60.0, "the killed one to be missed")
        assert "has not been heard of for" in doctor(lab, "--worker", "killed").out
        assert "This worker does not consume" in cut_off.text

    until(lambda: doctor(lab, "--worker", "cut-off").code == 0, 60.0, "the worker to be well again")
    whole = doctor(lab)
    assert whole.code == 1
    assert "killed@" in whole.out
    lab.worker("crawler", "-c1", name="killed")
    until(lambda: doctor(lab).code == 0, 60.0, "all to be well")
    until(lambda: checks(lab), 90.0, "beat's health check")
    (tmp_path / "go").touch()
    assert (cut_off.is_over, busy.is_over, beat.is_over) == (False, False, False)


@contextmanager
def stopped(redis: RedisServer) -> Iterator[None]:
    """It neither answers nor ends its connections."""
    assert redis.pid is not None
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(redis.pid, signal.SIGCONT)
