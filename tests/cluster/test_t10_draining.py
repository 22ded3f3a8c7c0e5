"""T10 of reliability.md in short: the long form is tests/soak/test_t10_draining.py."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from refnet.adapters.celery_queue.application import SOFT_SHUTDOWN
from refnet.adapters.database.engine import writing
from refnet.adapters.processes import this_machine
from refnet.domain.jobs import Stage
from tests.cluster.draining import (
    INT,
    LONG,
    QUIT,
    WAYS,
    ask_to_end,
    end_beat,
    end_map,
    jobs,
    slow_source,
    unacknowledged,
    waiting,
)
from tests.cluster.faults import lives
from tests.cluster.lab import Lab, until
from tests.cluster.no_more_threads import SAID
from tests.cluster.test_lost_workers import ask_for, some_papers
from tests.contract.making import open_crawl
from tests.servers import missing

pytestmark = pytest.mark.slow

#: Seconds; T10 asks for 10, and a loaded machine takes a little more.
SOON = 12.0


@pytest.mark.parametrize("way", ["TERM-5-times", "TERM-QUIT", "HUP-HUP"])
def test_a_worker_gives_everything_back_however_often_it_is_asked_to_end(lab: Lab, way: str) -> None:
    slow_source(lab, LONG)
    ask_for(lab, some_papers(lab, 3))
    worker = lab.worker()
    until(lambda: lab.stand_in.log, what="a request")

    took = ask_to_end(worker, WAYS[way])

    print(f"over after {took:.1f} s")
    assert jobs(lab, Stage.CRAWL) == [("queued", None, 0, 0, True)]
    assert unacknowledged(lab) == 0
    assert waiting(lab, "crawler") >= 1
    assert not lab.store.workers()
    assert worker.process.returncode == 0
    # Somebody in a hurry does not wait for tasks; others do.
    assert (took < SOFT_SHUTDOWN) if QUIT in WAYS[way] else (SOFT_SHUTDOWN <= took <= SOON)


def test_a_worker_that_can_start_no_thread_any_more_gives_everything_back_in_the_same_time(
    lab: Lab, tmp_path: Path
) -> None:
    """Not even to a task that does not let itself be stopped."""
    if sys.platform != "linux":
        missing("the limit of the address space is no limit elsewhere")
    slow_source(lab, LONG)
    worker = lab.worker("crawler", "--include", "tests.cluster.no_more_threads", app="tests.cluster.acting_tasks")
    worker.until_logs(SAID)
    file = tmp_path / "begun"
    with lab.app() as app:
        app.send_task("acting.heed_nothing", [str(file)], queue="crawler")
    until(file.exists, what="the task to begin")
    ask_for(lab, some_papers(lab, 3))
    until(lambda: lab.stand_in.log, what="a request")

    took = ask_to_end(worker, WAYS["TERM"])

    print(f"over after {took:.1f} s")
    assert jobs(lab, Stage.CRAWL) == [("queued", None, 0, 0, True)]
    assert unacknowledged(lab) == 0
    assert (worker.process.returncode, took <= SOON) == (0, True), worker.text[-3000:]


def test_a_turn_that_came_to_the_hard_time_limit_while_its_worker_ends_is_not_given_back(
    lab: Lab, tmp_path: Path
) -> None:
    worker = lab.worker("crawler", "-c1", app="tests.cluster.acting_tasks")
    file = tmp_path / "begun"
    with lab.app() as app:
        app.send_task("acting.heed_nothing", [str(file)], queue="crawler", time_limit=4.0)
    until(file.exists, what="the task to begin")
    (pid,) = worker.children()
    crawl_id, owner = open_crawl(lab.store, "s"), f"{this_machine()}:{pid}"
    with writing(lab.engine) as connection:  # as if it saw to a vault
        turn = {"owner": owner, "id": crawl_id}
        connection.execute(text("UPDATE crawls SET losses = 1, owner = :owner WHERE id = :id"), turn)

    ask_to_end(worker, WAYS["TERM"])

    assert "Hard time limit (4.0s) exceeded" in worker.text
    assert [tuple(row) for row in lab.query("SELECT losses, owner FROM crawls")] == [(1, owner)]


def test_a_worker_leaves_nothing_that_its_tasks_have_started(lab: Lab, tmp_path: Path) -> None:
    worker = lab.worker("crawler", "-c1", app="tests.cluster.acting_tasks")
    file = tmp_path / "pid"
    with lab.app() as app:
        app.send_task("acting.start", [str(file)], queue="crawler")
        started = int(until(lambda: file.exists() and file.read_text(), what="the task to start a process"))
    try:
        ask_to_end(worker, WAYS["TERM-QUIT"])
        assert worker.process.returncode == 0
        until(lambda: not lives(started), 30, "what it started to end")
    finally:
        with suppress(ProcessLookupError):
            os.kill(started, signal.SIGKILL)


def test_a_worker_that_was_started_to_outlive_hangups_does(lab: Lab) -> None:
    """As by `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        worker = lab.worker("crawler", "-c1")
    finally:
        signal.signal(signal.SIGHUP, before)

    worker.process.send_signal(signal.SIGHUP)

    with lab.app() as app:
        # The second answer: to the first it may get before it takes notice of a signal.
        assert [app.send_task("health_check").get(timeout=60) is not None for _ in range(2)] == [True, True]
    assert worker.stop() == 0


@pytest.mark.parametrize("way", ["TERM-5-times", "TERM-QUIT", "HUP"])
def test_beat_ends_in_order_at_any_signal(lab: Lab, way: str) -> None:
    assert end_beat(lab, WAYS[way]) <= SOON


@pytest.mark.parametrize("mode", ["alone", "following"])
def test_a_map_gives_its_papers_back_however_often_it_is_asked_to_end(lab: Lab, mode: str) -> None:
    for way in (WAYS["TERM-5-times"], (INT, QUIT)):
        assert end_map(lab, way, following=mode == "following") <= SOON
