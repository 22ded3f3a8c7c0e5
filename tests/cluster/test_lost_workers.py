"""Workers that die, or are stopped for a while, with work in hand: the work is done again soon, and once in effect."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from refnet.adapters.database import ledger
from refnet.adapters.database.engine import writing
from refnet.demo.bundled import SEED
from refnet.demo.graph import Corpus
from refnet.domain.jobs import JobState, Stage
from tests.acceptance.command import Refnet, clean_environment, stamps, tree
from tests.cluster.conftest import MakeLab
from tests.cluster.draining import HOOK
from tests.cluster.faults import holders, lives
from tests.cluster.lab import Lab, until
from tests.cluster.poisoned import Poisoned
from tests.servers import missing
from tests.stopped import WITHIN_A_ROUND_TRIP, stopped

pytestmark = pytest.mark.slow

#: Seconds within which the work of a lost worker is claimed again. Source: the contract, section 7.12.
SOON = 60.0
#: Seconds that processes may outlive their main process.
LEFT = 5.0
#: Seconds until an answer, where a test needs work to be in hand.
LONG = 60.0
WORDS = ("649def34f8be52c8b66281af98ae884c09aef38b", "--depth", "1", "--limit", "400", "--no-summaries")


def slow_source(lab: Lab, seconds: float) -> None:
    """From now on an answer takes so long; those on their way are not changed."""
    lab.stand_in.switches = replace(lab.stand_in.switches, latency=seconds, timeout=2 * LONG)


def some_papers(lab: Lab, number: int) -> list[str]:
    return sorted(lab.stand_in.truth(SEED, 1)[1])[:number]


def ask_for(lab: Lab, paper_ids: Sequence[str]) -> None:
    """Queue papers of no crawl, so that they have no notes."""
    lab.store.enqueue(Stage.CRAWL, paper_ids)


def all_done(lab: Lab, paper_ids: Sequence[str]) -> bool:
    fates = [lab.store.fate(Stage.CRAWL, paper_id) for paper_id in paper_ids]
    return all(fate is not None and fate.state is JobState.DONE for fate in fates)


def times_asked(lab: Lab) -> Counter[str]:
    return Counter(paper_id for entry in lab.stand_in.log for paper_id in entry.asked)


def test_a_worker_starts_although_much_waits_in_its_queue(make_lab: MakeLab, broker_url: str) -> None:
    lab = make_lab(broker_url)
    with lab.app() as app:
        sent = [app.send_task("health_check", queue="crawler") for _ in range(20)]
        worker = lab.worker("crawler")
        for result in sent:
            assert result.get(timeout=60)["status"] == "healthy"
    assert not worker.is_over


def test_what_a_killed_child_held_is_done_again_by_its_siblings(lab: Lab) -> None:
    papers = some_papers(lab, 3)
    slow_source(lab, LONG)
    ask_for(lab, papers)
    worker = lab.worker("crawler")
    until(lambda: lab.stand_in.log, what="a request")
    slow_source(lab, 0.0)
    (child,) = holders(lab)

    os.kill(child, signal.SIGKILL)
    killed = time.monotonic()
    until(lambda: all_done(lab, papers), SOON)

    print(f"done again after {time.monotonic() - killed:.1f} s")
    assert not worker.is_over
    assert times_asked(lab) == dict.fromkeys(papers, 2)
    assert not lab.query("SELECT 1 FROM jobs WHERE losses > 0")  # in company nobody is charged


def test_a_main_process_killed_alone_leaves_no_child_and_loses_nothing(lab: Lab) -> None:
    papers = some_papers(lab, 3)
    slow_source(lab, LONG)
    ask_for(lab, papers)
    worker = lab.worker("crawler", name="one")
    until(lambda: lab.stand_in.log, what="a request")
    slow_source(lab, 0.0)
    children = worker.children()

    worker.process.kill()
    worker.process.wait(30)
    killed = time.monotonic()
    until(lambda: not any(lives(pid) for pid in children), LONG / 2, "its children to end, whose tasks would go on")
    print(f"no child is left after {time.monotonic() - killed:.1f} s")
    lab.worker("crawler", name="two")
    until(lambda: all_done(lab, papers), SOON)

    print(f"done again after {time.monotonic() - killed:.1f} s")
    assert times_asked(lab) == dict.fromkeys(papers, 2)


def test_what_a_task_had_started_ends_with_a_main_process_that_is_killed(lab: Lab, tmp_path: Path) -> None:
    """The system kills the pool's process at once, so that it cannot see to the program it waits for."""
    if sys.platform != "linux":
        missing("elsewhere the processes of a pool are no forks")
    poisoned = Poisoned(lab, Stage.CRAWL, concurrency=1)
    worker = poisoned.start()
    told = tmp_path / "pids"
    with lab.app() as app:
        app.send_task("poison.sleep_beside", [str(told)], queue="crawler")
        until(lambda: told.exists() and told.read_text().endswith("\n"), what="the program")
    pids = [int(pid) for pid in told.read_text().split()]
    assert all(map(lives, pids))

    worker.process.kill()
    worker.process.wait(30)
    killed = time.monotonic()
    until(lambda: not any(map(lives, pids)), LEFT, "the process and its program to end")

    print(f"nothing is left after {time.monotonic() - killed:.1f} s")
    assert poisoned.processes() == []


