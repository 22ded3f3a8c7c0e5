"""Crawls asked for, taken up by workers and by one process: what becomes of a request where something is in the way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import Engine

from refnet.adapters.database.cluster import ClusterStore
from refnet.adapters.database.pace import DatabasePace
from refnet.domain.crawl import Ask, Limits
from refnet.domain.crawls import CrawlState
from refnet.domain.errors import (
    Cancelled,
    ConfigurationError,
    CredentialsRejected,
    HeldElsewhere,
    OutageTooLong,
    RateLimited,
    SourceUnavailable,
    StorageFull,
    StoreUnavailable,
    TransientError,
)
from refnet.domain.identifiers import parse_seed
from refnet.domain.jobs import MOST_LOSSES, Stage
from refnet.domain.papers import Answer, ListName, Page
from refnet.domain.requests import CrawlRequest, RequestState, Wish
from refnet.domain.seeds import Seed
from refnet.pipeline.announce import REQUEST_PRIORITY, announce
from refnet.pipeline.crawl_requests import BY_TITLE, RequestStarter, ToldProgress, _portion
from refnet.pipeline.patience import FULL, REFUSED, ForATask
from refnet.pipeline.progress import Silent
from refnet.pipeline.seeds import MOST_FAULTS
from refnet.ports import TitleMatch
from tests.cluster.lab import until
from tests.contract.making import answer
from tests.pipeline.conftest import Clock
from tests.pipeline.test_announce import Queues


class Source:
    """A source that knows every id as a paper of that id, and every title; `trouble` is raised once each, what stands in
    `spoilt` whenever that is asked for.
    """

    name = "semantic_scholar"
    limits = Limits()
    requests = 0

    def __init__(self) -> None:
        self.trouble: list[Exception] = []
        self.spoilt: dict[str, BaseException] = {}
        self.asked: list[str] = []

    def fetch(self, ids: Sequence[str], ask: Ask) -> list[Answer | None]:
        self._ask(",".join(ids))
        return [None if "unknown" in one else answer(one.partition(":")[2] or one, []) for one in ids]

    def match(self, title: str) -> TitleMatch | None:
        self._ask(title)
        return TitleMatch(f"of {title}", title)

    def page(self, paper_id: str, name: ListName, offset: int) -> Page:
        raise AssertionError

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.trouble:
            raise self.trouble.pop(0)
        if what in self.spoilt:
            raise self.spoilt[what]


class Pace:
    """Told of a failure."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []

    def start(self) -> None: ...

    def succeeded(self) -> None: ...

    def successes(self) -> int:
        return 0

    def failed(self, error: Exception) -> None:
        self.failures.append(error)


@pytest.fixture
def store(engine: Engine, clock: Clock) -> ClusterStore:
    return ClusterStore(engine, clock=clock)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def pace() -> Pace:
    return Pace()


@pytest.fixture
def starter(store: ClusterStore, source: Source, pace: Pace) -> RequestStarter:
    return RequestStarter(store, source, ForATask(pace), Silent())


def titles(count: int) -> list[Seed]:
    return [Seed(f"Title {number}", title=f"Title {number}") for number in range(count)]


def state(store: ClusterStore, identity: int) -> RequestState:
    request = store.request(identity)
    assert request is not None
    return request.state


def test_a_request_becomes_a_crawl_whose_jobs_are_queued(
    store: ClusterStore, starter: RequestStarter, source: Source
) -> None:
    identity = store.add_request(Wish([parse_seed("arXiv:2005.11401"), parse_seed("arXiv:1706.03762")]))

    assert starter.see_to_requests()
    assert not starter.see_to_requests()

    assert state(store, identity) is RequestState.STARTED
    assert [seed.paper_id for seed in store.seeds(identity)] == ["2005.11401", "1706.03762"]
    assert store.crawl(identity).state is CrawlState.RUNNING
    assert len(source.asked) == 1, "all in one request"


