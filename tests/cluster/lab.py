"""A lab's machine: a database, a broker, a stand-in for Semantic Scholar, and workers as processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from celery import Celery
from sqlalchemy import Engine, text

from refnet.adapters.database.cluster import ClusterStore
from refnet.adapters.database.engine import database_url, open_engine, reading
from refnet.adapters.database.migrate import upgrade
from refnet.bootstrap.cluster import Cluster, open_cluster
from refnet.demo.server import StandIn
from refnet.settings import load_settings
from tests.acceptance.command import Ended, Refnet
from tests.servers import ticks

ROOT = Path(__file__).resolve().parents[2]
#: Starts workers sooner; what they leave out only tells workers of each other.
ALONE = ("--without-mingle", "--without-gossip")


def until(come: Callable[[], object], timeout: float = 60.0, what: str = "it") -> Any:
    """Wait until something has come about, and return it."""
    for _ in ticks(timeout):
        if found := come():
            return found
    raise AssertionError(f"still waiting for {what} after {timeout:g} s")


class Worker:
    """A worker's process with all its children, and what it logs."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, name: str) -> None:
        self.process = process
        self.log = log
        self.name = name

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def is_over(self) -> bool:
        return self.process.poll() is not None

    def children(self) -> list[int]:
        """Its pool's processes."""
        found = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in found.read_text().split()] if found.exists() else []

    def until_logs(self, words: str, timeout: float = 60.0) -> None:
        until(lambda: words in self.text or self.is_over, timeout, f"{self.name} to log {words!r}")
        assert words in self.text, f"{self.name} ended with {self.process.returncode}:\n{self.text[-3000:]}"

    def kill(self) -> None:
        """SIGKILL to the worker and all its children: what a power cut leaves behind."""
        if not self.is_over:
            children = self.children()
            os.killpg(self.pid, signal.SIGKILL)
            for child in children:  # each leads a group of its own
                with suppress(ProcessLookupError):
                    os.killpg(child, signal.SIGKILL)
            self.process.wait(30)

    def stop(self, timeout: float = 60.0) -> int:
        """SIGTERM to the main process; its exit code."""
        if not self.is_over:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        finally:
            self.kill()


@dataclass
class Lab:
    """Where workers, commands and tests meet. `environment` is what each process has."""

    refnet: Refnet
    stand_in: StandIn
    engine: Engine
    workers: list[Worker] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return self.refnet.environment

    @property
    def vault(self) -> Path:
        return Path(self.environment["OUTPUT_DIR"])

    @property
    def store(self) -> ClusterStore:
        return ClusterStore(self.engine)

    def with_(self, **environment: str) -> Lab:
        """The same with more variables set; its workers are ended with the others."""
        return Lab(self.refnet.with_(**environment), self.stand_in, self.engine, self.workers)

    def worker(
        self,
        queues: str = "crawler,summarizer,generator",
        *words: str,
        name: str | None = None,
        wait: bool = True,
        app: str = "celery_app",
    ) -> Worker:
        """Start `celery -A celery_app worker -Q queues` at the repository's root, by default with two processes.

        `app` is another module with an application, such as `tests.cluster.probe_tasks`.
        """
        chosen = name or queues.replace(",", "-")
        more = (
            words if any(word.startswith(("--concurrency", "--autoscale", "-c")) for word in words) else (*words, "-c2")
        )
        return self._start(
            ["-m", "celery", "-A", app, "worker", "-Q", queues, "-n", f"{chosen}@%h", *ALONE, *more],
            chosen,
            wait,
        )

    def refnet_worker(self, kind: str, *words: str, wait: bool = True) -> Worker:
        """Start `refnet worker kind`."""
        return self._start(["-m", "refnet", "worker", kind, *words], kind, wait)

    def beat(self) -> Worker:
        """Start `celery -A refnet beat`."""
        number = len(self.workers)
        schedule = self.refnet.folder / f"beat-{number}"
        return self._start(
            ["-m", "celery", "-A", "refnet", "beat", "--loglevel", "info", "--schedule", str(schedule), "--pidfile="],
            f"beat-{number}",
            wait=False,
        )

    def _start(self, words: list[str], name: str, wait: bool) -> Worker:
        log = self.refnet.folder / f"{len(self.workers)}-{name}.log"
        if "--loglevel" not in words:
            words = [*words, "--loglevel", "info"]
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        worker = Worker(process, log, name)
        self.workers.append(worker)
        if wait:
            worker.until_logs("ready.")
        return worker

    def celery(self, *words: str, app: str = "celery_app") -> Ended:
        """Run `celery -A celery_app …` at the repository's root to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "celery", "-A", app, *words],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr, 0.0)

    @contextmanager
    def cluster(self) -> Iterator[Cluster]:
        """The composition root in this process, for sending tasks and looking at results."""
        old = dict(os.environ)
        os.environ.update(self.environment)
        try:
            settings = load_settings()
        finally:
            os.environ.clear()
            os.environ.update(old)
        opened = open_cluster(settings)
        try:
            yield opened
        finally:
            opened.close()

    @contextmanager
    def app(self) -> Iterator[Celery]:
        """The Celery application in this process."""
        with self.cluster() as opened:
            yield opened.celery

    def query(self, statement: str, **values: Any) -> list[Any]:
        """Rows of the database."""
        with reading(self.engine) as connection:
            return list(connection.execute(text(statement), values).all())

    def results(self, task: str | None = None) -> list[Any]:
        """Rows of Celery's table of results, in the order of their ids: task_id, name, status, retries, result."""
        return self.query(
            "SELECT task_id, name, status, retries, convert_from(result, 'UTF8') AS result FROM celery_taskmeta"
            " WHERE CAST(:task AS text) IS NULL OR name = :task ORDER BY id",
            task=task,
        )

    def end(self) -> None:
        for worker in self.workers:
            worker.kill()
        self.engine.dispose()


def open_lab(refnet: Refnet, stand_in: StandIn, database: str) -> Lab:
    """A lab whose database has its tables."""
    # As they reach it, unless a file holds that.
    theirs = open_engine(database_url(refnet.environment.get("DATABASE_URL", database)))
    upgrade(theirs)  # what `refnet db upgrade` does, which takes a second to start; that it does is tested elsewhere
    theirs.dispose()
    return Lab(refnet, stand_in, open_engine(database_url(database)))
