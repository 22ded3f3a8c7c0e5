"""A crawl from its seeds to its end."""

from __future__ import annotations

import threading
from collections.abc import Callable

from refnet.domain.crawl import Limits
from refnet.domain.packing import Load, pack
from refnet.pipeline.runner import Runner
from refnet.ports import CrawlStore, PaperSource, Progress

#: Seconds after which a wait looks whether it is still worth while.
CHECK_EVERY = 1.0


def run_crawl(
    crawl_id: int,
    store: CrawlStore,
    source: PaperSource,
    runner: Runner,
    progress: Progress,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Work until nothing is left to do. Requests go one after another, so that a killed process has lost one at the
    most. What `check` raises, which is called while it waits, ends it.

    Raises what ends a run early: OutageTooLong, StorageFull, CredentialsRejected, ConfigurationError.
    """
    while True:
        _show(crawl_id, store, source, progress)
        if runner.step(crawl_id):
            continue
        due = store.next_due(crawl_id)
        if due is not None:
            progress.waiting(due, "a paper that failed is tried again")
            while due > 0:
                threading.Event().wait(min(due, CHECK_EVERY))
                due -= CHECK_EVERY
                check()
        elif not store.advance(crawl_id, source.limits):
            break
    _show(crawl_id, store, source, progress)


def _show(crawl_id: int, store: CrawlStore, source: PaperSource, progress: Progress) -> None:
    found, collected = store.tally(crawl_id)
    progress.show("collecting papers", found=found, collected=collected, requests=source.requests)


def estimate_requests(citation_counts: list[int], leaves: int, limits: Limits) -> int:
    """Requests for papers to be expanded, by their citation counts, and for `leaves` that are not."""
    rest = {
        str(index): Load(str(index), count, 0) for index, count in enumerate(citation_counts) if count <= limits.hub
    }
    hubs = len(citation_counts) - len(rest)
    requests = hubs + -(-hubs // limits.ids)
    while rest:
        requests += 1
        for load in pack(rest.values(), limits):
            del rest[load.paper_id]
    return requests + -(-leaves // limits.ids)
