"""Crash points of one process: a few commands that reach them, run undisturbed, and again with a crash at a point."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zlib import crc32

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from refnet.adapters.database import migrate
from refnet.adapters.database.engine import database_url, open_engine, reading
from refnet.adapters.database.store import Store
from refnet.demo.bundled import SEED, bundled_corpus, demo_corpus, demo_downloads
from refnet.demo.server import StandIn
from refnet.demo.switches import Switches
from refnet.domain.crawls import CrawlState
from tests.acceptance.command import Ended, Refnet, clean_environment, stamps, tree
from tests.model_server import ModelServer
from tests.soak import crash_reading, crashing
from tests.soak.announced import unannounced
from tests.soak.crash_served import CRASHED, Served, again
from tests.soak.forking import ForkingRefnet

_HOW = ("--depth", "1", "--limit", "40", "--vault", "vault")
#: The main job; the same by the seed's title; one whose seed names nothing.
MAP = ("map", SEED, *_HOW)
BY_TITLE = ("map", "Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks", *_HOW)
OF_NOTHING = ("map", "10.1000/names.nothing", "--vault", "other")
#: A few papers, asked for by a command and over the API; and the seed alone.
FEW = ("map", SEED, "--depth", "1", "--limit", "8", "--vault", "vault")
_WISH = {"depth": 1, "limit": 8}
ONE = ("map", SEED, "--depth", "0", "--vault", "vault")
JAPANESE = (*ONE, "--lang", "ja")
#: Papers with their PDFs.
READ = (*crash_reading.READ, "--vault", "vault")
AGAIN = (*crash_reading.AGAIN, "--vault", "vault")
EXPORT = ("export", "json", "--out", "network.json")
#: A paper that fails whatever it is asked with.
FAILING = "36d5a9b1865b79b227cd41c5194a0a70d0f7e0a0"
#: One of the few.
FAILING_OF_FEW = "4b7e9ae77858c91247f2fc7bfe8bd3d03accb6fc"


@dataclass(frozen=True)
class Step:
    """A command, and the codes that it may end with: undisturbed, and when it is given again after a crash."""

    words: tuple[str, ...]
    code: int = 0
    again: tuple[int, ...] = ()

    def is_well(self, code: int, *, again: bool) -> bool:
        return code == self.code or (again and code in self.again)


@dataclass(frozen=True)
class Bench:
    """Where a scenario is acted: a user, the source, and the processes that die."""

    refnet: Refnet
    stand_in: StandIn
    crashing_refnet: ForkingRefnet
    points: Path

    def command(self, *words: str) -> Ended:
        return again(lambda *words: self.crashing_refnet(self.refnet, *words), *words)

    def with_(self, **environment: str) -> Bench:
        """The same with more settings for its commands."""
        return replace(self, refnet=self.refnet.with_(**environment))

    def served(self, key: str | None = None) -> Served:
        return Served(self.crashing_refnet, self.refnet, self.points, key)


@dataclass(frozen=True)
class Scenario:
    """What is done, and how the source behaves meanwhile. `prepare` is given the user's folder and data folder.

    `check` is a command that has nothing left to do at the end, and how it ends.
    """

    name: str
    steps: tuple[Step | Callable[[Bench], None], ...]
    switches: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    prepare: Callable[[Refnet], None] = lambda _: None
    check: Step | None = None

    @property
    def last(self) -> Step:
        maps = [step for step in self.steps if isinstance(step, Step) and step.words[0] == "map"]
        return self.check or maps[-1]


@dataclass
class Outcome:
    """What is there at the end, and what is not as it should be."""

    papers: tuple[list[str], list[tuple[str, str]]] = field(default_factory=lambda: ([], []))
    files: dict[str, bytes] = field(default_factory=dict)
    jobs: Counter[str] = field(default_factory=Counter)
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    hit: bool = False
    seconds: float = 0.0


def _leave_a_stray(refnet: Refnet) -> None:
    papers = refnet.folder / "vault" / "papers"
    papers.mkdir(parents=True)
    (papers / ".refnet-0011223344556677.tmp").write_text("a killed run's")


def _leave_an_export(refnet: Refnet) -> None:
    """What an export to the same file leaves when it is killed."""
    (refnet.folder / f".refnet-{crc32(b'network.json'):08x}-killed.tmp").write_text("half a network")


def _make_an_old_database(refnet: Refnet) -> None:
    refnet.data.mkdir()
    engine = open_engine(database_url(f"sqlite:///{refnet.database}"))
    config = Config()
    config.set_main_option("script_location", str(migrate._FOLDER))
    config.attributes["engine"] = engine
    command.upgrade(config, "0001")
    engine.dispose()


def _keys(bench: Bench) -> None:
    """A key, with which a script and a browser come in, until it is revoked."""
    made = bench.command("keys", "create", "--scope", "read", "--json").json
    with bench.served(made["key"]) as server:
        server.sign_in_and_out(made["key"])
        assert len(server.crawls()) == 1
        bench.command("keys", "revoke", str(made["id"]))
        server.until(lambda: server.ask("GET", "/api/v1/jobs").status_code == 401, "the key to count no more")


def _served(bench: Bench) -> None:
    """A crawl is asked for, and one whose seed names nothing."""
    with bench.served() as server:
        assert server.state(server.wish(SEED, **_WISH)) == "finished"
        nothing = server.wish("10.1000/names.nothing")
        assert server.state(nothing) == "failed"
        assert "No seed names a paper" in server.crawl(nothing)["reason"]


def _cancelled(bench: Bench) -> None:
    with bench.served() as server:
        place = server.wish(SEED, **_WISH)
        server.until(lambda: server.crawl(place)["papers"], "the first papers")
        server.cancel(place)
        assert server.state(server.wish(SEED, **_WISH)) == "finished"


def _left(bench: Bench) -> None:
    """A `map` is killed at work, and the server takes its crawl up."""
    mapping = bench.crashing_refnet.start(bench.refnet, *FEW)
    mapping.until(lambda: len(bench.stand_in.log) >= 2)
    mapping.kill()
    with bench.served() as server:
        (crawl,) = server.crawls()
        assert server.state(f"/api/v1/crawls/{crawl['id']}") == "finished"


def _retried(bench: Bench) -> None:
    """A dead letter is tried again, and is one again."""
    with bench.served() as server:
        place = server.wish(SEED, **_WISH)
        assert server.state(place) == "finished"
        asked = len(bench.stand_in.log)
        server.retry_dead()
        server.until(lambda: len(bench.stand_in.log) > asked, "the paper to be asked for again")
        assert server.state(place) == "finished"
        server.until(lambda: server.crawl(place)["dead"] == 1, "the dead letter")


def _set_authors(bench: Bench, *, spoilt: bool) -> None:
    """Give the oldest paper authors of a form that no release ever wrote, over which refnet stumbles; or its own again."""
    first = "paper_id = (SELECT min(paper_id) FROM papers WHERE fetched_at IS NOT NULL)"
    kept = bench.refnet.data / "authors"
    with closing(sqlite3.connect(bench.refnet.database)) as connection, connection:
        if spoilt:
            ((had,),) = connection.execute(f"SELECT authors FROM papers WHERE {first}").fetchall()  # noqa: S608
            kept.write_text(had)
        new = "[3]" if spoilt else kept.read_text()
        connection.execute(f"UPDATE papers SET authors = ? WHERE {first}", [new])  # noqa: S608


def _read(bench: Bench) -> None:
    """Papers are read; one PDF is damaged, they are read again, the vault gets another language, the PDFs are removed."""
    data = bench.refnet.data
    bench.command(*READ)
    crash_reading.damage(data)
    crash_reading.let_an_hour_pass(data)
    bench.command(*AGAIN)
    bench.command(*crash_reading.TRANSLATED, "--vault", "vault")
    crash_reading.let_an_hour_pass(data)
    bench.command(*crash_reading.EMPTY)
    crash_reading.check_nothing_left(data)


def _paid(bench: Bench) -> None:
    """Papers are read by a language model, and what it wrote is not paid for again."""
    with ModelServer([*crash_reading.MODES]) as server:
        asking = bench.with_(**crash_reading.paid(server))
        asking.command(*READ)
        billed = server.billed
        asking.command(*AGAIN)
        assert server.billed == billed, "answers that were kept are paid for again"
        engine = open_engine(database_url(f"sqlite:///{bench.refnet.database}"))
        try:
            crash_reading.check_spending(engine, server, most_lost=1)
        finally:
            engine.dispose()
    crash_reading.let_an_hour_pass(bench.refnet.data)
    bench.command(*crash_reading.EMPTY)
    crash_reading.check_nothing_left(bench.refnet.data)


def scenarios() -> list[Scenario]:
    """They reach all points of one process that a test can make it reach."""
    waves, few = {"REFNET_BATCH_IDS": "10"}, {"REFNET_BATCH_IDS": "3"}
    failing = {"fail_ids": frozenset({FAILING_OF_FEW}), "fail_status": 500}
    troubled = {
        "fail_ids": frozenset({FAILING}),
        "fail_status": 500,
        "max_bytes": 20_000,
        "faults": 0.3,
        "kinds": ("429",),
    }
    return [
        Scenario("plain", (Step(MAP),), environment=waves),
        Scenario("export", (Step(MAP), Step(EXPORT)), prepare=_leave_an_export),
        Scenario("refused", (Step(OF_NOTHING, 2), Step(MAP)), environment=waves),
        Scenario("stray", (Step(BY_TITLE),), prepare=_leave_a_stray),
        Scenario("old", (Step(MAP),), prepare=_make_an_old_database),
        Scenario("short lists", (Step(MAP),), {"max_citations": 15}),
        Scenario("too large", (Step(MAP, 1),), {"max_bytes": 7_000}),
        Scenario("keys", (Step(ONE), _keys)),
        Scenario("served", (_served,), environment=few, check=Step(FEW)),
        Scenario("cancelled", (_cancelled,), {"latency": 0.3}, few, check=Step(FEW)),
        Scenario("left", (_left,), {"latency": 0.3}, few, check=Step(FEW)),
        Scenario("retried", (_retried,), failing, few, check=Step(FEW, 1)),
        Scenario(
            "spoilt",
            (
                Step(ONE),
                lambda bench: _set_authors(bench, spoilt=True),
                Step(JAPANESE, 3),
                lambda bench: _set_authors(bench, spoilt=False),
                Step(JAPANESE),
            ),
        ),
        Scenario(
            "reading", (_read,), prepare=lambda refnet: crash_reading.leave_half_a_pdf(refnet.data), check=Step(READ)
        ),
        Scenario("reading with a model", (_paid,), check=Step(READ)),
        Scenario("troubled", (Step(MAP, 1), Step(("dead", "retry", "--all")), Step(MAP, 1)), troubled, waves),
    ]


@contextmanager
def _user(folder: Path, scenario: Scenario) -> Iterator[tuple[Refnet, StandIn]]:
    """A user of the scenario with nothing collected."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    reads = scenario.last.words == READ
    corpus = demo_corpus() if reads else bundled_corpus()
    with StandIn(corpus, Switches(**scenario.switches), downloads=demo_downloads()) as stand_in:
        settings = {"SEMANTIC_SCHOLAR_URL": stand_in.url, "SEMANTIC_SCHOLAR_RPS": "1000", **scenario.environment}
        if reads:
            settings |= crash_reading.places(stand_in.origin)
        refnet = Refnet(folder, clean_environment(folder / "data", **settings))
        scenario.prepare(refnet)
        yield refnet, stand_in


