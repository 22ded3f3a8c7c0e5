"""How long a command waits for what does not answer: a source, or the database."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from refnet.domain.errors import (
    ConfigurationError,
    CredentialsRejected,
    HeldElsewhere,
    KeyRefused,
    OutageTooLong,
    SourceUnavailable,
    StorageFull,
    StoreUnavailable,
    TransientError,
)
from refnet.ports import Pace, Progress

Result = TypeVar("Result")
logger = logging.getLogger(__name__)

#: Seconds for which a source is left alone that refused the key twice, where nobody gives up.
REFUSED = 600.0
#: Seconds until a full disk is looked at again.
FULL = 30.0
#: Seconds between two looks whether the database is back.
LOOK_EVERY = 0.3


@dataclass
class Patience:
    """Counts the time since the last success, and says when to stop.

    `outage` is how long a source may be down, `no_network` how long to go on when not one request got through and no
    connection ever
    came about; both in seconds.
    """

    outage: float = 900.0
    no_network: float = 60.0
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._since = self.clock()
        self._ever_succeeded = False
        self._ever_reached = False
        self._refusals = 0

    def succeeded(self) -> None:
        self._since = self.clock()
        self._ever_succeeded = self._ever_reached = True
        self._refusals = 0

    def failed(self, error: TransientError) -> None:
        """Raises OutageTooLong when it is time to stop."""
        unreached = isinstance(error, SourceUnavailable) and not error.reached
        self._ever_reached = self._ever_reached or not unreached
        waited = self.clock() - self._since
        if not self._ever_reached and waited >= self.no_network:
            raise OutageTooLong(
                f"No request gets through: {error} Check the network, then run the same command again."
            ) from error
        if waited >= self.outage:
            minutes = max(1, round(waited / 60))
            raise OutageTooLong(
                f"No request succeeded for {minutes} min: {error} What is collected is kept; run the same command later and it resumes."
            ) from error

    def refused(self, error: CredentialsRejected) -> None:
        """The source refused the key: once more, for it does so by mistake at times, then stop.

        Raises ConfigurationError where the key never worked in this process, CredentialsRejected where it did.
        """
        self._ever_reached = True
        self._refusals += 1
        if self._refusals < 2:
            return
        if self._ever_succeeded:
            raise error
        raise ConfigurationError(str(error)) from error

    def full(self, error: StorageFull) -> float:
        """There is no room for an answer: the seconds after which to ask for it again. Raises it where it is time to
        stop.
        """
        raise error


class Unending(Patience):
    """Of those who never give up: a source that is away is asked again, one that refuses the key after a long pause, and
    none as long as there is no room for its answers.
    """

    def __init__(self, pace: Pace) -> None:
        super().__init__(float("inf"), float("inf"))
        self._pace = pace

    def refused(self, error: CredentialsRejected) -> None:
        try:
            super().refused(error)
        except (CredentialsRejected, ConfigurationError):
            if self._refusals == 2:
                every = REFUSED / 60
                logger.warning("%s It is asked again every %.0f min; another key needs a restart.", error, every)
            self._pace.failed(KeyRefused(str(error), retry_after=REFUSED))

    def full(self, error: StorageFull) -> float:
        # The small rows of the ledger and the pace still fit: without a pause for all, one answer after the other would
        # be asked for and thrown away.
        logger.warning("%s Nothing is asked for %.0f s.", error, FULL)
        self._pace.failed(TransientError(str(error), retry_after=FULL))
        return FULL


class ForATask(Unending):
    """Of those who come again later: a source that is away is left at once."""

    def failed(self, error: TransientError) -> None:
        """Raises HeldElsewhere."""
        super().failed(error)
        raise HeldElsewhere(str(error), retry_after=error.retry_after) from error


def patiently(
    work: Callable[[], Result],
    progress: Progress,
    patience: float,
    clock: Callable[[], float] = time.monotonic,
) -> Result:
    """Do what needs the database, and wait for it. Raises StoreUnavailable when it stays away for `patience` seconds."""
    begun, told = clock(), False
    while True:
        try:
            return work()
        except StoreUnavailable as error:
            if clock() - begun >= patience:
                raise
            if not told:
                progress.say(f"{error} Waiting for it.")
                told = True
            threading.Event().wait(LOOK_EVERY)
