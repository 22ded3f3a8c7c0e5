"""A run that is killed or interrupted at any moment goes on where it was, and ends as if nothing had happened."""

from __future__ import annotations

import random
import signal
import sqlite3
import threading
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest

from refnet.demo.bundled import SEED
from refnet.demo.graph import Corpus
from refnet.demo.log import Entry
from refnet.demo.server import StandIn
from tests.acceptance.command import (
    Refnet,
    Running,
    as_request_comes,
    asked_twice,
    has_arrived,
    hold_from,
    let_go,
    tree,
    what_was_asked,
)
from tests.acceptance.conftest import Serve, User

#: Each runs the whole command, most several times.
pytestmark = pytest.mark.slow

KILLS = 20


@dataclass
class Killer:
    """Starts the same command again and again, and kills it at a random moment each time.

    `runs` are the requests of each killed run, in their order.
    """

    refnet: Refnet
    stand_in: StandIn
    words: tuple[str, ...]
    chance: random.Random
    latency: float
    runs: list[list[Entry]] = field(default_factory=list)

    def kill_in(self, moments: Iterable[str]) -> None:
        for moment in moments:
            begin = len(self.stand_in.log)
            running = self.refnet.start("map", *self.words, "--json")
            getattr(self, f"_{moment}")(running, begin)
            ended = running.kill()
            assert ended.code in (-9, 0), ended.err
            # What was under way at the kill may still be on its way into the log.
            pause(self.latency)
            self.runs.append(self.stand_in.log[begin:])

    def _starting(self, running: Running, begin: int) -> None:
        pause(self.chance.uniform(0.0, 1.0))

    def _asking(self, running: Running, begin: int) -> None:
        """Some time after a request or more; the first is let through, so that a run comes forward."""
        running.until(has_arrived(self.stand_in, begin + self.chance.randint(2, 4)))
        pause(self.chance.uniform(0.0, 2 * self.latency))

    def _writing(self, running: Running, begin: int) -> None:
        papers = self.refnet.folder / "vault" / "papers"
        share = self.chance.random() * len(self.stand_in.corpus)
        running.until(lambda: papers.is_dir() and sum(1 for _ in papers.iterdir()) > share)

    def asked_again(self) -> list[set[tuple[str, ...]]]:
        """For each request that was not the last of its run, what was asked of its papers again at any time later."""
        runs = [*self.runs, self.stand_in.log[sum(map(len, self.runs)) :]]
        again: list[set[tuple[str, ...]]] = []
        later: set[tuple[str, ...]] = set()
        for run in reversed(runs):
            for place, entry in reversed(list(enumerate(run))):
                if place < len(run) - 1:
                    again.append(what_was_asked(entry) & later)
                later |= what_was_asked(entry)
        return [questions for questions in again if questions]


def pause(seconds: float) -> None:
    threading.Event().wait(seconds)


def leave_alone(refnet: Refnet, until: float) -> None:
    """As if the source had asked for that."""
    with closing(sqlite3.connect(refnet.database)) as database, database:
        database.execute("UPDATE pace SET blocked_until = ?", [until])


def check_same(killed: Refnet, whole: Refnet, document: dict[str, Any], expected: dict[str, Any]) -> None:
    assert killed.exported() == whole.exported()
    assert tree(killed.folder / "vault") == tree(whole.folder / "vault")
    same = ("papers", "citations", "summaries", "notes", "dead", "unresolved", "incomplete", "conflicts")
    assert {key: document[key] for key in same} == {key: expected[key] for key in same}
    killed.done("vault", "check", "--vault", "vault")


@pytest.mark.slow
def test_twenty_kills_lose_at_most_the_request_under_way(serve: Serve, user: User) -> None:
    whole, stand_in = user(serve(), "whole", REFNET_BATCH_IDS="5"), serve(latency=0.04)
    words = (SEED, "--depth", "2", "--limit", "500", "--vault", "vault")
    expected = whole.map(*words)
    killed = user(stand_in, "killed", REFNET_BATCH_IDS="5")
    killer = Killer(killed, stand_in, words, random.Random(20), latency=0.04)
    moments = ["starting"] * 4 + ["asking"] * 12
    killer.chance.shuffle(moments)

    killer.kill_in(moments)
    killer.kill_in(["writing"] * (KILLS - len(moments)))
    document = killed.map(*words)

    assert killer.asked_again() == []
    assert asked_twice(stand_in.log) != set(), "no kill hit a request"
    assert len(stand_in.log) <= expected["requests"]["semantic_scholar"] + 2 * KILLS
    check_same(killed, whole, document, expected)


