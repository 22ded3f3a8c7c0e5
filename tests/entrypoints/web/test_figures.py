"""Counts of crawls, which hold for as long as counting them is dear."""

from __future__ import annotations

from refnet.domain.crawls import Crawl, CrawlState
from refnet.domain.papers import Direction
from refnet.domain.requests import CrawlView
from refnet.entrypoints.web.figures import HOLDS, Figures


class Counting:
    """A database that takes `takes` seconds for a count, on a clock of its own."""

    def __init__(self, takes: float) -> None:
        self.takes = takes
        self.now = 0.0
        self.counts = 0

    def crawl(self, crawl_id: int) -> Crawl:
        self.now += self.takes
        self.counts += 1
        return Crawl(crawl_id, Direction.BOTH, 1, 10, CrawlState.RUNNING, citations=self.counts)


def view(state: CrawlState = CrawlState.RUNNING, changed_at: float = 1.0) -> CrawlView:
    return CrawlView(7, 7, state, None, Direction.BOTH, 1, 10, 0.0, changed_at)


def test_a_crawl_whose_count_takes_seconds_is_not_counted_at_every_look() -> None:
    store = Counting(takes=5.0)
    figures = Figures(lambda: store.now)
    for _ in range(100):
        figures(store, view())

    assert store.counts == 1
    store.now += HOLDS * 5.0
    figures(store, view())
    assert store.counts == 2


def test_once_it_is_over_its_counts_are_those_of_its_end() -> None:
    store = Counting(takes=5.0)
    figures = Figures(lambda: store.now)
    figures(store, view())

    ended = figures(store, view(CrawlState.FINISHED, changed_at=2.0))
    again = figures(store, view(CrawlState.FINISHED, changed_at=3.0))

    assert [crawl.citations for crawl in (ended, again) if crawl] == [2, 3]


def test_what_is_no_crawl_yet_has_no_counts() -> None:
    store = Counting(takes=5.0)
    request = CrawlView(7, None, CrawlState.QUEUED, None, Direction.BOTH, 1, 10, 0.0, 1.0)

    assert Figures(lambda: store.now)(store, request) is None
    assert store.counts == 0
