"""The main job where a server is at work: ask it for the crawl, and follow it to its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from refnet.domain.errors import ConfigurationError, OutageTooLong, Stopped, StoreUnavailable
from refnet.domain.requests import CrawlRequest, RequestState, Wish
from refnet.pipeline.patience import patiently
from refnet.ports import Progress

#: Seconds between two looks at what was asked for, and between two at whether the server lives.
LOOK_EVERY, ALIVE_EVERY = 0.3, 5.0


class AskingStore(Protocol):
    """The part of the store by which one process asks another for a crawl."""

    def add_request(self, wish: Wish, claim: str | None = None) -> int: ...

    def request(self, identity: int) -> CrawlRequest | None: ...


@dataclass(slots=True)
class ServerFollower:
    """`patience` is how long the server, or the database, may be away, in seconds."""

    store: AskingStore
    progress: Progress
    is_served: Callable[[], bool]
    patience: float
    clock: Callable[[], float] = time.monotonic

    def map(self, wish: Wish) -> str:
        """The report, as the server wrote it.

        Raises ConfigurationError where it could not be done, Stopped where it was cancelled or came to no report,
        OutageTooLong where the server is gone, StoreUnavailable where the database is.
        """
        identity = self.store.add_request(wish)
        self.progress.say(f"The server at work on this database does it, as crawl {identity}.")
        try:
            return self._follow(identity)
        except (KeyboardInterrupt, StoreUnavailable):
            self.progress.say("The server goes on with it; the same command follows it again.")
            raise

    def _follow(self, identity: int) -> str:
        alive = self.clock()
        next_look = alive + ALIVE_EVERY
        while True:
            request = patiently(lambda: self.store.request(identity), self.progress, self.patience, self.clock)
            if request is None or request.state is RequestState.CANCELLED:
                raise Stopped(
                    f"Crawl {identity} was cancelled. What is collected is kept; the same command resumes it."
                )
            if request.state is RequestState.FAILED:
                raise ConfigurationError(request.reason or "The server could not do it.")
            if request.report is not None:
                return request.report
            if request.state is RequestState.STARTED:
                raise Stopped(
                    f"Crawl {identity} is finished, but a fault in refnet itself kept the server from telling what came of "
                    "it; its log says more. See: refnet status"
                )
            self._show(request)
            if self.clock() >= next_look:
                next_look = self.clock() + ALIVE_EVERY
                asked = self.clock()
                served = patiently(self.is_served, self.progress, self.patience, self.clock)
                # While the database was away nobody could have seen it.
                alive = self.clock() if served else alive + (self.clock() - asked)
                if self.clock() - alive >= self.patience:
                    raise OutageTooLong("The server has ended. It goes on with the crawl when it is started again.")
            threading.Event().wait(LOOK_EVERY)

    def _show(self, request: CrawlRequest) -> None:
        told = dict(request.progress)
        phase = str(told.pop("phase", "waiting for the server"))
        if (why := told.pop("waiting", None)) is not None:
            self.progress.waiting(LOOK_EVERY, str(why))
        else:
            self.progress.show(phase, **told)
