"""Jobs of the ledger, and which of them share a request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from refnet.domain.crawl import Ask, Limits
from refnet.domain.packing import CITATION_BYTES, REFERENCE_BYTES, ROW_BYTES, USUAL_REFERENCES, Load, pack
from refnet.domain.papers import ListName

#: A job that failed so often by its own transient faults is buried.
MOST_ATTEMPTS = 10
#: A job that ran alone and took its process with it, or was ended by a time limit, so often is buried.
MOST_LOSSES = 3
#: A job of the summarizer or the generator that failed so often by its own transient faults is buried.
MOST_TRIES = 4
#: Jobs of one request that a line of the log names one by one; of more it tells how many there are.
MOST_NAMED = 10
#: Papers of unknown weight whose citations are asked for in one request; more of them are first asked how many they
#: have.
MOST_UNKNOWN = 20


class Stage(StrEnum):
    CRAWL = "crawl"
    SUMMARIZE = "summarize"
    GENERATE = "generate"


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    #: a dead letter: given up, with reason and traceback
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class JobFate:
    """How it stands with a job: due in `due_in` seconds where it is queued; `reason` of its last failure; `id` in the
    ledger, which says nothing of how it stands.
    """

    state: JobState
    due_in: float
    reason: str | None = None
    id: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class DueJob:
    """A job that workers may be told of; `priority` is 0 to 10, 10 most urgent, `claim` None for the operator's."""

    id: int
    paper_id: str
    priority: int
    claim: str | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A job given up. `at` is seconds since the epoch; `traceback` is there for bugs only."""

    id: int
    stage: str
    paper_id: str
    reason: str
    attempts: int
    at: float
    traceback: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job of the crawl as it stands in the ledger.

    `share` is how many jobs may be in a request with this one (None: as many as fit); `faults` counts the failures of
    requests that it was
    in, `faulted_at` is the source's count of successes at the first of them. `losses` are the processes that it took
    with it, and the time limits that it came to, while it ran alone.
    """

    id: int
    paper_id: str
    ask: Ask
    offset: int = 0
    attempts: int = 0
    share: int | None = None
    faults: int = 0
    faulted_at: int | None = None
    losses: int = 0
    citation_count: int | None = None
    reference_count: int | None = None

    def load(self) -> Load:
        count = self.citation_count or 0
        references = USUAL_REFERENCES if self.reference_count is None else self.reference_count
        citations = count if Ask.CITATIONS in self.ask else 0
        return Load(self.paper_id, citations, ROW_BYTES + references * REFERENCE_BYTES + citations * CITATION_BYTES)


def reason_of_loss(ended: str, *, last: bool) -> str:
    """Why a job came back that ran alone; `ended` says what became of its process, such as "was killed by signal 9"."""
    return f"Its process {ended} while this job ran alone." + (f" That makes {MOST_LOSSES} times." if last else "")


@dataclass(frozen=True, slots=True)
class Wave:
    """The jobs of one request: a batch request for `ask`, or one page of the list `page` of a single paper.

    `claim` is the fence: the ledger's rows carry it while they belong to this wave, and nobody else ever gets the
    same.
    """

    jobs: tuple[Job, ...]
    ask: Ask
    page: ListName | None = None
    claim: str = ""

    @property
    def paper_ids(self) -> list[str]:
        return [job.paper_id for job in self.jobs]

    @property
    def alone(self) -> bool:
        return len(self.jobs) == 1

    @property
    def named(self) -> dict[str, str]:
        """What lines of the log call it, by kind: its claim, its job and paper; of several jobs the first few, and how
        many there are.
        """
        some = ",".join(str(job.id) for job in self.jobs[:MOST_NAMED])
        more = {"paper": self.jobs[0].paper_id} if self.alone else {"jobs": str(len(self.jobs))}
        return {"claim": self.claim, "job": some, **more}


