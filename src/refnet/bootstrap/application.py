"""The composition root: from settings to a working application."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy import Engine

from refnet.adapters.database.cluster import ClusterStore
from refnet.adapters.database.counts import RequestCounts
from refnet.adapters.database.engine import database_url, open_engine, see_writes, shown, sqlite_file
from refnet.adapters.database.lock import one_at_work, one_on_server, shared_on_server, try_on_server
from refnet.adapters.database.migrate import open_at_head
from refnet.adapters.database.pace import DatabasePace
from refnet.adapters.database.store import Store
from refnet.adapters.vault import FolderVault
from refnet.bootstrap.full_texts import look_at_model_key, open_full_texts
from refnet.bootstrap.told_pace import ToldPace
from refnet.domain.crawl import Limits
from refnet.domain.errors import Busy, ConfigurationError
from refnet.domain.workers import WorkerReport
from refnet.pipeline.crawl_requests import RequestRunner, ToldProgress
from refnet.pipeline.full_texts import FullTexts
from refnet.pipeline.map_papers import Mapper
from refnet.pipeline.patience import Patience, Unending
from refnet.ports import Pace, Progress
from refnet.settings import Settings

if TYPE_CHECKING:
    from refnet.adapters.semantic_scholar import SemanticScholar
    from refnet.bootstrap.cluster import Cluster


@dataclass(frozen=True, slots=True)
class Application:
    """What commands work with. Nothing is connected until it is used."""

    settings: Settings
    engine: Engine
    store: Store

    @property
    def place(self) -> str:
        """The database's address, without anything secret."""
        return shown(self.engine.url)

    def vault(self, path: Path | None = None) -> FolderVault:
        """Raises ConfigurationError for a path below a home that is not known."""
        try:
            folder = (path or self.settings.output_dir).expanduser().absolute()
            str(folder).encode()
            return FolderVault(folder)
        except UnicodeEncodeError as error:
            raise ConfigurationError(
                f"The name of the vault's folder is not text in UTF-8: {str(path)!r}. Choose another folder."
            ) from error
        except RuntimeError as error:
            raise ConfigurationError(f"{path} names the home of a user who is not known.") from error

    def database_file(self) -> Path | None:
        return sqlite_file(self.engine.url)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the one process that works on the database. Raises Busy."""
        file = self.database_file()
        with one_at_work(file) if file is not None else one_on_server(self.engine):
            yield

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The same, at the present schema, and with what a dead process left running freed. In a cluster nobody is
        alone: the workers do the work.
        """
        if self.is_cluster:
            self.check_schema()
            yield
            return
        with self.alone():
            open_at_head(self.engine)
            self.store.free_all()
            try:
                yield
            except (KeyboardInterrupt, SystemExit):
                # Where it struck while the server said that jobs were claimed, nobody knows of them.
                with suppress(Exception):
                    self.store.give_back([_owner()])
                raise

    def check_schema(self) -> None:
        """Raises ConfigurationError for a database of another version's."""
        open_at_head(self.engine)

    def check_database(self) -> None:
        """The same; and raises StoreUnavailable where it takes no writes, without which no work can be done."""
        self.check_schema()
        see_writes(self.engine)

    @property
    def is_cluster(self) -> bool:
        """Whether workers do the work."""
        return self.settings.broker_url is not None

    def take_up_left(self) -> None:
        """Hand to the workers what a process that worked alone was interrupted at; nothing while one works alone."""
        with suppress(Busy), shared_on_server(self.engine):
            self.store.take_up_left()

    @contextmanager
    def cluster(self) -> Iterator[Cluster]:
        """The same as a cluster, whose connections to the broker are closed at the end."""
        from refnet.bootstrap.cluster import cluster

        with cluster(self.settings) as opened:
            yield opened

    def workers(self) -> list[WorkerReport]:
        """What the workers' main processes last said; none where one process does it all."""
        # A cluster's store alone knows of workers.
        return self.store.workers() if isinstance(self.store, ClusterStore) else []

    def source(self, progress: Progress, pace: Pace | None = None) -> SemanticScholar:
        """Semantic Scholar, at the pace that all processes on this database share: `pace`, or one of its own."""
        from refnet.adapters.semantic_scholar import SemanticScholar

        settings = self.settings
        return SemanticScholar(
            settings.source_url,
            api_key=settings.key,
            pace=self.pace(progress) if pace is None else pace,
            contact=settings.contact,
            limits=Limits(ids=settings.batch_ids),
            timeout=settings.request_seconds,
            counted=RequestCounts(self.engine, SemanticScholar.name).answered,
        )

    def pace(self, progress: Progress, check: Callable[[], None] | None = None) -> Pace:
        """`check` is called every second of a wait, and may end it."""
        told = ToldPace(progress, self.settings)
        told.inner = DatabasePace(
            self.engine,
            urlsplit(self.settings.source_url).netloc.rpartition("@")[2],
            self.settings.requests_per_second,
            adaptive=self.settings.key is None,
            key=self.settings.key,
            waiting=told.waiting,
            check=check,
        )
        return told

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Beside being at work, take up the crawls that others ask for."""
        with ExitStack() as stack:
            # Whoever looks whether somebody serves holds the lock for that moment.
            while not self._take_serving(stack):
                threading.Event().wait(0.05)
            yield

    def is_served(self) -> bool:
        """Whether the process at work takes up the crawls that others ask for."""
        with ExitStack() as stack:
            return not self._take_serving(stack)

    def _take_serving(self, stack: ExitStack) -> bool:
        if (file := self.database_file()) is None:
            return stack.enter_context(try_on_server(self.engine, _SERVING))
        try:
            stack.enter_context(one_at_work(_servers(file)))
        except Busy:
            return False
        return True

    @contextmanager
    def request_runner(self, say: Callable[[str], None]) -> Iterator[RequestRunner]:
        """What does the crawls that others ask for, and never gives up."""
        from refnet.bootstrap.reports import report_text

        progress = ToldProgress(self.store, say)
        with self.mapper(progress, unending=True, check=progress.check) as mapper:
            yield RequestRunner(
                self.store,
                mapper,
                progress,
                lambda path: self.vault(None if path is None else Path(path)),
                self.settings.note_names,
                report_text,
            )

    def full_texts(self, progress: Progress, model: str | None = None) -> AbstractContextManager[FullTexts]:
        """What reads papers and summarises them. Raises ConfigurationError for a language model that cannot be used."""
        return open_full_texts(
            self.settings,
            self.engine,
            model=model,
            waiting=lambda seconds: progress.waiting(seconds, "its turn with a host"),
            say=progress.say,
        )

    def look_at_model_key(self, model: str | None = None) -> None:
        """Raises ConfigurationError for a language model that cannot be used, or whose server refuses the key."""
        look_at_model_key(self.settings, model)

    @contextmanager
    def mapper(
        self, progress: Progress, *, unending: bool = False, check: Callable[[], None] | None = None
    ) -> Iterator[Mapper]:
        """The main job on Semantic Scholar, whose connection is closed at the end. `unending` never gives up; `check` is
        called every second of a wait, and may end the job.
        """
        settings = self.settings
        # One pace for both: why the next request waits is known to the one that was told of the failure.
        pace = self.pace(progress, check)
        with closing(self.source(progress, pace)) as source, self.full_texts(progress) as texts:
            patience = Patience(settings.outage_seconds, settings.no_network_seconds)
            yield Mapper(
                store=self.store,
                source=source,
                pace=pace,
                texts=texts,
                patience=Unending(pace) if unending else patience,
                progress=progress,
                owner=_owner(),
                backoff=1.0 / settings.requests_per_second,
                check=check or _never,
            )


def _never() -> None:
    """A check that ends nothing."""


#: What one process at a time can do on a PostgreSQL server.
_SERVING = "serve"


def _servers(database: Path) -> Path:
    """What stands before `.lock` in the name of the lock of the one that serves."""
    return database.with_name(f"{database.name}.serve")


def build(settings: Settings) -> Application:
    """Raises ConfigurationError for settings that do not go together."""
    url = database_url(settings.database)
    if settings.broker_url is None:
        engine = open_engine(url)
        return Application(settings, engine, Store(engine))
    from refnet.bootstrap.connections import connections

    connections(settings)
    engine = open_engine(url)
    return Application(settings, engine, ClusterStore(engine))


def _owner() -> str:
    """Who this process is in the ledger, where it works alone."""
    return f"{socket.gethostname()}:{os.getpid()}"