def test_seeds_that_name_nothing_are_told_and_where_none_does_the_crawl_fails(
    store: ClusterStore, starter: RequestStarter
) -> None:
    some = store.add_request(Wish([parse_seed("10.1234/unknown"), parse_seed("arXiv:1706.03762")]))
    none = store.add_request(Wish([parse_seed("10.1234/unknown")]))
    while starter.see_to_requests():
        pass

    views = [store.crawl_view(one) for one in (some, none)]
    assert [view.state for view in views if view] == [CrawlState.RUNNING, CrawlState.FAILED]
    assert [[seed.input for seed in view.unresolved] for view in views if view] == [["10.1234/unknown"]] * 2
    assert views[1] is not None
    assert "No seed names a paper" in (views[1].reason or "")


@pytest.mark.parametrize(
    "trouble", [SourceUnavailable("away"), RateLimited("slowly", retry_after=60.0)], ids=lambda one: type(one).__name__
)
def test_a_source_that_is_away_keeps_no_task_waiting_and_nothing_found_is_lost(
    store: ClusterStore, starter: RequestStarter, source: Source, trouble: Exception
) -> None:
    identity = store.add_request(Wish([*titles(BY_TITLE + 1)]))
    source.trouble = []
    found = len(titles(BY_TITLE))

    def fail_then() -> None:
        source.trouble = [trouble]

    original = source.match
    calls = 0

    def match(title: str) -> TitleMatch | None:
        nonlocal calls
        calls += 1
        if calls == found + 1:
            fail_then()
        return original(title)

    source.match = match  # type: ignore[method-assign]
    with pytest.raises(HeldElsewhere):
        starter.see_to_requests()
    assert state(store, identity) is RequestState.RUNNING
    assert store.requests_due(), "the next that is told goes on at once"
    source.asked.clear()

    assert starter.see_to_requests()

    assert state(store, identity) is RequestState.STARTED
    assert source.asked == [f"Title {BY_TITLE}"]


