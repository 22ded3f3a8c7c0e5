"""What a worker's main loop does later."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from refnet.adapters.celery_queue.pending import Pending


class Timer:
    """The worker's, whose time comes when a test says so."""

    def __init__(self) -> None:
        self.set: list[tuple[Callable[..., None], tuple[Any, ...]]] = []

    def call_after(self, seconds: float, act: Callable[..., None], args: tuple[Any, ...] = ()) -> None:
        self.set.append((act, args))

    def ring(self) -> None:
        now, self.set = self.set, []
        for act, args in now:
            act(*args)


def test_what_waits_for_a_thread_is_done_once_it_has_done_its_part() -> None:
    pending, timer, done = Pending(), Timer(), []
    pending.start(timer)
    future: Future[None] = Future()
    pending.once(future, lambda: done.append("it"))

    timer.ring()
    assert done == []
    future.set_result(None)
    timer.ring()

    assert done == ["it"]
    assert timer.set == [], "nobody looks where there is nothing to see"


def test_what_waits_goes_on_waiting_when_celery_clears_its_timers() -> None:
    pending, timer, done = Pending(), Timer(), []
    pending.start(timer)
    future: Future[None] = Future()
    pending.once(future, lambda: done.append("it"))
    timer.set.clear()  # as when a connection is lost
    future.set_result(None)

    pending.start(timer)
    timer.ring()

    assert done == ["it"]


def test_what_is_set_anew_is_done_once_though_the_old_timer_was_not_cleared() -> None:
    pending, timer, done = Pending(), Timer(), []
    pending.start(timer)
    pending.after(1.0, lambda: done.append("it"))

    pending.start(timer)
    timer.ring()

    assert done == ["it"]


def test_one_that_fails_takes_no_other_along() -> None:
    pending, timer, done = Pending(), Timer(), []
    pending.start(timer)
    pending.after(0.0, lambda: 1 / 0)
    pending.after(0.0, lambda: done.append("the other"))

    timer.ring()

    assert done == ["the other"]
