from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import Connection, Engine, event, text

from refnet.adapters.database import pace as module
from refnet.adapters.database.engine import database_url, open_engine, writing
from refnet.adapters.database.migrate import upgrade
from refnet.adapters.database.pace import LONGEST, LONGEST_ASKED, MARGIN, SLACK, USUAL, WIDEST, DatabasePace
from refnet.domain.errors import Cancelled, KeyRefused, RateLimited, SourceUnavailable, TransientError

DOWN = SourceUnavailable("502")
LIMITED = RateLimited("429")


class Clock:
    """A clock that is moved by waiting."""

    def __init__(self) -> None:
        self.now = 1_750_000_000.0

    def __call__(self, connection: Connection) -> float:
        return self.now


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(database_url(f"sqlite:///{tmp_path}/refnet.db"))
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def pace_of(
    engine: Engine, clock: Clock, rate: float = 1.0, *, adaptive: bool = False, host: str = "h"
) -> DatabasePace:
    return DatabasePace(engine, host, rate, adaptive=adaptive, clock=clock)


def wait_for(pace: DatabasePace, clock: Clock) -> float:
    """Wait on the clock until a request starts; the seconds that it took."""
    began = clock.now
    for _ in range(1_000):
        if (wait := pace.reserve()) == 0.0:
            return clock.now - began
        clock.now += wait
    raise AssertionError("no request starts")


@pytest.fixture
def pace(engine: Engine, clock: Clock) -> DatabasePace:
    """One whose first request has started."""
    pace = pace_of(engine, clock)
    wait_for(pace, clock)
    return pace


def test_a_host_never_seen_is_left_alone_for_an_interval(engine: Engine, clock: Clock) -> None:
    """reliability.md §7.3: what was asked before the row was lost is not known."""
    pace = pace_of(engine, clock)
    assert pace.reserve() == pytest.approx(MARGIN)
    assert pace.reserve() == pytest.approx(MARGIN)
    assert wait_for(pace, clock) == pytest.approx(MARGIN)


@pytest.mark.parametrize("rate", [0.2, 1.0, 10.0])
def test_starts_are_spaced_by_the_interval_and_a_margin(engine: Engine, clock: Clock, rate: float) -> None:
    pace = pace_of(engine, clock, rate)
    wait_for(pace, clock)
    waits = [wait_for(pace, clock) for _ in range(20)]
    assert min(waits) >= 1 / rate
    assert sum(waits) == pytest.approx(20 * MARGIN / rate)


def test_time_that_went_by_is_not_saved_up(pace: DatabasePace, clock: Clock) -> None:
    clock.now += 3_600
    assert wait_for(pace, clock) == 0.0
    assert sum(wait_for(pace, clock) for _ in range(3)) == pytest.approx(3 * MARGIN - SLACK)


@pytest.mark.parametrize("rate", [0.1, 1.0, 5.0])
def test_a_start_that_came_a_little_late_does_not_put_off_the_next(engine: Engine, clock: Clock, rate: float) -> None:
    pace = pace_of(engine, clock, rate)
    wait_for(pace, clock)
    clock.now += MARGIN / rate + 0.01
    assert wait_for(pace, clock) == 0.0
    assert wait_for(pace, clock) == pytest.approx(MARGIN / rate - 0.01)


class Stalling(Clock):
    """Everything stops for a moment, `times` times, just as a start is taken: at the end of its transaction."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.times = 0
        event.listen(engine, "commit", self._stall)

    def _stall(self, _: Connection) -> None:
        if self.times:
            self.times -= 1
            self.now += 3 * SLACK


@pytest.fixture
def stalling(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Stalling:
    """The process's own clock, too: by a real one, whatever else stops this process would be lateness."""
    clock = Stalling(engine)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_what_every_start_takes_is_no_lateness(engine: Engine, stalling: Stalling) -> None:
    """As with a database far away."""
    clock = stalling
    pace = pace_of(engine, clock)
    wait_for(pace, clock)
    for _ in range(3):
        clock.now += 1.2 * MARGIN
        clock.times = 1_000
        pace.start()
        assert clock.times == 999


