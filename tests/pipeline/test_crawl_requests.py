"""Crawls asked for, taken up by workers and by one process: what becomes of a request where something is in the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import Engine

from refnet.adapters.database.cluster import ClusterStore
from refnet.domain.crawl import Ask, Limits
from refnet.domain.crawls import CrawlState
from refnet.domain.errors import (
    Cancelled,
    CredentialsRejected,
    HeldElsewhere,
    OutageTooLong,
    RateLimited,
    SourceUnavailable,
)
from refnet.domain.identifiers import parse_seed
from refnet.domain.jobs import Stage
from refnet.domain.papers import Answer, ListName, Page
from refnet.domain.requests import RequestState, Wish
from refnet.domain.seeds import Seed
from refnet.pipeline.announce import REQUEST_PRIORITY, announce
from refnet.pipeline.crawl_requests import BY_TITLE, RequestStarter, ToldProgress, _portion
from refnet.pipeline.patience import REFUSED, ForATask
from refnet.pipeline.progress import Silent
from refnet.ports import TitleMatch
from tests.contract.making import answer
from tests.pipeline.conftest import Clock
from tests.pipeline.test_announce import Queues


class Source:
    """A source that knows every id as a paper of that id, and every title; `trouble` is raised once each."""

    name = "semantic_scholar"
    limits = Limits()
    requests = 0

    def __init__(self) -> None:
        self.trouble: list[Exception] = []
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
