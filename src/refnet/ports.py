"""What the pipeline needs of the outside world."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from refnet.domain.crawl import Ask, Candidate, Limits
from refnet.domain.crawls import Crawl, CrawlSeed, Incomplete
from refnet.domain.documents import Document, FoundPdf, NoFullText
from refnet.domain.errors import TransientError
from refnet.domain.jobs import DeadLetter, Wave
from refnet.domain.notes import Baseline, NoteContent
from refnet.domain.papers import Answer, Author, Direction, ListName, Page, Paper
from refnet.domain.permissions import ApiKey, Scope
from refnet.domain.summaries import Summary


@dataclass(frozen=True, slots=True)
class TitleMatch:
    """What a source found for a title; whether it is the paper meant is for the caller to judge."""

    paper_id: str
    title: str
    year: int | None = None
    authors: tuple[Author, ...] = ()


class PaperSource(Protocol):
    """A provider of papers and their lists. Each method makes exactly one request.

    All raise RateLimited, SourceUnavailable, CredentialsRejected or InvalidResponse; what more they raise stands with
    them.
    """

    @property
    def name(self) -> str:
        """The name under which requests are counted: `semantic_scholar`."""

    @property
    def limits(self) -> Limits: ...

    @property
    def requests(self) -> int:
        """Requests started by this object so far."""

    def fetch(self, ids: Sequence[str], ask: Ask) -> list[Answer | None]:
        """The batch part of `ask` for each of `ids`, aligned by position; None for an id that is not known.

        Raises RequestTooLarge, NothingMatched, RequestRefused.
        """

    def page(self, paper_id: str, name: ListName, offset: int) -> Page:
        """One page of a list, newest first for citations. Raises PaperNotFound, RequestRefused."""

    def match(self, title: str) -> TitleMatch | None:
        """The paper whose title is nearest, if any."""


class Pace(Protocol):
    """Spacing of request starts to one host, shared by all processes that use the same database."""

    def start(self) -> None:
        """Block until a request may start. An interrupt passes through."""

    def succeeded(self) -> None: ...

    def successes(self) -> int:
        """Requests to the host that have ever succeeded."""

    def failed(self, error: TransientError) -> None:
        """Leave the host alone for a while: what it asked for, else exponential back-off with jitter."""


class Progress(Protocol):
    """Tells the user how far the work is."""

    def show(self, phase: str, **figures: int) -> None:
        """What is being done, and how far: `found`, `collected`, `requests`, `notes`, `of`;
        and `cost`, in millionths of a US dollar.
        """

    def waiting(self, seconds: float, why: str) -> None: ...

    def say(self, line: str) -> None:
        """A line that stays."""


class JobStore(Protocol):
    """The part of the ledger by which claimed jobs are given back or given up."""

    def release(
        self,
        wave: Wave,
        *,
        due_in: float = 0.0,
        share: int | None = None,
        faulted_at: int | None = None,
        charged: bool = False,
        lost: bool = False,
        reason: str | None = None,
        hinted: bool = False,
    ) -> None: ...

    def bury(self, wave: Wave, reason: str, traceback: str | None = None) -> None: ...


class CrawlStore(JobStore, Protocol):
    """The part of the store that the crawl works on; each method is one transaction."""

    def known(self, wanted: Iterable[str]) -> dict[str, str]: ...

    def titles(self, paper_ids: Iterable[str]) -> dict[str, str]: ...

    def record_seeds(self, answers: Mapping[str, Answer], ask: Ask, limits: Limits) -> None: ...

    def remember(self, found: Mapping[str, str]) -> None: ...

    def open_crawl(
        self,
        key: str,
        direction: Direction,
        depth: int,
        limit: int,
        seeds: Sequence[CrawlSeed],
        refresh_days: float | None = None,
        *,
        claim: Scope | None = None,
        vault: str | None = None,
        lang: str | None = None,
        full_texts: int | None = 0,
    ) -> int: ...

    def advance(self, crawl_id: int, limits: Limits) -> bool: ...

    def tidy(self) -> None: ...

    def tally(self, crawl_id: int) -> tuple[int, int]: ...

    def crawl(self, crawl_id: int) -> Crawl: ...

    def seeds(self, crawl_id: int) -> list[CrawlSeed]: ...

    def incomplete(self, crawl_id: int) -> list[Incomplete]: ...

    def missing(self, crawl_id: int) -> list[str]: ...

    def dead_letters(self, crawl_id: int | None = None) -> list[DeadLetter]: ...

    def seed_neighbours(self, paper_ids: Sequence[str], direction: Direction) -> list[Candidate]: ...

    def claim(
        self,
        owner: str,
        limits: Limits,
        *,
        crawl_id: int | None = None,
        lease: float | None = None,
        lead: str | None = None,
    ) -> Wave | None: ...

    def crawl_of(self, paper_ids: Sequence[str]) -> int | None:
        """A crawl that one of these papers is in."""

    def next_due(self, crawl_id: int) -> float | None: ...

    def record_wave(self, wave: Wave, answers: Sequence[Answer | None], limits: Limits) -> None: ...

    def record_page(self, wave: Wave, page: Page | None, limits: Limits) -> None: ...

    def replace_asks(self, wave: Wave, ask: Ask) -> None: ...


class SummaryStore(Protocol):
    """The part of the store that summaries are made from and kept in."""

    def unsummarized(self, crawl_id: int) -> list[str]: ...

    def papers(self, paper_ids: Sequence[str]) -> list[Paper]: ...

    def save_summaries(self, made: Mapping[str, Summary]) -> None: ...

    def stored_summaries(self, paper_ids: Sequence[str]) -> Mapping[str, Summary]: ...

    def summary_count(self, crawl_id: int) -> int: ...


class Vault(Protocol):
    """A folder of notes.

    Every method raises StorageFull, or ConfigurationError for a vault that cannot be written.
    """

    @property
    def path(self) -> Path:
        """Absolute."""

    def prepare(self, *, tidy: bool = True) -> None:
        """Make the folders, and find out now whether they can be written.

        `tidy` removes what killed processes left behind; another process at work would lose what it is about to write.
        """

    def notes(self) -> set[str]:
        """Names (without extension) of the files in `papers/`."""

    def elsewhere(self, names: Iterable[str]) -> Iterator[tuple[str, str, str]]:
        """Files of these names in any other folder of the vault: the name as given, the path from the vault, and how the
        text begins. Walks through the whole vault.
        """

    def read(self, name: str) -> str | None:
        """The text of a note, None where there is none."""

    def write(self, name: str, text: str) -> None:
        """Replace a note as a whole, or not at all."""

    def read_own(self, relative: str) -> str | None:
        """The text of a file in `refnet/`."""

    def write_own(self, relative: str, text: str) -> None: ...


class NoteStore(Protocol):
    """The part of the store that notes are made from. `vault` is the absolute path as text."""

    def add_to_vault(self, vault: str, crawl_id: int) -> None: ...

    def vault_papers(self, vault: str) -> list[str]:
        """Ids of all collected papers of the crawls written to a vault, in the order of ids."""

    def note_contents(self, vault: str, paper_ids: Sequence[str], names: Mapping[str, str]) -> list[NoteContent]:
        """What the notes of these papers say, in the order given.

        `names` are the notes that stand in the vault, by paper id: only to these are there links.
        """

    def note_names(self, vault: str) -> dict[str, str]:
        """Note name by paper id, of all papers of a vault that have a name."""

    def unnamed(self, vault: str) -> Iterator[Paper]:
        """Papers of a vault without a name, in the order of ids."""

    def give_names(self, names: Mapping[str, str]) -> None:
        """Name papers that have no name; one whose name another has by now stays without."""

    def rename_notes(self, names: Mapping[str, str]) -> None:
        """Give papers other names, as far as no other has them."""

    def taken_names(self) -> Iterable[str]:
        """Every name ever given."""

    def baselines(self, vault: str, paper_ids: Sequence[str] | None = None) -> dict[str, Baseline]:
        """By paper id, for every note ever written to the vault; or for those of these papers."""

    def save_baselines(self, vault: str, baselines: Mapping[str, Baseline]) -> None: ...

    def revision(self, vault: str) -> str:
        """A text that changes whenever anything that the notes of a vault say may have changed."""

    def written_revision(self, vault: str) -> str | None:
        """The revision at the last complete write of a vault."""

    def mark_written(self, vault: str, revision: str) -> None: ...


class KeyStore(Protocol):
    """The part of the store that holds the keys of the API, of each only what recognises it."""

    def make_key(self, scope: Scope, name: str = "") -> tuple[ApiKey, str]:
        """A new key and its token, which nobody can tell again. Raises ConfigurationError for a name too long."""

    def keys(self) -> list[ApiKey]:
        """All that were ever made, the oldest first."""

    def has_keys(self) -> bool:
        """Whether one was ever made, revoked or not."""

    def revoke_key(self, identity: int) -> bool:
        """Whether there is such a key, which counts no more now."""

    def key_of(self, token: str) -> ApiKey | None:
        """The key whose token this is; None for an unknown or revoked one."""


class Summarizer(Protocol):
    """Makes the summary of a paper from its record alone; None where there is nothing to summarise."""

    def summarize(self, paper: Paper) -> Summary | None: ...


class PdfFinder(Protocol):
    """Gets the open PDF of a paper."""

    def find(self, paper: Paper) -> FoundPdf | NoFullText:
        """From the cache, else from the first place that has it.

        Raises RateLimited or SourceUnavailable where no place answered, so that it is worth another try; StorageFull.
        """


class PdfReader(Protocol):
    """Reads a PDF, however hostile it is."""

    def read(self, path: str) -> Document | NoFullText: ...


class DocumentSummarizer(Protocol):
    """Makes a summary of what was read of a paper."""

    def summarize(self, paper: Paper, document: Document, found: FoundPdf, lang: str) -> Summary:
        """`lang` is the language wished for, `en` or `ja`. The summary's basis is the full text."""