def test_a_link_that_became_slow_is_usual_before_long(engine: Engine, stalling: Stalling) -> None:
    clock = stalling
    pace = pace_of(engine, clock)
    wait_for(pace, clock)
    clock.now += MARGIN
    pace.start()  # which shows how long it takes
    clock.times = 1_000
    for _ in range(USUAL):
        clock.now += 1.2 * MARGIN
        pace.start()
    clock.now += 1.2 * MARGIN
    before = clock.times
    pace.start()
    assert clock.times == before - 1


def row(engine: Engine) -> tuple[float, int]:
    with engine.connect() as connection:
        found = connection.execute(text("SELECT next_at, starts FROM pace")).one()
    return found.next_at, found.starts


def test_a_start_held_up_after_it_was_taken_puts_off_the_next(engine: Engine, stalling: Stalling) -> None:
    clock = stalling
    pace = pace_of(engine, clock)
    wait_for(pace, clock)
    clock.now += MARGIN
    pace.start()  # which shows how long it takes
    clock.now += MARGIN
    clock.times = 1
    pace.start()
    next_at, starts = row(engine)
    assert next_at - clock.now == pytest.approx(MARGIN)
    assert starts == 3


def test_a_start_held_up_until_another_was_taken_waits_for_its_turn(engine: Engine) -> None:
    clock = Stalling(engine)
    slow, quick = pace_of(engine, clock), pace_of(engine, clock)
    wait_for(quick, clock)
    clock.now += MARGIN
    _, mine, _ = slow._take(0.0)
    clock.now += MARGIN
    assert quick.reserve() == 0.0
    assert slow._take(mine)[0] == pytest.approx(MARGIN)
    assert row(engine)[1] == 3


def test_where_every_start_is_held_up_they_are_made_at_last(engine: Engine, stalling: Stalling) -> None:
    clock = stalling
    pace = pace_of(engine, clock)
    wait_for(pace, clock)
    clock.now += MARGIN
    pace.start()  # which shows how long it takes
    clock.now += MARGIN
    clock.times = 1_000
    pace.start()
    assert 1 < 1_000 - clock.times < 6
    assert row(engine)[1] == 3


def test_hosts_do_not_wait_for_each_other(engine: Engine, clock: Clock) -> None:
    one, other = pace_of(engine, clock, host="one"), pace_of(engine, clock, host="other")
    one.reserve(), other.reserve()
    clock.now += MARGIN
    assert (one.reserve(), other.reserve()) == (0.0, 0.0)


@pytest.mark.parametrize("asked", [0.5, 5.0, 600.0])
def test_nothing_starts_before_the_time_that_the_host_asked_for(pace: DatabasePace, clock: Clock, asked: float) -> None:
    pace.failed(RateLimited("429", retry_after=asked))
    assert wait_for(pace, clock) == pytest.approx(max(asked, MARGIN))


def test_an_absurd_wait_is_not_believed(pace: DatabasePace, clock: Clock) -> None:
    pace.failed(RateLimited("429", retry_after=9e9))
    assert wait_for(pace, clock) == pytest.approx(LONGEST_ASKED)


def test_a_shorter_wait_does_not_undo_a_longer_one(pace: DatabasePace, clock: Clock) -> None:
    pace.failed(RateLimited("429", retry_after=60))
    pace.failed(RateLimited("429", retry_after=2))
    pace.failed(DOWN)
    pace.succeeded()
    assert wait_for(pace, clock) >= 60


def backoffs(engine: Engine, clock: Clock, failures: int, *, error: TransientError = DOWN) -> list[float]:
    """The waits after each of so many failures in a row, on a host of its own."""
    backoffs.calls = getattr(backoffs, "calls", 0) + 1  # type: ignore[attr-defined]
    pace = pace_of(engine, clock, host=f"host {backoffs.calls}")  # type: ignore[attr-defined]
    wait_for(pace, clock)
    waits = []
    for _ in range(failures):
        pace.failed(error)
        waits.append(wait_for(pace, clock))
    return waits


