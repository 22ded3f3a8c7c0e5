from __future__ import annotations

import math

from refnet.domain.counts import NOT_BEGUN, Tally, TaskCount, TaskState, counted_as, status_of, totals

HEALTH = "health_check"


def test_a_task_is_counted_under_the_lowest_bound_that_it_kept() -> None:
    tally = Tally()
    for seconds in (0.004, 0.01, 0.011, 700.0):
        tally.add(HEALTH, TaskState.SUCCESS, seconds)

    assert [(one.le, one.count) for one in tally.all()] == [(0.01, 2), (0.05, 1), (math.inf, 1)]


def test_a_task_that_had_not_begun_has_no_duration() -> None:
    tally = Tally()
    tally.add(HEALTH, TaskState.REVOKED, None)

    assert tally.all() == [TaskCount(HEALTH, "revoked", NOT_BEGUN, 1, 0.0)]


def test_names_that_strangers_choose_are_counted_as_one() -> None:
    tally = Tally()
    for number in range(1000):
        tally.add(f"somebody.elses.task{number}", TaskState.FAILURE, 1.0)

    assert totals(tally.all()) == {("other", "failure"): 1000}
    assert counted_as(None) == counted_as([HEALTH]) == "other"


def test_statuses_that_sources_make_up_are_counted_as_one() -> None:
    assert [status_of(status) for status in (200, 429, 418, 999)] == ["200", "429", "other", "other"]


def test_a_batch_stays_the_same_until_it_was_kept_whatever_is_counted_meanwhile() -> None:
    tally = Tally()
    tally.add(HEALTH, TaskState.SUCCESS, 1.0)
    first = tally.next_batch()
    tally.add(HEALTH, TaskState.SUCCESS, 2.0)

    assert tally.next_batch() == first == (1, [TaskCount(HEALTH, "success", 1.0, 1, 1.0)])
    tally.kept(1)
    assert tally.next_batch() == (2, [TaskCount(HEALTH, "success", 5.0, 1, 2.0)])
    tally.kept(2)
    assert tally.next_batch() == (2, [])


def test_a_late_word_about_an_earlier_batch_lets_go_of_nothing() -> None:
    tally = Tally()
    for _ in range(2):
        tally.add(HEALTH, TaskState.SUCCESS, 1.0)
        number, batch = tally.next_batch()
        tally.kept(number - 1)
        assert tally.next_batch() == (number, batch)
        tally.kept(number)


def test_what_was_kept_stays_among_all() -> None:
    tally = Tally()
    tally.add(HEALTH, TaskState.SUCCESS, 1.0)
    tally.kept(tally.next_batch()[0])

    assert totals(tally.all()) == {(HEALTH, "success"): 1}
