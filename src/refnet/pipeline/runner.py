"""One request of a crawl: claim, ask, record; and what becomes of the jobs when it fails."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable
from contextlib import suppress

from refnet.domain.crawl import Ask
from refnet.domain.errors import (
    CredentialsRejected,
    NothingMatched,
    PaperNotFound,
    PermanentError,
    RefnetError,
    RequestTooLarge,
    SourceUnavailable,
    StoreUnavailable,
    TransientError,
)
from refnet.domain.jobs import MOST_ATTEMPTS, Wave
from refnet.domain.papers import Answer, Page
from refnet.pipeline.patience import Patience
from refnet.ports import CrawlStore, Pace, PaperSource

#: Longest wait between two tries of a paper that fails by itself, in units of the back-off.
LONGEST = 60
#: After so many faults in a row, a request that is known to be well tells whether they are the source's.
FAULTS_TO_PROBE = 4


class Runner:
    """The one place where a job's fate is decided.

    `backoff` is the unit of the waits between the tries of a single paper, in seconds. `owner` names this process in
    the ledger.
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
    ) -> None:
        self._store = store
        self._source = source
        self._pace = pace
        self._patience = patience
        self._owner = owner
        self._backoff = backoff
        self._jitter = random.Random()
        #: requests in a row that failed by what may be their own fault
        self._faults = 0

    def step(self, crawl_id: int | None = None, lease: float | None = None) -> bool:
        """Make the next request, if one is due.

        Raises OutageTooLong, ConfigurationError or CredentialsRejected when it is time to stop, and what the store
        raises.
        """
        wave = self._store.claim(self._owner, self._source.limits, crawl_id=crawl_id, lease=lease)
        if wave is None:
            return False
        try:
            self._work(wave, crawl_id)
        except (Exception, KeyboardInterrupt, SystemExit):
            # Whoever stops the work here did not die of it: the papers go back at once and whole, not in halves as
            # after a crash. Nothing is left to give back where their fate is decided already.
            with suppress(RefnetError):
                self._store.release(wave, share=_share(wave))
            raise
        return True

    def _work(self, wave: Wave, crawl_id: int | None) -> None:
        try:
            record = self._ask(wave)
            self._succeeded()
            record()
        except StoreUnavailable:
            raise
        except TransientError as error:
            self._unavailable(wave, error, crawl_id)
        except CredentialsRejected as error:
            self._store.release(wave, share=_share(wave))
            self._patience.refused(error)
        except PermanentError as error:
            self._succeeded()
            self._refused(wave, error)
        except RefnetError:
            raise
        except Exception as error:  # noqa: BLE001 - what nobody foresaw ends as a dead letter
            self._bug(wave, error)

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

    def _unavailable(self, wave: Wave, error: TransientError, crawl_id: int | None) -> None:
        """The source is down: no attempt is charged. An answer that may be this request's own fault is looked at more
        closely.
        """
        if isinstance(error, SourceUnavailable) and error.own_fault_possible:
            self._fault(wave, error, crawl_id)
        else:
            self._store.release(wave, share=_share(wave))
        self._patience.failed(error)

    def _fault(self, wave: Wave, error: RefnetError, crawl_id: int | None) -> None:
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
            self._store.release(wave, share=share, faulted_at=successes)
            return
        halved = share is not None or wave.alone
        proven = successes > max(marks)
        if halved and not proven and crawl_id is not None and self._nobody_tells(crawl_id):
            self._probe(wave, crawl_id)
            successes = self._pace.successes()
            proven = successes > max(marks)
        if proven and wave.alone:
            self._charge(wave, error, successes)
        elif proven or not halved:
            self._store.release(wave, share=_half(wave), faulted_at=successes)
        else:
            # The others that are due come first.
            self._store.release(wave, share=share or 1, due_in=self._backoff, faulted_at=max(marks))

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

    def _charge(self, wave: Wave, error: RefnetError, successes: int | None = None) -> None:
        """A single paper failed by itself: one attempt, growing waits, buried at the last."""
        attempts = wave.jobs[0].attempts
        if attempts >= MOST_ATTEMPTS:
            self._store.bury(wave, f"{error} It failed {attempts} times while other requests succeeded.")
            return
        wait = self._backoff * min(2.0**attempts, LONGEST) * self._jitter.uniform(0.75, 1.25)
        self._store.release(wave, share=1, due_in=wait, faulted_at=successes, charged=True, reason=str(error))

    def _refused(self, wave: Wave, error: PermanentError) -> None:
        """The source says no to the request as it is.

        In company it is halved, until the paper it is about stands alone.
        """
        if isinstance(error, NothingMatched) and not any(job.faults for job in wave.jobs):
            # Seen to pass at the second try.
            self._store.release(wave, share=_share(wave), faulted_at=self._pace.successes())
        elif not wave.alone:
            self._store.release(wave, share=_half(wave), faulted_at=self._pace.successes())
        elif isinstance(error, NothingMatched):
            self._store.record_wave(wave, [None], self._source.limits)
        elif isinstance(error, RequestTooLarge) and wave.page is None and wave.ask & (Ask.REFERENCES | Ask.CITATIONS):
            # One paper's lists are too large for a whole answer: they are fetched by pages.
            self._store.replace_asks(wave, _by_pages(wave))
        else:
            self._store.bury(wave, str(error))

    def _bug(self, wave: Wave, error: Exception) -> None:
        """Nothing of this is expected: find the paper it is about, and bury that with the traceback."""
        if wave.alone:
            trace = "".join(traceback.format_exception(error))
            self._store.bury(wave, f"{type(error).__name__}: {error}", trace)
        else:
            self._store.release(wave, share=_half(wave))


def _share(wave: Wave) -> int | None:
    """The share that the wave's papers were held to before; None where they may go with any number of others."""
    shares = [job.share for job in wave.jobs if job.share is not None]
    return min(shares) if shares else None


def _half(wave: Wave) -> int:
    return max(1, (len(wave.jobs) + 1) // 2)


def _by_pages(wave: Wave) -> Ask:
    job = wave.jobs[0].ask
    pages = job.pages
    if Ask.REFERENCES in wave.ask:
        pages |= Ask.PAGE_REFERENCES
    if Ask.CITATIONS in wave.ask:
        pages |= Ask.PAGE_CITATIONS
    return (job & (Ask.DETAILS | Ask.EXPAND)) | pages
