"""Tasks whose process is gone while PostgreSQL is away: the worker goes on, and says what became of them once it is back."""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from celery import Celery
from celery.result import AsyncResult
from psycopg import sql

from refnet.domain.dead_messages import DeadMessage
from refnet.domain.errors import StoreUnavailable
from refnet.domain.jobs import Stage
from tests.cluster.conftest import MakeLab
from tests.cluster.draining import is_unacknowledged
from tests.cluster.faults import Proxy, port_of
from tests.cluster.lab import Lab, until
from tests.cluster.poisoned import Poisoned
from tests.soak.postgres import PostgresServer, running_server

pytestmark = pytest.mark.slow

#: Seconds within which a worker answers, and ends when it is asked to.
ANSWERS, ENDS = 5.0, 10.0
#: Seconds after which a task's process is killed that takes too long.
LIMIT = 8
#: What the worker logs at the end of such a task, by what became of its process; the dead letter says as much.
LOGGED = {"lost": "Task handler raised error: WorkerLostError", "too long": "Hard time limit"}
SAID = {"lost": "signal 9 (SIGKILL)", "too long": "the hard time limit"}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_server() as one:
        yield one


@pytest.fixture
def postgres_database(server: PostgresServer) -> str:
    """One of the server that these tests stop; it goes with its server, for nobody can stay connected to drop it."""
    name = f"away_{secrets.token_hex(6)}"
    with psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return f"{server.url.rpartition('/')[0]}/{name}"


@dataclass
class Outage:
    """A worker with a task at work, and how its database goes away."""

    lab: Lab
    app: Celery
    server: PostgresServer
    proxy: Proxy
    broker: Proxy
    poisoned: Poisoned
    file: Path

    def __post_init__(self) -> None:
        self.worker = self.poisoned.start()

    def begin(self) -> AsyncResult[object]:
        limits = {"soft_time_limit": LIMIT - 1, "time_limit": LIMIT}  # the soft one does not stop waiting for a program
        sent = self.app.send_task("poison.sleep_beside", [str(self.file)], queue="crawler", **limits)
        until(lambda: self.file.exists() and self.file.read_text().endswith("\n"), what="the task to be at work")
        return sent

    @contextmanager
    def away(self, how: str) -> Iterator[None]:
        """Silent, as behind a firewall that forgot, or not there."""
        if how == "silent":
            with self.proxy.dark():
                yield
            return
        self.server.stop_at_once()
        try:
            yield
        finally:
            self.server.start()

    def lose_process(self, fate: str) -> None:
        before = self.worker.text.count(LOGGED[fate])
        if fate == "lost":
            os.kill(int(self.file.read_text().split()[0]), signal.SIGKILL)
        until(lambda: self.worker.text.count(LOGGED[fate]) > before, 30, "the worker to know it")

    def letters(self) -> list[DeadMessage]:
        try:
            return self.lab.store.dead_messages()
        except StoreUnavailable:  # the connections of this process, too, are those of a server that was stopped
            return []


@pytest.fixture
def outage(make_lab: MakeLab, redis_url: str, server: PostgresServer, tmp_path: Path) -> Iterator[Outage]:
    lab = make_lab(redis_url)
    url = lab.environment["DATABASE_URL"]
    with Proxy(port_of(url)) as proxy, Proxy(port_of(redis_url)) as broker, lab.app() as app:
        through = {"DATABASE_URL": proxy.through(url), "CELERY_BROKER_URL": broker.through(redis_url)}
        poisoned = Poisoned(lab.with_(**through), Stage.CRAWL, concurrency=1)
        yield Outage(lab, app, server, proxy, broker, poisoned, tmp_path / "pids")


@pytest.mark.parametrize("fate", ["lost", "too long"])
@pytest.mark.parametrize("how", ["silent", "down"])
def test_a_task_whose_process_is_gone_is_told_of_when_the_database_is_back_and_holds_up_nobody(
    outage: Outage, how: str, fate: str
) -> None:
    # Before its loop turns it has asked its broker for nothing, and opens a lost connection again without a word.
    until(lambda: outage.app.control.ping(timeout=1, limit=1), what="the worker to answer")
    outage.broker.reset()  # Celery clears its timers then
    until(lambda: "Connection to broker lost" in outage.worker.text, what="the worker to lose its broker")
    sent = outage.begin()
    with outage.away(how):
        outage.lose_process(fate)
        for _ in range(3):  # whatever the main process does first, it does something else after it
            asked = time.monotonic()
            assert outage.app.control.ping(timeout=ANSWERS, limit=1)
            print(f"answered after {time.monotonic() - asked:.1f} s")
        assert is_unacknowledged(outage.lab, sent.id)  # should the worker end now, the task comes again

    back = time.monotonic()
    [letter] = until(outage.letters, what="the dead letter")
    until(lambda: sent.status == "FAILURE", what="the result")
    until(lambda: not is_unacknowledged(outage.lab, sent.id), what="the message to be among the dead letters")
    print(f"told of {time.monotonic() - back:.1f} s after the database was back")
    assert SAID[fate] in letter.reason
    assert outage.app.send_task("health_check", queue="crawler").get(timeout=60)["status"] == "healthy"


@pytest.mark.parametrize("how", ["silent", "down"])
def test_a_worker_that_waits_for_the_database_with_a_failed_task_ends_in_time_and_the_task_comes_again(
    outage: Outage, how: str
) -> None:
    sent = outage.begin()
    with outage.away(how):
        outage.lose_process("lost")
        asked = time.monotonic()
        assert outage.worker.stop() == 0
        took = time.monotonic() - asked
        print(f"ended after {took:.1f} s")
        assert took <= ENDS

    outage.file.unlink()
    outage.worker = outage.poisoned.start()
    until(lambda: outage.file.exists() and outage.file.read_text().endswith("\n"), what="the task to come again")
    outage.lose_process("lost")
    until(lambda: sent.status == "FAILURE", what="the result")
    [letter] = until(outage.letters, what="the dead letter")
    assert SAID["lost"] in letter.reason
