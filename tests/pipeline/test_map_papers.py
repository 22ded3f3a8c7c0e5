"""The main job of one process: what becomes of a crawl, and of who waits for it, where refnet itself stumbles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine

from refnet.adapters.database.cluster import ClusterStore
from refnet.adapters.vault import FolderVault
from refnet.domain.about import ids
from refnet.domain.crawl import Limits
from refnet.domain.crawls import CrawlState
from refnet.domain.errors import Stopped, StoreUnavailable
from refnet.domain.identifiers import parse_seed
from refnet.domain.requests import CrawlRequest, Wish
from refnet.pipeline.crawl_requests import RequestRunner, ToldProgress
from refnet.pipeline.generate import VaultReport
from refnet.pipeline.map_by_server import ServerFollower
from refnet.pipeline.map_papers import Mapper, MapReport, MapRequest
from refnet.pipeline.patience import Patience
from refnet.pipeline.progress import Silent
from tests.pipeline.conftest import Clock
from tests.pipeline.reading import Shelf, texts_of
from tests.pipeline.test_crawl_requests import Pace, Source, titles

SEED = "arXiv:2005.11401"


class Untold(Mapper):
    """All is done, and then it cannot be told."""

    def report(self, crawl_id: int, notes: VaultReport, requests: Mapping[str, int]) -> MapReport:
        raise TypeError("no words")


@pytest.fixture
def store(engine: Engine, clock: Clock) -> ClusterStore:
    return ClusterStore(engine, clock=clock)


def mapper(store: ClusterStore, kind: type[Mapper] = Untold) -> Mapper:
    return kind(store, Source(), Pace(), texts_of(), Patience(), Silent(), "host:1")


def test_a_bug_while_it_is_told_what_was_done_leaves_the_crawl_finished(store: ClusterStore, tmp_path: Path) -> None:
    request = MapRequest([parse_seed(SEED)], depth=0)
    with pytest.raises(TypeError, match="no words"):
        mapper(store).map(request, FolderVault(tmp_path / "vault"))
    crawl = store.crawl(1)
    assert (crawl.state, crawl.reason, crawl.traceback) == (CrawlState.FINISHED, None, None)
    assert len(list((tmp_path / "vault" / "papers").iterdir())) == 1


def test_a_server_that_cannot_tell_what_came_of_a_crawl_leaves_it_finished_and_lets_nobody_wait_for_that(
    store: ClusterStore, tmp_path: Path
) -> None:
    vault = FolderVault(tmp_path / "vault")
    progress = ToldProgress(store, lambda _: None)
    runner = RequestRunner(store, mapper(store), progress, lambda _: vault, "author-year-title", repr)
    follower = ServerFollower(store, Silent(), lambda: served(runner), 60.0)

    with pytest.raises(Stopped, match="Crawl 1 is finished, but a fault in refnet itself"):
        follower.map(Wish([parse_seed(SEED)], depth=0))

    view = store.crawl_view(1)
    assert view is not None
    assert (view.state, view.reason) == (CrawlState.FINISHED, None)
    assert store.next_request() is None


def served(runner: RequestRunner) -> bool:
    """A server that does what was asked for when somebody looks whether it lives."""
    with pytest.raises(TypeError, match="no words"):
        runner.step()
    return True


class Said(Silent):
    """What the user is told in lines that stay."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@dataclass
class AwayNowAndThen:
    """A store whose database is away at every look but the third of each."""

    store: ClusterStore
    looks: Iterator[int] = field(default_factory=count)

    def add_request(self, wish: Wish, claim: str | None = None) -> int:
        return self.store.add_request(wish, claim)

    def request(self, identity: int) -> CrawlRequest | None:
        if next(self.looks) % 3 != 2:
            raise StoreUnavailable("The database does not answer.")
        return self.store.request(identity)


def test_who_follows_a_crawl_of_a_server_waits_for_the_database(store: ClusterStore, tmp_path: Path) -> None:
    _, runner = server(store, tmp_path)
    said = Said()
    looks = count()

    def is_served() -> bool:
        if next(looks) == 0:
            raise StoreUnavailable("The database does not answer.")
        return runner.step()

    ticks = count()
    follower = ServerFollower(AwayNowAndThen(store), said, is_served, 60.0, lambda: float(next(ticks)))
    report = follower.map(Wish([parse_seed(SEED)], depth=0))

    assert "papers=1" in report
    assert said.lines[:2] == [
        "The server at work on this database does it, as crawl 1.",
        "The database does not answer. Waiting for it.",
    ]


