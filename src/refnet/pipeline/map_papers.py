"""The main job: from seeds to a vault."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Protocol

from refnet.domain.about import about
from refnet.domain.crawl import best_first, wanted
from refnet.domain.crawls import USUAL_FULL_TEXTS, Incomplete, crawl_key
from refnet.domain.errors import Cancelled, ConfigurationError, RefnetError
from refnet.domain.jobs import DeadLetter
from refnet.domain.papers import Direction
from refnet.domain.seeds import Seed, Unresolved
from refnet.pipeline.crawl import estimate_requests, run_crawl
from refnet.pipeline.full_texts import FullTexts, read_papers
from refnet.pipeline.generate import VaultReport, write_vault
from refnet.pipeline.patience import Patience
from refnet.pipeline.runner import Runner, bug, trace_of
from refnet.pipeline.seeds import Resolution, SeedResolver
from refnet.pipeline.summarize import summarize
from refnet.ports import CrawlStore, NoteStore, Pace, PaperSource, Progress, SummaryStore, Vault


class MapStore(CrawlStore, NoteStore, SummaryStore, Protocol):
    """Everything that the main job keeps."""

    def vault_language(self, vault: str) -> str: ...

    def collected(self, crawl_id: int) -> list[str]:
        """Ids of the collected papers of a crawl, sorted."""

    def finish_crawl(self, crawl_id: int) -> None:
        """All is collected, and its notes are written: who was interrupted before is gone on with."""

    def fail_crawl(self, crawl_id: int, reason: str, traceback: str) -> None: ...

    def full_texts_due(self, crawl_id: int, wanted: int | None, among: Sequence[str] | None = None) -> list[str]: ...

    def full_text_count(self, crawl_id: int) -> int: ...

    def full_texts_missed(self, crawl_id: int) -> dict[str, int]: ...


#: What became of the vault, and how many requests each source was sent.
Done = tuple[VaultReport, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class MapRequest:
    """What to map. `unresolved` are seeds that were already refused when they were read; `refresh_days` is the age from
    which papers are asked for again, None for never; `lang` is None for the vault's own; `full_texts` is how many papers are
    read, best first, None for all; `readable` are the only ones that have a PDF, where that is known; `copies` is as in
    `write_vault`.
    """

    seeds: Sequence[Seed]
    unresolved: Sequence[Unresolved] = ()
    depth: int = 1
    limit: int = 200
    direction: Direction = Direction.BOTH
    refresh_days: float | None = None
    lang: str | None = None
    full_texts: int | None = USUAL_FULL_TEXTS
    readable: Sequence[str] | None = None
    note_names: str = "author-year-title"
    copies: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MapReport:
    """What the main job did; `requests` are this run's, every other count the whole crawl's.

    `notes` stand in the vault for papers of this crawl; `vault` counts those of all crawls that the vault holds. Of the
    `summaries`, `full_texts` rest on the full text; `not_read` counts papers that could not be read, by the reason.
    """

    crawl_id: int
    seeds: Sequence[tuple[str, str, str]]
    papers: int
    citations: int
    summaries: int
    full_texts: int
    not_read: Mapping[str, int]
    notes: int
    missing: Sequence[str]
    dead: Sequence[DeadLetter]
    unresolved: Sequence[Unresolved]
    incomplete: Sequence[Incomplete]
    titles: Mapping[str, str]
    requests: Mapping[str, int]
    vault: VaultReport
    limit_reached: bool


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a crawl would take: papers at the most, and requests for them."""

    seeds: Sequence[tuple[str, str, str]]
    unresolved: Sequence[Unresolved]
    papers: int
    requests: int
    spent: Mapping[str, int]
    beyond_depth_one: bool


