"""T15 of reliability.md: the clock of one worker and one beat is set a day and an hour forth and back during a crawl."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import text

from refnet.adapters.database.engine import writing
from refnet.pipeline.lease import LEASE
from tests.cluster.beside import Beside
from tests.cluster.faults import Supervisor, holders, pauses
from tests.cluster.lab import Lab, Worker, until
from tests.cluster.two_beats import fast_beat, turns
from tests.soak.conftest import MakeRig
from tests.soak.false_time import FalseTime
from tests.soak.history import claims, history
from tests.soak.rig import Laboratory, finished
from tests.soak.void import void

pytestmark = pytest.mark.soak

HOUR, DAY = 3_600, 86_400
#: The application where the time is false.
FALSE = "tests.soak.false_time_app"
STEPS = (DAY, -DAY, HOUR, -HOUR, 0, DAY, 0, -DAY, DAY)
#: Seconds between two steps.
EVERY = 5.0
#: The fewest steps that have to land while that worker holds jobs.
AT_WORK = 4
_STARTS = (
    "CREATE TABLE soak.starts (at double precision NOT NULL)",
    # Each start puts off the next by the same interval.
    """CREATE FUNCTION soak.started() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO soak.starts VALUES (NEW.next_at); RETURN NULL; END $$""",
    """CREATE TRIGGER started AFTER UPDATE ON pace FOR EACH ROW WHEN (NEW.starts > OLD.starts)
    EXECUTE FUNCTION soak.started()""",
)
_DATE = re.compile(r"^(\d{4}-\d\d-\d\d)", re.MULTILINE)


def test_no_clock_of_a_worker_or_a_beat_matters(
    seed: int, figures: dict[str, object], make_rig: MakeRig, laboratory: Laboratory, tmp_path: Path
) -> None:
    rig, expected = make_rig(), laboratory.undisturbed()
    lab, clock = rig.lab, FalseTime(tmp_path / "time")
    wrong = lab.with_(**clock.environment)
    queues = "crawler,summarizer,generator"
    starts: list[Callable[[], Worker]] = [
        partial(lab.worker, queues, name="right"),
        partial(wrong.worker, queues, name="wrong", app=FALSE),
    ]
    keep_starts(lab)
    steps = list(STEPS)
    Random(seed).shuffle(steps)
    made = at_work = 0
    with (
        Supervisor(starts) as workers,
        Supervisor([partial(fast_beat, lab, 1), partial(fast_beat, wrong, 2, FALSE)]) as beats,
    ):
        until(lambda: turns(lab, workers.workers).results, what="a turn")
        with Ledger(lab) as ledger:
            mapping = rig.start()
            assert mapping.until(lambda: rig.source.requests > 2), mapping.wait().err
            while not mapping.is_over:
                clock.set(steps[made % len(steps)])
                made += 1
                pauses(EVERY, lambda: mapping.is_over)
                at_work += any(pid in workers.workers[1].children() for pid in holders(lab))
            ended = finished(mapping)
        clock.set(0)
        found = turns(lab, workers.workers)
        log = workers.workers[1].text
    assert (workers.exits, beats.exits) == ([], []), "a process ended although nobody killed it"

    # Not by the arrivals: where the time is false, libfaketime holds up what goes out, most of all just after a step,
    # by 40 to 250 ms for one request in five; elsewhere it takes a few. When they start is looked at below.
    oracle = replace(rig.oracle(expected), rate=None)
    doubled = sum(times - 1 for times in found.runs.values())
    figures |= {
        "steps of the clock": made,
        "of them at work": at_work,
        "dates that the worker took it for": len({*_DATE.findall(log)}),
        "jobs claimed": claims(history(lab)),
        "leases longer than theirs by at most (s)": round(ledger.ahead - LEASE, 1),
        "leases over and not taken back for at most (s)": round(ledger.behind, 1),
        "turns sent": len(found.results),
        "turns sent twice": doubled,
        "requests were allowed apart by at least (s)": round(closest(lab), 3),
        "papers lost": oracle.lost(),
        "notes doubled": oracle.doubled(),
        "requests within a second": oracle.most,
        "crawl (s)": ended.seconds,
    }
    if made < len(STEPS) or at_work < AT_WORK or len({*_DATE.findall(log)}) < 3:
        void(f"{made} steps, {at_work} of them while that worker held jobs; it saw {sorted({*_DATE.findall(log)})}")
    assert closest(lab) >= 1 / rig.rate, "the pace itself let requests start too close to each other"
    assert oracle.complaints() == []
    assert ledger.ahead <= LEASE + 1
    assert ledger.behind <= 15
    assert ledger.due <= 700
    assert doubled == 0
    assert not found.strangers
    false = (
        "SELECT count(*) FROM celery_taskmeta WHERE abs(extract(epoch FROM date_done - timezone('UTC', now()))) > 1800"
    )
    assert lab.query(false)[0][0] == 0


def keep_starts(lab: Lab) -> None:
    """Begin to write down when a request was allowed to start, by the database's clock."""
    with writing(lab.engine) as connection:
        for statement in _STARTS:
            connection.execute(text(statement))


def closest(lab: Lab) -> float:
    """Seconds between the two such moments that were closest to each other."""
    [row] = lab.query(
        "SELECT min(gap) AS least FROM (SELECT at - lag(at) OVER (ORDER BY at) AS gap FROM soak.starts) AS g"
    )
    return float(row.least)


@dataclass
class Ledger(Beside):
    """Looks at the times in the ledger many times a second, by the database's clock."""

    lab: Lab
    #: seconds that a lease was still to run, and had been over, at the most; and until a queued job was due
    ahead: float = 0.0
    behind: float = 0.0
    due: float = 0.0

    def turn(self) -> None:
        [row] = self.lab.query(
            "SELECT coalesce(max(lease_until - t), 0) AS ahead, coalesce(max(t - lease_until), 0) AS behind,"
            " coalesce(max(due_at - t) FILTER (WHERE state = 'queued'), 0) AS due"
            " FROM jobs, (SELECT extract(epoch FROM clock_timestamp())::float8 AS t) AS now"
        )
        self.ahead, self.behind = max(self.ahead, row.ahead), max(self.behind, row.behind)
        self.due = max(self.due, row.due)
