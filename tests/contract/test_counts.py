"""What was counted, and how it stands with everything, on both databases."""

from __future__ import annotations

import math
import threading
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from refnet.adapters.database.counts import FORGOTTEN, RequestCounts, TaskCounts, read_requests, read_tasks
from refnet.adapters.database.engine import reading, writing
from refnet.adapters.database.figures import read_figures
from refnet.adapters.database.ledger import enqueue
from refnet.adapters.database.schema import count_batches, jobs
from refnet.domain.counts import RequestCount, TaskCount
from refnet.domain.crawl import Ask
from refnet.domain.jobs import JobState, Stage
from tests.contract.conftest import Clock

FETCH = TaskCount("crawler.tasks.fetch_paper_metadata", "success", 0.5, 2, 0.75)
SLOW = TaskCount("crawler.tasks.fetch_paper_metadata", "failure", math.inf, 1, 900.0)
LEASE = 45.0


def tasks(engine: Engine) -> list[TaskCount]:
    with reading(engine) as connection:
        return read_tasks(connection)


def test_counts_of_all_workers_are_added_up(engine: Engine, clock: Clock) -> None:
    TaskCounts(engine, "one", clock=clock).add(1, [FETCH, SLOW])
    TaskCounts(engine, "another", clock=clock).add(1, [FETCH])

    assert tasks(engine) == [SLOW, TaskCount(FETCH.task, FETCH.state, FETCH.le, 4, 1.5)]


def test_a_batch_that_is_sent_again_is_added_once(engine: Engine, clock: Clock) -> None:
    counts = TaskCounts(engine, "one", clock=clock)
    for number in (1, 1, 2, 2, 1):
        counts.add(number, [FETCH])

    assert tasks(engine) == [TaskCount(FETCH.task, FETCH.state, FETCH.le, 4, 1.5)]


def test_batches_of_workers_that_are_long_gone_are_forgotten_and_their_counts_are_not(
    engine: Engine, clock: Clock
) -> None:
    TaskCounts(engine, "old", clock=clock).add(1, [FETCH])
    clock.move(FORGOTTEN + 1)
    TaskCounts(engine, "new", clock=clock).add(1, [FETCH])

    with reading(engine) as connection:
        assert list(connection.execute(select(count_batches.c.writer)).scalars()) == ["new"]
    assert tasks(engine)[0].count == 4


def test_requests_are_counted_by_status_with_what_they_waited(engine: Engine) -> None:
    requests = RequestCounts(engine, "semantic_scholar")
    for status in ("200", "200", "429"):
        requests.answered(status, 0.5)

    with reading(engine) as connection:
        assert read_requests(connection) == [
            RequestCount("semantic_scholar", "200", 2, 1.0),
            RequestCount("semantic_scholar", "429", 1, 0.5),
        ]


