"""Notes that somebody asks for while their job runs."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from refnet.adapters.database.cluster import ClusterStore
from refnet.domain.jobs import Stage
from refnet.domain.notes import WrittenNote
from tests.contract.conftest import Clock
from tests.contract.test_stages import VAULT, claim, queued, work


@pytest.fixture
def store(engine: Engine, clock: Clock) -> ClusterStore:
    return ClusterStore(engine, clock=clock)


def test_a_note_asked_for_while_its_job_runs_is_due_again_and_others_of_its_request_are_not(
    store: ClusterStore,
) -> None:
    store.enqueue(Stage.GENERATE, ["a", "b"])
    wave = claim(store, Stage.GENERATE)
    assert wave is not None
    for _ in range(2):
        store.enqueue(Stage.GENERATE, ["a"])
    store.record_notes(wave, VAULT, dict.fromkeys("ab", WrittenNote()), None)
    assert queued(store, Stage.GENERATE) == ["a"]
    assert work(store, Stage.GENERATE) == ["a"]
    assert queued(store, Stage.GENERATE) == []


def test_what_was_asked_for_during_a_request_that_came_to_nothing_hides_nothing_that_is_asked_for_during_the_next(
    store: ClusterStore,
) -> None:
    store.enqueue(Stage.GENERATE, ["a"])
    for comes_to_nothing in (True, False):
        wave = claim(store, Stage.GENERATE)
        assert wave is not None
        store.enqueue(Stage.GENERATE, ["a"])
        if comes_to_nothing:
            store.release(wave)
        else:
            store.record_notes(wave, VAULT, {"a": WrittenNote()}, None)
    assert work(store, Stage.GENERATE) == ["a"]
    assert queued(store, Stage.GENERATE) == []


def test_a_note_asked_for_twice_before_its_job_is_claimed_is_written_once(store: ClusterStore) -> None:
    for _ in range(2):
        store.enqueue(Stage.GENERATE, ["a"])
    assert work(store, Stage.GENERATE) == ["a"]
    assert queued(store, Stage.GENERATE) == []