@pytest.mark.slow
def test_twenty_kills_over_the_large_corpus(serve: Serve, user: User, literature: Corpus) -> None:
    whole, stand_in = user(serve(literature), "whole", REFNET_BATCH_IDS="100"), serve(literature, latency=0.05)
    seed = "649def34f8be52c8b66281af98ae884c09aef38b"
    words = (seed, "--depth", "2", "--limit", "5000", "--no-summaries", "--vault", "vault")
    expected = whole.map(*words)
    killed = user(stand_in, "killed", REFNET_BATCH_IDS="100")
    killer = Killer(killed, stand_in, words, random.Random(4), latency=0.05)
    moments = ["starting"] * 3 + ["asking"] * 13
    killer.chance.shuffle(moments)

    killer.kill_in(moments)
    killer.kill_in(["writing"] * (KILLS - len(moments)))
    document = killed.map(*words)

    assert killer.asked_again() == []
    assert asked_twice(stand_in.log) != set(), "no kill hit a request"
    assert len(stand_in.log) <= expected["requests"]["semantic_scholar"] + 2 * KILLS
    check_same(killed, whole, document, expected)


def test_a_request_that_died_with_its_process_is_made_again_in_halves(serve: Serve, user: User) -> None:
    stand_in = serve()
    hold_from(stand_in, 3)
    words = (SEED, "--depth", "1", "--vault", "vault")
    refnet = user(stand_in, REFNET_BATCH_IDS="20")
    running = refnet.start("map", *words)
    assert running.until(has_arrived(stand_in, 3))

    running.kill()

    let_go(stand_in)
    lost = set(stand_in.log[2].asked)
    refnet.map(*words)
    first, second = (set(entry.asked) for entry in stand_in.log[3:5])
    assert (len(lost), len(first), len(second)) == (20, 10, 10)
    assert first | second == lost
    assert {question[-1] for question in asked_twice(stand_in.log)} == lost


@pytest.mark.slow
def test_ctrl_c_between_two_requests_loses_nothing(serve: Serve, user: User) -> None:
    whole, stand_in = user(serve(), "whole", REFNET_BATCH_IDS="20"), serve()
    words = (SEED, "--depth", "1", "--vault", "vault")
    expected = whole.map(*words)
    refnet = user(stand_in, REFNET_BATCH_IDS="20")
    as_request_comes(stand_in, 3, lambda: leave_alone(refnet, time.time() + 600))
    running = refnet.start("map", *words)
    # It says so when the answer to the third is kept, and the next request may not start yet.
    while "waiting" not in (line := running.line()):
        assert line, "it ended"

    ended = running.interrupt()

    assert ended.code == 130
    assert ended.out == ""
    assert ended.error == "Interrupted. What is collected is kept; the same command goes on from here."
    assert len(stand_in.log) == 3
    leave_alone(refnet, 0)
    document = refnet.map(*words)
    assert asked_twice(stand_in.log) == set()
    assert len(stand_in.log) == expected["requests"]["semantic_scholar"]
    check_same(refnet, whole, document, expected)


@pytest.mark.slow
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_during_a_request_gives_its_papers_back_whole(
    serve: Serve, user: User, by: signal.Signals
) -> None:
    stand_in = serve()
    hold_from(stand_in, 3)
    words = (SEED, "--depth", "1", "--vault", "vault")
    refnet = user(stand_in, REFNET_BATCH_IDS="20")
    running = refnet.start("map", *words)
    assert running.until(has_arrived(stand_in, 3))

    ended = running.interrupt(by)

    let_go(stand_in)
    assert ended.code == 130
    under_way = set(stand_in.log[2].asked)
    refnet.map(*words)
    again = asked_twice(stand_in.log)
    assert {question[-1] for question in again} == under_way
    assert set(stand_in.log[3].asked) == under_way