def test_counts_of_processes_that_add_at_the_same_time_are_all_there(engine: Engine) -> None:
    def count(name: str) -> None:
        counts, requests = TaskCounts(engine, name), RequestCounts(engine, "semantic_scholar")
        for number in range(1, 11):
            counts.add(number, [FETCH])
            requests.answered("200", 0.0)

    threads = [threading.Thread(target=count, args=(f"writer-{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert tasks(engine)[0].count == 80
    with reading(engine) as connection:
        assert read_requests(connection)[0].count == 40


def add_job(engine: Engine, clock: Clock, paper_id: str, state: JobState, **more: object) -> None:
    row = {
        "stage": Stage.CRAWL,
        "paper_id": paper_id,
        "state": state,
        **dict.fromkeys(("ask", "offset", "attempts", "losses", "faults"), 0),
        "due_at": clock.now,
        "updated_at": clock.now,
        **more,
    }
    with writing(engine) as connection:
        connection.execute(jobs.insert().values(**row))


def test_figures_say_how_long_the_oldest_job_is_due_and_how_long_nothing_moved(engine: Engine, clock: Clock) -> None:
    add_job(engine, clock, "a", JobState.QUEUED)
    clock.move(30)
    add_job(engine, clock, "b", JobState.DONE)
    clock.move(12)

    found = read_figures(engine, LEASE, clock=clock)

    assert found.jobs == {("crawl", "queued"): 1, ("crawl", "done"): 1}
    assert found.oldest_due == {Stage.CRAWL: 42.0}
    assert found.quiet == {Stage.CRAWL: 12.0}


def test_a_stage_is_quiet_however_much_is_queued_meanwhile(engine: Engine, clock: Clock) -> None:
    ends: dict[str, dict[str, Any]] = {
        "done": {"state": JobState.DONE},
        "dead": {"state": JobState.DEAD},
        "given back": {"state": JobState.QUEUED, "reason": "It was away."},
        "halved": {"state": JobState.QUEUED, "share": 1},
        **{mark: {"state": JobState.QUEUED, mark: 1} for mark in ("attempts", "losses", "faults", "offset")},
    }
    for paper_id, row in ends.items():
        with writing(engine) as connection:
            connection.execute(jobs.delete())
        add_job(engine, clock, "waits for longer", JobState.QUEUED)
        clock.move(10)
        add_job(engine, clock, paper_id, **row)
        clock.move(30)
        for number in range(3):
            clock.move(1)
            with writing(engine) as connection:
                enqueue(connection, Stage.CRAWL, {f"new-{number}": Ask.DETAILS, "new-0": Ask(2**number)}, clock.now)

        assert read_figures(engine, LEASE, clock=clock).quiet == {Stage.CRAWL: 33.0}, paper_id


def test_a_stage_that_nobody_ever_touched_is_quiet_since_its_first_job_was_queued(engine: Engine, clock: Clock) -> None:
    for paper_id in ("a", "b"):
        with writing(engine) as connection:
            enqueue(connection, Stage.CRAWL, {paper_id: Ask.DETAILS}, clock.now)
        clock.move(20)

    assert read_figures(engine, LEASE, clock=clock).quiet == {Stage.CRAWL: 40.0}


def test_a_lost_worker_whose_job_is_asked_more_is_quiet(engine: Engine, clock: Clock) -> None:
    add_job(engine, clock, "a", JobState.RUNNING, owner="o", claim="c", lease_until=clock.now + LEASE)
    clock.move(30)
    with writing(engine) as connection:
        enqueue(connection, Stage.CRAWL, {"a": Ask.DETAILS}, clock.now)

    assert read_figures(engine, LEASE, clock=clock).quiet == {Stage.CRAWL: 30.0}


def test_a_stage_is_not_quiet_while_a_lease_is_renewed(engine: Engine, clock: Clock) -> None:
    add_job(engine, clock, "a", JobState.RUNNING, owner="o", claim="c", lease_until=clock.now + LEASE)
    clock.move(100)
    with writing(engine) as connection:
        connection.execute(jobs.update().values(lease_until=clock.now - 5 + LEASE))

    assert read_figures(engine, LEASE, clock=clock).quiet == {Stage.CRAWL: 5.0}


def test_a_stage_is_not_quiet_while_the_one_process_on_a_file_holds_a_job(engine: Engine, clock: Clock) -> None:
    add_job(engine, clock, "a", JobState.RUNNING, owner="o", claim="c")
    clock.move(100)

    assert read_figures(engine, LEASE, clock=clock).quiet == {Stage.CRAWL: 0.0}


def test_figures_are_of_one_moment_though_work_goes_on_between_two_of_them(engine: Engine, clock: Clock) -> None:
    answered = RequestCounts(engine, "semantic_scholar").answered
    answered("200", 0.5)

    def at_work(connection: Connection) -> float:
        # Asked when nothing else was read yet, as the first statement that shows the state of the database.
        now = connection.execute(select(func.count()).select_from(jobs)).scalar_one()
        other = threading.Thread(target=answered, args=("200", 0.5))
        other.start()
        other.join()
        return clock.now + now

    assert [count.count for count in read_figures(engine, LEASE, clock=at_work).requests] == [1]
    assert [count.count for count in read_figures(engine, LEASE, clock=clock).requests] == [2]
