"""What workers tell of tasks while they run, as Flower sees it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from celery import Celery

from tests.cluster.lab import until


class LiveEvents:
    """All events so far, in the order of their arrival."""

    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []

    def of(self, task_id: str) -> list[dict[str, Any]]:
        return [event for event in list(self.all) if event.get("uuid") == task_id]

    def kinds(self, task_id: str) -> list[str]:
        """What became of a task, without the `task-` before each."""
        return [event["type"].removeprefix("task-") for event in self.of(task_id)]

    def until(self, kind: str, task_id: str, timeout: float = 90.0) -> dict[str, Any]:
        """Wait for an event of a task."""

        def found() -> dict[str, Any] | None:
            return next((event for event in self.of(task_id) if event["type"] == kind), None)

        try:
            event: dict[str, Any] = until(found, timeout, kind)
        except AssertionError as error:
            raise AssertionError(f"{error}; there were {self.kinds(task_id)}") from None
        return event

    def waits(self, task_id: str) -> list[tuple[float, float]]:
        """For each retry of a task bounds of the seconds until it was due, as the task reckoned them.

        The first is from when the retry was told, the other from when the task could begin.
        """
        of = sorted(self.of(task_id), key=lambda event: event["timestamp"])
        told = [event["timestamp"] for event in of if event["type"] == "task-retried"]
        runs = [event for event in of if event["type"] == "task-received"]
        due = [datetime.fromisoformat(event["eta"]).timestamp() if event.get("eta") else 0.0 for event in runs]
        begun = [max(event["timestamp"], eta) for event, eta in zip(runs, due, strict=True)]
        return [(eta - after, eta - before) for eta, after, before in zip(due[1:], told, begun, strict=False)]


@contextmanager
def live_events(app: Celery) -> Iterator[LiveEvents]:
    """Receive events, from here to the end of the block. There has to be a worker, whose heartbeat is the first."""
    events, ready = LiveEvents(), threading.Event()
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": events.all.append})
        receiver.on_consume_ready = lambda *_, **__: ready.set()
        thread = threading.Thread(target=receiver.capture, kwargs={"limit": None, "timeout": None, "wakeup": False})
        thread.start()
        try:
            assert ready.wait(30)
            until(lambda: events.all, 60, "a heartbeat")  # until then Redis may not have been told to send any
            yield events
        finally:
            receiver.should_stop = True
            thread.join(30)
            assert not thread.is_alive()
