"""A lease is renewed while work lasts, and whoever lost it knows before it writes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping

import pytest
from sqlalchemy import Engine

from refnet.adapters.database.cluster import ClusterStore
from refnet.domain.about import ids
from refnet.domain.errors import LeaseLost, RefnetError, StorageFull, StoreUnavailable, TransientError
from refnet.domain.jobs import Job, Wave
from refnet.pipeline.lease import LEASE, Lease, give_back, naming
from tests.contract.making import LEAF, claimed, enqueue, rows
from tests.pipeline.conftest import Clock
from tests.servers import missing, ticks

WAVE = Wave((Job(1, "a", LEAF),), LEAF, claim="claim")
#: Seconds of a lease in these tests: it is renewed every twentieth of a second.
SHORT = 0.15


class Keeper:
    """Keeps leases: what a renewal raises, if anything, and how often it was asked for."""

    def __init__(self) -> None:
        self.error: RefnetError | None = None
        self.renewals = 0
        self.seconds: set[float] = set()
        #: what a line of the log would have named at the last renewal
        self.about: Mapping[str, str] = {}

    def renew(self, wave: Wave, lease: float) -> None:
        self.renewals += 1
        self.seconds.add(lease)
        self.about = ids()
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


def test_it_is_renewed_for_its_whole_length_while_work_lasts(keeper: Keeper, process: Clock) -> None:
    def renew(wave: Wave, lease: float) -> None:
        # The time between two renewals; of a real clock more may go by before a busy machine comes to the next.
        process.move(SHORT / 3)
        keeper.renew(wave, lease)

    with Lease(renew, WAVE, SHORT, clock=process.monotonic) as lease:
        until_renewed(keeper, 6)  # twice its length
        assert not lost(lease)
    assert keeper.seconds == {SHORT}


def test_what_its_thread_says_names_the_jobs_as_the_work_itself_does(keeper: Keeper) -> None:
    with naming(WAVE), Lease(keeper.renew, WAVE, SHORT):
        until_renewed(keeper)
        assert keeper.about == ids() == {"claim": "claim", "job": "1", "paper": "a"}
    assert ids() == {}


def test_a_line_at_debug_names_each_job_with_its_paper(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = Wave(tuple(Job(number, f"p{number}", LEAF) for number in range(30)), LEAF)
    log = logging.getLogger("refnet.pipeline.lease")
    # By itself, for a command run in this process before may have set up the loggers above it.
    monkeypatch.setattr(log, "propagate", False)
    monkeypatch.setattr(log, "handlers", [caplog.handler])
    with caplog.at_level(logging.DEBUG, log.name), naming(many):
        pass
    assert caplog.messages == ["Holds the jobs " + ", ".join(f"{number} (p{number})" for number in range(30))]


def test_where_the_system_has_no_room_for_its_thread_work_is_put_off(keeper: Keeper) -> None:
    before = threading.stack_size(1 << 46)  # more than there is
    try:
        with pytest.raises(TransientError), Lease(keeper.renew, WAVE):
            raise AssertionError("nobody would renew it")
    finally:
        threading.stack_size(before)


def test_it_is_renewed_by_nobody_when_work_is_over(keeper: Keeper) -> None:
    with Lease(keeper.renew, WAVE, SHORT):
        until_renewed(keeper)
    after = keeper.renewals
    assert not [thread for thread in threading.enumerate() if thread.name == "lease"]
    threading.Event().wait(SHORT)
    assert keeper.renewals == after


def test_work_that_ends_soon_waits_for_no_renewal(keeper: Keeper) -> None:
    with Lease(keeper.renew, WAVE, 3_600.0) as lease:
        lease.check()
    assert keeper.renewals == 0


def test_it_ends_with_work_that_fails(keeper: Keeper) -> None:
    with pytest.raises(ZeroDivisionError), Lease(keeper.renew, WAVE, SHORT):
        1 / 0  # noqa: B018 - work that fails
    assert not [thread for thread in threading.enumerate() if thread.name == "lease"]


def test_a_lease_that_went_to_somebody_else_is_known_and_asked_for_no_more(keeper: Keeper) -> None:
    keeper.error = LeaseLost("gone")
    with Lease(keeper.renew, WAVE, SHORT, clock=Clock().monotonic) as lease:
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
    with Lease(keeper.renew, WAVE, 6.0):
        until_renewed(keeper, 21)  # at the usual distance that would take longer than is waited for
        assert keeper.renewals >= 21


def test_a_process_that_was_stopped_for_longer_than_its_lease_knows_it_at_once(keeper: Keeper, process: Clock) -> None:
    """It goes on where it was, with a clock that jumped, before its thread has asked anybody."""
    with Lease(keeper.renew, WAVE, LEASE, clock=process.monotonic) as lease:
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
    with Lease(slow.renew, WAVE, SHORT, clock=process.monotonic) as lease:
        until_renewed(slow)
        assert lost(lease), "by the answer it had run out"


def test_while_the_database_is_away_it_runs_on_to_its_end_and_then_it_is_lost(keeper: Keeper, process: Clock) -> None:
    keeper.error = StoreUnavailable("away")
    with Lease(keeper.renew, WAVE, SHORT, clock=process.monotonic) as lease:
        until_renewed(keeper)
        lease.check()
        process.move(SHORT)
        assert lost(lease)


def test_when_the_database_is_back_in_time_it_is_renewed_as_before(keeper: Keeper, process: Clock) -> None:
    keeper.error = StoreUnavailable("away")
    with Lease(keeper.renew, WAVE, SHORT, clock=process.monotonic) as lease:
        until_renewed(keeper)
        process.move(SHORT * 0.9)
        keeper.error = None
        until_renewed(keeper)
        process.move(SHORT * 0.9)
        lease.check()


def test_what_could_not_be_given_back_is_as_soon_as_the_database_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refnet.pipeline.lease.SOON", 0.01)
    there = threading.Event()
    tries: list[str] = []

    def release() -> None:
        tries.append(threading.current_thread().name)
        if len(tries) < 4:
            raise StoreUnavailable("It is away.")
        there.set()

    give_back(release)
    assert there.wait(30)
    assert tries == [threading.current_thread().name, *["give back"] * 3]


@pytest.mark.parametrize("away", [0, 1])
def test_what_cannot_be_given_back_for_another_reason_is_said_and_left_to_its_lease(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, away: int
) -> None:
    monkeypatch.setattr("refnet.pipeline.lease.SOON", 0.01)
    log = logging.getLogger("refnet.pipeline.lease")
    monkeypatch.setattr(log, "propagate", False)
    monkeypatch.setattr(log, "handlers", [caplog.handler])
    errors: list[RefnetError] = [StoreUnavailable("It is away.")] * away + [StorageFull("No room.")]

    def release() -> None:
        raise errors.pop(0)

    give_back(release)
    for thread in threading.enumerate():
        if thread.name == "give back":
            thread.join(30)
    assert caplog.messages == ["What was claimed waits until its lease runs out. No room."]
    assert errors == []


def test_a_machine_that_slept_for_longer_than_a_lease_knows_it_at_once(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the system's clocks one counts the time that it slept; `time.monotonic` does not."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        missing("this system has no clock of that name")
    with Lease(keeper.renew, WAVE) as lease:
        lease.check()
        slept = time.clock_gettime(time.CLOCK_BOOTTIME) + LEASE
        monkeypatch.setattr(time, "clock_gettime", {time.CLOCK_BOOTTIME: slept}.__getitem__)
        assert lost(lease)


def test_with_a_real_store_the_jobs_stay_ones_own_beyond_the_length_of_the_lease(engine: Engine, clock: Clock) -> None:
    store = ClusterStore(engine, clock=clock)
    enqueue(store, {"a": LEAF})
    wave = claimed(store, lease=SHORT)
    before = rows(engine)["a"].lease_until
    with Lease(store.renew, wave, SHORT):
        clock.move(SHORT * 0.9)
        for _ in ticks(30):
            if rows(engine)["a"].lease_until > before:
                break
        clock.move(SHORT * 0.9)
        assert store.free_expired() == 0
    clock.move(SHORT * 2)
    assert store.free_expired() == 1
