"""A worker that publishes before it commits, and trusts what it has published: what was told once is told.

The message is there before the row. Whoever is fast finds nothing due, and the message is gone. The sweep of refnet,
which tells again of what waits, would heal that in seconds; so it is not asked to here.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from sqlalchemy import Connection

from refnet.adapters.database import hints, record, stages
from refnet.adapters.database.cluster import ClusterStore
from refnet.adapters.database.engine import reading, writing
from refnet.domain.crawl import Limits
from refnet.domain.crawls import CrawlStage
from refnet.domain.jobs import DueJob, Stage
from refnet.entrypoints.celery import process
from refnet.entrypoints.celery.tasks import app

__all__ = ["app"]

#: Seconds between message and commit, which on a busy database may be as many.
_BETWEEN = 3.0
#: Messages for what is told of at one time; fewer than are taken until the commit.
_MOST = 4

_take_untold = hints.take_untold


def _go_on(store: ClusterStore, limits: Limits) -> list[CrawlStage]:
    with reading(store._engine) as connection:
        ready = stages.ready(connection)
    reached = []
    for crawl_id in ready:
        with writing(store._engine) as connection:
            record.take_turns(connection)
            reached.append(stages.advance(connection, crawl_id, limits.hub, store._clock(connection)))
            published = False
            for stage in Stage:
                told = _take_untold(connection, stage, store._clock(connection), 10_000, float("inf"))
                if told:
                    process.cluster().announcer.send(stage, told[:_MOST])
                    published = True
            if published:
                threading.Event().wait(_BETWEEN)
    return [stage for stage in reached if stage is not None]


def _told_once(connection: Connection, stage: Stage, now: float, most: int, told_for: float) -> Sequence[DueJob]:
    return _take_untold(connection, stage, now, most, float("inf"))


ClusterStore.go_on = _go_on  # type: ignore[method-assign,assignment]
hints.take_untold = _told_once  # type: ignore[assignment]
