"""A lease is renewed while work lasts, and whoever lost it knows before it writes."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import Engine

from refnet.adapters.database.store import Store
from refnet.domain.errors import LeaseLost, RefnetError, StoreUnavailable, TransientError
from refnet.domain.jobs import Job, Wave
from refnet.pipeline.lease import LEASE, Lease
from tests.contract.making import LEAF, LIMITS, claimed, enqueue, rows
from tests.pipeline.conftest import Clock
from tests.servers import ticks

WAVE = Wave((Job(1, "a", LEAF),), LEAF, claim="claim")
#: Seconds of a lease in these tests: it is renewed every twentieth of a second.
SHORT = 0.15


class Keeper:
    """The port `LeaseStore`: what a renewal raises, if anything, and how often it was asked for."""

    def __init__(self) -> None:
        self.error: RefnetError | None = None
        self.renewals = 0
        self.seconds: set[float] = set()

    def renew(self, wave: Wave, lease: float) -> None:
        self.renewals += 1
        self.seconds.add(lease)
        if self.error is not None:
            raise self.error


def until_renewed(keeper: Keeper, more: int = 2) -> None:
    """Wait until so many more renewals were asked for; the one before the last of them is over then."""
    wanted = keeper.renewals + more
    for _ in ticks(30):
        if keeper.renewals >= wanted:
            return
    raise AssertionError("it is not renewed")


def lost(lease: Lease) -> bool:
    try:
        lease.check()
    except LeaseLost:
        return True
    return False


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


@pytest.fixture
def process() -> Clock:
    """The process's own clock, which stands still with it."""
    return Clock()


def test_a_killed_workers_jobs_are_free_within_a_minute() -> None:
    """Contract §7.12; the sweep comes every few seconds."""
    assert LEASE <= 45


def test_it_is_renewed_for_its_whole_length_while_work_lasts(keeper: Keeper) -> None:
    with Lease(keeper, WAVE, SHORT) as lease:
        until_renewed(keeper, 6)  # twice its length
        assert not lost(lease)
    assert keeper.seconds == {SHORT}


def test_where_the_system_has_no_room_for_its_thread_work_is_put_off(keeper: Keeper) -> None:
    before = threading.stack_size(1 << 46)  # more than there is
    try:
        with pytest.raises(TransientError), Lease(keeper, WAVE):
            raise AssertionError("nobody would renew it")
    finally:
        threading.stack_size(before)


def test_it_is_renewed_by_nobody_when_work_is_over(keeper: Keeper) -> None:
    with Lease(keeper, WAVE, SHORT):
        until_renewed(keeper)
    after = keeper.renewals
    assert not [thread for thread in threading.enumerate() if thread.name == "lease"]
    threading.Event().wait(SHORT)
    assert keeper.renewals == after


def test_work_that_ends_soon_waits_for_no_renewal(keeper: Keeper) -> None:
    with Lease(keeper, WAVE, 3_600.0) as lease:
        lease.check()
    assert keeper.renewals == 0


def test_it_ends_with_work_that_fails(keeper: Keeper) -> None:
    with pytest.raises(ZeroDivisionError), Lease(keeper, WAVE, SHORT):
        1 / 0  # noqa: B018 - work that fails
    assert not [thread for thread in threading.enumerate() if thread.name == "lease"]


def test_a_lease_that_went_to_somebody_else_is_known_and_asked_for_no_more(keeper: Keeper) -> None:
    keeper.error = LeaseLost("gone")
    with Lease(keeper, WAVE, SHORT, clock=Clock().monotonic) as lease:
        for _ in ticks(30):
            if lost(lease):
                break
        with pytest.raises(LeaseLost, match="went to somebody else"):
            lease.check()
    assert keeper.renewals == 1


def test_a_lease_that_could_not_be_renewed_is_renewed_as_soon_as_the_database_is_back(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sweeps then frees what nobody renewed, and charges a job that ran alone."""
    monkeypatch.setattr("refnet.pipeline.lease.SOON", 0.01)
    keeper.error = StoreUnavailable("away")
    with Lease(keeper, WAVE, 6.0):
        until_renewed(keeper, 21)  # at the usual distance that would take longer than is waited for
        assert keeper.renewals >= 21


def test_a_process_that_was_stopped_for_longer_than_its_lease_knows_it_at_once(keeper: Keeper, process: Clock) -> None:
    """It goes on where it was, with a clock that jumped, before its thread has asked anybody."""
    with Lease(keeper, WAVE, LEASE, clock=process.monotonic) as lease:
        process.move(LEASE - 1)
        lease.check()
        process.move(1)
        with pytest.raises(LeaseLost):
            lease.check()
    assert keeper.renewals == 0


def test_a_renewal_counts_from_the_moment_it_was_asked_for(process: Clock) -> None:
    class Slow(Keeper):
        """A database that takes ten seconds to answer."""

        def renew(self, wave: Wave, lease: float) -> None:
            super().renew(wave, lease)
            process.move(10)

    slow = Slow()
    with Lease(slow, WAVE, SHORT, clock=process.monotonic) as lease:
        until_renewed(slow)
        assert lost(lease), "by the answer it had run out"


def test_while_the_database_is_away_it_runs_on_to_its_end_and_then_it_is_lost(keeper: Keeper, process: Clock) -> None:
    keeper.error = StoreUnavailable("away")
    with Lease(keeper, WAVE, SHORT, clock=process.monotonic) as lease:
        until_renewed(keeper)
        lease.check()
        process.move(SHORT)
        assert lost(lease)


def test_when_the_database_is_back_in_time_it_is_renewed_as_before(keeper: Keeper, process: Clock) -> None:
    keeper.error = StoreUnavailable("away")
    with Lease(keeper, WAVE, SHORT, clock=process.monotonic) as lease:
        until_renewed(keeper)
        process.move(SHORT * 0.9)
        keeper.error = None
        until_renewed(keeper)
        process.move(SHORT * 0.9)
        lease.check()


def test_with_a_real_store_the_jobs_stay_ones_own_beyond_the_length_of_the_lease(
    store: Store, engine: Engine, clock: Clock
) -> None:
    enqueue(store, {"a": LEAF})
    wave = claimed(store, lease=SHORT)
    before = rows(engine)["a"].lease_until
    with Lease(store, wave, SHORT):
        clock.move(SHORT * 0.9)
        for _ in ticks(30):
            if rows(engine)["a"].lease_until > before:
                break
        clock.move(SHORT * 0.9)
        assert store.claim("you", LIMITS, lease=SHORT) is None
    clock.move(SHORT * 2)
    assert store.claim("you", LIMITS, lease=SHORT) is not None
