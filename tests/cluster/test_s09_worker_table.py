"""S09: the worker table, on running workers; and each of its limits seen acting, with shorter values."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from refnet.demo.bundled import SEED
from refnet.domain.jobs import Stage
from refnet.domain.workers import ALL_CONCURRENCY, MOST_KILOBYTES, WORKERS, WorkerKind
from refnet.entrypoints.cli.worker import Kind, words
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import ROOT, Lab, Worker, until
from tests.cluster.live_events import live_events

FETCH = "crawler.tasks.fetch_paper_metadata"
PAPER = "7eda0c4e99c68e4f3cb00a14b4513a1d74fdabb2"
HOST = socket.gethostname()
ACTING = "tests.cluster.acting_tasks"

#: Section 5.2 of the design document; priorities from 3.2.
DESIGN = (
    WorkerKind("crawler", Stage.CRAWL, 4, 1000, 300, 600, (4, 2), 10),
    WorkerKind("summarizer", Stage.SUMMARIZE, 2, 100, 600, 900, (2, 1), 5),
    WorkerKind("generator", Stage.GENERATE, 4, 1000, 120, 180, (4, 2), 3),
)


# ---------------------------------------------------------------- the table


def test_s09_the_table_is_that_of_the_design() -> None:
    assert WORKERS == DESIGN
    assert (ALL_CONCURRENCY, MOST_KILOBYTES) == (4, 200_000)


def test_s09_the_command_of_each_kind_says_what_the_table_says() -> None:
    limits = {
        "crawler": "--concurrency 4 --max-tasks-per-child 1000 --soft-time-limit 300 --time-limit 600 --autoscale 4,2",
        "summarizer": "--concurrency 2 --max-tasks-per-child 100 --soft-time-limit 600 --time-limit 900 --autoscale 2,1",
        "generator": "--concurrency 4 --max-tasks-per-child 1000 --soft-time-limit 120 --time-limit 180 --autoscale 4,2",
    }
    for kind, said in limits.items():
        assert " ".join(words(Kind(kind))) == f"worker -n {kind}@%h --max-memory-per-child 200000 -Q {kind} {said}"
    assert " ".join(words(Kind.ALL)) == (
        "worker -n all@%h --max-memory-per-child 200000 -Q crawler,summarizer,generator --concurrency 4"
    )


def test_s09_the_reference_page_says_what_the_table_says() -> None:
    page = (ROOT / "docs" / "reference" / "celery.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` (\|.+\|)$", page, re.MULTILINE))
    for kind in WORKERS:
        assert rows[kind.queue] == (
            f"| {kind.concurrency} | {kind.max_tasks_per_child} | {kind.soft_time_limit} s | {kind.time_limit} s "
            f"| {kind.autoscale[0]} to {kind.autoscale[1]} | {kind.priority} |"
        )
    assert f"`all` serves the three queues with {ALL_CONCURRENCY} processes and no autoscale" in page
    assert f"passes {MOST_KILOBYTES // 1000} MB" in page


def answers(lab: Lab, question: str, number: int) -> dict[str, Any]:
    """What so many workers answer to `celery inspect`, by what stands before the @ of their names."""

    def asked() -> dict[str, Any] | None:
        ended = lab.celery("inspect", question, "--json")
        if ended.code == os.EX_UNAVAILABLE:
            return None
        assert ended.code == 0, ended.err
        found = {name.partition("@")[0]: answer for name, answer in json.loads(ended.out).items()}
        return found if len(found) >= number else None

    # The command waits for a second only, and a busy worker may need longer.
    found: dict[str, Any] = until(asked, what=f"{number} workers to answer")
    return found


@pytest.mark.slow
def test_s09_a_running_worker_of_each_kind_has_its_row_and_serves_its_queue(lab: Lab) -> None:
    started = [lab.refnet_worker(kind.queue, wait=False) for kind in WORKERS]
    started.append(lab.refnet_worker("all", wait=False))
    for worker in started:
        worker.until_logs("ready.", 120)

    stats, queues = (answers(lab, question, len(started)) for question in ("stats", "active_queues"))

    assert set(stats) == {"crawler", "summarizer", "generator", "all"}
    for kind in DESIGN:
        pool = stats[kind.queue]["pool"]
        assert pool["max-tasks-per-child"] == kind.max_tasks_per_child
        assert pool["timeouts"] == [kind.soft_time_limit, kind.time_limit]
        scaled = stats[kind.queue]["autoscaler"]
        assert (scaled["max"], scaled["min"]) == kind.autoscale
        # What autoscale can grow to is the design's number of processes at a time.
        assert scaled["max"] == kind.concurrency
        served = [queue["name"] for queue in queues[kind.queue] if not queue["name"].startswith("refnet.")]
        assert served == [kind.queue]
    assert len(stats["all"]["pool"]["processes"]) == 4
    assert "autoscaler" not in stats["all"]
    served = [queue["name"] for queue in queues["all"] if not queue["name"].startswith("refnet.")]
    assert sorted(served) == ["crawler", "generator", "summarizer"]
    # Limits of time belong to the tasks, whichever worker runs them.
    wanted = ("registered", "soft_time_limit", "time_limit")
    registered = lab.celery("inspect", *wanted, "--json", "-d", "all@" + HOST, "--timeout", "60")
    [tasks] = json.loads(registered.out).values()
    assert [task for task in tasks if ".tasks." in task] == [
        "crawler.tasks.batch_process_papers [soft_time_limit=300 time_limit=600]",
        "crawler.tasks.fetch_paper_metadata [soft_time_limit=300 time_limit=600]",
        "generator.tasks.generate_markdown [soft_time_limit=120 time_limit=180]",
        "summarizer.tasks.summarize_pdf [soft_time_limit=600 time_limit=900]",
    ]


# ---------------------------------------------------------------- its limits, acting


def pids(lab: Lab, task: str, number: int, *arguments: Any) -> list[int]:
    """The processes that ran a probe so many times, one after another."""
    with lab.app() as app:
        return [app.send_task(task, arguments, queue="crawler").get(timeout=60) for _ in range(number)]


@pytest.mark.slow
def test_s09_a_task_over_its_soft_limit_is_stopped_and_retried(make_lab: MakeLab, redis_url: str) -> None:
    lab = make_lab(redis_url, environment={"MAX_DEPTH": "0"}, latency=25.0)
    worker = lab.worker("crawler", "-c1")

    with lab.app() as app, live_events(app) as events:
        task_id = app.send_task(FETCH, [SEED], soft_time_limit=2, time_limit=60).id
        retried = events.until("task-retried", task_id, 20)
        lab.stand_in.switches = replace(lab.stand_in.switches, latency=0.0)
        assert "longer than its worker allows" in retried["exception"]
        assert app.AsyncResult(task_id).get(timeout=90) == {"status": "success", "paper_id": PAPER}

    assert "Soft time limit (2s) exceeded" in worker.text
    assert not worker.is_over
    assert len(lab.stand_in.log) >= 2  # it was asked again, and the first answer went to nobody
    assert lab.query("SELECT state FROM jobs WHERE stage = 'crawl'") == [("done",)]


@pytest.mark.slow
def test_s09_a_task_over_its_hard_limit_is_killed_and_its_paper_charged_and_collected_by_another(
    make_lab: MakeLab, redis_url: str
) -> None:
    lab = make_lab(redis_url, environment={"MAX_DEPTH": "0"}, latency=55.0, timeout=60.0)
    worker = lab.worker("crawler", "-c1")

    with lab.app() as app:
        sent = app.send_task(FETCH, [SEED], soft_time_limit=3, time_limit=4)
        [(owner,)] = until(lambda: lab.query("SELECT owner FROM jobs WHERE state = 'running'"), 60, "a child at it")
        child = int(owner.rpartition(":")[2])
        assert child in worker.children()
        # It heeds the soft limit no more than one that hangs in a library would.
        os.kill(child, signal.SIGSTOP)
        with pytest.raises(Exception, match="TimeLimitExceeded"):
            sent.get(timeout=60)
        # Nobody sends it again: the ledger knows that it is not done, and that who held it is gone.
        until(lambda: lab.query("SELECT 1 FROM jobs WHERE state <> 'running' AND losses = 1"), 60, "the charge")
        lab.stand_in.switches = replace(lab.stand_in.switches, latency=0.0)
        until(lambda: lab.query("SELECT 1 FROM papers WHERE fetched_at IS NOT NULL"), 90, "the paper")

    assert "Hard time limit (4s) exceeded" in worker.text
    assert child not in worker.children()
    assert not worker.is_over
    assert [row.status for row in lab.results(FETCH) if row.task_id == sent.id] == ["FAILURE"]


@pytest.mark.slow
def test_s09_a_child_is_replaced_after_its_number_of_tasks(lab: Lab, tmp_path: Path) -> None:
    lab.worker("crawler", "-c1", "--max-tasks-per-child=2", app=ACTING)

    found = pids(lab, "acting.note", 5, str(tmp_path / "notes"), "x")

    assert found[0] == found[1] != found[2] == found[3] != found[4]


@pytest.mark.slow
def test_s09_a_child_is_replaced_when_it_passes_its_memory_and_not_before(lab: Lab) -> None:
    lab.worker("crawler", "-c1", app=ACTING)  # with the limit that the table has

    small = pids(lab, "acting.hold", 3, 1_000)
    large = pids(lab, "acting.hold", 1, 250_000)
    after = pids(lab, "acting.hold", 2, 1_000)

    assert len({*small, *large}) == 1
    assert len(set(after)) == 1
    assert set(after) != set(small)


@pytest.mark.slow
def test_s09_the_pool_grows_with_the_work_and_shrinks_without(lab: Lab, tmp_path: Path) -> None:
    quick = lab.with_(AUTOSCALE_KEEPALIVE="1")
    worker = quick.worker("crawler", "--autoscale=4,1", app=ACTING)
    assert len(worker.children()) == 1

    notes, go = tmp_path / "notes", tmp_path / "go"

    with lab.app() as app:
        for _ in range(12):
            app.send_task("acting.stay", [str(notes), str(go)], queue="crawler")
        until(number(worker, 4), 60, "four processes")
        # However long a process takes to start: no task ends before each has one.
        until(lambda: notes.exists() and len(set(notes.read_text().split())) == 4, 60, "all four at work")
        go.touch()
        until(lambda: len(notes.read_text().splitlines()) == 12, 60, "all tasks")
        until(number(worker, 1), 60, "one process")


@pytest.mark.slow
def test_s09_a_process_that_takes_long_to_end_is_not_counted_as_two(lab: Lab, tmp_path: Path) -> None:
    quick = lab.with_(AUTOSCALE_KEEPALIVE="1")
    worker = quick.worker("crawler", "--autoscale=3,3", app=ACTING)
    pids(lab, "acting.note", 1, str(tmp_path / "notes"), "x")  # Celery takes none away before there was a task
    children = worker.children()
    assert len(children) == 3

    # A connection of its own: one out of Celery's pool may be to a server that another test has ended.
    with lab.app() as app, app.connection_for_write() as connection:
        for child in children:
            os.kill(child, signal.SIGSTOP)
        for most in (2, 1):
            [answer] = app.control.autoscale(most, 1, reply=True, timeout=20, limit=1, connection=connection)
            assert "ok" in next(iter(answer.values()))
        assert set(worker.children()) == set(children)
        for child in children:
            os.kill(child, signal.SIGCONT)
        until(number(worker, 1), 60, "one process")


def number(worker: Worker, of: int) -> Callable[[], bool]:
    """Whether it has so many processes."""
    return lambda: len(worker.children()) == of
