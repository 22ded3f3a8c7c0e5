"""When a worker counts as not consuming, at every edge."""

from __future__ import annotations

from dataclasses import replace

import pytest

from refnet.domain.workers import LEAVES_WORK_AFTER, UNHEALTHY_AFTER, WorkerReport, idle_reason

LATE, IN_TIME = LEAVES_WORK_AFTER + 0.1, LEAVES_WORK_AFTER
CANARY, WORK = "its own canary has been waiting in its queue", "work that is due has been waiting"


@pytest.mark.parametrize(
    ("running", "quiet_for", "canary_for", "due_for", "found"),
    [
        # nothing is wrong with a worker that has nothing to do, or nothing to do it with
        (0, LATE, None, None, None),
        (4, LATE, LATE, LATE, None),
        (5, LATE, LATE, LATE, None),
        # one that received something lately consumes, however old the work is
        (0, IN_TIME, LATE, LATE, None),
        (0, 0.0, 900.0, 900.0, None),
        # its canary, to the second
        (0, LATE, IN_TIME, None, None),
        (0, LATE, LATE, None, (CANARY, LATE)),
        (3, LATE, LATE, None, (CANARY, LATE)),
        # work that is due, to the second; for no longer than the worker has been quiet
        (0, LATE, None, IN_TIME, None),
        (0, LATE, None, LATE, (WORK, LATE)),
        (0, 60.0, None, 500.0, (WORK, 60.0)),
        (0, 500.0, None, 60.0, (WORK, 60.0)),
        # the canary is the better evidence
        (0, 500.0, 50.0, 400.0, (CANARY, 50.0)),
        (0, 500.0, 15.0, 400.0, (WORK, 400.0)),
    ],
)
def test_a_worker_does_not_consume_when_it_has_room_and_leaves_what_waits(
    running: int,
    quiet_for: float,
    canary_for: float | None,
    due_for: float | None,
    found: tuple[str, float] | None,
) -> None:
    told = idle_reason(running=running, slots=4, quiet_for=quiet_for, canary_for=canary_for, due_for=due_for)
    assert told == found


REPORT = WorkerReport("crawler@host", 17, ("crawler",), None, 4, 1)


def test_a_report_without_a_reason_that_is_young_tells_of_no_fault() -> None:
    assert REPORT.fault is None
    assert replace(REPORT, unseen_for=UNHEALTHY_AFTER).fault is None
    assert replace(REPORT, unseen_for=UNHEALTHY_AFTER).lives


def test_a_worker_that_does_not_consume_is_named_with_the_reason_and_the_cure() -> None:
    found = replace(REPORT, reason=CANARY, idle_for=61.2).fault
    assert found == (
        "crawler@host does not consume: its own canary has been waiting in its queue for 61 s with a slot free. "
        "Check that it reaches the broker, then restart it."
    )


def test_a_worker_that_nobody_hears_of_is_named_whatever_it_said_last() -> None:
    for said in (None, CANARY):
        gone = replace(REPORT, unseen_for=UNHEALTHY_AFTER + 0.1, reason=said)
        assert not gone.lives
        assert (gone.fault or "").startswith(
            "crawler@host has not been heard of for 40 s: it was killed, or is cut off"
        )
