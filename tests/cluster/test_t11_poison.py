"""T11 of reliability.md, in short: a job that harms its process is given up after three times, and the others are done."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from refnet.demo.bundled import SEED
from refnet.domain.jobs import Stage
from refnet.domain.workers import MOST_DATA
from tests.cluster.faults import lives
from tests.cluster.lab import Lab, until
from tests.cluster.poisoned import REASONS, Poisoned

pytestmark = pytest.mark.slow


def test_t11_poison_among_forty_papers_is_found_and_given_up_and_the_others_are_collected(lab: Lab) -> None:
    papers = sorted(lab.stand_in.truth(SEED, 1)[1])[:40]
    poison = {papers[7]: "segfault", papers[20]: "exit", papers[33]: "memory"}
    poisoned = Poisoned(lab, Stage.CRAWL, concurrency=2)
    worker = poisoned.start()
    poisoned.spread(poison)

    took, _ = poisoned.survive(papers, 120)

    print(f"over after {took:.1f} s, {len(poisoned.acts())} acts")
    assert poisoned.states(papers) == {"done": 37, "dead": 3}
    poisoned.check_letters()
    assert not worker.is_over
    shown = json.loads(lab.refnet.done("dead", "list", "--json").out)
    assert {letter["paper_id"] for letter in shown} == poison.keys()
    poisoned.clean()
    poisoned.retry()
    until(lambda: poisoned.states(papers) == {"done": 40}, 60, "the poison, which is none any more")


def test_t11_a_process_that_runs_out_of_memory_outside_of_a_wave_ends_its_task_and_not_the_pool(lab: Lab) -> None:
    """Celery ends its own loop with a task's MemoryError (celery#10462)."""
    poisoned = Poisoned(lab, Stage.CRAWL, concurrency=1)
    worker = poisoned.start()
    (child,) = worker.children()
    limits = Path(f"/proc/{child}/limits").read_text()
    assert f"Max data size {MOST_DATA}" in " ".join(limits.split())

    with lab.app() as app:
        sent = app.send_task("poison.eat", queue="crawler")
        with pytest.raises(Exception, match=r"^$|memory"):
            sent.get(timeout=120)
        assert sent.status == "FAILURE"
        assert app.send_task("health_check", queue="crawler").get(timeout=60)["status"] == "healthy"

    assert not worker.is_over
    assert not lab.query("SELECT 1 FROM jobs")


def test_t11_what_a_lost_process_had_started_ends_with_it(lab: Lab, tmp_path: Path) -> None:
    poisoned = Poisoned(lab, Stage.CRAWL, concurrency=1)
    worker = poisoned.start()
    (child,) = worker.children()
    assert os.getpgid(child) == child

    with lab.app() as app:
        sent = app.send_task("poison.leave_a_child", [str(tmp_path / "pid")], queue="crawler")
        with pytest.raises(Exception, match="signal 11"):
            sent.get(timeout=60)

    left = int((tmp_path / "pid").read_text())
    until(lambda: not lives(left), 30, "the process that was left to end")
    assert not worker.is_over


def test_t11_a_fork_bomb_asked_for_by_hand_is_ended_with_all_its_processes_and_the_task_says_why(lab: Lab) -> None:
    (paper, *_) = sorted(lab.stand_in.truth(SEED, 1)[1])
    poisoned = Poisoned(lab, Stage.CRAWL, concurrency=1)
    worker = poisoned.start()
    poisoned.spread({paper: "forks"})

    with lab.app() as app:
        sent = app.send_task("crawler.tasks.fetch_paper_metadata", [paper])
        until(lambda: len(poisoned.processes()) > poisoned.bomb, 60, "the bomb")
        until(lambda: paper in poisoned.letters(), 120, "the dead letter")
        assert sent.get(timeout=60, propagate=False) is not None

    poisoned.check_letters()
    assert len(poisoned.acts()) <= 3
    until(lambda: len(poisoned.processes()) == 2, 30, "a worker with its one child and nothing else")
    assert not worker.is_over


def test_t11_poison_asked_for_by_hand_fails_after_three_attempts_and_the_task_says_why(lab: Lab) -> None:
    (paper, *_) = sorted(lab.stand_in.truth(SEED, 1)[1])
    poisoned = Poisoned(lab, Stage.CRAWL, concurrency=1)
    poisoned.start()
    poisoned.spread({paper: "exit"})

    with lab.app() as app:
        sent = app.send_task("crawler.tasks.fetch_paper_metadata", [paper])
        with pytest.raises(Exception, match=r"ended with exit code 1 .* 3 times"):
            sent.get(timeout=120)

    assert len(poisoned.acts()) == 3
    assert {letter.reason for letter in poisoned.letters().values()} == {REASONS["exit"]}
