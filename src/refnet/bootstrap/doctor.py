"""What the doctor looks at: the database, the source, what reads papers, and the vault or a cluster."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from socket import gethostname
from typing import TYPE_CHECKING

from refnet.adapters.database import troubles
from refnet.adapters.database.clock import database_time
from refnet.adapters.database.engine import reading
from refnet.domain.errors import BrokerUnavailable, ConfigurationError, RefnetError
from refnet.domain.troubles import Kind, of_beat, of_due, of_messages, of_spoiled
from refnet.domain.workers import DEAD_LETTERS, WORKERS, WorkerReport, several
from refnet.pipeline.doctor import Probe, look_at_workers
from refnet.pipeline.progress import Silent

if TYPE_CHECKING:
    from refnet.bootstrap.application import Application
    from refnet.bootstrap.cluster import Cluster


#: How a PostgreSQL server says that it has no such database.
_NO_DATABASE = re.compile(r'database "(.+)" does not exist')


def probes(app: Application, only: str | None = None) -> list[Probe]:
    """All of them, in the order in which they are told. Where one is looked at alone, what it looks at is to be there."""
    from refnet.adapters.probes import look_at_vault

    return [
        Probe("database", lambda: _look_at_database(app)),
        *(_of_cluster(app, only) if app.is_cluster else []),
        Probe("semantic scholar", lambda: _look_at_source(app), "database"),
        Probe("model", lambda: _look_at_model(app), "database"),
        Probe("pdfs", lambda: _look_at_pdfs(app)),
        # Workers write a cluster's notes, and say of themselves whether they can.
        *([] if app.is_cluster else [Probe("vault", lambda: look_at_vault(app.vault()))]),
    ]


def look_at_worker(app: Application, name: str) -> str:
    """What its main process last said of a worker, of this machine where the name says no other. Raises
    ConfigurationError with what is wrong.
    """
    whole = name if "@" in name else f"{name}@{gethostname()}"
    found = [worker for worker in app.workers() if worker.name == whole]
    if not found:
        raise ConfigurationError(f"No worker {whole} has said anything to the database in the last quarter of an hour.")
    return look_at_workers(found)


def _of_cluster(app: Application, only: str | None) -> list[Probe]:
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
        Probe("beat", lambda: _look_at_beat(app, wanted=only == "beat"), "database"),
        Probe("workers", lambda: _look_at_workers(app), "database"),
        Probe("signatures", lambda: _look_at_signatures(app), "database"),
    ]


def _look_at_database(app: Application) -> str:
    from refnet.adapters.probes import look_at_database

    try:
        return look_at_database(app.engine)
    except ConfigurationError as error:
        raise ConfigurationError(f"{error}{_cure_of_refusal(str(error))}") from error


def _cure_of_refusal(said: str) -> str:
    """What helps where a database server lets refnet not in; nothing where something else was said."""
    if not said.startswith("The database server refuses "):
        return ""
    if missing := _NO_DATABASE.search(said):
        name = shlex.quote(missing[1])
        return f". Create it on that server, for example with: createdb {name}; or correct its name in DATABASE_URL"
    return ". Check user and password in DATABASE_URL, and whom the server lets in"


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


def _look_at_beat(app: Application, *, wanted: bool) -> str:
    with reading(app.engine) as connection:
        seconds = troubles.since_last_turn(connection, database_time(connection))
    if (gone := of_beat(seconds, wanted=wanted)) is not None:
        raise ConfigurationError(gone)
    if seconds is None:
        return "was never run; no crawl needs it"
    return f"took its last turn {seconds:,.0f} s ago"


def _look_at_workers(app: Application) -> str:
    found = app.workers()
    idle = [worker for worker in found if worker.leaves_work]
    said = [worker.fault for worker in found if worker.fault is not None]
    if idle and not _takes_messages(app):
        # To restart them would help nobody.
        names = ", ".join(worker.name for worker in idle)
        others = [worker.fault for worker in found if worker.fault is not None and worker not in idle]
        said = [*others, f"Nothing comes to {names}: mend the broker first (refnet doctor --only broker)."]
    places = sorted({worker.output_dir for worker in found if worker.lives and worker.output_dir})
    if len(places) > 1:
        said.append(several(places))
    said += _unserved(found)
    if said:
        raise ConfigurationError(" ".join(said))
    return look_at_workers(found)


def _takes_messages(app: Application) -> bool:
    try:
        _look_at_broker(app)
    except RefnetError:
        return False
    return True


def _unserved(found: Sequence[WorkerReport]) -> list[str]:
    """In words, the queues that no worker is known to serve, which end in the commands that help.

    A worker that is not heard of may only be cut off from the database, so that it is not said not to run.
    """
    known = {queue for worker in found for queue in worker.queues}
    served = {queue for worker in found if worker.lives for queue in worker.queues}
    silent = [kind.queue for kind in WORKERS if kind.queue in known - served]
    missing = [kind.queue for kind in WORKERS if kind.queue not in known]
    said = []
    if silent:
        said.append(f"No other worker of {_queues(silent)} is heard of.")
    if missing:
        start = "; ".join(f"refnet worker {queue}" for queue in missing)
        which = "one" if len(missing) == 1 else "one of each"
        said.append(f"No worker of {_queues(missing)} is running. Start {which} with: {start}")
    return said


def _queues(names: Sequence[str]) -> str:
    return f"the queue {names[0]}" if len(names) == 1 else f"the queues {', '.join(names)}"


def _look_at_signatures(app: Application) -> str:
    from refnet.adapters.celery_queue.signing import NOT_SIGNED, WRONGLY_SIGNED
    from refnet.bootstrap.connections import keys

    keys(app.settings)  # without one nothing can be sent, nor looked at
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


def _look_at_model(app: Application) -> str:
    from refnet.adapters.database.spending import Spending
    from refnet.adapters.language_model.looking import SECONDS
    from refnet.adapters.probes import look_at_model
    from refnet.bootstrap.full_texts import language_model, model_key

    with _on_this_machine(app) as here:
        model = language_model(app.settings, timeout=SECONDS)
        if model is None:
            key = model_key(app.settings)
            unused = f"; {key} is set, but no model is asked: REFNET_LLM_MODEL turns it on" if key else ""
            return f"{here}none is turned on, papers are summarised offline{unused}"
        cap = app.settings.spend_cap
        app.check_schema()  # alone, this is the first to look at the database
        with closing(model.client):
            return here + look_at_model(model, Spending(app.engine, cap).spent_today(), cap)


def _look_at_pdfs(app: Application) -> str:
    from refnet.adapters.pdf.reader import BoundedPdfReader
    from refnet.adapters.probes import look_at_pdfs
    from refnet.bootstrap.full_texts import pdf_cache

    with _on_this_machine(app) as here, closing(BoundedPdfReader()) as reader:
        return here + look_at_pdfs(reader, pdf_cache(app.settings))


@contextmanager
def _on_this_machine(app: Application) -> Iterator[str]:
    """What stands before all that is said of what a cluster's summarizers do, for they may be elsewhere; before faults, too."""
    if not app.is_cluster:
        yield ""
        return
    where = f"n this machine ({gethostname()}): "
    try:
        yield f"o{where}"
    except RefnetError as error:
        raise ConfigurationError(f"O{where}{error}") from error
