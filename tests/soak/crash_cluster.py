"""Crash points of a cluster: a worker that is started again whenever it ends, and what people ask of it meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from celery.result import AsyncResult
from sqlalchemy import text

from refnet.adapters.database.engine import writing
from refnet.adapters.full_text.cache import FOLDER
from refnet.demo.bundled import bundled_corpus, demo_corpus, demo_downloads
from refnet.demo.server import StandIn
from refnet.demo.switches import Switches
from refnet.domain.errors import StoreUnavailable
from refnet.pipeline.lease import LEASE
from tests.acceptance.command import stamps, tree
from tests.cluster.faults import Supervisor, holders
from tests.cluster.lab import Lab, Worker, until
from tests.cluster.one_lab import BATCH, FETCH, GENERATE, SUMMARIZE
from tests.model_server import ModelServer
from tests.redis_server import RedisServer
from tests.soak import crash_reading, crashing
from tests.soak.announced import unannounced
from tests.soak.crash_alone import FAILING, Outcome
from tests.soak.crash_served import CRASHED, LONG, Served
from tests.soak.forking import ForkingRefnet

#: The main job, into the vault of the workers.
MAP = ("map", "arXiv:2005.11401", "--depth", "1", "--limit", "40")
FEW = ("map", "arXiv:2005.11401", "--depth", "1", "--limit", "2")
#: A few papers, asked for over the API.
_WISH = {"depth": 1, "limit": 2}
_SEED = "7eda0c4e99c68e4f3cb00a14b4513a1d74fdabb2"
_OTHER = "c6f4a7077ee9985435a00ff058b14feede567305"
#: What a worker's main process sends to itself; see refnet.entrypoints.celery.watch.
CANARY = "refnet.canary"
#: A message that Redis can read, and kombu cannot.
_UNREADABLE = {
    "body": "",
    "headers": {"__type__": "datetime", "__value__": 5},
    "properties": {"delivery_tag": "unreadable", "delivery_info": {"exchange": "", "routing_key": "crawler"}},
}
#: How often a run is made again where nobody came to its point.
RESTARTS = 2


@dataclass
class ClusterRig:
    """A lab whose worker and commands reach their crash points, used for one run after another."""

    lab: Lab
    redis: RedisServer
    crashing_refnet: ForkingRefnet
    points: Path
    #: where the stand-in of each run listens
    port: int
    #: the language model of all who read papers
    model: ModelServer
    stand_in: StandIn = field(init=False)
    supervisor: Supervisor | None = None
    codes: list[str] = field(default_factory=list)

    def start(self) -> Worker:
        return self.lab.worker(name="worker", wait=False, app="tests.soak.crashing_app")

    @contextmanager
    def supervised(self) -> Iterator[None]:
        try:
            with Supervisor([self.start]) as self.supervisor:
                self.until_ready()
                yield
        finally:
            for worker in self.lab.workers:
                worker.kill()

    @property
    def worker(self) -> Worker:
        assert self.supervisor is not None
        return self.supervisor.workers[0]

    def restart(self) -> None:
        """End the worker, with what its processes remember; another one starts."""
        old = self.worker
        old.kill()
        until(lambda: self.worker is not old, LONG, "another worker")
        self.until_ready()

    def until_ready(self) -> None:
        until(lambda: "ready." in self.worker.text and not self.worker.is_over, LONG, "the worker to be ready")

    @property
    def data(self) -> Path:
        """What all processes have together, beside the vault."""
        return self.lab.refnet.data

    def reset(self) -> None:
        """Nothing collected, nothing written, nothing paid for, nothing on its way."""
        self.until_ready()
        until(self._truncate, LONG, "empty tables")
        shutil.rmtree(self.lab.vault, ignore_errors=True)
        shutil.rmtree(self.data / FOLDER, ignore_errors=True)
        self.model.billed = 0
        with self.redis.client() as redis:
            redis.delete("unacked", "unacked_index")
        crashing.forget_seen(self.points)

    def _truncate(self) -> bool:
        """Whether it could be done: the worker looks at its tables meanwhile, and the two may stand in each other's way."""
        kept = ("alembic_version", "workers")
        rows = self.lab.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        names = ", ".join(f'"{row.tablename}"' for row in rows if row.tablename not in kept)
        try:
            with writing(self.lab.engine) as connection:
                connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
        except StoreUnavailable:
            return False
        return True

    def command(self, *words: str, codes: tuple[int, ...] = (0,)) -> None:
        """A command that has to end well; given again where it crashed."""
        ended = self.crashing_refnet(self.lab.refnet, *words)
        if ended.code == CRASHED:
            ended = self.crashing_refnet(self.lab.refnet, *words)
        if ended.code not in codes:
            self.codes.append(f"{words[:2]} ended with {ended.code}: {ended.err[-500:]}")

    def ask(self, *tasks: tuple[str, object]) -> None:
        """Tasks by hand, and their ends."""
        with self.lab.app() as app:
            sent = [app.send_task(name, [argument]).id for name, argument in tasks]
            for task_id in sent:
                AsyncResult(task_id, app=app).get(timeout=LONG, propagate=False, interval=0.05)

    def served(self) -> Served:
        return Served(self.crashing_refnet, self.lab.refnet, self.points)

    def until_reached(self, site: str) -> None:
        """Wait until some process has come to the commit of a method, and perhaps died there."""
        until(
            lambda: any(f"{site}:commit:before@" in point for _, point in crashing.seen(self.points)),
            LONG,
            f"somebody to come to {site}",
        )

    def dead(self) -> list[str]:
        """The dead letters, by their ids."""
        ended = self.crashing_refnet(self.lab.refnet, "dead", "list", "--json")
        return [str(letter["id"]) for letter in ended.json]

    def let_time_pass(self, over: threading.Event) -> list[str]:
        """After the crash, make old what the killed worker had taken, for the visibility timeout is half an hour.

        Returns the notes that stood unannounced at the crash.
        """
        while crashing.hit_by(self.points) is None:
            if over.wait(0.05):
                return []
        found = unannounced(self.lab.store, self.lab.vault)
        self.until_ready()
        with self.redis.client() as redis:
            for tag in redis.zrange("unacked_index", 0, -1):
                redis.zadd("unacked_index", {tag: 1.0}, xx=True)
        return found

    def left(self) -> list[str]:
        """What is left to do: messages that wait, those recorded as taken, and jobs.

        The broker is asked first: what a task queues is in the ledger before its message is gone. Dead letters stay where
        they are.
        """
        with self.redis.client() as redis:
            found = [
                f"{redis.llen(key)} in {key.decode()}"
                for key in redis.keys("*")
                if redis.type(key) == b"list" and b"canary" not in key and not key.startswith(b"dlq")
            ]
            found += [f"unacked {one[:300]!r}" for one in redis.hvals("unacked") if not _waits(one)]
        rows = self.lab.query("SELECT stage, state, paper_id FROM jobs WHERE state IN ('queued', 'running')")
        found += [f"{row.stage} {row.state} {row.paper_id}" for row in rows]
        found += [f"crawl {row.id}" for row in self.lab.query("SELECT id FROM crawls WHERE stage IS NOT NULL")]
        asked = self.lab.query("SELECT id, state FROM crawl_requests WHERE state IN ('queued', 'running')")
        found += [f"request {row.id} {row.state}" for row in asked]
        return found


