"""The main job where workers do it: hand it over, and follow it to its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from refnet.domain.crawl import Limits
from refnet.domain.crawls import Crawl, CrawlSeed, CrawlStage, CrawlState, crawl_key
from refnet.domain.errors import BrokerUnavailable, ConfigurationError, OutageTooLong, Stopped, StoreUnavailable
from refnet.domain.jobs import Stage
from refnet.domain.paces import PaceState
from refnet.domain.papers import Direction
from refnet.domain.permissions import Scope
from refnet.domain.workers import BY_STAGE, WorkerReport
from refnet.pipeline.announce import OUTSIDE, Announcer, HintStore, announce
from refnet.pipeline.generate import VaultReport
from refnet.pipeline.map_papers import Mapper, MapReport, MapRequest, MapStore
from refnet.pipeline.patience import Result, patiently

#: Seconds between two looks at a crawl that the workers do, and between two tries to tell them of it.
LOOK_EVERY, TELL_EVERY = 0.3, 5.0
#: Which workers a crawl needs at each of its stages.
_NEEDED = {
    CrawlStage.CRAWL: Stage.CRAWL,
    CrawlStage.SUMMARIZE: Stage.SUMMARIZE,
    CrawlStage.NAME: Stage.GENERATE,
    CrawlStage.WRITE: Stage.GENERATE,
}


class SharedStore(MapStore, HintStore, Protocol):
    """The part of the store by which work is given to workers and followed."""

    def hand_over(
        self,
        key: str,
        direction: Direction,
        depth: int,
        limit: int,
        seeds: Sequence[CrawlSeed],
        refresh_days: float | None,
        *,
        vault: str | None,
        lang: str | None,
        limits: Limits,
        claim: Scope | None = None,
        full_texts: int | None = 0,
    ) -> int: ...

    def rewrite(self, crawl_id: int, vault: str | None) -> None: ...

    def vault_of(self, crawl_id: int) -> str | None: ...

    def stage(self, crawl_id: int) -> CrawlStage | None: ...

    def stage_counts(self, crawl_id: int, stage: Stage) -> tuple[int, int]: ...

    def starts(self, host: str) -> int: ...

    def workers(self) -> list[WorkerReport]: ...

    def paces(self) -> list[PaceState]: ...

    def note_problems(self, vault: str) -> list[str]: ...

    def note_conflicts(self, vault: str) -> list[tuple[str, str]]: ...

    def deleted_notes(self, vault: str) -> set[str]: ...


@dataclass(slots=True)
class Follower:
    """Watches a crawl that workers do. `patience` is how long nothing may move before it stops watching, in seconds."""

    store: SharedStore
    announcer: Announcer
    mapper: Mapper
    host: str
    patience: float
    clock: Callable[[], float] = time.monotonic

    def map(self, request: MapRequest, vault: str | None) -> tuple[MapReport, str]:
        """Resolve the seeds here, let the workers do the rest; a report, and where the notes are.

        `vault` is where they shall be, None where the workers write them. Raises ConfigurationError when no seed is
        resolved or the workers write elsewhere, OutageTooLong when nothing moved for too long, Stopped when the workers
        gave it up.
        """
        before = self.store.starts(self.host)
        resolution = self.mapper.resolve(request)
        key = crawl_key((seed.paper_id for seed in resolution.seeds), request.direction)
        crawl_id = self.patiently(
            lambda: self.store.hand_over(
                key,
                request.direction,
                request.depth,
                request.limit,
                resolution.seeds,
                request.refresh_days,
                vault=vault,
                lang=request.lang,
                limits=self.mapper.source.limits,
                full_texts=request.full_texts,
            )
        )
        self.follow(crawl_id, before)
        requests = {self.mapper.source.name: self.store.starts(self.host) - before}
        place = self.store.vault_of(crawl_id) or ""
        return (
            self.mapper.report(crawl_id, self._notes(place), requests),
            place,
        )

    def write(self, crawl_id: int, vault: str | None) -> tuple[VaultReport, str]:
        """Let the workers bring the notes of a vault up to date, beginning with those of a crawl; what it holds then, and
        where it is. Raises as `map` does.
        """
        self.store.rewrite(crawl_id, vault)
        self.follow(crawl_id, self.store.starts(self.host))
        place = self.store.vault_of(crawl_id) or ""
        return self._notes(place), place

    def _notes(self, vault: str) -> VaultReport:
        deleted = tuple(sorted(self.store.deleted_notes(vault)))
        return VaultReport(
            len(self.store.vault_papers(vault)) - len(deleted),
            written=None,
            conflicts=tuple(self.store.note_conflicts(vault)),
            deleted=deleted,
            problems=tuple(self.store.note_problems(vault)),
        )

    def follow(self, crawl_id: int, before: int) -> None:
        """Until the crawl has ended. Raises OutageTooLong, and Stopped where it failed."""
        progress = self.mapper.progress
        moved, last, next_tell, told, trouble = self.clock(), None, 0.0, "", ""
        try:
            while True:
                try:
                    crawl = self.store.crawl(crawl_id)
                    if crawl.state is CrawlState.FAILED:
                        raise Stopped(given_up(crawl))
                    if crawl.state in (CrawlState.FINISHED, CrawlState.CANCELLED):
                        return
                    now = self._show(crawl_id, before)
                    if now != last:
                        last, moved = now, self.clock()
                    if self.clock() >= next_tell:
                        next_tell = self.clock() + TELL_EVERY
                        trouble = self._tell(crawl_id)
                except StoreUnavailable as error:
                    trouble = f"{error} Waiting for it."
                if trouble and trouble != told:
                    progress.say(trouble)
                told = trouble
                if (still := self.clock() - moved) >= self.patience:
                    since = f"{still:.0f} s" if still < 90 else f"{still / 60:.0f} min"
                    raise OutageTooLong(
                        f"Nothing has moved for {since}."
                        f"{' ' + trouble if trouble else ''} What is collected is kept and the workers go on; run the same "
                        "command later and it follows them."
                    )
                threading.Event().wait(LOOK_EVERY)
        except KeyboardInterrupt:
            progress.say("The workers go on with it; the same command follows them again.")
            raise

    def _show(self, crawl_id: int, before: int) -> tuple[object, ...]:
        """Tell the user how far it is; what is returned changes when something moves."""
        stage = self.store.stage(crawl_id) or CrawlStage.CRAWL
        requests = self.store.starts(self.host) - before
        if stage is CrawlStage.CRAWL:
            found, collected = self.store.tally(crawl_id)
            self.mapper.progress.show("collecting papers", found=found, collected=collected, requests=requests)
            # Not the requests: they go on while the source is down.
            return stage, found, collected, sum(pace.successes for pace in self._paces())
        if stage is CrawlStage.NAME:
            self.mapper.progress.show(_PHASES[stage])
            return (stage,)
        done, of = self.store.stage_counts(crawl_id, _NEEDED[stage])
        self.mapper.progress.show(_PHASES[stage], notes=done, of=of)
        return stage, done, of

    def _tell(self, crawl_id: int) -> str:
        """Tell the workers, should the sweep not have done so; what stands in the way, in words."""
        try:
            announce(self.store, self.announcer, patience=OUTSIDE)
        except BrokerUnavailable as error:
            return f"{error} The work is queued and will be announced."
        kind = BY_STAGE[_NEEDED[self.store.stage(crawl_id) or CrawlStage.CRAWL]]
        workers = [worker for worker in self.store.workers() if worker.lives]
        places, vault = {worker.output_dir for worker in workers} - {None}, self.store.vault_of(crawl_id)
        if places and vault is not None and vault not in places:
            more = "The crawl goes on, and its notes go to where the workers write when it comes to them."
            raise ConfigurationError(f"{elsewhere(min(filter(None, places)), vault)} {more}")
        if not any(kind.queue in worker.queues for worker in workers):
            return f"No worker of the queue {kind.queue} is running. Start one with: refnet worker {kind.queue}"
        faults = [worker.fault for worker in workers if kind.queue in worker.queues and worker.fault is not None]
        if faults:
            return faults[0]
        failing = [pace for pace in self._paces() if pace.failures] if kind.stage is Stage.CRAWL else []
        # Theirs may be the fault: an answer that a full disk has no room for fails, too.
        return f"Requests to {failing[0].host} fail. The workers try again; their logs say why." if failing else ""

    def _paces(self) -> list[PaceState]:
        return [pace for pace in self.store.paces() if pace.host == self.host]

    def patiently(self, work: Callable[[], Result]) -> Result:
        """Do what needs the database, and wait for it, as `follow` does. Raises StoreUnavailable when it stays away too long."""
        return patiently(work, self.mapper.progress, self.patience, self.clock)


def given_up(crawl: Crawl) -> str:
    """In words: what made a crawl fail, and what to do."""
    reason = (crawl.reason or "nobody knows why").rstrip(".")
    more = " The traceback stands in refnet status --json; please report it." if crawl.traceback else ""
    return (
        f"The workers gave up the notes of crawl {crawl.id}: {reason}.{more} What is collected is kept. Mend the reason, "
        "and run the same command again: it takes the crawl up."
    )


def elsewhere(place: str, wanted: str) -> str:
    """In words: notes are wanted in another folder than the workers write."""
    return (
        f"The workers write notes to {place}, not to {wanted}. Leave out --vault, or start the generator workers with "
        "another OUTPUT_DIR."
    )


_PHASES = {
    CrawlStage.SUMMARIZE: "summarising",
    CrawlStage.NAME: "naming notes",
    CrawlStage.WRITE: "writing notes",
}