def test_the_back_off_doubles_up_to_the_longest_and_is_never_the_same(engine: Engine, clock: Clock) -> None:
    runs = [backoffs(engine, clock, 8) for _ in range(80)]
    for place, waits in enumerate(zip(*runs, strict=True)):
        middle = MARGIN * min(2.0 ** (place + 1), LONGEST)
        assert middle * 0.5 <= min(waits) < middle < max(waits) <= middle * 1.5
        assert statistics.mean(waits) == pytest.approx(middle, rel=0.25)
        assert statistics.stdev(waits) / statistics.mean(waits) >= 0.2  # reliability.md T7


def test_an_outage_of_days_does_not_overflow(pace: DatabasePace, engine: Engine, clock: Clock) -> None:
    with writing(engine) as connection:
        connection.execute(text("UPDATE pace SET failures = 5000"))
    pace.failed(DOWN)
    assert wait_for(pace, clock) <= 1.5 * LONGEST * MARGIN


def test_a_success_ends_the_back_off(pace: DatabasePace, clock: Clock) -> None:
    for _ in range(6):
        pace.failed(DOWN)
        wait_for(pace, clock)
    pace.succeeded()
    pace.failed(DOWN)
    assert wait_for(pace, clock) <= 2 * 1.5 * MARGIN


def test_successes_are_counted_over_all_processes(engine: Engine, clock: Clock, pace: DatabasePace) -> None:
    assert pace.successes() == 0
    pace.succeeded()
    pace_of(engine, clock).succeeded()
    pace.failed(DOWN)
    assert pace.successes() == 2
    assert pace_of(engine, clock, host="never seen").successes() == 0


def test_a_failure_on_a_host_that_was_forgotten_is_no_error(pace: DatabasePace, engine: Engine, clock: Clock) -> None:
    with writing(engine) as connection:
        connection.execute(text("DELETE FROM pace"))
    pace.failed(DOWN)
    pace.succeeded()
    assert wait_for(pace, clock) == pytest.approx(MARGIN)


@pytest.mark.parametrize("back", [5.0, 3_600.0, 86_400.0])
def test_a_clock_set_back_does_not_stop_the_work(pace: DatabasePace, clock: Clock, back: float) -> None:
    """reliability.md T15."""
    clock.now -= back
    assert wait_for(pace, clock) <= MARGIN * (WIDEST + 1)
    assert wait_for(pace, clock) == pytest.approx(MARGIN)


def test_a_clock_set_back_leaves_what_the_host_asked_for(pace: DatabasePace, clock: Clock) -> None:
    pace.failed(RateLimited("429", retry_after=60))
    clock.now -= 86_400
    assert 60 <= wait_for(pace, clock) <= 60 + MARGIN * (WIDEST + 1)


def test_without_a_key_the_pace_widens_at_each_429_and_narrows_slowly(engine: Engine, clock: Clock) -> None:
    pace = pace_of(engine, clock, adaptive=True)
    wait_for(pace, clock)

    def interval() -> float:
        clock.now += 10_000
        wait_for(pace, clock), wait_for(pace, clock)  # after the second, nothing is made good any more
        return wait_for(pace, clock) / MARGIN

    widened = []
    for error in (LIMITED, DOWN, LIMITED, LIMITED, *[LIMITED] * 5):
        pace.failed(error)
        widened.append(interval())
    # A server that is down says nothing of the rate.
    assert widened[:4] == pytest.approx([1.5, 1.5, 2.25, 3.375])
    assert widened[-1] == pytest.approx(WIDEST)
    for _ in range(20):
        pace.succeeded()
    assert interval() == pytest.approx(WIDEST - 1)
    for _ in range(500):
        pace.succeeded()
    assert interval() == pytest.approx(1.0)


def test_with_a_key_the_pace_stays_what_was_set(pace: DatabasePace, clock: Clock) -> None:
    pace.failed(LIMITED)
    clock.now += 10_000
    wait_for(pace, clock), wait_for(pace, clock)
    assert wait_for(pace, clock) == pytest.approx(MARGIN)