def _waits(record: bytes) -> bool:
    """Whether a message is there for good reason: a worker keeps it until its time has come, or it is a canary."""
    headers = json.loads(record)[0]["headers"]
    return headers.get("task") == CANARY or headers.get("eta") is not None


@dataclass(frozen=True)
class Scenario:
    """What is asked of a cluster; `check` are the words of a command that changes nothing any more at the end."""

    name: str
    act: Callable[[ClusterRig], None]
    check: tuple[str, ...] | None = MAP
    switches: dict[str, object] = field(default_factory=dict)
    code: int = 0


def _map(rig: ClusterRig) -> None:
    rig.command(*MAP)


def _read(rig: ClusterRig) -> None:
    """Papers are read by a model; one PDF is damaged, they are read again, the vault gets another language, the PDFs are
    removed.
    """
    crash_reading.leave_half_a_pdf(rig.data)
    rig.command(*crash_reading.READ)
    billed = rig.model.billed
    crash_reading.damage(rig.data)
    crash_reading.let_an_hour_pass(rig.data)
    rig.command(*crash_reading.AGAIN)
    rig.command(*crash_reading.TRANSLATED)
    assert rig.model.billed == billed, "answers that were kept are paid for again"
    crash_reading.let_an_hour_pass(rig.data)
    rig.command(*crash_reading.EMPTY)
    crash_reading.check_nothing_left(rig.data)
    # A worker dies with its two children.
    crash_reading.check_spending(rig.lab.engine, rig.model, most_lost=2)


def _write(rig: ClusterRig) -> None:
    rig.command(*MAP)
    rig.command("vault", "write")


