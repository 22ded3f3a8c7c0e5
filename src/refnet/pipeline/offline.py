"""Work of stages that ask no source: claim, do, record; and what becomes of the jobs when it fails."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from refnet.domain.errors import (
    ConfigurationError,
    LeaseLost,
    PermanentError,
    RefnetError,
    Stopped,
    StoreUnavailable,
    TimeLimitReached,
    TransientError,
)
from refnet.domain.jobs import MOST_TRIES, Stage, Wave
from refnet.pipeline.lease import LEASE, Lease, give_back, naming
from refnet.pipeline.patience import FULL
from refnet.pipeline.runner import Fate, bug, half, is_last_loss, last_too_long, too_long, trace_of
from refnet.ports import JobStore

#: Seconds until a job is tried again for the first time; the second time after twice as long, and so on. Source: the
#: design document, section 4.2.
STEP = 60.0


class OfflineStore(JobStore, Protocol):
    """The part of the ledger that these stages work on."""

    def claim_some(
        self, stage: Stage, owner: str, most: int, *, lead: str | None = None, lease: float
    ) -> Wave | None: ...

    def renew(self, wave: Wave, lease: float) -> None: ...


#: Does a wave's work and records it; the lease tells whether the wave is still its own.
Work = Callable[[Wave, Lease], None]


class OfflineRunner:
    """Decides the fate of a job that asks no source, as `Runner` does of one that does.

    `passing` are the exceptions by which a time limit ends the work, `ending` tells whether a SystemExit comes from
    outside, too.
    """

    def __init__(
        self,
        store: OfflineStore,
        stage: Stage,
        work: Work,
        *,
        owner: str,
        most: int,
        passing: tuple[type[Exception], ...] = (),
        ending: Callable[[], bool] = lambda: True,
        step: float = STEP,
    ) -> None:
        self._store = store
        self._stage = stage
        self._work = work
        self._owner = owner
        self._most = most
        self._passing = passing
        self._ending = ending
        self._step = step

    def step(self, lead: str | None = None) -> Fate | None:
        """Do what is due, the paper `lead` among it; None where nothing is. Raises what the store raises."""
        wave = self._store.claim_some(self._stage, self._owner, self._most, lead=lead, lease=LEASE)
        if wave is None:
            return None
        with naming(wave):
            try:
                with Lease(self._store.renew, wave) as lease:
                    return self._try(wave, lease)
            except (Exception, KeyboardInterrupt, SystemExit):
                give_back(partial(self._store.release, wave, share=_share(wave)))
                raise

    def _try(self, wave: Wave, lease: Lease) -> Fate:
        try:
            self._work(wave, lease)
        except self._passing as error:
            return self._failed(wave, too_long(error))
        except LeaseLost as error:
            # What is still its own is so no longer, but nobody died of it: it is not to be charged for that.
            give_back(partial(self._store.release, wave, share=_share(wave)))
            return Fate(wave, error)
        except StoreUnavailable:
            raise
        except (Stopped, ConfigurationError) as error:
            # Not the job's fault: a full disk, a folder that cannot be written. It waits, and is charged nothing.
            self._store.release(wave, share=_share(wave), due_in=FULL, reason=str(error), hinted=True)
            return Fate(wave, error, FULL)
        except TransientError as error:
            return self._failed(wave, error)
        except PermanentError as error:
            return self._bury(wave, error)
        except RefnetError:
            raise
        except SystemExit as error:
            if self._ending():
                raise
            return self._bury(wave, bug(error), trace_of(error))
        except Exception as error:  # noqa: BLE001 - what nobody foresaw ends as a dead letter
            return self._bury(wave, bug(error), trace_of(error))
        return Fate(wave)

    def _failed(self, wave: Wave, error: TransientError) -> Fate:
        """Once more: in company in halves, alone after a growing wait, and buried at the last."""
        if not wave.alone:
            self._store.release(wave, share=half(wave))
            return Fate(wave, error)
        attempts = wave.jobs[0].attempts
        if isinstance(error, TimeLimitReached) and is_last_loss(wave):
            return self._bury(wave, TimeLimitReached(last_too_long(error)))
        if attempts >= MOST_TRIES:
            return self._bury(wave, error)
        wait = self._step * attempts if error.retry_after is None else error.retry_after
        self._store.release(
            wave,
            share=1,
            due_in=wait,
            charged=True,
            lost=isinstance(error, TimeLimitReached),
            reason=str(error),
            hinted=True,
        )
        return Fate(wave, error, wait, charged=True)

    def _bury(self, wave: Wave, error: RefnetError, trace: str | None = None) -> Fate:
        """Give up the job whose fault it is: where several are, find out which."""
        if not wave.alone:
            self._store.release(wave, share=half(wave))
            return Fate(wave, error)
        self._store.bury(wave, str(error), trace)
        return Fate(wave, error, buried=True)


def _share(wave: Wave) -> int | None:
    return min((job.share for job in wave.jobs if job.share is not None), default=None)
