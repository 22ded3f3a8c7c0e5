"""What a worker of a cluster does when it is told that work is due, and what somebody asks of it by hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from refnet.domain.about import also_about
from refnet.domain.crawl import Ask, Limits
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
from refnet.domain.jobs import MOST_TRIES, JobFate, JobState, Stage, Wave
from refnet.domain.papers import Paper
from refnet.domain.summaries import Summary, is_worse
from refnet.domain.workers import WorkerReport, several
from refnet.pipeline.announce import Announcer, HintStore, announce
from refnet.pipeline.crawl_requests import RequestStarter
from refnet.pipeline.full_texts import FullTexts
from refnet.pipeline.lease import LEASE, Lease, ticking
from refnet.pipeline.offline import OfflineRunner
from refnet.pipeline.runner import Fate, Runner
from refnet.pipeline.vault_turns import VaultWorker
from refnet.ports import CrawlStore

#: Requests that a paper asked for by hand may take within one task: details, lists, pages of a hub.
MOST_STEPS = 20
#: Seconds after which a paper that another worker holds is looked at again.
LOOK_AGAIN = 2.0
#: Seconds between two looks at what may begin, while work of the same stage is left.
TELL_EVERY = 0.5
#: Seconds for which nobody may have been seen that writes to another folder, until that is taken for given up: workers
#: that are started again are back sooner.
AWAY_FOR_GOOD = 120.0
#: Seconds between two times that a process lets the database count its rows.
TIDY_EVERY = 300.0
#: The longest identifier that is looked at.
_LONGEST = 500


class WorkerStore(CrawlStore, HintStore, Protocol):
    """The part of the store that workers work on."""

    def go_on(self, limits: Limits) -> list[CrawlStage]: ...

    def papers(self, paper_ids: Sequence[str]) -> list[Paper]: ...

    def enqueue(self, stage: Stage, paper_ids: Sequence[str], ask: Ask = Ask.DETAILS) -> None: ...

    def has_due(self, stage: Stage) -> bool: ...

    def fate(self, stage: Stage, paper_id: str) -> JobFate | None: ...

    def stored_summaries(self, paper_ids: Sequence[str]) -> dict[str, Summary]: ...

    def save_own_summaries(self, made: Mapping[str, Summary], wave: Wave) -> None: ...

    def summary_lang(self, paper_id: str) -> str: ...

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
    clock: Callable[[], float] = ticking
    #: when this process last saw a worker that writes to another folder
    _saw_others_at: float = field(default=float("-inf"), init=False)
    _told_at: float = field(default=float("-inf"), init=False)
    _tidied_at: float = field(default=float("-inf"), init=False)
    #: whether a task by hand has done something that nobody was told of yet
    _untold: bool = field(default=False, init=False)

    # What hints ask for

    def work(self, stage: Stage, lead: str | None = None) -> list[Fate]:
        """Do what is due at a stage, the paper `lead` among it; none where nothing is. Then tell of what follows.

        A process looks at what follows, and tells of it, every `TELL_EVERY` seconds only. Until then it goes on by itself
        with what is due: each hint that ended without another one would be a process less at work. Only the last fate
        may have an error.
        """
        fates: list[Fate] = []
        try:
            fate = self._step(stage, lead)
            while fate is not None:
                fates.append(fate)
                if fate.error is not None or not self._told_lately() or not self.store.has_due(stage):
                    break
                fate = self._step(stage)
        except BaseException:
            if fates:  # what follows from them has to be told of all the same
                with suppress(RefnetError):
                    self.go_on()
            raise
        self.go_on()
        return fates

    def _told_lately(self) -> bool:
        return time.monotonic() - self._told_at < TELL_EVERY

    def _step(self, stage: Stage, lead: str | None = None) -> Fate | None:
        if stage is Stage.CRAWL:
            self.requests.see_to_requests()
            return self.crawler.step(lease=LEASE, lead=lead)
        if stage is Stage.SUMMARIZE:
            return self.summarizer.step(lead)
        self._agree_on_the_vault()
        self.vault.see_to_vault()
        fate = self.generator.step(lead)
        if fate is not None:
            self.vault.see_to_vault()
        return fate

    def _agree_on_the_vault(self) -> None:
        """Jobs do not say where their notes go, so of workers that write to different folders none may take them. Where all
        write to one, all notes go there, whatever folder was the workers' when they were asked for.
        """
        places = {worker.output_dir for worker in self.store.workers() if worker.lives and worker.output_dir}
        if not places <= {self.vault.key}:
            self._saw_others_at = self.clock()
            raise ConfigurationError(several(sorted(places | {self.vault.key})))
        # Else nobody has said so far where it writes; or the others are only being started again.
        if places and self.clock() - self._saw_others_at >= AWAY_FOR_GOOD:
            self.vault.take_over()

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
        """Read a collected paper and make its summary, again where it has one. Raises as `fetch` does."""
        paper_id = self._collected(Stage.SUMMARIZE, text)
        if anew:
            self.store.revive(Stage.SUMMARIZE, paper_id)
        self.store.enqueue(Stage.SUMMARIZE, [paper_id], Ask.DETAILS | Ask.FULL_TEXT)
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
        self._untold = False
        try:
            self._do_steps(stage, paper_id)
        finally:
            if self._untold:
                with suppress(RefnetError):
                    self.go_on()

    def _do_steps(self, stage: Stage, paper_id: str) -> None:
        why: str | None = None
        for _ in range(MOST_STEPS):
            fate = self._named(stage, paper_id)
            if fate is None or fate.state is JobState.DONE:
                return
            if fate.state is JobState.DEAD:
                raise PermanentError(fate.reason or "It was given up.")
            if fate.state is JobState.RUNNING:
                raise HeldElsewhere(f"Another worker is at {paper_id}.", retry_after=LOOK_AGAIN)
            if fate.due_in > 0:
                raise HeldElsewhere(why or fate.reason or f"{paper_id} is not due yet.", retry_after=fate.due_in)
            done = self._step(stage, paper_id)
            self._untold = self._told_lately() and self.store.has_due(stage)
            if not self._untold:
                self.go_on()
            why = str(done.error) if done is not None and done.error is not None else why
            if done is not None and isinstance(done.error, TimeLimitReached) and not done.buried:
                raise done.error  # a task has one time limit: going on, it would only be killed
        raise HeldElsewhere(f"{paper_id} takes many requests.", retry_after=0.0)

    def _named(self, stage: Stage, paper_id: str) -> JobFate | None:
        """How it stands with a job that somebody asked for, which lines of the log name from now on."""
        fate = self.store.fate(stage, paper_id)
        if fate is not None:
            also_about(job=fate.id)
        return fate

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
        self._named(stage, storable(paper_id))
        return error


def summarize_wave(store: WorkerStore, texts: FullTexts, wave: Wave, lease: Lease) -> None:
    """Summarise the papers of a wave; one with nothing to go by has no summary.

    A paper that is to be read has a summary from its record first, which stays where reading fails.
    """
    found = store.papers(wave.paper_ids)
    made = {paper.paper_id: summary for paper in found if (summary := texts.record.summarize(paper)) is not None}
    there = store.stored_summaries(wave.paper_ids)
    if Ask.FULL_TEXT in wave.ask:
        store.save_own_summaries({one: made[one] for one in made.keys() - there.keys()}, wave)
        # At the last try what cannot be had is done without: the note says so, and nothing has failed.
        last = wave.jobs[0].attempts >= MOST_TRIES
        made = {
            paper.paper_id: texts.summarize(paper, store.summary_lang(paper.paper_id), last=last) for paper in found
        }
    lease.check()
    store.record_summaries(wave, {one: new for one, new in made.items() if not is_worse(new, there.get(one))})


def _paper_id(text: object) -> str:
    """An identifier as the source takes it. Raises InvalidIdentifier."""
    if not isinstance(text, str) or not 0 < len(text) <= _LONGEST:
        raise InvalidIdentifier(f"{str(text)[:100]!r} names no paper.")
    seed = parse_seed(text)
    if not seed.identifiers:
        raise InvalidIdentifier(f"{shown(text)} is a title: ask by an id, such as a DOI, or map it (refnet map).")
    return str(seed.identifiers[0])
