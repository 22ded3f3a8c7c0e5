from __future__ import annotations

import pytest

from refnet.domain.jobs import Stage
from refnet.domain.troubles import (
    BEAT_FORGOTTEN_AFTER,
    BEAT_GONE_AFTER,
    HELD_UP_AFTER,
    MOST_MESSAGES,
    Due,
    of_beat,
    of_due,
    of_messages,
)
from refnet.domain.workers import GROWN, WorkerReport, growth


def worker(running: int, unseen_for: float = 0.0) -> WorkerReport:
    return WorkerReport("one@host", 1, ("summarizer",), None, 2, running, unseen_for=unseen_for)


@pytest.mark.parametrize(
    ("workers", "cure"),
    [
        ([], "Start a worker: refnet worker summarizer"),
        ([worker(2, unseen_for=100.0)], "Start a worker: refnet worker summarizer"),
        ([worker(2)], "2 of 2 slots are at work. Start more workers: refnet worker summarizer"),
        ([worker(2), worker(1)], "There is room for them"),
    ],
)
def test_s24_held_up_work_is_cured_by_what_its_workers_lack(workers: list[WorkerReport], cure: str) -> None:
    said = of_due(Due(Stage.SUMMARIZE, 5, HELD_UP_AFTER + 1, 0), workers)

    assert said is not None
    assert cure in said


def test_s24_work_is_held_up_after_ten_minutes_and_a_crawl_only_where_none_of_it_is_done() -> None:
    assert of_due(Due(Stage.SUMMARIZE, 5, HELD_UP_AFTER, 0), []) is None
    assert of_due(Due(Stage.SUMMARIZE, 5, HELD_UP_AFTER + 1, 7), []) is not None
    assert of_due(Due(Stage.CRAWL, 5, HELD_UP_AFTER + 1, 7), []) is None
    assert of_due(Due(Stage.CRAWL, 5, HELD_UP_AFTER + 1, 0), []) is not None


def test_s24_a_queue_is_long_beyond_its_bound() -> None:
    assert of_messages({"crawler": MOST_MESSAGES}) is None
    assert "crawler (5,001)" in str(of_messages({"crawler": MOST_MESSAGES + 1, "generator": 1}))


def test_s24_beat_is_missed_for_a_day() -> None:
    found = {seconds: of_beat(seconds) is not None for seconds in (0.0, BEAT_GONE_AFTER, BEAT_GONE_AFTER + 1)}

    assert found == {0.0: False, BEAT_GONE_AFTER: False, BEAT_GONE_AFTER + 1: True}
    assert of_beat(BEAT_FORGOTTEN_AFTER) is not None
    assert of_beat(BEAT_FORGOTTEN_AFTER + 1) is None
    assert of_beat(None) is None


def test_s24_a_beat_that_is_wanted_is_missed_for_ever_and_from_the_beginning() -> None:
    assert "Beat has never sent a health check" in str(of_beat(None, wanted=True))
    assert of_beat(BEAT_GONE_AFTER, wanted=True) is None
    for seconds in (BEAT_GONE_AFTER + 1, BEAT_FORGOTTEN_AFTER, BEAT_FORGOTTEN_AFTER + 1):
        assert "Beat has sent no health check for" in str(of_beat(seconds, wanted=True))


def test_s24_the_main_process_of_a_worker_is_told_from_those_of_its_tasks() -> None:
    assert growth(GROWN, GROWN) is None
    assert "its main process takes 400 MB" in str(growth(GROWN + 1, 0))
    assert "a task's process takes 400 MB" in str(growth(0, GROWN + 1))