def choose(queued: Sequence[Job], limits: Limits, lead: str | None = None) -> Wave | None:
    """The next request out of the jobs that are due.

    First what failed in company, by its smaller share; then batches with citations, packed; then batches without;
    then pages. Where the paper `lead` is among them, the request is the one that it is in.
    """
    if not queued:
        return None
    leading = next((job for job in queued if job.paper_id == lead), None)
    if leading is not None:
        return _led(leading, queued, limits)
    shared = [job for job in queued if job.share is not None]
    if shared:
        share = min(job.share or 1 for job in shared)
        # Of two halves the one that failed less often, unmixed: one bad paper must not keep the other half waiting.
        halves = sorted((job for job in shared if job.share == share), key=lambda job: (job.faults, job.paper_id))
        group = _alike([job for job in halves if job.faults == halves[0].faults])
        return _wave(group, share, limits)
    for group in (
        [job for job in queued if Ask.CITATIONS in job.ask],
        [job for job in queued if job.ask.batch],
    ):
        if group:
            return _wave(_alike(group), limits.ids, limits)
    return _wave(list(queued[:1]), 1, limits)


def choose_some(queued: Sequence[Job], most: int, lead: str | None = None) -> Wave | None:
    """The next jobs of a stage that asks no source: as many as may go together.

    What failed in company goes by its smaller share; the paper `lead` is among them where it is due. A PDF that is to be
    read goes alone: it takes its time, and others may take the next.
    """
    if not queued:
        return None
    leading = next((job for job in queued if job.paper_id == lead), None)
    first = leading or min(queued, key=lambda job: (most if job.share is None else job.share, Ask.FULL_TEXT in job.ask))
    if Ask.FULL_TEXT in first.ask:
        return Wave((first,), Ask.FULL_TEXT)
    others = [job for job in queued if job.share == first.share and job is not first and Ask.FULL_TEXT not in job.ask]
    return Wave((first, *others)[: first.share or most], Ask.NOTHING)


def _led(lead: Job, queued: Sequence[Job], limits: Limits) -> Wave:
    def goes_along(job: Job) -> bool:
        return (job.ask.batch, job.share, job.faults) == (lead.ask.batch, lead.share, lead.faults)

    group = [lead, *(job for job in queued if goes_along(job) and job is not lead)]
    wave = _wave(group, lead.share or limits.ids, limits)
    return wave if lead in wave.jobs else _wave([lead], 1, limits)


def _alike(jobs: Sequence[Job]) -> list[Job]:
    """Those that ask for the same as the first."""
    return [job for job in jobs if job.ask.batch == jobs[0].ask.batch]


def _wave(jobs: Sequence[Job], most: int, limits: Limits) -> Wave:
    ask = jobs[0].ask.batch
    if not ask:
        return Wave((jobs[0],), ask, jobs[0].ask.next_list)
    most = min(most, limits.ids)
    if Ask.CITATIONS in ask:
        unknown = [job for job in jobs if job.citation_count is None]
        if len(unknown) > MOST_UNKNOWN:
            # Their citation lists could overflow the source's cap unseen: ask for everything else, which tells the
            # counts. A source that does not tell them then is not asked again.
            without = ask & ~Ask.CITATIONS
            if without:
                return Wave(tuple(unknown[:most]), without)
            left_out = set(unknown[MOST_UNKNOWN:])
            jobs = [job for job in jobs if job not in left_out]
    by_id = {job.paper_id: job for job in jobs}
    chosen = (
        pack((job.load() for job in jobs), _with_ids(limits, most))
        if Ask.CITATIONS in ask
        else _fill(jobs, most, limits)
    )
    return Wave(tuple(by_id[load.paper_id] for load in chosen), ask)


def _fill(jobs: Iterable[Job], most: int, limits: Limits) -> list[Load]:
    """In the order given, as many as ids and bytes allow, at least one."""
    chosen: list[Load] = []
    size = 0
    for job in jobs:
        load = job.load()
        size += load.size
        if len(chosen) == most or (chosen and size > limits.size):
            break
        chosen.append(load)
    return chosen


def _with_ids(limits: Limits, ids: int) -> Limits:
    return Limits(ids, limits.citations, limits.size, limits.hub, limits.page, limits.newest)
