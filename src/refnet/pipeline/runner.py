"""One request of a crawl: claim, ask, record; and what becomes of the jobs when it fails."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable

from refnet.domain.crawl import Ask
from refnet.domain.errors import (
    CredentialsRejected,
    NothingMatched,
    PaperNotFound,
    PermanentError,
    RefnetError,
    RequestTooLarge,
    SourceUnavailable,
    TransientError,
)
from refnet.domain.jobs import MOST_ATTEMPTS, Wave
from refnet.domain.papers import Answer, Page
from refnet.pipeline.patience import Patience
from refnet.ports import CrawlStore, Pace, PaperSource

#: Longest wait between two tries of a paper that fails by itself, in units of the back-off.
LONGEST = 60


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

    def step(self, crawl_id: int | None = None, lease: float | None = None) -> bool:
        """Make the next request, if one is due.

        Raises OutageTooLong, ConfigurationError or CredentialsRejected when it is time to stop, and what the store
        raises.
        """
        wave = self._store.claim(self._owner, self._source.limits, crawl_id=crawl_id, lease=lease)
        if wave is None:
            return False
        try:
            record = self._ask(wave)
        except TransientError as error:
            self._unavailable(wave, error)
        except CredentialsRejected as error:
            self._store.release(wave)
            self._patience.refused(error)
        except PermanentError as error:
            self._patience.succeeded()
            self._refused(wave, error)
        except RefnetError:
            self._store.release(wave)
            raise
        except Exception as error:  # noqa: BLE001 - what nobody foresaw ends as a dead letter
            self._bug(wave, error)
        except BaseException:
            # Ctrl-C: the papers go back at once and whole, not in halves as after a crash.
            self._store.release(wave)
            raise
        else:
            self._patience.succeeded()
            self._record(wave, record)
        return True

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

    def _record(self, wave: Wave, record: Callable[[], None]) -> None:
        try:
            record()
        except RefnetError:
            raise
        except Exception as error:  # noqa: BLE001 - what nobody foresaw ends as a dead letter
            self._bug(wave, error)

    def _unavailable(self, wave: Wave, error: TransientError) -> None:
        """The source is down:

        no attempt is charged. An answer that may be this request's own fault is looked at more closely.
        """
        if isinstance(error, SourceUnavailable) and error.own_fault_possible:
            self._fault(wave, error)
        else:
            self._store.release(wave, share=_share(wave))
        self._patience.failed(error)

    def _fault(self, wave: Wave, error: RefnetError) -> None:
        """Twice for the same papers, and another request succeeded in between: then it is this request's own fault,
        and it is halved.

        Where there was no other request to tell, the first half is tried as one.
        """
        successes = self._pace.successes()
        marks = [job.faulted_at for job in wave.jobs if job.faulted_at is not None]
        if not marks:
            self._store.release(wave, share=_share(wave), faulted_at=successes)
            return
        proven = successes > max(marks)
        if wave.alone:
            if proven:
                self._charge(wave, error, successes)
            else:
                self._store.release(wave, share=1, faulted_at=max(marks))
        elif proven or _share(wave) is None:
            self._store.release(wave, share=_half(wave), faulted_at=successes)
        else:
            self._store.release(wave, share=_share(wave), faulted_at=max(marks))

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
