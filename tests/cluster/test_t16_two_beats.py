"""T16 of reliability.md, its short form: of two beats each turn comes once, whatever happens to one and to the broker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.conftest import MakeLab
from tests.cluster.faults import pauses
from tests.cluster.lab import until
from tests.cluster.two_beats import Turns, fast_beat, sent_by, turns
from tests.redis_server import RedisServer, redis_program, running_redis
from tests.servers import missing

pytestmark = pytest.mark.slow

#: Seconds for which the broker is away: at this speed, turns.
OUTAGE = 4.0


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """One that the test may stop."""
    if redis_program() is None:
        missing("no Redis on this machine and none among the test dependencies")
    with running_redis(persistent=True) as server:
        yield server


def test_t16_of_two_beats_each_turn_comes_once_with_one_killed_and_the_broker_away(
    make_lab: MakeLab, redis: RedisServer
) -> None:
    lab = make_lab(redis.url)
    worker = lab.worker("crawler", "-c1")
    beats = [fast_beat(lab, number) for number in (1, 2)]

    def found() -> Turns:
        return turns(lab, [worker])

    def told_of_all() -> Turns | None:
        """A worker logs a turn a moment after its result is there."""
        last = found()
        return last if sum(last.runs.values()) == len(last.results) else None

    until(lambda: len(found().results) >= 8, what="turns of two beats")
    # The one that sent the last turn, so that the other has to take over.
    killed, other = sorted(beats, key=lambda beat: max(sent_by(beat), default=0.0), reverse=True)
    killed.kill()
    alone = len(sent_by(other))
    until(lambda: len(sent_by(other)) >= alone + 5, what="turns of the one that is left")

    redis.kill()
    before = max(sent_by(other))
    assert not pauses(OUTAGE, lambda: other.is_over)
    redis.start()
    until(lambda: max(found().results) > before + OUTAGE, 90.0, "turns after the outage")
    caught_up = len(found().results)
    until(lambda: len(found().results) >= caught_up + 5, 90.0, "turns as ever")

    assert other.stop() == 0
    all_turns: Turns = until(told_of_all, what="the last turn to be told of")
    assert set(all_turns.runs.values()) == {1}
    assert all_turns.runs.keys() == all_turns.results
    assert not all_turns.strangers
    # Those that went by during the outage are made up for by one, and no other is missing.
    during = [turn for turn in all_turns.skipped() if before < turn < before + OUTAGE + 30]
    assert len(during) >= OUTAGE - 2
    assert lab.query("SELECT name FROM periodic ORDER BY name") == [("celery.backend_cleanup",), ("health-check",)]