def _by_hand(rig: ClusterRig) -> None:
    rig.ask((FETCH, _SEED))
    rig.ask((SUMMARIZE, _SEED), (GENERATE, _SEED), (BATCH, [_OTHER]))
    rig.ask((SUMMARIZE, "DOI:10.1000/not.collected"), (FETCH, "no identifier at all"))
    until(lambda: not rig.left(), LONG, "quiet")
    ids = [str(row.id) for row in rig.lab.query("SELECT id FROM jobs WHERE state = 'dead' ORDER BY id")]
    rig.command("dead", "purge", *ids, codes=(0, 2))


def _troubled(rig: ClusterRig) -> None:
    rig.command(*MAP, codes=(1,))
    rig.command("dead", "retry", "--all")
    rig.command(*MAP, codes=(1,))


def _refused(rig: ClusterRig) -> None:
    """A message for a task that there is not, and two that are no messages: all end among the dead letters."""
    rig.command(*MAP)
    with rig.lab.app() as app:
        app.send_task("no.such.task", queue="crawler")
    with rig.redis.client() as redis:
        redis.lpush("crawler", "no message", json.dumps(_UNREADABLE))
    until(lambda: len(rig.dead()) == 3, LONG, "three dead letters")
    rig.command("dead", "retry", "--all", codes=(1,))  # two cannot be sent
    until(lambda: len(rig.dead()) == 3, LONG, "all to be dead again")
    rig.command("dead", "purge", *rig.dead(), codes=(0, 2))


def _lost(rig: ClusterRig) -> None:
    """A child is killed at work, and what it held is taken back."""
    with ThreadPoolExecutor(1) as pool:
        mapping = pool.submit(rig.command, *MAP)
        held = until(lambda: holders(rig.lab), LONG, "somebody at work")
        for pid in held:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        mapping.result()


def _slow(rig: ClusterRig) -> None:
    """A request that takes longer than a lease is renewed."""
    rig.command(*FEW)


def _new_key(rig: ClusterRig) -> None:
    """A worker that starts where there is no signing key yet, but what somebody left who died while it made one."""
    folder = Path(rig.lab.environment["REFNET_DATA_DIR"])
    for file in folder.glob("signing*"):
        file.unlink()
    left = folder / "signing.key.0011223344556677"
    left.write_text("half a key")
    os.utime(left, (1.0, 1.0))
    _stop(rig)
    rig.command(*MAP)
    assert not left.exists(), "what was left of a key is still there"


def _too_large(rig: ClusterRig) -> None:
    rig.command(*MAP, codes=(1,))


def _stop(rig: ClusterRig) -> None:
    rig.command(*MAP)
    old = rig.worker
    old.stop(LONG)
    until(lambda: rig.worker is not old, LONG, "another worker")
    rig.until_ready()


def _asked_for(rig: ClusterRig) -> None:
    """A crawl is asked for over the API, and one whose seed names nothing."""
    with rig.served() as server:
        assert server.state(server.wish(MAP[1], **_WISH)) == "finished"
        nothing = server.wish("10.1000/names.nothing")
        assert server.state(nothing) == "failed"
        assert "No seed names a paper" in server.crawl(nothing)["reason"]


def _cancelled(rig: ClusterRig) -> None:
    """A crawl is stopped at work, and asked for again."""
    with rig.served() as server:
        place = server.wish(MAP[1], **_WISH)
        server.until(lambda: server.crawl(place)["papers"], "the first papers")
        server.cancel(place)
        server.until(lambda: not rig.left(), "quiet")
        assert server.state(server.wish(MAP[1], **_WISH)) == "finished"


def _away(rig: ClusterRig) -> None:
    """The source is away when a crawl is asked for: the request is given back, and gone on with."""
    rig.stand_in.switches = Switches(faults=1.0, kinds=("503",))
    rig.stand_in.reset()
    with rig.served() as server:
        place = server.wish(MAP[1], **_WISH)
        rig.until_reached("CrawlRequestTable.give_back_request")
        rig.stand_in.switches = Switches()
        rig.stand_in.reset()
        assert server.state(place) == "finished"


def _in_the_way(rig: ClusterRig) -> None:
    """A vault that cannot be written for a while ends no crawl."""
    rig.lab.vault.write_text("in the way")
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(_ask_for_few, rig)
        try:
            rig.until_reached("ClusterNotes.give_back_turn")
        finally:
            rig.lab.vault.unlink()
        asking.result()


def _ask_for_few(rig: ClusterRig) -> None:
    with rig.served() as server:
        assert server.state(server.wish(MAP[1], **_WISH)) == "finished"


