"""Tasks that have ended do not run again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery import Celery, states
from celery.exceptions import Ignore, Reject

from refnet.adapters.celery_queue.once import OnceTask
from refnet.adapters.celery_queue.signing import HINT
from refnet.domain.errors import StoreUnavailable
from tests.adapters.celery_queue.test_results import Eventful, admin, app, migrated, table

__all__ = ["admin", "app", "migrated", "table"]


@pytest.fixture
def once(app: Celery) -> OnceTask:
    """A task whose results are in the table."""

    def nothing() -> None:
        """The task."""

    made: OnceTask = app.task(nothing, base=OnceTask, shared=False)
    return made


@contextmanager
def running(task: OnceTask, task_id: str, **request: Any) -> Iterator[None]:
    """As Celery begins a task."""
    task.push_request(id=task_id, **request)
    try:
        task.before_start(task_id, (), {})
        yield
    finally:
        task.pop_request()


def store(task: OnceTask, task_id: str, state: str) -> None:
    task.backend.store_result(task_id, ValueError("x") if state in states.EXCEPTION_STATES else None, state)


@pytest.mark.parametrize("state", ["SUCCESS", "FAILURE", "REVOKED"])
def test_a_task_with_a_final_result_does_not_run(once: OnceTask, state: str) -> None:
    store(once, "t", state)

    with pytest.raises(Ignore), running(once, "t"):
        pass


@pytest.mark.parametrize("state", [None, "RETRY", "STARTED", "PENDING", "REJECTED"])
def test_a_task_without_one_runs_however_often_it_comes(once: OnceTask, state: str | None) -> None:
    store(once, "another", "SUCCESS")
    if state is not None:
        store(once, "t", state)

    for _ in range(2):
        with running(once, "t"):
            pass


def test_a_hint_runs_whatever_there_is(once: OnceTask) -> None:
    store(once, "t", "SUCCESS")

    with running(once, "t", headers={HINT: True}):
        assert once.is_hint


def test_an_id_that_no_result_can_have_runs(once: OnceTask) -> None:
    with running(once, "x" * 1_000):
        assert not once.is_hint


def test_while_the_database_is_away_the_task_goes_back_to_its_queue(once: OnceTask, app: Celery) -> None:
    once.backend = Eventful(app, "postgresql+psycopg://127.0.0.1:1/x", lambda _tries: None)

    with pytest.raises(Reject) as rejected, running(once, "t"):
        pass

    assert rejected.value.requeue
    assert isinstance(rejected.value.__cause__, StoreUnavailable)
    assert once.backend.tries == 2
