"""What a worker of a cluster does when it is told that work is due, and what somebody asks of it by hand."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from refnet.domain.crawl import Limits
from refnet.domain.crawls import CrawlStage
from refnet.domain.dead_messages import storable
from refnet.domain.errors import (
    BrokerUnavailable,
    ConfigurationError,
    HeldElsewhere,
    InvalidIdentifier,
    PaperNotFound,
    PermanentError,
    RefnetError,
    TimeLimitReached,
)
from refnet.domain.identifiers import parse_seed, shown
from refnet.domain.jobs import JobFate, JobState, Stage, Wave
from refnet.domain.notes import Summary
from refnet.domain.papers import Paper
from refnet.domain.workers import WorkerReport, several
from refnet.pipeline.announce import Announcer, HintStore, announce
from refnet.pipeline.crawl_requests import RequestStarter
from refnet.pipeline.lease import LEASE, Lease
from refnet.pipeline.offline import OfflineRunner
from refnet.pipeline.runner import Fate, Runner
from refnet.pipeline.vault_turns import VaultWorker
from refnet.ports import CrawlStore, Summarizer

#: Requests that a paper asked for by hand may take within one task: details, lists, pages of a hub.
MOST_STEPS = 20
#: Seconds after which a paper that another worker holds is looked at again.
LOOK_AGAIN = 2.0
#: Seconds between two looks at what may begin, while work of the same stage is left.
TELL_EVERY = 0.5
#: Seconds between two times that a process lets the database count its rows.
TIDY_EVERY = 300.0
#: The longest identifier that is looked at.
_LONGEST = 500


class WorkerStore(CrawlStore, HintStore, Protocol):
    """The part of the store that workers work on."""

    def go_on(self, limits: Limits) -> list[CrawlStage]: ...

    def papers(self, paper_ids: Sequence[str]) -> list[Paper]: ...

    def enqueue(self, stage: Stage, paper_ids: Sequence[str]) -> None: ...

    def has_due(self, stage: Stage) -> bool: ...

    def fate(self, stage: Stage, paper_id: str) -> JobFate | None: ...

    def record_summaries(self, wave: Wave, made: dict[str, Summary]) -> None: ...

    def add_by_hand(self, paper_ids: Sequence[str], depth: int | None, max_depth: int) -> int: ...

    def with_external_id(self, identifier: str) -> str | None: ...

    def is_missing(self, paper_id: str) -> bool: ...

    def bury_by_hand(self, stage: Stage, paper_id: str, reason: str) -> None: ...

    def revive(self, stage: Stage, paper_id: str) -> None: ...

    def has_note(self, paper_id: str) -> bool: ...

    def note_names(self, vault: str) -> dict[str, str]: ...

    def workers(self) -> list[WorkerReport]: ...


@dataclass(slots=True)
class ClusterWorker:
    """The work of one process of a worker."""

    store: WorkerStore
    crawler: Runner
    summarizer: OfflineRunner
    generator: OfflineRunner
    vault: VaultWorker
    requests: RequestStarter
    announcer: Announcer
    limits: Limits
    max_depth: int
    _told_at: float = field(default=float("-inf"), init=False)
    _tidied_at: float = field(default=float("-inf"), init=False)

    # What hints ask for

    def work(self, stage: Stage, lead: str | None = None) -> Fate | None:
        """Do what is due at a stage, the paper `lead` among it; None where nothing is. Then tell of what follows."""
        if stage is Stage.CRAWL:
            self.requests.see_to_requests()
            fate = self.crawler.step(lease=LEASE, lead=lead)
        elif stage is Stage.SUMMARIZE:
            fate = self.summarizer.step(lead)
        else:
            self._refuse_several_vaults()
            self.vault.see_to_vault()
            fate = self.generator.step(lead)
            if fate is not None:
                self.vault.see_to_vault()
        # While much is due the others know of it, and nothing can begin that waits for the end of it.
        if time.monotonic() - self._told_at >= TELL_EVERY or not self.store.has_due(stage):
            self.go_on()
        return fate

    def _refuse_several_vaults(self) -> None:
        """Jobs do not say where their notes go, so of workers that write to different folders none may take them."""
        places = {worker.output_dir for worker in self.store.workers() if worker.lives and worker.output_dir}
        if not places <= {self.vault.key}:
            raise ConfigurationError(several(sorted(places | {self.vault.key})))

    def go_on(self) -> None:
        """Begin what can begin now that work is done, and tell workers of it. A broker that is away is told later."""
        self._told_at = time.monotonic()
        reached = self.store.go_on(self.limits)
        if {CrawlStage.SUMMARIZE, CrawlStage.NAME} & set(reached) and self._told_at - self._tidied_at >= TIDY_EVERY:
            self._tidied_at = self._told_at
            self.store.tidy()
        with suppress(BrokerUnavailable):
            announce(self.store, self.announcer)

    # By hand

    def fetch(self, text: str, depth: int, *, anew: bool = True) -> str:
        """Fetch a paper, and expand it where `depth` is less than the greatest. Returns the paper's id.

        `anew` forgets that it was given up before.

        Raises InvalidIdentifier, PaperNotFound or the reason for which it was given up, each a dead letter; and what
        keeps it from being done now: TransientError, HeldElsewhere.
        """
        paper_id = self._identified(text)
        if anew:
            self.store.revive(Stage.CRAWL, paper_id)
        self.store.add_by_hand([paper_id], depth, self.max_depth)
        try:
            self._do(Stage.CRAWL, paper_id)
        except PermanentError as error:
            if self.store.is_missing(paper_id):
                raise PaperNotFound(str(error)) from None
            raise
        # An id of a paper that is a member under another is kept as missing, too, but it is known.
        found = self.store.known([paper_id]).get(paper_id)
        if found is None and self.store.is_missing(paper_id):
            raise self._bury(Stage.CRAWL, paper_id, PaperNotFound(f"Semantic Scholar knows no paper {paper_id}."))
        return found or paper_id

    def fetch_all(self, texts: Sequence[str], depth: int | None) -> tuple[int, list[str]]:
        """Queue papers, each once; how many, and those refused because they name no paper."""
        found: dict[str, None] = {}
        refused: list[str] = []
        for text in texts:
            try:
                found[_paper_id(text)] = None
            except InvalidIdentifier:
                refused.append(str(text)[:100])
        if found:
            self.store.add_by_hand(list(found), depth, self.max_depth)
            with suppress(BrokerUnavailable):
                announce(self.store, self.announcer)
        return len(found), refused

    def summarize(self, text: str, *, anew: bool = True) -> str:
        """Make the summary of a collected paper, again where it has one. Raises as `fetch` does."""
        paper_id = self._collected(Stage.SUMMARIZE, text)
        if anew:
            self.store.revive(Stage.SUMMARIZE, paper_id)
        self.store.enqueue(Stage.SUMMARIZE, [paper_id])
        self._do(Stage.SUMMARIZE, paper_id)
        if self.store.has_note(paper_id):
            self.store.enqueue(Stage.GENERATE, [paper_id])
            self.go_on()
        return paper_id

    def generate(self, text: str, *, anew: bool = True) -> tuple[str, str]:
        """Write the note of a collected paper now; its id, and the name of its note. Raises as `fetch` does."""
        paper_id = self._collected(Stage.GENERATE, text)
        names = self.store.note_names(self.vault.key)
        if paper_id not in names:
            self.vault.name(self.store.add_by_hand([paper_id], None, self.max_depth))
            names = self.store.note_names(self.vault.key)
        if anew:
            self.store.revive(Stage.GENERATE, paper_id)
        self.store.enqueue(Stage.GENERATE, [paper_id])
        self._do(Stage.GENERATE, paper_id)
        return paper_id, names[paper_id]

    def _do(self, stage: Stage, paper_id: str) -> None:
        """Work until the paper's job is done."""
        why: str | None = None
        for _ in range(MOST_STEPS):
            fate = self.store.fate(stage, paper_id)
            if fate is None or fate.state is JobState.DONE:
                return
            if fate.state is JobState.DEAD:
                raise PermanentError(fate.reason or "It was given up.")
            if fate.state is JobState.RUNNING:
                raise HeldElsewhere(f"Another worker is at {paper_id}.", retry_after=LOOK_AGAIN)
            if fate.due_in > 0:
                raise HeldElsewhere(fate.reason or why or f"{paper_id} is not due yet.", retry_after=fate.due_in)
            done = self.work(stage, paper_id)
            why = str(done.error) if done is not None and done.error is not None else why
            if done is not None and isinstance(done.error, TimeLimitReached) and not done.buried:
                raise done.error  # a task has one time limit: going on, it would only be killed
        raise HeldElsewhere(f"{paper_id} takes many requests.", retry_after=0.0)

    def _collected(self, stage: Stage, text: str) -> str:
        paper_id = self._identified(text, stage)
        if not self.store.papers([paper_id]):
            reason = f"{paper_id} is not collected yet: fetch it first (crawler.tasks.fetch_paper_metadata)."
            raise self._bury(stage, paper_id, PaperNotFound(reason))
        return paper_id

    def _identified(self, text: str, stage: Stage = Stage.CRAWL) -> str:
        """The id under which the ledger knows what was asked for."""
        try:
            paper_id = _paper_id(text)
        except InvalidIdentifier as error:
            raise self._bury(stage, str(text)[:_LONGEST], error) from None
        return self.store.known([paper_id]).get(paper_id) or self.store.with_external_id(paper_id) or paper_id

    def _bury(self, stage: Stage, paper_id: str, error: RefnetError) -> RefnetError:
        self.store.bury_by_hand(stage, storable(paper_id), str(error))
        return error


def summarize_wave(store: WorkerStore, summarizer: Summarizer, wave: Wave, lease: Lease) -> None:
    """Summarise the papers of a wave; one with nothing to go by has no summary."""
    made: dict[str, Summary] = {}
    for paper in store.papers(wave.paper_ids):
        summary = summarizer.summarize(paper)
        if summary is not None:
            made[paper.paper_id] = summary
    lease.check()
    store.record_summaries(wave, made)


def _paper_id(text: object) -> str:
    """An identifier as the source takes it. Raises InvalidIdentifier."""
    if not isinstance(text, str) or not 0 < len(text) <= _LONGEST:
        raise InvalidIdentifier(f"{str(text)[:100]!r} names no paper.")
    seed = parse_seed(text)
    if not seed.identifiers:
        raise InvalidIdentifier(f"{shown(text)} is a title: ask by an id, such as a DOI, or map it (refnet map).")
    return str(seed.identifiers[0])