def test_who_follows_a_crawl_of_a_server_is_told_that_it_goes_on_where_the_database_stays_away(
    store: ClusterStore,
) -> None:
    class Away(AwayNowAndThen):
        def request(self, identity: int) -> CrawlRequest | None:
            raise StoreUnavailable("The database does not answer.")

    said = Said()
    ticks = count()
    follower = ServerFollower(Away(store), said, lambda: True, 3.0, lambda: float(next(ticks)))

    with pytest.raises(StoreUnavailable):
        follower.map(Wish([parse_seed(SEED)], depth=0))

    assert said.lines[-1] == "The server goes on with it; the same command follows it again."


def test_a_crawl_cancelled_while_its_seeds_are_looked_for_ends_at_the_next_seed(
    store: ClusterStore, tmp_path: Path
) -> None:
    identity = store.add_request(Wish(titles(50)))
    job, runner = server(store, tmp_path)
    asked = after(job.source, 2, lambda: store.cancel_crawl(identity))

    assert runner.step()

    assert len(asked) == 2
    assert store.crawls() == []
    assert not runner.step()


def test_a_crawl_cancelled_while_it_collects_keeps_its_papers_and_gets_their_notes(
    store: ClusterStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = store.add_request(Wish([parse_seed(SEED), *titles(2)], depth=0))
    job, runner = server(store, tmp_path)
    asked = after(job.source, 4, lambda: store.cancel_crawl(identity))
    monkeypatch.setattr(Source, "limits", Limits(ids=1))

    assert runner.step()

    assert len(asked) == 4
    crawl = store.crawl(identity)
    assert (crawl.state, crawl.collected, crawl.members) == (CrawlState.CANCELLED, 2, 3)
    assert len(list((tmp_path / "vault" / "papers").iterdir())) == 2


def test_of_a_crawl_cancelled_while_it_collects_no_paper_is_read_and_that_is_said(
    store: ClusterStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = store.add_request(Wish([parse_seed(SEED), *titles(2)], depth=0, full_texts=None))
    said: list[str] = []
    shelf = Shelf()
    job, runner = server(store, tmp_path, said.append)
    job.texts = texts_of(shelf)
    after(job.source, 4, lambda: store.cancel_crawl(identity))
    monkeypatch.setattr(Source, "limits", Limits(ids=1))

    assert runner.step()

    assert store.crawl(identity).state is CrawlState.CANCELLED
    assert len(list((tmp_path / "vault" / "papers").iterdir())) == 2
    assert shelf.asked == []
    assert said == ["It was cancelled: no PDF is read, and what is collected gets its notes."]


def test_a_crawl_whose_process_was_interrupted_over_its_notes_is_taken_up_by_who_serves(
    store: ClusterStore, tmp_path: Path
) -> None:
    class Interrupted(FolderVault):
        def write(self, name: str, text: str) -> None:
            raise KeyboardInterrupt

    place = tmp_path / "vault"
    with pytest.raises(KeyboardInterrupt):
        mapper(store, Mapper).map(MapRequest([parse_seed(SEED)], depth=0), Interrupted(place))
    assert store.crawl(1).state is CrawlState.RUNNING
    assert list((place / "papers").iterdir()) == []

    assert store.take_up_left() == [1]
    _, runner = server(store, tmp_path)
    assert runner.step()

    assert store.crawl(1).state is CrawlState.FINISHED
    assert len(list((place / "papers").iterdir())) == 1
    assert store.take_up_left() == []


def test_lines_of_the_log_name_the_crawl_that_they_are_about(store: ClusterStore, tmp_path: Path) -> None:
    identity = store.add_request(Wish([parse_seed(SEED)], depth=0))
    job, runner = server(store, tmp_path)
    named: list[Mapping[str, str]] = []
    after(job.source, 1, lambda: named.append(ids()))

    runner.step()

    assert named == [{"crawl": str(identity)}]
    assert ids() == {}


def server(
    store: ClusterStore, tmp_path: Path, say: Callable[[str], None] = lambda _: None
) -> tuple[Mapper, RequestRunner]:
    """One that tells its progress whenever there is some."""
    ticks = iter(range(10_000))
    progress = ToldProgress(store, say, lambda: 2.0 * next(ticks))
    job = mapper(store, Mapper)
    job.progress, job.check = progress, progress.check
    vault = FolderVault(tmp_path / "vault")
    return job, RequestRunner(store, job, progress, lambda _: vault, "author-year-title", repr)


def after(source: object, requests: int, happens: Callable[[], object]) -> list[str]:
    """Something happens while this request is answered; what was asked for."""
    assert isinstance(source, Source)
    ask = source._ask

    def asked(what: str) -> None:
        ask(what)
        if len(source.asked) == requests:
            happens()

    source._ask = asked  # type: ignore[method-assign]
    return source.asked
