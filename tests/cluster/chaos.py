"""What the tests of lost brokers and killed workers share with the soaks: faults of a broker, and figures of a log."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from refnet.demo.log import Entry
from tests.acceptance.command import what_was_asked
from tests.cluster.faults import Supervisor, pauses
from tests.cluster.lab import Lab
from tests.rabbitmq_server import RabbitServer
from tests.redis_server import RedisServer

#: Seconds for which a broker is away.
OUTAGE = 3.0


def supervised(lab: Lab, queues: str = "crawler,summarizer,generator", app: str = "celery_app") -> Supervisor:
    """Two workers of two processes each, which are started again whenever they are over."""
    return Supervisor([partial(lab.worker, queues, name=name, wait=False, app=app) for name in ("one", "two")])


def emptied(server: RedisServer) -> bool:
    """FLUSHALL; whether there was anything."""
    with server.client() as redis:
        return bool(redis.dbsize()) and bool(redis.flushall())


def away(server: RedisServer) -> bool:
    """SIGKILL, and started again after a while."""
    server.kill()
    pauses(OUTAGE, lambda: False)
    server.start()
    return True


def restarted(server: RabbitServer) -> bool:
    server.restart()
    return True


def repeats(log: Sequence[Entry]) -> int:
    """Requests that asked something which an earlier one had been answered."""
    answered: set[tuple[str, ...]] = set()
    found = 0
    for entry in log:
        found += bool(what_was_asked(entry) & answered)
        if entry.answered:
            answered |= what_was_asked(entry)
    return found


def most_within(log: Sequence[Entry], seconds: float) -> int:
    """The most requests that arrived within any stretch so long."""
    arrivals = sorted(entry.arrived for entry in log)
    most = start = 0
    for end, arrived in enumerate(arrivals):
        while arrived - arrivals[start] >= seconds:
            start += 1
        most = max(most, end - start + 1)
    return most
