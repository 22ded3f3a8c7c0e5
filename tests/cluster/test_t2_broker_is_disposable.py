"""T2 of reliability.md: whatever happens to the broker and to the workers, the crawl ends with nothing lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

import pytest

from refnet.demo.graph import Corpus
from tests.acceptance.command import Refnet, Running, clean_environment, stamps, tree
from tests.cluster.chaos import away, emptied, repeats, restarted, supervised
from tests.cluster.conftest import MakeLab
from tests.cluster.faults import Killer, Supervisor, pauses
from tests.cluster.lab import Lab
from tests.cluster.watching import at_rest
from tests.rabbitmq_server import rabbitmq_program, running_rabbitmq
from tests.redis_server import redis_program, running_redis
from tests.servers import missing

pytestmark = pytest.mark.slow

WORDS = ("649def34f8be52c8b66281af98ae884c09aef38b", "--depth", "1", "--limit", "400", "--no-summaries")
PAPERS = 311
#: Few papers a request and few requests a second, so that the work lasts and each process always holds some of it.
SETTINGS = {"REFNET_BATCH_IDS": "3", "SEMANTIC_SCHOLAR_RPS": "6"}
#: Seconds until an answer.
LATENCY = 0.1
#: Seconds between two faults.
EVERY = 2.0
#: Seconds after which a crawl that is not over counts as stuck.
TOO_LONG = 150.0
#: After so many the crawl is let alone, which on a busy machine would not get to its end.
MOST_KILLS = 14
#: What decides who is killed.
SEED = 20_261


@dataclass
class Chaos:
    """Faults one after another while a crawl lasts, each in its turn, then `afterwards`; and one as notes are begun.

    A turn that hits nothing comes again; what was planned and not done is left in `turns`.
    """

    lab: Lab
    killer: Killer
    turns: list[Callable[[], bool]]
    afterwards: Callable[[], bool] = lambda: False
    told: list[str] = field(default_factory=list)
    killed_writing: bool = False

    def during(self, mapping: Running) -> None:
        while not pauses(EVERY, lambda: mapping.is_over or self._begins_to_write()):
            assert time.monotonic() - mapping.started < TOO_LONG, self.told
            stage, requests, before = self._stage(), len(self.lab.stand_in.log), self.killer.kills
            if stage is None:
                continue  # the seed is still looked for, or the crawl has just ended
            if self.turns:
                done = self.turns[0]()
                del self.turns[:done]
            else:
                done = self.afterwards()
            if done:
                self.told.append(f"{stage}, {requests} requests: {self.killer.told[before:] or 'the broker'}")
        if not mapping.is_over:
            self.killed_writing = self.killer.kill_who_works()
            self.during(mapping)

    def _begins_to_write(self) -> bool:
        return not self.killed_writing and self._stage() == "write"

    def _stage(self) -> str | None:
        rows = self.lab.query("SELECT stage FROM crawls")
        return rows[0].stage if rows else None


def undisturbed(lab: Lab, folder: Path) -> Refnet:
    """A user of the same source who has done the same in one process, with nothing in the way."""
    folder.mkdir()
    settings = {"SEMANTIC_SCHOLAR_URL": lab.stand_in.url, "SEMANTIC_SCHOLAR_RPS": "1000"}
    user = Refnet(folder, clean_environment(folder / "data", **settings))
    assert user.map(*WORDS)["papers"] == PAPERS
    return user


def holds(lab: Lab, mapping: Running, chaos: Chaos, supervisor: Supervisor, other: Refnet) -> None:
    """The crawl has come to the same end as one that nothing disturbed, and there is nothing left to do."""
    killer = chaos.killer
    ended = mapping.wait()
    dead = [f"{one.stage} {one.paper_id}: {one.reason}" for one in lab.store.dead_letters()]
    assert ended.code == 0, f"{chaos.told}\n{ended.err}\n{dead}"
    document = ended.json
    print(f"{SEED=} {ended.seconds:.0f} s, {killer.children} children and {killer.workers} workers killed,")
    print(f"{killer.at_work} of them at work; {repeats(lab.stand_in.log)} of {len(lab.stand_in.log)} requests repeated")
    print("\n".join(chaos.told))

    assert not chaos.turns, f"void: it was over before these faults: {chaos.turns}"
    assert chaos.killed_writing, "void: nobody was killed while writing notes"
    assert set(supervisor.exits) == {-9}, "a worker ended although nobody killed it"

    assert (document["papers"], document["notes"], document["dead"]) == (PAPERS, PAPERS, 0)
    assert repeats(lab.stand_in.log) <= 2 * killer.kills
    assert lab.refnet.exported() == other.exported()
    assert tree(lab.vault) == tree(other.folder / "vault")  # nothing beside it either, such as *.tmp
    assert len(list((lab.vault / "papers").iterdir())) == PAPERS
    assert not lab.query("SELECT paper_id, state FROM jobs WHERE state <> 'done'")
    assert at_rest(lab) == []
    [counted] = lab.query("SELECT CAST(sum(count) AS bigint) AS number FROM request_counts")
    assert 0 <= len(lab.stand_in.log) - counted.number <= killer.kills, "who is killed with a request counts it no more"

    before, asked = stamps(lab.vault), len(lab.stand_in.log)
    assert lab.refnet.map(*WORDS)["requests"] == {"semantic_scholar": 0}
    assert stamps(lab.vault) == before
    assert len(lab.stand_in.log) == asked


def test_nothing_is_lost_though_workers_are_killed_and_redis_is_emptied_and_killed(
    make_lab: MakeLab, literature: Corpus, tmp_path: Path
) -> None:
    if redis_program() is None:
        missing("no Redis on this machine and none among the test dependencies")
    with running_redis() as server:
        lab = make_lab(server.url, literature, SETTINGS, latency=LATENCY)
        other = undisturbed(lab, tmp_path / "undisturbed")
        lab.stand_in.reset()
        with supervised(lab) as supervisor:
            killer = Killer(lab, supervisor, Random(SEED))
            kill, flush, outage = killer.kill, partial(emptied, server), partial(away, server)
            turns: list[Callable[[], bool]] = [kill, kill, flush, kill, outage, kill, kill, flush, kill]
            chaos = Chaos(lab, killer, turns, afterwards=lambda: killer.kills < MOST_KILLS and kill())
            mapping = lab.refnet.start("map", *WORDS, "--json")
            chaos.during(mapping)
            holds(lab, mapping, chaos, supervisor, other)
        assert min(killer.kills - 7, killer.at_work - 4) >= 0, f"void: too few kills hit: {killer.told}"


def test_nothing_is_lost_though_workers_are_killed_and_rabbitmq_is_restarted(
    make_lab: MakeLab, literature: Corpus, tmp_path: Path
) -> None:
    if rabbitmq_program() is None:
        missing("no RabbitMQ on this machine")
    with running_rabbitmq() as server:
        lab = make_lab(server.url, literature, {**SETTINGS, "REFNET_BATCH_IDS": "10"}, latency=LATENCY)
        other = undisturbed(lab, tmp_path / "undisturbed")
        lab.stand_in.reset()
        with supervised(lab) as supervisor:
            killer = Killer(lab, supervisor, Random(SEED))
            chaos = Chaos(lab, killer, [killer.kill, killer.kill, partial(restarted, server), killer.kill])
            mapping = lab.refnet.start("map", *WORDS, "--json")
            chaos.during(mapping)
            holds(lab, mapping, chaos, supervisor, other)
        assert min(killer.kills - 3, killer.at_work - 2) >= 0, f"void: too few kills hit: {killer.told}"
