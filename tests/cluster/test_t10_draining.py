"""T10 of reliability.md in short: the long form is tests/soak/test_t10_draining.py."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from refnet.adapters.celery_queue.application import SOFT_SHUTDOWN
from refnet.demo.bundled import SEED
from refnet.domain.jobs import Stage
from tests.cluster.draining import (
    INT,
    LONG,
    QUIT,
    TERM,
    WAYS,
    ask_to_end,
    jobs,
    slow_source,
    unacknowledged,
    until_listens,
    waiting,
)
from tests.cluster.faults import lives, pauses
from tests.cluster.lab import Lab, until
from tests.cluster.test_lost_workers import ask_for, some_papers

pytestmark = pytest.mark.slow

#: Seconds; T10 asks for 10, and a loaded machine takes a little more.
SOON = 12.0


@pytest.mark.parametrize("way", ["TERM-5-times", "TERM-QUIT"])
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
    assert took <= (SOON if QUIT not in WAYS[way] else SOFT_SHUTDOWN)


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


def test_beat_ends_in_order_at_any_signal(lab: Lab) -> None:
    for way in (WAYS["TERM-5-times"], (TERM, QUIT)):
        beat = lab.beat()
        until_listens(beat.pid, QUIT)
        took = ask_to_end(beat, way)
        assert beat.process.returncode == 0, (way, beat.text)
        assert "Traceback" not in beat.text
        assert took <= SOON


@pytest.mark.parametrize("mode", ["alone", "following"])
def test_a_map_gives_its_papers_back_however_often_it_is_asked_to_end(lab: Lab, mode: str) -> None:
    following = mode == "following"
    refnet = lab.refnet if following else lab.refnet.without("CELERY_BROKER_URL").with_(REFNET_BATCH_IDS="5")
    for way in (WAYS["TERM-5-times"], (INT, QUIT)):
        slow_source(lab, 0.0 if following else 3.0)
        mapping = refnet.start("map", SEED, "--depth", "1", "--vault", lab.vault)
        until_listens(mapping.process.pid, QUIT)
        if following:
            assert mapping.line()  # what it says first
            until(lambda: jobs(lab, Stage.CRAWL), what="the crawl to be handed over")
        else:
            until(lambda: lab.query("SELECT 1 FROM jobs WHERE state = 'running'"), what="papers to be asked for")

        asked = time.monotonic()
        for one in way:
            mapping.process.send_signal(one)
            pauses(0.1, lambda: False)
        ended = mapping.wait()

        assert ended.code == 130, (way, ended.err)
        assert "Traceback" not in ended.err
        assert {row[:4] for row in jobs(lab, Stage.CRAWL)} == {("queued", None, 0, 0)}
        assert not lab.query("SELECT 1 FROM jobs WHERE share IS NOT NULL")
        assert time.monotonic() - asked <= SOON
