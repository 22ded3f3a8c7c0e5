"""Crawls asked for elsewhere: taken up one after another, by one process that does all of it, or by workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NoReturn, Protocol

from refnet.domain.about import about
from refnet.domain.crawl import Limits, wanted
from refnet.domain.crawls import CrawlSeed, crawl_key
from refnet.domain.errors import (
    Cancelled,
    ConfigurationError,
    LeaseLost,
    RefnetError,
    Stopped,
    StorageFull,
    TransientError,
)
from refnet.domain.jobs import MOST_LOSSES
from refnet.domain.requests import CrawlRequest, Found, Wish
from refnet.domain.seeds import Seed, Unresolved
from refnet.pipeline.lease import LEASE, Lease, give_back
from refnet.pipeline.map_papers import Done, Mapper, MapReport, MapRequest, none_found
from refnet.pipeline.patience import Patience
from refnet.pipeline.runner import bug
from refnet.pipeline.seeds import SeedResolver, each_once
from refnet.ports import CrawlStore, PaperSource, Progress, Vault

#: Seeds resolved at a time by their identifiers, all in a request or two; and by their titles, a request each.
BY_IDENTIFIER, BY_TITLE = 500, 5
#: Seconds between two times that progress is told.
TELL_EVERY = 1.0
#: Phases that nobody breaks off: half a vault is worth less than none.
_NOTES = frozenset({"summarising", "writing notes"})


class RequestStore(Protocol):
    """The part of the store that one process needs to do what was asked for."""

    def next_request(self) -> CrawlRequest | None: ...

    def begin_request(
        self, identity: int, key: str, seeds: Sequence[CrawlSeed], unresolved: Sequence[Unresolved]
    ) -> int | None: ...

    def end_request(self, identity: int, report: str | None = None) -> None: ...

    def fail_request(self, identity: int, reason: str, unresolved: Sequence[Unresolved] = ()) -> None: ...

    def tell_progress(self, identity: int, progress: Mapping[str, Any]) -> bool: ...

    def is_wanted(self, identity: int) -> bool: ...


class ToldProgress:
    """Progress that others read in the database, no more often than every second. Implements the port `Progress`.

    A wait of a second or more is told at once: nothing is told until it is over. Where the request was cancelled
    meanwhile, whoever tells is told so, once: Cancelled. What is left to do then, the notes, is done in peace; so it is
    where they had begun already.
    """

    def __init__(
        self, store: RequestStore, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._say = say
        self._clock = clock
        self._request: int | None = None
        self._next = 0.0

    def about(self, request: int | None) -> None:
        """Which request it is about from now on."""
        self._request, self._next = request, 0.0

    def show(self, phase: str, **figures: int) -> None:
        self._tell({"phase": phase, **figures})

    def waiting(self, seconds: float, why: str) -> None:
        if seconds >= TELL_EVERY:
            self._next = 0.0
            self._tell({"phase": "waiting", "waiting": why})

    def say(self, line: str) -> None:
        self._say(line)

    def _tell(self, progress: Mapping[str, Any]) -> None:
        if self._request is not None and self._clock() >= self._next:
            self._next = self._clock() + TELL_EVERY
            if not self._store.tell_progress(self._request, progress) and progress["phase"] not in _NOTES:
                self._cancelled()

    def check(self) -> None:
        """To be called every now and then while nothing is to be told. Raises Cancelled."""
        if self._request is not None and not self._store.is_wanted(self._request):
            self._cancelled()

    def _cancelled(self) -> NoReturn:
        identity, self._request = self._request, None
        raise Cancelled(f"Crawl {identity} was cancelled.")


@dataclass(slots=True)
class RequestRunner:
    """One process that does what was asked for from the seeds to the notes, one request after another.

    `vault` gives the vault of a path, or its own for None; `written` puts a report into words that the one who asked
    can read.
    """

    store: RequestStore
    mapper: Mapper
    progress: ToldProgress
    vault: Callable[[str | None], Vault]
    note_names: str
    written: Callable[[MapReport], str]

    def step(self) -> bool:
        """Do the next request; False where there is none.

        Raises what only waiting cures: Stopped, TransientError; the request is gone on with at the next call.
        """
        request = self.store.next_request()
        if request is None:
            return False
        self.progress.about(request.id)
        try:
            with about(crawl=request.id):
                self._do(request)
        except (Stopped, TransientError):
            raise
        except Cancelled as cancelled:
            self.progress.say(str(cancelled))
        except RefnetError as error:
            self.store.fail_request(request.id, str(error))
        except Exception as error:
            self.store.fail_request(request.id, _fault(error))
            raise
        finally:
            self.progress.about(None)
        return True

    def _do(self, request: CrawlRequest) -> None:
        vault = self.vault(request.wish.vault)
        vault.prepare()
        asked = _map_request(request.wish, self.note_names)
        try:
            resolution = self.mapper.resolve(asked)
        except ConfigurationError as error:
            self.store.fail_request(request.id, str(error), self.mapper.unresolved)
            return
        key = crawl_key((seed.paper_id for seed in resolution.seeds), asked.direction)
        crawl_id = self.store.begin_request(request.id, key, resolution.seeds, resolution.unresolved)
        if crawl_id is not None:
            done = self.mapper.finish(crawl_id, asked, vault)
            self.store.end_request(request.id, self._told(request.id, crawl_id, done))

    def _told(self, identity: int, crawl_id: int, done: Done) -> str:
        try:
            return self.written(self.mapper.report(crawl_id, *done))
        except RefnetError:
            raise
        except Exception:
            # The crawl itself is finished, and nobody is to take it for failed.
            self.store.end_request(identity)
            raise


def _map_request(wish: Wish, note_names: str) -> MapRequest:
    return MapRequest(
        wish.seeds,
        wish.unresolved,
        depth=wish.depth,
        limit=wish.limit,
        direction=wish.direction,
        refresh_days=wish.refresh_days,
        lang=wish.lang,
        full_texts=wish.full_texts,
        note_names=note_names,
    )


class SharedRequestStore(CrawlStore, Protocol):
    """The part of the store that workers need to begin what was asked for."""

    def requests_due(self) -> bool: ...

    def take_request(self, lease: float) -> CrawlRequest | None: ...

    def renew_request(self, request: CrawlRequest, lease: float) -> None: ...

    def keep_found(self, request: CrawlRequest, found: Found, unresolved: Sequence[Unresolved]) -> None: ...

    def give_back_request(self, request: CrawlRequest, *, lost: bool = False) -> None: ...

    def start_request(self, request: CrawlRequest, key: str, limits: Limits) -> int: ...

    def fail_request(self, identity: int, reason: str, unresolved: Sequence[Unresolved] = ()) -> None: ...


@dataclass(slots=True)
class RequestStarter:
    """One of many workers, who makes crawls of requests: what it has resolved of the seeds is kept, so that another can
    go on with it once nobody renews its lease of `lease` seconds. `passing` and `ending` are as in `Runner`.

    After a loss the seeds are resolved one by one, and one at which workers are lost again and again is given up.
    """

    store: SharedRequestStore
    source: PaperSource
    patience: Patience
    progress: Progress
    lease: float = LEASE
    passing: tuple[type[Exception], ...] = ()
    ending: Callable[[], bool] = lambda: True
    _resolver: SeedResolver = field(init=False)

    def __post_init__(self) -> None:
        self._resolver = SeedResolver(self.source, self.store, self.patience, self.progress)

    def see_to_requests(self) -> bool:
        """Begin with one of those that nobody is at; False where there is none.

        Raises what only waiting cures: TransientError, Stopped; the request is gone on with by whoever comes next. A bug
        is raised on, too, and the request has failed by it, as by what no waiting cures.
        """
        if not self.store.requests_due():
            return False
        request = self.store.take_request(self.lease)
        if request is None:
            return False
        try:
            with about(crawl=request.id), Lease(self.store.renew_request, request, self.lease):
                self._start(request)
        except LeaseLost:
            return True
        except self.passing:
            give_back(partial(self.store.give_back_request, request, lost=True))
            raise
        except StorageFull as error:
            try:
                self.patience.full(error)
            finally:
                give_back(partial(self.store.give_back_request, request))
            raise
        except (TransientError, Stopped, KeyboardInterrupt):
            give_back(partial(self.store.give_back_request, request))
            raise
        except RefnetError as error:
            give_back(partial(self.store.fail_request, request.id, str(error)))
        except (Exception, SystemExit) as error:
            if isinstance(error, SystemExit) and self.ending():
                give_back(partial(self.store.give_back_request, request))
            else:
                give_back(partial(self.store.fail_request, request.id, _fault(error)))
            raise
        return True

    def _start(self, request: CrawlRequest) -> None:
        wish, found, unresolved = request.wish, request.found, list(request.wish.unresolved)
        ask = wanted(0, wish.depth, wish.direction)
        if request.losses >= MOST_LOSSES:
            if found.done == len(wish.seeds):
                self.store.fail_request(request.id, f"The worker that began it {_LOST}.")
                return
            unresolved.append(Unresolved(wish.seeds[found.done].input, f"the worker that looked it up {_LOST}"))
            found = replace(found, done=found.done + 1)
            self.store.keep_found(request, found, unresolved)
        while found.done < len(wish.seeds):
            portion = _portion(wish.seeds[found.done :])[: 1 if request.losses else None]
            resolution = self._resolver.resolve(portion, ask)
            unresolved += resolution.unresolved
            found = Found(found.done + len(portion), tuple(each_once([*found.seeds, *resolution.seeds])))
            self.store.keep_found(request, found, unresolved)
        if not found.seeds:
            self.store.fail_request(request.id, none_found(unresolved))
            return
        key = crawl_key((seed.paper_id for seed in found.seeds), wish.direction)
        self.store.start_request(replace(request, found=found), key, self.source.limits)


#: What became of workers.
_LOST = f"was lost, or came to its time limit, {MOST_LOSSES} times"


def _fault(error: BaseException) -> str:
    return f"A fault in refnet itself ({bug(error)})."


def _portion(seeds: Sequence[Seed]) -> Sequence[Seed]:
    """The next seeds to be resolved together."""
    titles = 0
    for number, seed in enumerate(seeds[:BY_IDENTIFIER]):
        titles += not seed.identifiers
        if titles > BY_TITLE:
            return seeds[:number]
    return seeds[:BY_IDENTIFIER]