def test_many_at_once_get_one_start_an_interval(
    engine: Engine, clock: Clock, pace: DatabasePace, tmp_path: Path
) -> None:
    """Each with an engine of its own, as other processes have."""
    clock.now += MARGIN
    begin = threading.Barrier(8)
    got: list[float] = []

    def reserve() -> None:
        own = open_engine(database_url(f"sqlite:///{tmp_path}/refnet.db"))
        begin.wait()
        got.append(pace_of(own, clock).reserve())
        own.dispose()

    threads = [threading.Thread(target=reserve) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got)[:2] == [0.0, pytest.approx(MARGIN)]


def test_start_waits_for_its_turn_and_tells_how_long(engine: Engine, clock: Clock) -> None:
    told: list[float] = []

    def waiting(seconds: float) -> None:
        # The clock of the database stands still but for this: what is waited for is the same however slow all else is.
        told.append(seconds)
        clock.now += seconds

    pace = DatabasePace(engine, "h", 100.0, waiting=waiting, clock=clock)
    began = time.monotonic()
    pace.start()
    pace.failed(RateLimited("429", retry_after=0.05))
    pace.start()
    assert told == pytest.approx([MARGIN / 100, 0.05])
    assert time.monotonic() - began >= sum(told)


def test_a_refusal_holds_for_the_key_that_was_refused_and_not_for_another(engine: Engine, clock: Clock) -> None:
    def with_key(key: str | None) -> DatabasePace:
        return DatabasePace(engine, "h", 1.0, key=key, clock=clock)

    wait_for(with_key("bad"), clock)
    with_key("bad").failed(KeyRefused("403", retry_after=600.0))

    assert with_key("bad").paused() == pytest.approx(600.0)
    assert with_key("bad").reserve() == pytest.approx(600.0), "after a restart, too"
    for key in ("mended", None):
        assert with_key(key).paused() <= MARGIN
        assert wait_for(with_key(key), clock) <= 2 * MARGIN


def test_what_goes_well_with_another_key_does_not_lift_a_refusal(engine: Engine, clock: Clock) -> None:
    bad, good = (DatabasePace(engine, "h", 1.0, key=key, clock=clock) for key in ("bad", "good"))
    wait_for(bad, clock)
    bad.failed(KeyRefused("403", retry_after=600.0))
    good.succeeded()

    assert bad.paused() == pytest.approx(600.0)
    bad.succeeded()
    assert bad.paused() <= MARGIN


def test_what_the_host_asked_of_all_holds_for_every_key(engine: Engine, clock: Clock) -> None:
    wait_for(DatabasePace(engine, "h", 1.0, key="bad", clock=clock), clock)
    DatabasePace(engine, "h", 1.0, key="bad", clock=clock).failed(RateLimited("429", retry_after=600.0))

    assert DatabasePace(engine, "h", 1.0, key="mended", clock=clock).reserve() == pytest.approx(600.0)


def test_of_a_refused_key_the_database_holds_too_little_to_find_it(engine: Engine, clock: Clock) -> None:
    pace = DatabasePace(engine, "h", 1.0, key="the-secret-key", clock=clock)
    wait_for(pace, clock)
    pace.failed(KeyRefused("403", retry_after=600.0))

    with engine.connect() as connection:
        (kept,) = connection.execute(text("SELECT refused_key FROM pace")).scalars()
    assert len(kept) == 8
    assert kept not in "the-secret-key"


def test_a_wait_is_looked_at_every_second_and_ends_with_what_is_found(engine: Engine) -> None:
    looks: list[int] = []

    def check() -> None:
        looks.append(1)
        raise Cancelled("nobody wants it any more")

    pace = DatabasePace(engine, "h", 100.0, check=check)
    pace.start()
    pace.failed(RateLimited("429", retry_after=600.0))

    with pytest.raises(Cancelled):
        pace.start()
    assert looks == [1]
