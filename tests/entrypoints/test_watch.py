"""The thread of a worker that sweeps: what takes long or fails elsewhere keeps no lease from being taken for lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import Engine

from refnet.adapters.database.cluster import ClusterStore
from refnet.adapters.database.engine import database_url, open_engine
from refnet.adapters.database.migrate import upgrade
from refnet.domain.dead_messages import RefusedMessage
from refnet.domain.errors import StoreUnavailable
from refnet.domain.jobs import DueJob, Stage
from refnet.entrypoints.celery import process
from refnet.entrypoints.celery.watch import SWEEP_EVERY, Watch, Watching
from refnet.pipeline.sweep import BREAK, GRACE, Contact
from tests.cluster.lab import until
from tests.contract.making import LEAF, LIMITS, enqueue
from tests.servers import fresh_database

#: A lease that is over at once, and the seconds between two looks.
LOST, EVERY = 0.001, SWEEP_EVERY


class Ticks:
    now = 5_000.0

    def __call__(self) -> float:
        return self.now


class Nobody:
    """The port `Announcer`."""

    def waiting(self, stage: Stage) -> int:
        return 0

    def send(self, stage: Stage, due: Sequence[DueJob]) -> None: ...


class Letters:
    """The dead letters of a broker, at a look at which something fails."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.looks = 0
        self.ticks: Callable[[], None] = lambda: None

    def unrecorded(self) -> list[RefusedMessage]:
        self.looks += 1
        self.ticks()
        if self.error is not None:
            raise self.error
        return []

    def trim(self) -> None: ...


class Cluster(SimpleNamespace):
    """What a worker is connected to, with a vault at which something happens."""

    store: ClusterStore
    dead_letters: Letters

    def own_output_dir(self) -> str:
        return "/vault"

    def vault_fault(self) -> str | None:
        self.at_the_vault()
        return None


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Engine]:
    with fresh_database(postgres_url) as url:
        engine = open_engine(database_url(url))
        upgrade(engine)
        yield engine
        engine.dispose()


@pytest.fixture
def cluster(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """With a job whose worker is lost."""
    store = ClusterStore(engine)
    enqueue(store, {"a": LEAF})
    assert store.claim("elsewhere:1", LIMITS, lease=LOST) is not None
    cluster = Cluster(store=store, announcer=Nobody(), dead_letters=Letters(), limits=LIMITS, at_the_vault=lambda: None)
    monkeypatch.setattr(process, "cluster", lambda: cluster)
    return cluster


@pytest.fixture
def worker() -> Iterator[Any]:
    with Celery("watched", broker="memory://") as app:
        app.conf.task_queues = {"generator": {}}
        yield SimpleNamespace(app=app, hostname="w@here", pool=None, concurrency=1)


def test_a_vault_on_a_disk_that_hangs_is_no_break_of_the_database(cluster: Cluster, worker: Any) -> None:
    ticks = Ticks()

    def hang() -> None:
        ticks.now += BREAK + 1

    cluster.at_the_vault = hang
    watching = Watching(worker, Contact(ticks))
    watching.look()
    assert cluster.store.owners() == ["elsewhere:1"]
    while ticks.now - Ticks.now < GRACE:
        watching.look()
    assert cluster.store.owners() == []


def test_a_database_that_hangs_at_the_workers_report_is_one(
    cluster: Cluster, worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = Ticks()
    report = cluster.store.report

    def hang(*args: Any) -> None:
        ticks.now += BREAK + 1
        report(*args)

    monkeypatch.setattr(cluster.store, "report", hang)
    watching = Watching(worker, Contact(ticks))
    while ticks.now - Ticks.now < 2 * GRACE:
        watching.look()
    assert cluster.store.owners() == ["elsewhere:1"]


@pytest.fixture
def watched(worker: Any, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Lets a worker be watched until the test is over; between two looks as much time passes as in a worker."""
    ticks = Ticks()

    def tick() -> None:
        ticks.now += EVERY

    cluster.dead_letters.ticks = tick
    monkeypatch.setattr("refnet.entrypoints.celery.watch.SWEEP_EVERY", 0.01)
    monkeypatch.setattr("refnet.pipeline.sweep.Contact", partial(Contact, ticks))
    watch = Watch(worker)
    thread = threading.Thread(target=watch._run, args=(worker,))
    yield thread.start
    watch.stop(worker)
    thread.join(60)


def test_where_every_look_fails_of_something_else_lost_leases_are_taken_back_all_the_same(
    cluster: Cluster, watched: Callable[[], None]
) -> None:
    cluster.dead_letters.error = RuntimeError("nobody foresaw it")
    watched()
    until(lambda: cluster.store.owners() == [])
    assert cluster.dead_letters.looks * EVERY >= GRACE


def test_where_the_database_is_away_again_and_again_no_lease_is_taken_for_lost(
    cluster: Cluster, watched: Callable[[], None]
) -> None:
    cluster.dead_letters.error = StoreUnavailable("away")
    watched()
    until(lambda: cluster.dead_letters.looks * EVERY > 2 * GRACE)
    assert cluster.store.owners() == ["elsewhere:1"]
