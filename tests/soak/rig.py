"""The rig of the soaks: a stand-in of its own process, Redis and PostgreSQL of their own, and workers that are watched.

A crawl of 2,000 papers in batches of 20 at three requests a second, so that it lasts for most of a minute without
faults and every process always holds some of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from refnet.demo.server import StandIn
from refnet.domain.errors import RefnetError
from tests.acceptance.command import Ended, Refnet, Running, clean_environment, tree
from tests.cluster.beside import Beside
from tests.cluster.chaos import supervised
from tests.cluster.faults import Supervisor, holders
from tests.cluster.lab import Lab, open_lab
from tests.redis_server import RedisServer, redis_program, running_redis
from tests.servers import missing
from tests.soak.graph import PAPERS, SEED, write_corpus
from tests.soak.history import keep_history
from tests.soak.oracle import Oracle, Undisturbed
from tests.soak.postgres import PostgresServer, running_server
from tests.soak.source import Source

WORDS = (SEED, "--depth", "2", "--limit", str(PAPERS), "--no-summaries")
#: Requests a second.
RATE = 3
SETTINGS = {
    "REFNET_BATCH_IDS": "20",
    "SEMANTIC_SCHOLAR_RPS": str(RATE),
    "SEMANTIC_SCHOLAR_API_KEY": "a-key",
}
#: Seconds after which a crawl that is not over counts as stuck.
TOO_LONG = 1_200.0


@dataclass
class Rig:
    """One soak's machines."""

    lab: Lab
    source: Source
    redis: RedisServer
    postgres: PostgresServer
    words: tuple[str, ...]
    rate: int = RATE

    def supervised(self, app: str = "celery_app") -> Supervisor:
        return supervised(self.lab, app=app)

    def start(self) -> Running:
        """Hand the crawl over to the workers, and follow it."""
        return self.lab.refnet.start("map", *self.words, "--json")

    def oracle(self, expected: Undisturbed, poison: frozenset[str] = frozenset()) -> Oracle:
        return Oracle(self.lab, self.source, expected, self.rate, self.words, poison)

    def done(self) -> int:
        """Jobs that are over."""
        rows = self.lab.query("SELECT count(*) AS n FROM jobs WHERE state IN ('done', 'dead')")
        return int(rows[0].n)

    @property
    def is_draining(self) -> bool:
        """Whether the last stage is at work."""
        return self.stage() == "write"

    def stage(self) -> str | None:
        """Where the crawl is; None before it is handed over and after its end."""
        rows = self.lab.query("SELECT stage FROM crawls")
        return rows[0].stage if rows else None


@contextmanager
def open_rig(
    folder: Path,
    corpus: Path,
    environment: Mapping[str, str] | None = None,
    words: tuple[str, ...] = WORDS,
    **options: object,
) -> Iterator[Rig]:
    """A rig in that folder. `options` are the stand-in's own."""
    if redis_program() is None:
        missing("no Redis on this machine and none among the test dependencies")
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis())
        postgres = stack.enter_context(running_server())
        # The server is the soak's own, and so is the database that it begins with.
        database = postgres.url
        source = stack.enter_context(Source(corpus, **options))
        folder.mkdir()
        settings = {
            **SETTINGS,
            "SEMANTIC_SCHOLAR_URL": source.url,
            "DATABASE_URL": database,
            "CELERY_BROKER_URL": redis.url,
            "OUTPUT_DIR": str(folder / "vault"),
            **(environment or {}),
        }
        refnet = Refnet(folder, clean_environment(folder / "data", **settings))
        # A lab asks nothing of its stand-in by itself.
        lab = open_lab(refnet, cast("StandIn", source), database)
        stack.callback(lab.end)
        stack.callback(Running.end_all)
        keep_history(lab)
        yield Rig(lab, source, redis, postgres, words, int(float(settings["SEMANTIC_SCHOLAR_RPS"])))


class Laboratory:
    """What all soaks of a session share: the literature, and what runs without faults come to. Made when first asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._undisturbed: dict[int, Undisturbed] = {}
        self._faultless: float | None = None
        self._corpus: Path | None = None

    @property
    def corpus(self) -> Path:
        if self._corpus is None:
            self._corpus = write_corpus(self._folder / "corpus")
        return self._corpus

    def undisturbed(self, batch: int = 20) -> Undisturbed:
        """The same crawl in one process, on SQLite, with that many papers a request: the vault is the same."""
        if batch not in self._undisturbed:
            folder = self._folder / f"undisturbed-{batch}"
            folder.mkdir()
            with Source(self.corpus) as source:
                settings = {
                    **SETTINGS,
                    "SEMANTIC_SCHOLAR_URL": source.url,
                    "SEMANTIC_SCHOLAR_RPS": "1000",
                    "REFNET_BATCH_IDS": str(batch),
                }
                user = Refnet(folder, clean_environment(folder / "data", **settings))
                document = finished(user.start("map", *WORDS, "--json")).json
                assert (document["papers"], document["notes"], document["dead"]) == (PAPERS, PAPERS, 0)
                papers, _ = user.exported()
                self._undisturbed[batch] = Undisturbed(frozenset(papers), tree(folder / "vault"), source.requests)
        return self._undisturbed[batch]

    def faultless(self) -> float:
        """Seconds that the crawl takes on the rig where nothing disturbs it."""
        if self._faultless is None:
            with open_rig(self._folder / "faultless", self.corpus) as rig, rig.supervised():
                ended = finished(rig.start())
                assert rig.oracle(self.undisturbed()).complaints() == []
                self._faultless = ended.seconds
        return self._faultless


def finished(mapping: Running) -> Ended:
    """Wait for a crawl that has to end well."""
    ended = mapping.wait(TOO_LONG)
    assert ended.code == 0, f"the crawl ended with {ended.code}:\n{ended.err[-3000:]}"
    return ended


@dataclass
class Watch(Beside):
    """Looks at the ledger many times a second: until when did jobs still belong to a process that was gone?

    `gone` are those processes, with the moment at which they went, on the monotonic clock.
    """

    lab: Lab
    gone: dict[int, float]
    _waits: dict[int, float] = field(default_factory=dict)

    def turn(self) -> None:
        try:
            holding = holders(self.lab)
        except RefnetError:
            return  # the database is one of those that are disturbed
        now = time.monotonic()
        for pid in holding:
            if (since := self.gone.get(pid)) is not None:
                self._waits[pid] = now - since

    def held(self, pid: int) -> float:
        """Seconds after a process had gone at which jobs were last seen to be its own; 0 where none were."""
        return self._waits.get(pid, 0.0)

    @property
    def recovered(self) -> int:
        """Processes that were gone with jobs in hand."""
        return len(self._waits)

    @property
    def longest(self) -> float:
        """Seconds that the slowest of them had to wait until its jobs were free again."""
        return max(self._waits.values(), default=0.0)
