"""One lab for all the tests of a module, where they do not disturb each other: starting workers takes seconds."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from celery.result import AsyncResult

from refnet.bootstrap.cluster import Cluster
from refnet.demo.bundled import bundled_corpus
from refnet.demo.graph import Corpus
from refnet.demo.server import StandIn
from refnet.demo.switches import Switches
from tests.acceptance.command import Refnet, Running, clean_environment
from tests.cluster.lab import Lab, open_lab
from tests.redis_server import RedisServer, running_redis
from tests.servers import fresh_database

FETCH = "crawler.tasks.fetch_paper_metadata"
BATCH = "crawler.tasks.batch_process_papers"
SUMMARIZE = "summarizer.tasks.summarize_pdf"
GENERATE = "generator.tasks.generate_markdown"


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a task: its state, and what it returned or, in words, raised."""

    task_id: str
    status: str
    result: Any

    @property
    def why(self) -> str:
        return str(self.result)


class OneLab:
    """A lab with a Redis of its own, or on the broker given; everything ends with the context.

    The lab itself is made when a test first asks for it: until then there is no environment that is safe to give to
    processes (see `isolated` in tests/conftest.py).
    """

    def __init__(
        self, postgres_url: str, folder: Path, password: str | None = None, broker_url: str | None = None
    ) -> None:
        self._postgres_url = postgres_url
        self._folder = folder
        self._password = password
        self._broker_url = broker_url
        self._stack = ExitStack()
        self._lab: Lab | None = None
        self._cluster: Cluster | None = None

    def __enter__(self) -> Self:
        if self._broker_url is None:
            self.redis: RedisServer = self._stack.enter_context(running_redis(password=self._password))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def is_open(self) -> bool:
        return self._lab is not None

    def lab(self, corpus: Corpus | None = None, environment: Mapping[str, str] | None = None) -> Lab:
        """Made at the first call, which alone the arguments are for."""
        if self._lab is None:
            database = self._stack.enter_context(fresh_database(self._postgres_url))
            stand_in = self._stack.enter_context(StandIn(corpus or bundled_corpus(), Switches()))
            settings = {
                "SEMANTIC_SCHOLAR_URL": stand_in.url,
                "SEMANTIC_SCHOLAR_RPS": "1000",
                "DATABASE_URL": database,
                "CELERY_BROKER_URL": self._broker_url or self.redis.url,
                "OUTPUT_DIR": str(self._folder / "vault"),
                **(environment or {}),
            }
            refnet = Refnet(self._folder, clean_environment(self._folder / "data", **settings))
            self._lab = open_lab(refnet, stand_in, database)
            self._stack.callback(self._lab.end)
            self._stack.callback(Running.end_all)
        return self._lab

    @property
    def cluster(self) -> Cluster:
        """The composition root in this process, over the lab that was made."""
        assert self._lab is not None, "make the lab first"
        if self._cluster is None:
            self._cluster = self._stack.enter_context(self._lab.cluster())
        return self._cluster

    def send(self, task: str, *args: Any, headers: Mapping[str, Any] | None = None, **options: Any) -> str:
        """Send a task as anybody does who has a Celery application; its id."""
        return str(self.cluster.celery.send_task(task, args, headers=dict(headers or {}), **options).id)

    def told(self, task_id: str, timeout: float = 60.0) -> Told:
        """What became of it, once it has ended."""
        found = AsyncResult(task_id, app=self.cluster.celery)
        found.get(timeout=timeout, propagate=False, interval=0.02)
        return Told(task_id, found.status, found.result)

    def ask(self, task: str, *args: Any, headers: Mapping[str, Any] | None = None, **options: Any) -> Told:
        """Send a task and wait until it has ended."""
        return self.told(self.send(task, *args, headers=headers, **options))


def switch(stand_in: StandIn, **switches: Any) -> None:
    """Let a stand-in behave otherwise from now on; its log begins anew."""
    stand_in.switches = Switches(**switches)
    stand_in.reset()