def test_a_source_that_refuses_the_key_twice_is_left_alone_for_a_while_and_that_is_said_once(
    store: ClusterStore, starter: RequestStarter, source: Source, pace: Pace, caplog: pytest.LogCaptureFixture
) -> None:
    store.add_request(Wish([parse_seed("arXiv:1706.03762")]))
    source.trouble = [CredentialsRejected("The key is refused. Check it.") for _ in range(4)]

    starter.see_to_requests()

    assert [getattr(error, "retry_after", None) for error in pace.failures] == [REFUSED] * 3
    (said,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert said.getMessage().startswith("The key is refused. Check it. It is asked again every 10 min")


def test_a_long_wait_is_told_at_once_whatever_was_told_before(store: ClusterStore) -> None:
    identity = store.add_request(Wish([parse_seed("arXiv:1706.03762")]))
    progress = ToldProgress(store, print, lambda: 5.0)
    progress.about(identity)

    def told() -> object:
        request = store.request(identity)
        assert request is not None
        return request.progress

    progress.show("seeds", found=1)
    progress.show("seeds", found=2)
    progress.waiting(0.5, "the rate limit")
    assert told() == {"phase": "seeds", "found": 1}
    progress.waiting(600.0, "another try")
    assert told() == {"phase": "waiting", "waiting": "another try"}


def test_whoever_tells_is_told_once_that_it_was_cancelled(store: ClusterStore) -> None:
    identity = store.add_request(Wish([parse_seed("arXiv:1706.03762")]))
    progress = ToldProgress(store, print, lambda: 5.0)
    tells: list[Callable[[], None]] = [
        lambda: progress.show("seeds"),
        lambda: progress.waiting(60.0, "a wait"),
        progress.check,
    ]
    for tell in tells:
        progress.about(identity)
        store.cancel_crawl(identity)
        with pytest.raises(Cancelled):
            tell()
        tell()  # its notes are written in peace


@pytest.mark.parametrize("phase", ["summarising", "writing notes"])
def test_notes_that_had_begun_when_it_was_cancelled_are_written_to_the_end(store: ClusterStore, phase: str) -> None:
    identity = store.add_request(Wish([parse_seed("arXiv:1706.03762")]))
    progress = ToldProgress(store, print, lambda: 5.0)
    progress.about(identity)
    store.cancel_crawl(identity)

    progress.show(phase, notes=1, of=2)


def test_a_request_that_fails_of_itself_is_asked_in_another_way_not_put_off(
    store: ClusterStore, starter: RequestStarter, source: Source
) -> None:
    identity = store.add_request(Wish([parse_seed("arXiv:1706.03762")]))
    source.trouble = [SourceUnavailable("500", own_fault_possible=True)]

    assert starter.see_to_requests()

    assert state(store, identity) is RequestState.STARTED


def test_what_ends_the_task_gives_the_request_back(
    store: ClusterStore, starter: RequestStarter, source: Source
) -> None:
    store.add_request(Wish([parse_seed("arXiv:1706.03762")]))
    source.trouble = [OutageTooLong("the time limit, for instance")]

    with pytest.raises(OutageTooLong):
        starter.see_to_requests()

    assert store.requests_due()


def test_a_title_that_is_never_answered_well_holds_up_neither_its_crawl_nor_the_others(
    store: ClusterStore, starter: RequestStarter, source: Source
) -> None:
    alone, among = store.add_request(Wish(titles(1))), store.add_request(Wish(titles(3)))
    source.spoilt = {"Title 0": SourceUnavailable("500.", own_fault_possible=True)}

    assert [starter.see_to_requests() for _ in range(3)] == [True, True, False]

    assert (state(store, alone), state(store, among)) == (RequestState.FAILED, RequestState.STARTED)
    view = store.crawl_view(among)
    assert view is not None
    assert [(one.input, one.why.startswith("500. It failed")) for one in view.unresolved] == [("Title 0", True)]
    assert [seed.paper_id for seed in store.seeds(among)] == ["of Title 1", "of Title 2"]
    assert source.asked.count("Title 0") == 2 * MOST_FAULTS


def test_where_the_source_answers_nothing_well_the_task_ends_and_no_seed_is_given_up(
    store: ClusterStore, starter: RequestStarter, source: Source
) -> None:
    identity = store.add_request(Wish(titles(1)))
    source.trouble = [SourceUnavailable("500.", own_fault_possible=True) for _ in range(2 * MOST_LOSSES)]

    for _ in range(MOST_LOSSES):
        with pytest.raises(HeldElsewhere):
            starter.see_to_requests()

    assert not source.trouble, "each task looked once whether it is the request's fault"
    assert starter.see_to_requests()
    assert state(store, identity) is RequestState.STARTED


def test_a_bug_fails_the_request_with_its_words_and_the_others_go_on(
    store: ClusterStore, starter: RequestStarter, source: Source
) -> None:
    first, second = store.add_request(Wish(titles(1))), store.add_request(Wish([parse_seed("arXiv:1706.03762")]))
    source.spoilt = {"Title 0": KeyError("nobody foresaw it")}

    with pytest.raises(KeyError):
        starter.see_to_requests()
    assert starter.see_to_requests()
    assert not starter.see_to_requests()

    assert (state(store, first), state(store, second)) == (RequestState.FAILED, RequestState.STARTED)
    view = store.crawl_view(first)
    assert view is not None
    assert view.reason == "A fault in refnet itself (KeyError: 'nobody foresaw it')."


def test_what_no_waiting_cures_fails_the_request(store: ClusterStore, starter: RequestStarter, source: Source) -> None:
    identity = store.add_request(Wish(titles(1)))
    source.trouble = [ConfigurationError("There is no such setting.")]

    assert starter.see_to_requests()

    view = store.crawl_view(identity)
    assert view is not None
    assert (view.state, view.reason) == (CrawlState.FAILED, "There is no such setting.")


class SoftLimit(Exception):
    """As Celery raises it."""


class Away(ClusterStore):
    """A database that is away, for what is written about a request that was taken, until it is there again."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.there = threading.Event()
        self.there.set()

    def _check(self) -> None:
        if not self.there.is_set():
            raise StoreUnavailable("The database is away.")

    def remember(self, *args: Any) -> None:
        self._check()
        super().remember(*args)

    def give_back_request(self, *args: Any, **options: Any) -> None:
        self._check()
        super().give_back_request(*args, **options)

    def fail_request(self, *args: Any) -> None:
        self._check()
        super().fail_request(*args)


def test_a_seed_at_which_tasks_come_to_their_time_limit_is_given_up_and_the_others_are_resolved(
    store: ClusterStore, source: Source, pace: Pace
) -> None:
    starter = RequestStarter(store, source, ForATask(pace), Silent(), passing=(SoftLimit,))
    identity = store.add_request(Wish(titles(BY_TITLE)))
    source.spoilt = {"Title 1": SoftLimit()}

    limits = 0
    while store.requests_due():
        try:
            starter.see_to_requests()
        except SoftLimit:
            limits += 1

    assert limits == MOST_LOSSES + 1, "the first in company: with the other seeds something was done since"
    assert [seed.paper_id for seed in store.seeds(identity)] == ["of Title 0", "of Title 2", "of Title 3", "of Title 4"]
    view = store.crawl_view(identity)
    assert view is not None
    assert [(one.input, one.why) for one in view.unresolved] == [
        ("Title 1", "the worker that looked it up was lost, or came to its time limit, 3 times")
    ]


def test_a_request_at_whose_beginning_workers_are_lost_fails(
    store: ClusterStore, source: Source, pace: Pace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_long(*_: object) -> int:
        raise SoftLimit

    starter = RequestStarter(store, source, ForATask(pace), Silent(), passing=(SoftLimit,))
    identity = store.add_request(Wish(titles(1)))
    monkeypatch.setattr(store, "start_request", too_long)

    for _ in range(MOST_LOSSES):
        with pytest.raises(SoftLimit):
            starter.see_to_requests()
    assert starter.see_to_requests()

    view = store.crawl_view(identity)
    assert view is not None
    assert (view.state, view.reason) == (
        CrawlState.FAILED,
        "The worker that began it was lost, or came to its time limit, 3 times.",
    )


@pytest.mark.parametrize("charged", [0, 1], ids=["away", "time limit"])
def test_while_the_database_is_away_a_request_is_neither_lost_nor_held_until_its_lease_runs_out(
    engine: Engine, clock: Clock, source: Source, pace: Pace, monkeypatch: pytest.MonkeyPatch, charged: int
) -> None:
    monkeypatch.setattr("refnet.pipeline.lease.SOON", 0.01)
    store = Away(engine, clock=clock)
    identity = store.add_request(Wish(titles(1)))
    starter = RequestStarter(store, source, ForATask(pace), Silent(), passing=(SoftLimit,))
    source.trouble = [SoftLimit()] * charged
    store.there.clear()

    with pytest.raises(SoftLimit if charged else StoreUnavailable):
        starter.see_to_requests()
    store.there.set()

    until(store.requests_due)
    request = store.request(identity)
    assert request is not None
    assert request.losses == charged
    assert starter.see_to_requests()
    assert state(store, identity) is RequestState.STARTED


def test_what_fails_while_the_database_is_away_has_failed_once_it_is_back(
    engine: Engine, clock: Clock, source: Source, pace: Pace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("refnet.pipeline.lease.SOON", 0.01)
    store = Away(engine, clock=clock)
    identity = store.add_request(Wish(titles(1)))
    source.spoilt = {"Title 0": KeyError("nobody foresaw it")}
    store.there.clear()

    with pytest.raises(KeyError):
        RequestStarter(store, source, ForATask(pace), Silent()).see_to_requests()
    store.there.set()

    until(lambda: state(store, identity) is RequestState.FAILED)


@pytest.mark.parametrize("room", [True, False], ids=["", "no room for the pause either"])
def test_where_there_is_no_room_for_an_answer_nobody_is_asked_for_a_while_and_the_request_is_given_back(
    engine: Engine, clock: Clock, source: Source, room: bool
) -> None:
    """Contract §7.14. The pause is kept for all workers, and the next that is told asks nothing."""

    class Full(ClusterStore):
        full = True

        def record_seeds(self, *args: Any) -> None:
            if self.full:
                raise StorageFull("disk full.")
            super().record_seeds(*args)

    class FullPace(DatabasePace):
        def failed(self, error: TransientError) -> None:
            raise StorageFull("disk full.")

    store = Full(engine, clock=clock)
    pace = (DatabasePace if room else FullPace)(engine, "host", 1_000.0, clock=clock)
    pace.reserve()
    clock.move(1)
    identity = store.add_request(Wish([parse_seed("arXiv:1706.03762")]))
    starter = RequestStarter(store, source, ForATask(pace), Silent())

    with pytest.raises(StorageFull):
        starter.see_to_requests()

    assert pace.paused() == (FULL if room else 0)
    assert store.requests_due()
    store.full = False
    assert starter.see_to_requests()
    assert state(store, identity) is RequestState.STARTED


@pytest.mark.parametrize("asked_to", [True, False])
def test_an_end_that_somebody_asked_for_charges_nothing_and_one_of_the_works_own_fails_it(
    store: ClusterStore, source: Source, pace: Pace, asked_to: bool
) -> None:
    starter = RequestStarter(store, source, ForATask(pace), Silent(), ending=lambda: asked_to)
    identity = store.add_request(Wish(titles(1)))
    source.spoilt = {"Title 0": SystemExit(1)}

    with pytest.raises(SystemExit):
        starter.see_to_requests()

    assert store.requests_due() is asked_to
    assert state(store, identity) is (RequestState.RUNNING if asked_to else RequestState.FAILED)
    request = store.request(identity)
    assert request is not None
    assert request.losses == 0


def test_one_that_was_cancelled_meanwhile_becomes_no_crawl(
    store: ClusterStore, starter: RequestStarter, source: Source
) -> None:
    identity = store.add_request(Wish([parse_seed("arXiv:1706.03762")]))
    fetch = source.fetch

    def cancelling(ids: Sequence[str], ask: Ask) -> list[Answer | None]:
        store.cancel_crawl(identity)
        return fetch(ids, ask)

    source.fetch = cancelling  # type: ignore[method-assign]

    assert starter.see_to_requests()

    assert state(store, identity) is RequestState.CANCELLED
    assert store.crawls() == []


def test_portions_hold_many_identifiers_and_few_titles() -> None:
    identified = [parse_seed("arXiv:1706.03762")] * 700

    assert len(_portion(identified)) == 500
    assert len(_portion(titles(20))) == BY_TITLE
    assert len(_portion([*identified[:100], *titles(20)])) == 100 + BY_TITLE


def test_workers_are_told_of_a_request_before_all_else_and_with_its_claim(store: ClusterStore) -> None:
    queues = Queues()
    store.add_request(Wish([parse_seed("arXiv:1706.03762")]), "write")

    announce(store, queues)

    (hint,) = queues.sent[Stage.CRAWL]
    assert (hint.paper_id, hint.priority, hint.claim) == ("arXiv:1706.03762", REQUEST_PRIORITY, "write")
    assert announce(store, queues) == 0


def test_a_broker_that_is_away_leaves_the_request_untold(store: ClusterStore) -> None:
    from refnet.domain.errors import BrokerUnavailable

    queues = Queues()
    queues.takes = 0
    store.add_request(Wish([parse_seed("arXiv:1706.03762")]))
    with pytest.raises(BrokerUnavailable):
        announce(store, queues)
    queues.takes = None

    assert announce(store, queues) == 1


def test_a_request_is_held_for_as_long_as_its_seeds_take(store: ClusterStore, source: Source, pace: Pace) -> None:
    """And no longer than a killed worker's jobs are."""
    identity = store.add_request(Wish([parse_seed("arXiv:1706.03762")]))
    fetch, renew = source.fetch, store.renew_request
    renewals: list[float] = []

    def counting(request: CrawlRequest, lease: float) -> None:
        renew(request, lease)
        renewals.append(lease)

    def slow(ids: Sequence[str], ask: Ask) -> list[Answer | None]:
        until(lambda: len(renewals) >= 2)
        return fetch(ids, ask)

    store.renew_request = counting  # type: ignore[method-assign]
    source.fetch = slow  # type: ignore[method-assign]

    assert RequestStarter(store, source, ForATask(pace), Silent(), lease=0.15).see_to_requests()

    assert set(renewals) == {0.15}
    assert state(store, identity) is RequestState.STARTED
