"""T8 of reliability.md: all processes share one rate limit, which neither a restart nor an emptied broker forgets."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import pytest

from refnet.demo.graph import Corpus
from refnet.demo.log import Entry
from tests.cluster.chaos import most_within, supervised
from tests.cluster.conftest import MakeLab
from tests.cluster.faults import pauses
from tests.cluster.lab import until
from tests.redis_server import RedisServer

pytestmark = pytest.mark.slow

SEED_PAPER = "649def34f8be52c8b66281af98ae884c09aef38b"
RPS = 5
#: A crawl of many requests, of which a test sees the first.
WORDS = ("map", SEED_PAPER, "--depth", "2", "--limit", "5000", "--no-summaries")
SETTINGS = {"REFNET_BATCH_IDS": "2", "SEMANTIC_SCHOLAR_RPS": str(RPS), "SEMANTIC_SCHOLAR_API_KEY": "a-key"}
#: A second, less what one start may be late because this machine stalls; the pace leaves as much room by itself.
SECOND = 0.95
#: Requests over which it is measured how many a second there are.
STRETCH = 25
#: Seconds that the source asks to be left alone for, and seconds until the workers are killed meanwhile.
LEFT_ALONE, KILL_AFTER = 2.0, 0.4


def test_the_limit_is_kept_though_workers_restart_and_redis_is_emptied(
    make_lab: MakeLab, redis_url: str, redis_server: RedisServer, literature: Corpus
) -> None:
    lab = make_lab(
        redis_url,
        literature,
        SETTINGS,
        faults=0.12,
        kinds=("429-retry-after",),
        retry_after=LEFT_ALONE,
        seed=4,
    )
    kills = flushed = 0

    def refusals() -> list[Entry]:
        return [entry for entry in lab.stand_in.log if entry.fault]

    def refused(times: int) -> bool:
        return len(refusals()) >= times

    with supervised(lab, "crawler") as supervisor:
        mapping = lab.refnet.start(*WORDS)
        for number in range(1, 6):
            assert mapping.until(partial(refused, number)), mapping.wait().err
            pauses(KILL_AFTER, lambda: False)
            worker = supervisor.workers[number % 2]
            if not worker.is_over and worker.children():
                worker.kill()
                kills += 1
            with redis_server.client() as redis:
                flushed += redis.dbsize() > 0
                redis.flushall()
        until(lambda: lab.stand_in.log[-1].arrived > refusals()[-1].arrived, what="a request after the last refusal")
        mapping.interrupt()

    log = list(lab.stand_in.log)
    print(f"{len(log)} requests in {log[-1].arrived - log[0].arrived:.0f} s, {kills} workers killed, {flushed} flushes")
    assert min(kills, flushed) >= 4, "void: the faults did not hit"
    gaps = [after.arrived - before.arrived for before, after in pairwise(log) if before.fault]
    print(f"{min(gaps):.3f} s after a refusal at the least; {most_within(log, 1.0)} within a second at the most")
    assert min(gaps) >= LEFT_ALONE
    assert most_within(log, SECOND) <= RPS


def test_without_faults_the_limit_is_made_use_of(make_lab: MakeLab, redis_url: str, literature: Corpus) -> None:
    lab = make_lab(redis_url, literature, SETTINGS, latency=0.1)
    for name in ("one", "two"):
        lab.worker("crawler", name=name)
    mapping = lab.refnet.start(*WORDS)
    until(lambda: len(lab.stand_in.log) >= 10 or mapping.is_over)
    lab.stand_in.log.clear()
    until(lambda: len(lab.stand_in.log) >= 45 or mapping.is_over)
    mapping.interrupt()
    log = list(lab.stand_in.log)
    # The best stretch of some seconds, since this very machine may have stalled in another.
    rate = max(STRETCH / (last.arrived - first.arrived) for first, last in zip(log, log[STRETCH:], strict=False))
    print(f"{rate:.2f} of {RPS} a second; {most_within(log, 1.0)} within a second at the most")
    assert rate >= 0.9 * RPS
    assert most_within(log, SECOND) <= RPS
