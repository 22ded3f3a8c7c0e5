"""T14: one process on SQLite, killed two hundred times in the middle of its crawl, with people at the database beside it."""

from __future__ import annotations

import json
import random
import re
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import insert

from refnet.adapters.database.engine import database_url, open_engine, writing
from refnet.adapters.database.schema import jobs
from refnet.demo.graph import Corpus
from refnet.demo.server import StandIn
from refnet.demo.switches import Switches
from refnet.domain.jobs import JobState, Stage
from tests.acceptance.command import Refnet, clean_environment, has_arrived, stamps, tree
from tests.soak.forking import Forked, ForkingRefnet
from tests.soak.void import void

pytestmark = pytest.mark.soak

KILLS = 200
#: So many of the runs meet a second `map` on the same data.
SECONDS = 10
#: Seconds that the stand-in takes for an answer.
LATENCY = 0.05
#: Starts that may fail to count (the process had ended, or not begun) before the run is void.
SPARE = 40
MAP = ("map", "649def34f8be52c8b66281af98ae884c09aef38b", "--depth", "2", "--limit", "5000", "--vault", "vault")
#: What people ask meanwhile: two read; one finds nothing to write, once it may write; one forgets a dead letter.
FORGET = ("dead", "purge")
BESIDE = (("status", "--json"), ("dead", "list", "--json"), ("dead", "retry", "--all"), FORGET)
#: Dead letters of no crawl, more than there is time to forget one by one.
LETTERS = range(1_000_000, 1_001_000)
_LOCKED = re.compile(r"\blocked\b")
_FOUND = re.compile(r"collecting papers: ([\d,]+) of")


@dataclass
class Kept:
    """What is committed, as a reader sees it."""

    papers: set[tuple[str, float]]
    lists: int
    successes: int

    def lost(self, after: Kept) -> int:
        """Rows that were there and are not any more."""
        fewer = max(0, self.lists - after.lists) + max(0, self.successes - after.successes)
        return len(self.papers - after.papers) + fewer


