"""What the doctor looks at on a cluster, beside the workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from refnet.adapters.database import troubles
from refnet.adapters.database.clock import database_time
from refnet.adapters.database.engine import reading
from refnet.domain.errors import BrokerUnavailable, ConfigurationError
from refnet.domain.troubles import Kind, of_beat, of_due, of_messages, of_spoiled
from refnet.domain.workers import DEAD_LETTERS, WorkerReport
from refnet.pipeline.doctor import Probe

if TYPE_CHECKING:
    from refnet.bootstrap.application import Application
    from refnet.bootstrap.cluster import Cluster


def cluster_probes(app: Application, workers: Callable[[], list[WorkerReport]]) -> list[Probe]:
    """The broker itself, the work that waits, what was stopped or stopped its process, and beat."""
    url = app.settings.broker_url
    is_redis = url is not None and url.get_secret_value().startswith(("redis:", "rediss:"))
    return [
        Probe("broker", lambda: _look_at_broker(app)),
        *([Probe("redis", lambda: _look_at_redis(app), "broker")] if is_redis else []),
        Probe("queues", lambda: _look_at_queues(app), "broker"),
        Probe("backlog", lambda: _look_at_backlog(app, workers()), "database"),
        Probe("timeouts", lambda: _look_at_spoiled(app, Kind.TIMEOUT, "no job took too long"), "database"),
        Probe("memory", lambda: _look_at_memory(app, workers()), "database"),
        Probe("crashes", lambda: _look_at_spoiled(app, Kind.CRASH, "no job ended its process"), "database"),
        Probe("beat", lambda: _look_at_beat(app), "database"),
    ]


@contextmanager
def _asked(app: Application) -> Iterator[Cluster]:
    """The cluster, whose broker is told with a cure where it does not answer."""
    from refnet.adapters.celery_queue.cures import cure

    with app.cluster() as cluster:
        try:
            yield cluster
        except BrokerUnavailable as error:
            raise BrokerUnavailable(f"{error} {cure(str(error))}") from error


def _look_at_broker(app: Application) -> str:
    with _asked(app) as cluster:
        cluster.announcer.probe()
    return "answers, and takes messages"


def _look_at_redis(app: Application) -> str:
    from refnet.adapters.celery_queue.redis_state import look_at_redis

    with _asked(app) as cluster:
        return look_at_redis(cluster.celery)


def _look_at_queues(app: Application) -> str:
    with _asked(app) as cluster:
        waiting = cluster.depths()
    if (said := of_messages({queue: number for queue, number in waiting.items() if queue != DEAD_LETTERS})) is not None:
        raise ConfigurationError(said)
    return "waiting " + ", ".join(f"{queue} {number:,}" for queue, number in waiting.items())


def _look_at_backlog(app: Application, workers: list[WorkerReport]) -> str:
    with reading(app.engine) as connection:
        due = troubles.held_up(connection, database_time(connection))
    if found := [said for stage in due if (said := of_due(stage, workers)) is not None]:
        raise ConfigurationError(" ".join(found))
    return "no work is held up"


def _look_at_memory(app: Application, workers: list[WorkerReport]) -> str:
    found = [worker.fault for worker in workers if worker.lives and worker.grows and worker.fault is not None]
    if found:
        raise ConfigurationError(" ".join(found))
    return _look_at_spoiled(app, Kind.MEMORY, "no worker grows, and no job took too much")


def _look_at_spoiled(app: Application, kind: Kind, well: str) -> str:
    with reading(app.engine) as connection:
        found = troubles.spoiled(connection, kind)
    if found is not None:
        raise ConfigurationError(of_spoiled(kind, found))
    return well


def _look_at_beat(app: Application) -> str:
    with reading(app.engine) as connection:
        seconds = troubles.since_last_turn(connection, database_time(connection))
    if (gone := of_beat(seconds)) is not None:
        raise ConfigurationError(gone)
    if seconds is None:
        return "was never run; no crawl needs it"
    return f"took its last turn {seconds:,.0f} s ago"
