"""Tasks that need a scope, and the claim that work goes with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from celery import Celery

from refnet.adapters.celery_queue.application import Connections, create_app
from refnet.adapters.celery_queue.once import OnceTask
from refnet.adapters.celery_queue.permission import CLAIM, inherited
from refnet.adapters.celery_queue.signing import HINT
from refnet.domain.errors import NotPermitted
from refnet.domain.permissions import Scope

NOWHERE = Connections("redis://127.0.0.1:1/0", "postgresql+psycopg://127.0.0.1:1/x")


@pytest.fixture
def app() -> Iterator[Celery]:
    with closing(create_app(lambda: NOWHERE, lambda: (b"the key of tests, which is no secret",))) as made:
        yield made


def task_of(app: Celery, **options: Any) -> OnceTask:
    def nothing() -> None:
        """The task."""

    made: OnceTask = app.task(nothing, name="t", shared=False, **options)
    return made


def begin(task: OnceTask, headers: dict[str, Any] | None) -> None:
    """As Celery begins a task; a hint, so that nobody looks for its result."""
    task.push_request(id="t", headers=headers)
    try:
        task.before_start("t", (), {})
    finally:
        task.pop_request()


@pytest.mark.parametrize("needed", list(Scope))
def test_a_task_runs_for_whoever_has_its_scope_and_for_no_one_else(app: Celery, needed: Scope) -> None:
    task = task_of(app, needs=needed)
    for claim in Scope:
        if claim.allows(needed):
            begin(task, {HINT: True, CLAIM: claim.value})
        else:
            with pytest.raises(NotPermitted, match=f"is '{claim}', and it needs '{needed}': t was not run"):
                begin(task, {HINT: True, CLAIM: claim.value})


def test_without_a_claim_it_is_the_operator_who_sent_it(app: Celery) -> None:
    begin(task_of(app, needs=Scope.ADMIN), {HINT: True})


@pytest.mark.parametrize("claim", ["", "root", None, ["admin"], 7])
def test_a_claim_that_is_no_scope_is_refused_even_where_little_is_needed(app: Celery, claim: object) -> None:
    with pytest.raises(NotPermitted, match="is no scope"):
        begin(task_of(app, needs=Scope.READ), {HINT: True, CLAIM: claim})


def test_a_refused_task_is_not_even_looked_up(app: Celery) -> None:
    """The database is away, and it would be put off if it were."""
    with pytest.raises(NotPermitted):
        begin(task_of(app, needs=Scope.WRITE), {CLAIM: "read"})


def test_a_task_that_does_not_say_needs_the_most_and_so_do_celerys_own(app: Celery) -> None:
    """`celery.map` runs any other task, and would ask nobody."""
    for task in (task_of(app), app.tasks["celery.map"], app.tasks["celery.backend_cleanup"]):
        with pytest.raises(NotPermitted, match="needs 'admin'"):
            begin(task, {HINT: True, CLAIM: "write"})
        begin(task, {HINT: True, CLAIM: "admin"})


def test_what_a_task_sends_has_the_tasks_claim_whatever_it_says_itself() -> None:
    sent = {"task": "child", "id": "1"}
    assert inherited(sent, {CLAIM: "write"}) == {**sent, CLAIM: "write"}
    assert inherited({**sent, CLAIM: "admin"}, {CLAIM: "read"}) == {**sent, CLAIM: "read"}


def test_what_the_operators_task_sends_keeps_what_it_says() -> None:
    for sent in ({"task": "child"}, {"task": "child", CLAIM: "read"}):
        assert inherited(sent, {}) == sent


def test_a_hint_has_its_own_claim_whoever_tells_of_it() -> None:
    """A task of one crawl tells of what is due in another."""
    for sent in ({HINT: True}, {HINT: True, CLAIM: "write"}):
        assert inherited(sent, {CLAIM: "read"}) == sent