@dataclass(slots=True)
class Mapper:
    """The main job with what it needs.

    `owner` names this process, `backoff` is the unit of waits for a single failing paper. `check` is called every
    second while it waits, and raises Cancelled where nobody wants the crawl any more.
    """

    store: MapStore
    source: PaperSource
    pace: Pace
    texts: FullTexts
    patience: Patience
    progress: Progress
    owner: str
    backoff: float = 1.0
    check: Callable[[], None] = lambda: None
    _resolution: Resolution = field(default_factory=Resolution)

    def map(self, request: MapRequest, vault: Vault) -> MapReport:
        """Crawl, summarise, write the vault. Raises ConfigurationError when no seed is resolved.

        A bug is raised on, and the crawl has failed by it: nobody is at it any more, and it is not to look as if.
        """
        vault.prepare()
        resolution = self.resolve(request)
        crawl_id = self.store.open_crawl(
            crawl_key((seed.paper_id for seed in resolution.seeds), request.direction),
            request.direction,
            request.depth,
            request.limit,
            resolution.seeds,
            request.refresh_days,
            vault=str(vault.path),
            lang=request.lang,
            full_texts=request.full_texts,
        )
        with about(crawl=crawl_id):
            return self.complete(crawl_id, request, vault)

    def complete(self, crawl_id: int, request: MapRequest, vault: Vault) -> MapReport:
        """Do what is left of a crawl whose seeds this object has resolved, write the vault, and tell what was done.

        A bug in the telling is raised on, and the crawl is as finished as it was.
        """
        return self.report(crawl_id, *self.finish(crawl_id, request, vault))

    def finish(self, crawl_id: int, request: MapRequest, vault: Vault) -> Done:
        """Do what is left of a crawl, and write the vault; what `report` is to be told of that, besides the crawl."""
        try:
            return self._map(crawl_id, request, vault)
        except RefnetError:
            raise
        except Exception as error:
            with suppress(RefnetError):
                self.store.fail_crawl(crawl_id, str(bug(error)), trace_of(error))
            raise

    def _map(self, crawl_id: int, request: MapRequest, vault: Vault) -> Done:
        runner = Runner(self.store, self.source, self.pace, self.patience, owner=self.owner, backoff=self.backoff)
        place = str(vault.path)
        lang = self.store.vault_language(place)
        # Of a cancelled crawl what is collected stays, and gets its notes. Names depend on all papers of a crawl, so a
        # stopped one's notes have to wait.
        wanted_still = True
        try:
            with self._stopped(
                "The crawl is not complete yet: its notes are written when the same command has finished it."
            ):
                run_crawl(crawl_id, self.store, self.source, runner, self.progress, self.check)
        except Cancelled:
            # Whoever was told so once is not told again, and reading takes long and may cost money.
            wanted_still = False
            self.progress.say("It was cancelled: no PDF is read, and what is collected gets its notes.")
        self.store.tidy()
        summarize(crawl_id, self.store, self.texts.record, self.progress)
        if wanted_still:
            self._read(crawl_id, request, lang, place)
        self.store.add_to_vault(place, crawl_id)
        notes = write_vault(
            self.store,
            vault,
            lang=lang,
            style=request.note_names,
            progress=self._note_progress,
            copies=request.copies,
        )
        self.store.finish_crawl(crawl_id)
        return notes, {self.source.name: self.source.requests}

    def _read(self, crawl_id: int, request: MapRequest, lang: str, place: str) -> None:
        with (
            suppress(Cancelled),
            self._stopped("All papers are collected: the same command reads the rest, and then writes the notes."),
        ):
            # As many as are wanted this time: that the crawl was once to have more read is for those who take it up.
            due = self.store.full_texts_due(crawl_id, request.full_texts, request.readable)
            read_papers(due, lang, self.store, self.texts, self.progress, self.check, ("--vault", place))

    @contextmanager
    def _stopped(self, line: str) -> Iterator[None]:
        """Say what becomes of the notes where the work is stopped, by an interrupt or an error; not where it is cancelled."""
        try:
            yield
        except Cancelled:
            raise
        except BaseException:
            self.progress.say(line)
            raise

    def estimate(self, request: MapRequest) -> Estimate:
        """What `map` would take, after resolving the seeds; nothing is crawled."""
        self.resolve(request)
        seeds = [seed.paper_id for seed in self._resolution.seeds]
        around = self.store.seed_neighbours(seeds, request.direction) if request.depth else []
        room = max(0, request.limit - len(seeds))
        first = nsmallest(room, around, key=best_first)
        limits = self.source.limits
        if request.depth < 2:
            papers = len(seeds) + len(first)
            requests = estimate_requests([], len(first), limits)
        else:
            # How many papers lie beyond the first depth is known only once it is crawled: the limit is the most there
            # can be.
            papers = max(request.limit, len(seeds)) if first else len(seeds)
            counts = (
                [candidate.citation_count or 0 for candidate in first]
                if request.direction is not Direction.REFERENCES
                else []
            )
            leaves = papers - len(seeds) - len(counts)
            requests = estimate_requests(counts, leaves, limits)
        return Estimate(
            self._seed_rows(),
            self._resolution.unresolved,
            papers,
            requests,
            {self.source.name: self.source.requests},
            request.depth > 1,
        )

    @property
    def unresolved(self) -> Sequence[Unresolved]:
        """Of the seeds last looked at, those that name no paper."""
        return self._resolution.unresolved

    def resolve(self, request: MapRequest) -> Resolution:
        """Find the papers that the seeds name. Raises ConfigurationError when there is none."""
        resolver = SeedResolver(self.source, self.store, self.patience, self.progress)
        self._resolution = resolver.resolve(request.seeds, wanted(0, request.depth, request.direction))
        self._resolution.unresolved[:0] = request.unresolved
        if not self._resolution.seeds:
            raise ConfigurationError(none_found(self._resolution.unresolved))
        return self._resolution

    def _seed_rows(self) -> list[tuple[str, str, str]]:
        titles = self.store.titles(paper_id for _, paper_id in self._resolution.inputs)
        return [(text, paper_id, titles.get(paper_id, "")) for text, paper_id in self._resolution.inputs]

    def _note_progress(self, done: int, of: int) -> None:
        self.progress.show("writing notes", notes=done, of=of)

    def report(self, crawl_id: int, notes: VaultReport, requests: Mapping[str, int]) -> MapReport:
        """What was done, for seeds that this object has resolved."""
        crawl = self.store.crawl(crawl_id)
        dead = self.store.dead_letters(crawl_id)
        incomplete = self.store.incomplete(crawl_id)
        named = {entry.paper_id for entry in incomplete} | {letter.paper_id for letter in dead}
        named |= {paper_id for paper_id, _ in notes.conflicts}
        return MapReport(
            crawl_id=crawl_id,
            seeds=self._seed_rows(),
            papers=crawl.collected,
            citations=crawl.citations,
            summaries=self.store.summary_count(crawl_id),
            full_texts=self.store.full_text_count(crawl_id),
            not_read=self.store.full_texts_missed(crawl_id),
            notes=len(set(self.store.collected(crawl_id)).difference(notes.deleted)),
            missing=self.store.missing(crawl_id),
            dead=dead,
            unresolved=self._resolution.unresolved,
            incomplete=incomplete,
            titles=self.store.titles(named),
            requests=requests,
            vault=notes,
            limit_reached=crawl.members >= crawl.limit,
        )


def none_found(unresolved: Sequence[Unresolved]) -> str:
    """In words, that no seed names a paper."""
    reasons = "; ".join(f"{seed.input!r}: {seed.why}" for seed in unresolved[:5])
    more = len(unresolved) - 5
    return f"No seed names a paper that can be found ({reasons or 'none was given'}{f'; and {more} more' if more > 0 else ''})."