def test_a_worker_asked_to_end_gives_back_what_takes_long(lab: Lab) -> None:
    """T10 of reliability.md, its shortest form."""
    papers = some_papers(lab, 3)
    slow_source(lab, LONG)
    ask_for(lab, papers)
    worker = lab.refnet_worker("crawler")
    until(lambda: lab.stand_in.log, what="a request")

    asked = time.monotonic()
    code = worker.stop()
    took = time.monotonic() - asked

    print(f"ended with {code} after {took:.1f} s")
    rows = lab.query("SELECT state, owner, attempts, losses, share FROM jobs WHERE stage = 'crawl'")
    assert {tuple(row) for row in rows} == {("queued", None, 0, 0, None)}
    assert took <= 12.0
    assert code == 0


def test_what_a_dead_host_and_a_stopped_process_held_comes_back_by_its_lease(
    make_lab: MakeLab, redis_url: str, literature: Corpus, tmp_path: Path
) -> None:
    """And the stopped process, once it goes on, drops its result: it sees that its work is somebody else's.

    No lock of the database reaches a file, so the one note that it was just putting in place is put there again.
    """
    lab = make_lab(redis_url, literature)
    # A neighbour of the crawl's papers would be seen in their notes, or not, by what is done first.
    far = min(lab.stand_in.truth(WORDS[0], 3)[3])
    slow_source(lab, LONG)
    ask_for(lab, [far])
    gone = lab.worker("crawler", "-c1", name="gone")
    until(lambda: lab.stand_in.log, what="a request")
    slow_source(lab, 0.0)
    with writing(lab.engine) as connection:  # from now on nobody here can see whether it lives
        connection.execute(text("UPDATE jobs SET owner = 'elsewhere:1' WHERE state = 'running'"))
    gone.kill()
    killed = time.monotonic()

    # Slow enough that it has notes to write still, however late this process looks.
    path = os.pathsep.join(filter(None, (str(HOOK), lab.environment.get("PYTHONPATH"))))
    slow = lab.with_(PYTHONPATH=path, SLOW_NOTES="0.05")
    here = slow.worker("crawler,summarizer,generator", "-c1", name="here")
    notes = lab.vault / "papers"
    mapping = lab.refnet.start("map", *WORDS, "--json")
    until(lambda: notes.is_dir() and len(list(notes.iterdir())) >= 10, what="ten notes")
    (child,) = here.children()
    os.kill(child, signal.SIGSTOP)
    stopped = time.monotonic()
    held = lab.query("SELECT claim FROM jobs WHERE state = 'running' AND stage = 'generate'")
    assert held, "void: it held no notes"
    assert not mapping.is_over
    lab.worker("crawler,summarizer,generator", name="there")

    until(lambda: all_done(lab, [far]), SOON - (time.monotonic() - killed), "the dead host's paper")
    print(f"the dead host's paper is done after {time.monotonic() - killed:.1f} s")
    ended = mapping.wait(SOON + 60)
    print(f"the stopped process's notes are written after {time.monotonic() - stopped:.1f} s")
    assert ended.code == 0, ended.err
    written, stamped = tree(lab.vault), stamps(lab.vault)

    os.kill(child, signal.SIGCONT)
    until(lambda: not any(worker.running for worker in lab.store.workers()), what="the stopped task to end")

    folder = tmp_path / "alone"
    folder.mkdir()
    settings = {"SEMANTIC_SCHOLAR_URL": lab.stand_in.url, "SEMANTIC_SCHOLAR_RPS": "1000"}
    Refnet(folder, clean_environment(folder / "data", **settings)).map(*WORDS)
    again = [name for name, stamp in stamps(lab.vault).items() if stamp != stamped[name]]
    assert len(again) <= 1
    assert tree(lab.vault) == written == tree(folder / "vault")
    assert not lab.query("SELECT 1 FROM jobs WHERE state <> 'done'")


def test_what_a_process_stopped_within_a_round_trip_has_locks_on_is_free_before_its_lease_ends(lab: Lab) -> None:
    """Whoever claims waits for this lock, and whoever sweeps would wait with them."""
    worker = lab.worker("crawler")
    claiming = f"SELECT pg_advisory_xact_lock({ledger._TURN}, {list(Stage).index(Stage.CRAWL)})"
    with stopped(WITHIN_A_ROUND_TRIP, lab.refnet.environment["DATABASE_URL"], claiming):
        locks = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2"
        until(lambda: lab.query(locks), what="the lock")
        papers = some_papers(lab, 3)
        ask_for(lab, papers)
        asked = time.monotonic()
        until(lambda: all_done(lab, papers), SOON)
        print(f"done after {time.monotonic() - asked:.1f} s")
    worker.until_logs("processes that stood still while they held locks: 1.")
