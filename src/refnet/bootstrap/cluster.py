"""The composition root of a cluster: what its workers, and those who give them work, are made of."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from refnet.adapters.celery_queue.announcer import CeleryAnnouncer
from refnet.adapters.celery_queue.application import create_app
from refnet.adapters.celery_queue.dead_letters import DeadLetters
from refnet.adapters.database.cluster import ClusterStore
from refnet.adapters.database.counts import RequestCounts
from refnet.adapters.database.engine import database_url, open_engine
from refnet.adapters.database.pace import DatabasePace
from refnet.adapters.processes import this_process
from refnet.adapters.vault import FolderVault
from refnet.bootstrap.connections import connections, keys
from refnet.bootstrap.full_texts import open_full_texts
from refnet.domain.crawl import Limits
from refnet.domain.errors import BrokerUnavailable, ConfigurationError, RefnetError
from refnet.domain.jobs import Stage
from refnet.domain.workers import several
from refnet.pipeline.announce import OUTSIDE, announce
from refnet.pipeline.cluster import ClusterWorker, summarize_wave
from refnet.pipeline.crawl_requests import RequestStarter
from refnet.pipeline.lease import Lease
from refnet.pipeline.map_on_cluster import Follower, elsewhere
from refnet.pipeline.map_papers import Mapper
from refnet.pipeline.offline import OfflineRunner
from refnet.pipeline.patience import ForATask, Unending
from refnet.pipeline.progress import Silent
from refnet.pipeline.runner import Runner
from refnet.pipeline.turns import Turns
from refnet.pipeline.vault_turns import VaultWorker
from refnet.settings import Settings

if TYPE_CHECKING:
    from celery import Celery
    from sqlalchemy import Engine

#: Summaries and notes that one task makes at the most.
MOST_SUMMARIES, MOST_NOTES = 200, 100
#: Seconds that a task waits for its turn with the source; after a longer pause it comes again.
LONGEST_WAIT = 10.0


@dataclass
class Cluster:
    """The processes of a cluster meet here: its database, and its broker by way of `celery`.

    Nothing is connected until it is used, and everything belongs to the process that made it.
    """

    settings: Settings
    engine: Engine
    celery: Celery
    _opened: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def store(self) -> ClusterStore:
        return ClusterStore(self.engine)

    @cached_property
    def announcer(self) -> CeleryAnnouncer:
        return CeleryAnnouncer(self.celery)

    @cached_property
    def dead_letters(self) -> DeadLetters:
        return DeadLetters(self.celery)

    @property
    def limits(self) -> Limits:
        return Limits(ids=self.settings.batch_ids)

    @property
    def host(self) -> str:
        """The source's host, as the pace is kept for it."""
        return urlsplit(self.settings.source_url).netloc.rpartition("@")[2]

    def own_output_dir(self) -> str:
        return str(FolderVault(self.settings.output_dir).path)

    def vault_fault(self) -> str | None:
        """In words, what keeps this process from writing notes; None where nothing does."""
        places = self._places()
        if len(places) > 1:
            return several(places)
        try:
            FolderVault(self.settings.output_dir).prepare(tidy=False)
        except RefnetError as error:
            return str(error)
        return None

    def _places(self) -> list[str]:
        """Folders to which generators that are at work write notes."""
        return sorted({worker.output_dir for worker in self.store.workers() if worker.lives and worker.output_dir})

    def output_dir(self) -> str | None:
        """Where the generators that are at work write notes; None where there are none."""
        said = self._places()
        own = self.own_output_dir()
        return own if own in said else min(said, default=None)

    def depths(self) -> dict[str, int]:
        """Messages that wait in each queue, summed over priorities. Raises BrokerUnavailable."""
        return self.announcer.depths()

    def look_at_broker(self) -> None:
        """Raises BrokerUnavailable where the broker does not answer, or a Redis takes no messages."""
        self.announcer.look()

    def close(self) -> None:
        self._opened.close()
        self.engine.dispose()
        self.celery.close()

    def vault_for(self, wanted: Path | None) -> str | None:
        """Where notes are to go; None where the workers decide. Raises ConfigurationError where they write elsewhere."""
        if len(places := self._places()) > 1:
            raise ConfigurationError(several(places))
        place = self.output_dir()
        if wanted is not None and place is not None and str(wanted) != place:
            raise ConfigurationError(elsewhere(place, str(wanted)))
        return place if wanted is None else str(wanted)

    def rewrite_notes(self, paper_ids: Sequence[str]) -> None:
        """Let the workers write notes anew. A broker that is away is told later."""
        self.store.enqueue(Stage.GENERATE, paper_ids)
        with suppress(BrokerUnavailable):
            announce(self.store, self.announcer, patience=OUTSIDE)

    def follower(self, mapper: Mapper) -> Follower:
        """What hands a crawl to the workers and follows it."""
        return Follower(self.store, self.announcer, mapper, self.host, self.settings.outage_seconds)

    def worker(self, passing: tuple[type[Exception], ...], ending: Callable[[], bool] = lambda: True) -> ClusterWorker:
        """What a process of a worker does its work with. `passing` are the exceptions that a time limit raises;
        `ending` tells whether somebody asked the process to end, so that a SystemExit is not the work's own.
        """
        from refnet.adapters.semantic_scholar import SemanticScholar

        settings, store = self.settings, self.store
        owner = this_process()
        pace = DatabasePace(
            self.engine,
            self.host,
            settings.requests_per_second,
            adaptive=settings.key is None,
            longest=LONGEST_WAIT,
            key=settings.key,
        )
        source = SemanticScholar(
            settings.source_url,
            api_key=settings.key,
            pace=pace,
            contact=settings.contact,
            limits=self.limits,
            timeout=settings.request_seconds,
            counted=RequestCounts(self.engine, SemanticScholar.name).answered,
        )
        self._opened.callback(source.close)
        texts = self._opened.enter_context(
            open_full_texts(settings, self.engine, say=logging.getLogger("summarizer").warning, waits=True)
        )
        turns = Turns(store, owner, passing, ending)
        vault = VaultWorker(store, FolderVault(settings.output_dir), settings.note_names, turns)
        return ClusterWorker(
            store=store,
            crawler=Runner(
                store,
                source,
                pace,
                Unending(pace),
                owner=owner,
                backoff=1.0 / settings.requests_per_second,
                holding=lambda wave: Lease(store.renew, wave),
                passing=passing,
                ending=ending,
                paused=pace.paused,
            ),
            summarizer=OfflineRunner(
                store,
                Stage.SUMMARIZE,
                lambda wave, lease: summarize_wave(store, texts, wave, lease),
                owner=owner,
                most=MOST_SUMMARIES,
                passing=passing,
                ending=ending,
            ),
            generator=OfflineRunner(
                store, Stage.GENERATE, vault.write, owner=owner, most=MOST_NOTES, passing=passing, ending=ending
            ),
            vault=vault,
            requests=RequestStarter(store, source, ForATask(pace), Silent(), passing=passing, ending=ending),
            announcer=self.announcer,
            limits=self.limits,
            max_depth=settings.max_depth,
        )


def open_cluster(settings: Settings, celery: Celery | None = None) -> Cluster:
    """Raises ConfigurationError for settings that do not go together."""
    found = connections(settings)
    app = celery or create_app(lambda: found, lambda: keys(settings))
    return Cluster(settings, open_engine(database_url(settings.database)), app)


@contextmanager
def cluster(settings: Settings, celery: Celery | None = None) -> Iterator[Cluster]:
    """A cluster whose connections are closed at the end."""
    opened = open_cluster(settings, celery)
    try:
        yield opened
    finally:
        opened.close()
