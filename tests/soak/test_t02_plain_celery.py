"""The same faults against a plain Celery application: what refnet's ledger is for."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import pytest

from tests.cluster.faults import Killer, Supervisor, pauses
from tests.cluster.lab import Worker, until
from tests.soak.conftest import MakeRig
from tests.soak.graph import PAPERS, paper_id
from tests.soak.killing import FEWEST, BrokerFaults, killing
from tests.soak.void import void

pytestmark = pytest.mark.soak

APP = "tests.soak.plain_celery"
#: Seconds that an answer takes, so that 2,000 papers last about as long as refnet's crawl.
LATENCY = 0.1
#: Seconds without another paper after which nothing more is waited for. Stock Celery on Redis gives a message that was
#: with a killed worker to another one after an hour (its visibility timeout).
SETTLED = 60.0


@pytest.mark.parametrize("broker_fails", [False, True], ids=["kills", "kills-and-broker"])
@pytest.mark.parametrize("late", [False, True], ids=["defaults", "late"])
def test_what_a_plain_celery_application_loses(
    seed: int, late: bool, broker_fails: bool, figures: dict[str, object], make_rig: MakeRig, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    rig = make_rig({"PLAIN_LATE": str(int(late)), "PLAIN_DONE": str(done)}, latency=LATENCY)
    done.touch()
    starts: list[Callable[[], Worker]] = [
        partial(rig.lab.worker, "celery", name=name, wait=False, app=APP) for name in ("one", "two")
    ]
    expected = [paper_id(number) for number in range(PAPERS)]
    with Supervisor(starts) as supervisor:
        send(rig.lab.environment, expected)
        until(lambda: done.stat().st_size, 60, "the first paper")
        killer = Killer(rig.lab, supervisor, Random(seed))
        broker = BrokerFaults(rig.redis)
        # It has no ledger that says who is at work.
        killing(killer, lambda: False, broker.look if broker_fails else lambda _: None, fewest_at_work=0)
        broker.back()
        settle(done)
        exits = Counter(supervisor.exits)

    found = Counter(done.read_text().split())
    figures |= {
        "kills": killer.kills,
        "papers lost": len(set(expected) - found.keys()),
        "done twice": sum(times - 1 for times in found.values()),
        "workers that ended by themselves": sum(exits.values()) - exits[-9],
        "of papers": PAPERS,
    }
    if killer.kills < FEWEST or (broker_fails and not (broker.flushed and broker.killed)):
        void(f"{killer.kills} kills, Redis emptied {broker.flushed} times and killed {broker.killed} times")
    assert set(found) <= set(expected)


def send(environment: dict[str, str], papers: list[str]) -> None:
    """Ask for every paper, as a plain producer does."""
    from celery import Celery

    with Celery("producer", broker=environment["CELERY_BROKER_URL"], set_as_current=False) as app:
        for paper in papers:
            app.send_task("plain.fetch", (paper,))


def settle(done: Path) -> None:
    """Wait until no paper has come for a while."""
    before, since = -1, time.monotonic()
    while time.monotonic() - since < SETTLED:
        if (size := done.stat().st_size) != before:
            before, since = size, time.monotonic()
        pauses(1.0, lambda: False)
