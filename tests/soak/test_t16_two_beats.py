"""T16 of reliability.md: two beats for ten minutes at sixty times their speed, one killed now and then, outages between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from random import Random

import pytest

from tests.cluster.chaos import away
from tests.cluster.conftest import MakeLab
from tests.cluster.faults import Supervisor, pauses
from tests.cluster.lab import until
from tests.cluster.two_beats import fast_beat, sent_by, turns
from tests.redis_server import RedisServer, redis_program, running_redis
from tests.servers import missing
from tests.soak.void import void

pytestmark = pytest.mark.soak

#: Turns, at one a second.
TURNS = 600
#: Seconds between two faults, from and to. Every fourth is an outage of the broker, the others kill a beat.
EVERY = (15.0, 25.0)
#: The fewest of each that have to land.
KILLS, OUTAGES = 15, 4


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """One that the test may kill, and that keeps what it was sent."""
    if redis_program() is None:
        missing("no Redis on this machine and none among the test dependencies")
    with running_redis(persistent=True) as server:
        yield server


def test_each_turn_comes_once_and_missed_ones_are_made_up_for_by_one(
    seed: int, figures: dict[str, object], make_lab: MakeLab, redis: RedisServer
) -> None:
    lab, random = make_lab(redis.url), Random(seed)
    worker = lab.worker("crawler", "-c2")
    outages: list[tuple[float, float]] = []
    kills = 0
    with Supervisor([partial(fast_beat, lab, number) for number in (1, 2)]) as supervisor:
        until(lambda: all(sent_by(beat) or "beat: Starting" in beat.text for beat in supervisor.workers), what="beats")
        end = time.monotonic() + TURNS
        while (left := end - time.monotonic()) > EVERY[1] + 10:
            pauses(min(left, random.uniform(*EVERY)), lambda: False)
            if (kills + len(outages)) % 4 == 3:
                began = now(lab.query)
                away(redis)
                outages.append((began, now(lab.query)))
            else:
                beats = [beat for beat in supervisor.workers if not beat.is_over]
                random.choice(beats).kill()
                kills += 1
        pauses(end - time.monotonic(), lambda: False)
        exits = list(supervisor.exits)
    for beat in supervisor.workers:
        beat.stop()
    until(lambda: found_all(lambda: turns(lab, [worker]).runs), what="the last turns to be run")

    found = turns(lab, [worker])
    # A turn belongs to an outage when it falls due in it or in the seconds that connections take to come back.
    excused = [turn for turn in found.skipped() if any(began - 1 < turn < over + 12 for began, over in outages)]
    doubled = sum(times - 1 for times in found.runs.values())
    figures |= {
        "kills": kills,
        "outages of the broker": len(outages),
        "turns due": int(found.last - found.first) + 1,
        "turns sent": len(found.results),
        "turns sent twice": doubled,
        "turns missed in outages": len(excused),
        "turns missed otherwise": len(found.skipped()) - len(excused),
    }
    if kills < KILLS or len(outages) < OUTAGES or not excused:
        void(f"{kills} kills and {len(outages)} outages of the broker, which made {len(excused)} turns be missed")
    assert doubled == 0
    assert found.runs.keys() == found.results
    assert not found.strangers
    assert found.skipped() == excused
    for _, over in outages:
        assert any(over - 5 < turn < over + 12 for turn in found.results), "missed turns were not made up for"
    assert set(exits) == {-9}, "a beat ended although nobody killed it"


def now(query: Callable[..., list[tuple[float]]]) -> float:
    """The database's time."""
    return float(query("SELECT extract(epoch FROM clock_timestamp())")[0][0])


def found_all(runs: Callable[[], object]) -> bool:
    """Whether nothing more comes for some seconds."""
    before = runs()
    return not pauses(3.0, lambda: runs() != before)
