"""One request of a crawl: claim, ask, record; and what becomes of the jobs when it fails."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial

from refnet.domain.crawl import Ask
from refnet.domain.dead_messages import storable
from refnet.domain.errors import (
    CredentialsRejected,
    NothingMatched,
    PaperNotFound,
    PermanentError,
    RefnetError,
    RequestTooLarge,
    SourceUnavailable,
    StorageFull,
    StoreUnavailable,
    TimeLimitReached,
    TransientError,
)
from refnet.domain.jobs import MOST_ATTEMPTS, MOST_LOSSES, Wave
from refnet.domain.papers import Answer, Page
from refnet.pipeline.lease import give_back, naming
from refnet.pipeline.patience import Patience
from refnet.ports import CrawlStore, Pace, PaperSource

#: Longest wait between two tries of a paper that fails by itself, in units of the back-off.
LONGEST = 60
#: After so many faults in a row, a request that is known to be well tells whether they are the source's.
FAULTS_TO_PROBE = 4


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a claimed wave: done, unless there is an `error`.

    With an error its jobs were buried, or are due again in `due_in` seconds; `charged` where an attempt was counted.
    """

    wave: Wave
    error: RefnetError | None = None
    due_in: float = 0.0
    charged: bool = False
    buried: bool = False


class Runner:
    """The one place where the fate of a job that asks the source is decided.

    `backoff` is the unit of the waits between the tries of a single paper, in seconds. `owner` names this process in
    the ledger. `holding` is entered while a wave is worked on, and keeps its lease. What is in `passing` is raised from
    outside where work takes too long: a time limit. `ending` tells whether a SystemExit came from outside, too: else it
    is the work's own. `paused` tells the seconds for which jobs need not be
    tried after an outage; a process that waits by itself needs none.
    """

    def __init__(
        self,
        store: CrawlStore,
        source: PaperSource,
        pace: Pace,
        patience: Patience,
        *,
        owner: str,
        backoff: float = 1.0,
        holding: Callable[[Wave], AbstractContextManager[object]] = nullcontext,
        passing: tuple[type[Exception], ...] = (),
        ending: Callable[[], bool] = lambda: True,
        paused: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._store = store
        self._source = source
        self._pace = pace
        self._patience = patience
        self._owner = owner
        self._backoff = backoff
        self._holding = holding
        self._passing = passing
        self._ending = ending
        self._paused = paused
        self._jitter = random.Random()
        #: requests in a row that failed by what may be their own fault
        self._faults = 0

    def step(self, crawl_id: int | None = None, lease: float | None = None, lead: str | None = None) -> Fate | None:
        """Make the next request, if one is due; None if none is. The paper `lead` is in it where it is due.

        Raises OutageTooLong, StorageFull, ConfigurationError or CredentialsRejected when it is time to stop, and what
        the store raises.
        """
        wave = self._store.claim(self._owner, self._source.limits, crawl_id=crawl_id, lease=lease, lead=lead)
        if wave is None:
            return None
        with naming(wave):
            try:
                with self._holding(wave):
                    return self._work(wave, crawl_id)
            except (Exception, KeyboardInterrupt, SystemExit):
                # Whoever stops the work here did not die of it: the papers go back at once and whole, not in halves as
                # after a crash. Nothing is left to give back where their fate is decided already.
                release = partial(self._store.release, wave, share=_share(wave))
                if lease is None:
                    with suppress(RefnetError):
                        release()
                else:
                    give_back(release)
                raise

    def _work(self, wave: Wave, crawl_id: int | None) -> Fate:
        try:
            record = self._ask(wave)
            self._succeeded()
            record()
        except StoreUnavailable:
            raise
        except TransientError as error:
            return self._unavailable(wave, error, crawl_id)
        except CredentialsRejected as error:
            self._store.release(wave, share=_share(wave))
            self._patience.refused(error)
            return Fate(wave, error)
        except PermanentError as error:
            self._succeeded()
            return self._refused(wave, error)
        except StorageFull as error:
            wait = self._patience.full(error)
            self._store.release(wave, share=_share(wave), due_in=wait, reason=str(error), hinted=True)
            return Fate(wave, error, wait)
        except RefnetError:
            raise
        except self._passing as error:
            return self._too_long(wave, error)
        except SystemExit as error:
            if self._ending():
                raise
            return self._bug(wave, error)
        except Exception as error:  # noqa: BLE001 - what nobody foresaw ends as a dead letter
            return self._bug(wave, error)
        return Fate(wave)

    def _ask(self, wave: Wave) -> Callable[[], None]:
        """Make the request, and return what stores its answer."""
        limits = self._source.limits
        if wave.page is None:
            answers: list[Answer | None] = self._source.fetch(wave.paper_ids, wave.ask)
            return lambda: self._store.record_wave(wave, answers, limits)
        job = wave.jobs[0]
        page: Page | None
        try:
            page = self._source.page(job.paper_id, wave.page, job.offset)
        except PaperNotFound:
            page = None
        return lambda: self._store.record_page(wave, page, limits)

    def _unavailable(self, wave: Wave, error: TransientError, crawl_id: int | None) -> Fate:
        """The source is down: no attempt is charged. An answer that may be this request's own fault is looked at more
        closely.
        """
        if isinstance(error, SourceUnavailable) and error.own_fault_possible:
            fate = self._fault(wave, error, crawl_id)
        else:
            wait = self._paused()
            self._store.release(wave, share=_share(wave), due_in=wait, reason=str(error), hinted=True)
            fate = Fate(wave, error, wait)
        self._patience.failed(error)
        return fate

    def _fault(self, wave: Wave, error: RefnetError, crawl_id: int | None) -> Fate:
        """Twice for the same papers, and another request succeeded in between: then it is this request's own fault,
        and it is halved.

        Where there was no other request to tell, the first half is tried as one, then the second; and where no paper
        is left that could tell, one that is known to be well.
        """
        self._faults += 1
        successes = self._pace.successes()
        marks = [job.faulted_at for job in wave.jobs if job.faulted_at is not None]
        share = _share(wave)
        if not marks:
            self._store.release(wave, share=share, faulted_at=successes, reason=str(error))
            return Fate(wave, error)
        if crawl_id is None:
            crawl_id = self._store.crawl_of(wave.paper_ids)
        halved = share is not None or wave.alone
        proven = successes > max(marks)
        if halved and not proven and crawl_id is not None and self._nobody_tells(crawl_id):
            self._probe(wave, crawl_id)
            successes = self._pace.successes()
            proven = successes > max(marks)
        if proven and wave.alone:
            return self._charge(wave, error, successes)
        if proven or not halved:
            self._store.release(wave, share=half(wave), faulted_at=successes, reason=str(error))
            return Fate(wave, error)
        # The others that are due come first.
        self._store.release(
            wave, share=share or 1, due_in=self._backoff, faulted_at=max(marks), reason=str(error), hinted=True
        )
        return Fate(wave, error, self._backoff)

    def _nobody_tells(self, crawl_id: int) -> bool:
        """Whether no other paper of the crawl is due, or none of the last few that were tried succeeded."""
        due = self._store.next_due(crawl_id)
        return due is None or due > 0 or self._faults % FAULTS_TO_PROBE == 0

    def _probe(self, wave: Wave, crawl_id: int) -> None:
        """Ask for a seed's details, or for those of the paper whose lists fail; only whether they come is of interest."""
        seeds = [seed.paper_id for seed in self._store.seeds(crawl_id)]
        known = [paper_id for paper_id in seeds if paper_id not in wave.paper_ids]
        if known or wave.page or wave.ask != Ask.DETAILS:
            with suppress(TransientError, PermanentError):
                self._source.fetch(known[:1] or wave.paper_ids[:1], Ask.DETAILS)
                self._succeeded()

    def _succeeded(self) -> None:
        self._faults = 0
        self._patience.succeeded()

    def _charge(self, wave: Wave, error: RefnetError, successes: int | None = None, *, lost: bool = False) -> Fate:
        """A single paper failed by itself: one attempt, growing waits, buried at the last."""
        attempts = wave.jobs[0].attempts
        if attempts >= MOST_ATTEMPTS:
            return self._bury(wave, error, f"{error} It failed {attempts} times while other requests succeeded.")
        wait = self._backoff * min(2.0**attempts, LONGEST) * self._jitter.uniform(0.75, 1.25)
        self._store.release(
            wave, share=1, due_in=wait, faulted_at=successes, charged=True, lost=lost, reason=str(error), hinted=True
        )
        return Fate(wave, error, wait, charged=True)

    def _bury(self, wave: Wave, error: RefnetError, reason: str, trace: str | None = None) -> Fate:
        self._store.bury(wave, reason, trace)
        return Fate(wave, error, buried=True)

    def _refused(self, wave: Wave, error: PermanentError) -> Fate:
        """The source says no to the request as it is.

        In company it is halved, until the paper it is about stands alone.
        """
        if isinstance(error, NothingMatched) and not any(job.faults for job in wave.jobs):
            # Seen to pass at the second try.
            self._store.release(wave, share=_share(wave), faulted_at=self._pace.successes())
        elif not wave.alone:
            self._store.release(wave, share=half(wave), faulted_at=self._pace.successes())
        elif isinstance(error, NothingMatched):
            self._store.record_wave(wave, [None], self._source.limits)
            return Fate(wave)
        elif isinstance(error, RequestTooLarge) and wave.page is None and wave.ask & (Ask.REFERENCES | Ask.CITATIONS):
            # One paper's lists are too large for a whole answer: they are fetched by pages.
            self._store.replace_asks(wave, _by_pages(wave))
            return Fate(wave)
        else:
            return self._bury(wave, error, str(error))
        return Fate(wave, error)

    def _too_long(self, wave: Wave, error: Exception) -> Fate:
        """A time limit ended the request: in company nobody knows whose fault it was, alone it is the paper's own."""
        fault = too_long(error)
        if is_last_loss(wave):
            return self._bury(wave, fault, last_too_long(fault))
        if wave.alone:
            return self._charge(wave, fault, lost=True)
        self._store.release(wave, share=half(wave))
        return Fate(wave, fault)

    def _bug(self, wave: Wave, error: BaseException) -> Fate:
        """Nothing of this is expected: find the paper it is about, and bury that with the traceback."""
        fault, trace = bug(error), trace_of(error)
        if wave.alone:
            return self._bury(wave, fault, str(fault), trace)
        self._store.release(wave, share=half(wave))
        return Fate(wave, fault)


def bug(error: BaseException) -> RefnetError:
    """A fault of our own, as what is told of a dead letter."""
    return RefnetError(storable(f"{type(error).__name__}: {error}"))


def too_long(error: Exception) -> TimeLimitReached:
    """A time limit of the worker's, in words."""
    return TimeLimitReached(f"It took longer than its worker allows ({type(error).__name__}).")


def is_last_loss(wave: Wave) -> bool:
    """Whether its one job may come to no more time limits, and take no more processes with it."""
    return wave.alone and wave.jobs[0].losses + 1 >= MOST_LOSSES


def last_too_long(fault: TimeLimitReached) -> str:
    return f"{fault} That, or the loss of its process, came {MOST_LOSSES} times while this job ran alone."


def trace_of(error: BaseException) -> str:
    """The traceback in words. What the failed work held is let go: it may be all the memory there is."""
    # Each once: an exception raised again while one that it caused was handled has itself in its chain.
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        traceback.clear_frames(one.__traceback__)
        left += [one.__cause__, one.__context__]
    return storable("".join(traceback.format_exception(error)))


def _share(wave: Wave) -> int | None:
    """The share that the wave's papers were held to before; None where they may go with any number of others."""
    shares = [job.share for job in wave.jobs if job.share is not None]
    return min(shares) if shares else None


def half(wave: Wave) -> int:
    """The share of a wave that failed in company."""
    return max(1, (len(wave.jobs) + 1) // 2)


def _by_pages(wave: Wave) -> Ask:
    job = wave.jobs[0].ask
    pages = job.pages
    if Ask.REFERENCES in wave.ask:
        pages |= Ask.PAGE_REFERENCES
    if Ask.CITATIONS in wave.ask:
        pages |= Ask.PAGE_CITATIONS
    return (job & (Ask.DETAILS | Ask.EXPAND)) | pages
