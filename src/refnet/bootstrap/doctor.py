"""What the doctor looks at: the database, the source, and the vault or a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from refnet.adapters.database import troubles
from refnet.adapters.database.clock import database_time
from refnet.adapters.database.engine import reading
from refnet.domain.errors import BrokerUnavailable, ConfigurationError
from refnet.domain.troubles import Kind, of_beat, of_due, of_messages, of_spoiled
from refnet.domain.workers import DEAD_LETTERS, WORKERS, several
from refnet.pipeline.doctor import Probe, look_at_workers
from refnet.pipeline.progress import Silent

if TYPE_CHECKING:
    from refnet.bootstrap.application import Application
    from refnet.bootstrap.cluster import Cluster


def probes(app: Application) -> list[Probe]:
    """All of them, in the order in which they are told."""
    from refnet.adapters.probes import look_at_database, look_at_vault

    return [
        Probe("database", lambda: look_at_database(app.engine)),
        *(_of_cluster(app) if app.is_cluster else []),
        Probe("semantic scholar", lambda: _look_at_source(app), "database"),
        # Workers write a cluster's notes, and say of themselves whether they can.
        *([] if app.is_cluster else [Probe("vault", lambda: look_at_vault(app.vault()))]),
    ]


def look_at_worker(app: Application, name: str) -> str:
    """What its main process last said of a worker. Raises ConfigurationError with what is wrong."""
    found = [worker for worker in app.workers() if name in (worker.name, worker.name.partition("@")[0])]
    if not found:
        raise ConfigurationError(f"No worker {name} has said anything to the database in the last quarter of an hour.")
    return look_at_workers(found)


def _of_cluster(app: Application) -> list[Probe]:
    """The broker itself, the work that waits, what was stopped or stopped its process, beat, workers, and signatures."""
    url = app.settings.broker_url
    is_redis = url is not None and url.get_secret_value().startswith(("redis:", "rediss:"))
    return [
        Probe("broker", lambda: _look_at_broker(app)),
        *([Probe("redis", lambda: _look_at_redis(app), "broker")] if is_redis else []),
        Probe("queues", lambda: _look_at_queues(app), "broker"),
        Probe("backlog", lambda: _look_at_backlog(app), "database"),
        Probe("timeouts", lambda: _look_at_spoiled(app, Kind.TIMEOUT, "no job took too long"), "database"),
        Probe("memory", lambda: _look_at_memory(app), "database"),
        Probe("crashes", lambda: _look_at_spoiled(app, Kind.CRASH, "no job ended its process"), "database"),
        Probe("beat", lambda: _look_at_beat(app), "database"),
        Probe("workers", lambda: _look_at_workers(app), "database"),
        Probe("signatures", lambda: _look_at_signatures(app), "database"),
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


def _look_at_backlog(app: Application) -> str:
    workers = app.workers()
    with reading(app.engine) as connection:
        due = troubles.held_up(connection, database_time(connection))
    if found := [said for stage in due if (said := of_due(stage, workers)) is not None]:
        raise ConfigurationError(" ".join(found))
    return "no work is held up"


def _look_at_memory(app: Application) -> str:
    found = [worker.fault for worker in app.workers() if worker.lives and worker.grows and worker.fault is not None]
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


def _look_at_workers(app: Application) -> str:
    found = app.workers()
    for kind in WORKERS:
        if not any(worker.lives and kind.queue in worker.queues for worker in found):
            raise ConfigurationError(
                f"No worker of the queue {kind.queue} is running. Start one with: refnet worker {kind.queue}"
            )
    places = sorted({worker.output_dir for worker in found if worker.lives and worker.output_dir})
    if len(places) > 1:
        raise ConfigurationError(several(places))
    return look_at_workers(found)


def _look_at_signatures(app: Application) -> str:
    from refnet.adapters.celery_queue.signing import NOT_SIGNED, WRONGLY_SIGNED

    number, queue = app.store.messages_refused_for((NOT_SIGNED, WRONGLY_SIGNED))
    if number:
        raise ConfigurationError(
            f"Workers refused {number:,} messages without a signature that fits, the last in the queue "
            f"{queue}. Set REFNET_SIGNING_KEYS to the same keys on all machines and send tasks only with "
            "refnet's own application; if nobody of yours sent them, somebody else reaches the broker. See: refnet "
            "dead list; when it is mended: refnet dead retry, or purge"
        )
    return "no message was refused for its signature"


def _look_at_source(app: Application) -> str:
    from refnet.adapters.probes import look_at_source

    with closing(app.source(Silent())) as source:
        return look_at_source(source)