@dataclass
class People:
    """Commands in loops beside the one that is killed; every answer is looked at."""

    refnet: Refnet
    folder: Path
    asked: Counter[str] = field(default_factory=Counter)
    locked: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    _letters: Iterator[int] = field(default_factory=lambda: iter(LETTERS))

    @contextmanager
    def at_it(self) -> Iterator[None]:
        over = threading.Event()
        threads = [threading.Thread(target=self._loop, args=(*one, over)) for one in enumerate(BESIDE)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def _loop(self, number: int, words: tuple[str, ...], over: threading.Event) -> None:
        with ForkingRefnet(self.folder / str(number)) as forking:
            while not over.wait(0.5):
                more = (str(next(self._letters)),) if words == FORGET else ()
                ended = forking(self.refnet, *words, *more)
                self.asked[" ".join(words[:2])] += 1
                self.look(ended.out + ended.err)
                well = _is_json(ended.out) if words[-1] == "--json" else words != FORGET or ended.out == "1 purged.\n"
                if ended.code != 0 or not well:
                    self.failed.append(f"{words}: {ended.code} {ended.out[-300:]} {ended.err[-300:]}")

    def look(self, text: str) -> None:
        if _LOCKED.search(text):
            self.locked.append(text[-300:])


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_two_hundred_kills_lose_no_row_and_lock_nobody_out(
    seed: int, tmp_path_factory: pytest.TempPathFactory, literature: Corpus, figures: dict[str, object]
) -> None:
    folder = tmp_path_factory.mktemp("kills")
    with StandIn(literature, Switches()) as quick, StandIn(literature, Switches(latency=LATENCY)) as slow:
        whole, killed = user(folder / "whole", quick), user(folder / "killed", slow)
        expected = whole.map(*MAP[1:])
        people = People(killed, folder / "people")
        with ForkingRefnet(folder / "forks") as forking:
            rig = Rig(forking, killed.with_(REFNET_BATCH_IDS="5"), slow, people, random.Random(seed))
            rig.start_once()
            add_letters(killed)
            with people.at_it():
                rig.kill_all()
        document = killed.with_(SEMANTIC_SCHOLAR_URL=quick.url).map(*MAP[1:])

        figures["kills"] = rig.kills
        figures["during a request"] = rig.asking
        figures["integrity ok"] = f"{rig.sound}/{rig.kills}"
        figures["rows lost"] = rig.lost
        figures["locked"] = len(people.locked)
        figures["second map refused"] = f"{rig.refused}/{rig.met}"
        figures["commands beside"] = people.asked
        assert (rig.sound, rig.lost, rig.refused) == (KILLS, 0, rig.met)
        assert (people.locked, people.failed) == ([], [])
        assert rig.letters() == len(LETTERS) - people.asked["dead purge"]
        assert killed.exported() == whole.exported()
        assert tree(folder / "killed" / "vault") == tree(folder / "whole" / "vault")
        same = ("papers", "citations", "summaries", "notes", "dead", "unresolved", "incomplete", "conflicts")
        assert {key: document[key] for key in same} == {key: expected[key] for key in same}
        before = stamps(folder / "killed" / "vault")
        assert killed.with_(SEMANTIC_SCHOLAR_URL=quick.url).map(*MAP[1:])["requests"] == {"semantic_scholar": 0}
        assert stamps(folder / "killed" / "vault") == before
    if any(people.asked[" ".join(words[:2])] < 20 for words in BESIDE):
        void(f"too few commands came in beside it: {dict(people.asked)}")


def user(folder: Path, stand_in: StandIn) -> Refnet:
    folder.mkdir()
    environment = clean_environment(folder / "data", SEMANTIC_SCHOLAR_URL=stand_in.url, SEMANTIC_SCHOLAR_RPS="1000")
    return Refnet(folder, environment)


def add_letters(refnet: Refnet) -> None:
    """Summaries of papers that nobody collected: they stay dead when all are tried again."""
    rows = [
        {"id": number, "stage": Stage.SUMMARIZE, "paper_id": f"letter {number}", "state": JobState.DEAD, "ask": 0}
        | {"offset": 0, "attempts": 1, "losses": 0, "faults": 0, "due_at": 0.0, "updated_at": 0.0}
        for number in LETTERS
    ]
    engine = open_engine(database_url(f"sqlite:///{refnet.database}"))
    with writing(engine) as connection:
        connection.execute(insert(jobs), rows)
    engine.dispose()


@dataclass
class Rig:
    """Starts the main job again and again, and kills it after a few requests, at a random moment."""

    forking: ForkingRefnet
    refnet: Refnet
    stand_in: StandIn
    people: People
    chance: random.Random
    kills: int = 0
    asking: int = 0
    sound: int = 0
    lost: int = 0
    #: times that a second one met the first, which is once more where that kill did not hit a crawl
    met: int = 0
    refused: int = 0

    def start_once(self) -> None:
        """Let the database come into being, so that people can ask."""
        running = self.forking.start(self.refnet, *MAP)
        assert running.until(has_arrived(self.stand_in, 2))
        running.kill()

    def kill_all(self) -> None:
        meeting = set(self.chance.sample(range(KILLS), SECONDS))
        for _ in range(KILLS + SPARE):
            if self.kills == KILLS:
                return
            self._kill(meets=self.kills in meeting)
        void(f"only {self.kills} of {KILLS} kills hit a crawl")

    def _kill(self, *, meets: bool) -> None:
        begin = len(self.stand_in.log)
        # The first request is let through, so that a run comes forward and no paper is killed thrice while alone.
        number, pause = self.chance.randint(2, 4), self.chance.uniform(0.0, 2 * LATENCY)
        running = self.forking.start(self.refnet, *MAP)
        if not running.until(has_arrived(self.stand_in, begin + number)):
            self.people.look(running.wait().err)
            return
        if meets:
            self._meet(running)
        threading.Event().wait(pause)
        before, crawling = self._kept(), self._has("queued", "running")
        ended = running.kill()
        if ended.code != -9 or not crawling:
            return
        self.kills += 1
        after = self._kept()
        self.sound += self._is_sound()
        told = [int(found.replace(",", "")) for found in _FOUND.findall(ended.err)]
        self.lost += before.lost(after) + max(0, max(told, default=0) - len(after.papers))
        self.people.look(ended.err)
        self.asking += self._has("running")

    def _meet(self, running: Forked) -> None:
        """A second `map` on the same data, while the first holds still."""
        with running.held():
            ended = self.refnet(*MAP)
        self.people.look(ended.err)
        message = f"Process {running.pid} is at work on {self.refnet.database}. Wait until it has finished"
        self.met += 1
        self.refused += ended.code == 2 and message in ended.err

    def _kept(self) -> Kept:
        with closing(self._open()) as database:
            papers = set(database.execute("SELECT paper_id, fetched_at FROM papers WHERE fetched_at IS NOT NULL"))
            (lists,) = database.execute("SELECT count(*) FROM lists").fetchone()
            (successes,) = database.execute("SELECT coalesce(sum(successes), 0) FROM pace").fetchone()
        return Kept(papers, lists, successes)

    def letters(self) -> int:
        """Dead letters that nobody has forgotten."""
        with closing(self._open()) as database:
            (left,) = database.execute("SELECT count(*) FROM jobs WHERE paper_id LIKE 'letter %'").fetchone()
        return int(left)

    def _has(self, *states: str) -> bool:
        """Whether there are jobs in one of these states."""
        query = f"SELECT 1 FROM jobs WHERE state IN ({', '.join('?' * len(states))}) LIMIT 1"  # noqa: S608 - only marks
        with closing(self._open()) as database:
            return database.execute(query, states).fetchone() is not None

    def _is_sound(self) -> bool:
        with closing(self._open()) as database:
            found: list[tuple[str]] = database.execute("PRAGMA integrity_check").fetchall()
        return found == [("ok",)]

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self.refnet.database}?mode=ro", uri=True, timeout=30)