def run(
    crashing_refnet: ForkingRefnet, points: Path, folder: Path, scenario: Scenario, point: str = "", nth: int = 1
) -> Outcome:
    """Do what the scenario says; the process that comes to `point` for the `nth` time dies there, once."""
    began = time.monotonic()
    outcome = Outcome()
    with _user(folder, scenario) as (refnet, stand_in):
        crashing.forget_seen(points)
        crashing.disarm(points)
        if point:
            crashing.arm(points, point, nth=nth)
        for step in scenario.steps:
            if not isinstance(step, Step):
                try:
                    step(Bench(refnet, stand_in, crashing_refnet, points))
                except AssertionError as error:
                    outcome.faults.append(str(error)[:500])
                continue
            ended = crashing_refnet(refnet, *step.words)
            if crashed := ended.code == CRASHED:
                outcome.faults += _unannounced(refnet)
                ended = crashing_refnet(refnet, *step.words)
            if not step.is_well(ended.code, again=crashed):
                outcome.faults.append(f"{step.words[:2]} ended with {ended.code}: {ended.err[-500:]}")
        outcome.hit = bool(point) and crashing.hit_by(points) is not None
        crashing.disarm(points)
        outcome.seen = crashing.seen(points)
        _look(outcome, refnet, stand_in)
        before, asked = stamps(folder / "vault"), len(stand_in.log) + len(stand_in.downloaded)
        rerun = crashing_refnet(refnet, *scenario.last.words)
        if rerun.code != scenario.last.code:
            outcome.faults.append(f"again it ended with {rerun.code}: {rerun.err[-500:]}")
        if stamps(folder / "vault") != before:
            outcome.faults.append("the rerun changed the vault")
        if (more := len(stand_in.log) + len(stand_in.downloaded) - asked) != 0:
            outcome.faults.append(f"the rerun asked {more} times")
    outcome.seconds = time.monotonic() - began
    return outcome