def scenarios() -> list[Scenario]:
    troubled = {"fail_ids": frozenset({FAILING}), "fail_status": 500, "faults": 0.2, "kinds": ("429",)}
    return [
        Scenario("map", _map),
        Scenario("reading", _read, check=crash_reading.READ),
        Scenario("write", _write),
        Scenario("by hand", _by_hand, check=None),
        Scenario("short lists", _map, switches={"max_citations": 15}),
        Scenario("too large", _too_large, switches={"max_bytes": 7_000}, code=1),
        Scenario("troubled", _troubled, switches=troubled, code=1),
        Scenario("stop", _stop),
        Scenario("refused", _refused),
        Scenario("lost", _lost, switches={"latency": 1.0}),
        Scenario("new key", _new_key),
        Scenario("asked for", _asked_for, check=FEW),
        Scenario("cancelled", _cancelled, check=FEW, switches={"latency": 0.5}),
        Scenario("away", _away, check=FEW),
        Scenario("in the way", _in_the_way, check=FEW),
        Scenario("slow", _slow, check=FEW, switches={"latency": LEASE / 3 + 2}),
        # The request for a crawl is renewed, too.
        Scenario("slowly asked for", _ask_for_few, check=FEW, switches={"latency": LEASE / 3 + 2}),
    ]


def run(rig: ClusterRig, scenario: Scenario, point: str | None = None, role: str = "", how: str = "") -> Outcome:
    """Do what the scenario says; the process of that role that comes to `point` first dies there, once.

    Where nobody came there, again with a new worker: some things a process does every few minutes only, others by
    chance.
    """
    outcome = _try(rig, scenario, point, role, how)
    for _ in range(RESTARTS):
        if point is None or outcome.hit or outcome.faults:
            break
        rig.restart()
        outcome = _try(rig, scenario, point, role, how)
    return outcome


def _try(rig: ClusterRig, scenario: Scenario, point: str | None, role: str, how: str) -> Outcome:
    rig.reset()
    rig.codes.clear()
    corpus = demo_corpus() if scenario.check == crash_reading.READ else bundled_corpus()
    switches = Switches(**scenario.switches)  # type: ignore[arg-type]
    with StandIn(corpus, switches, port=rig.port, downloads=demo_downloads()) as rig.stand_in:
        return _run(rig, scenario, point, role, how)


def _run(rig: ClusterRig, scenario: Scenario, point: str | None, role: str, how: str) -> Outcome:
    began, outcome = time.monotonic(), Outcome()
    if point is not None:
        crashing.arm(rig.points, point, role=role, how=how)
    over = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        passing = pool.submit(rig.let_time_pass, over)
        try:
            scenario.act(rig)
        except AssertionError as error:
            outcome.faults.append(str(error)[:500])
        finally:
            over.set()
        outcome.faults += passing.result()
    rig.until_ready()
    try:
        until(lambda: not rig.left(), LONG, "quiet")
    except AssertionError:
        outcome.faults.append(f"not quiet after {LONG:g} s: {rig.left()}")
    outcome.hit = point is not None and crashing.hit_by(rig.points) is not None
    crashing.disarm(rig.points)
    outcome.seen = crashing.seen(rig.points)
    outcome.faults += rig.codes
    if not outcome.faults:
        _look(outcome, rig, scenario)
    outcome.seconds = time.monotonic() - began
    return outcome


def _look(outcome: Outcome, rig: ClusterRig, scenario: Scenario) -> None:
    store = rig.lab.store
    if scenario.check is not None:
        crawl_id = store.crawls()[0].id
        outcome.papers = (store.collected(crawl_id), store.edges(crawl_id))
    outcome.files = tree(rig.lab.vault)
    rows = rig.lab.query("SELECT stage, state, count(*) AS number FROM jobs GROUP BY stage, state ORDER BY 1, 2")
    outcome.jobs = Counter({f"{row.stage} {row.state}": row.number for row in rows})
    names = [row.name for row in rig.lab.query("SELECT name FROM note_names")]
    if len(names) != len(set(names)) or len(outcome.files) < len(names):
        outcome.faults.append(f"{len(names)} names, {len(outcome.files)} files")
    outcome.faults += [f"stray {name}" for name in outcome.files if name.endswith(".tmp")]
    if scenario.check is None:
        return
    before, asked = stamps(rig.lab.vault), len(rig.stand_in.log) + len(rig.stand_in.downloaded)
    again = rig.crashing_refnet(rig.lab.refnet, *scenario.check)
    if again.code != scenario.code:
        outcome.faults.append(f"again it ended with {again.code}: {again.err[-500:]}")
    if stamps(rig.lab.vault) != before:
        outcome.faults.append("the rerun changed the vault")
    if (more := len(rig.stand_in.log) + len(rig.stand_in.downloaded) - asked) != 0:
        outcome.faults.append(f"the rerun asked {more} times")