def _unannounced(refnet: Refnet) -> list[str]:
    """Of a copy of the database: to read what a killed process left would tidy it up."""
    with tempfile.TemporaryDirectory() as copy:
        for file in refnet.database.parent.glob(f"{refnet.database.name}*"):
            shutil.copy(file, copy)
        engine = open_engine(database_url(f"sqlite:///{copy}/{refnet.database.name}"))
        try:
            return unannounced(Store(engine), refnet.folder / "vault")
        finally:
            engine.dispose()


def _look(outcome: Outcome, refnet: Refnet, stand_in: StandIn) -> None:
    """What is there, and that nothing is left to do."""
    engine = open_engine(database_url(f"sqlite:///{refnet.database}"))
    store = Store(engine)
    crawls, counts = store.crawls(), store.job_counts()
    outcome.papers = (store.collected(crawls[0].id), store.edges(crawls[0].id))
    outcome.jobs = Counter({f"{stage} {state}": count for (stage, state), count in counts.items()})
    outcome.faults += [f"left {job}" for job in outcome.jobs if job.endswith((" queued", " running"))]
    with reading(engine) as connection:
        asked = connection.execute(text("SELECT id, state FROM crawl_requests WHERE state IN ('queued', 'running')"))
        outcome.faults += [f"request {row.id} {row.state}" for row in asked]
    outcome.faults += [f"crawl {crawl.state}" for crawl in crawls if crawl.state is not CrawlState.FINISHED]
    engine.dispose()
    # Notes say where a PDF is from, and each run's stand-in is somewhere else.
    outcome.files = {
        name: content.replace(stand_in.origin.encode(), b"http://stand-in")
        for name, content in tree(refnet.folder).items()
        if not name.startswith("data/")
    }
    outcome.faults += [f"stray {path.name}" for path in refnet.folder.rglob("*.tmp")]


def differences(outcome: Outcome, expected: Outcome) -> list[str]:
    """In words, what a disturbed run left otherwise than the undisturbed one; its own faults among it."""
    found = list(outcome.faults)
    if outcome.papers != expected.papers:
        found.append("other papers or citations")
    if outcome.jobs != expected.jobs:
        found.append(f"jobs {dict(outcome.jobs)} instead of {dict(expected.jobs)}")
    names = sorted(outcome.files.keys() | expected.files.keys())
    return found + [f"{name} differs" for name in names if outcome.files.get(name) != expected.files.get(name)]
