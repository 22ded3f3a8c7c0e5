"""The Celery application: every setting that it needs, in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from celery import Celery
from celery.app.defaults import NAMESPACES, flatten
from celery.loaders.base import BaseLoader
from kombu.utils.url import parse_url

from refnet.adapters.celery_queue import transport
from refnet.adapters.celery_queue.broadcasts import Clock, Control
from refnet.adapters.celery_queue.envelopes import read_any_properties
from refnet.adapters.celery_queue.once import OnceTask
from refnet.adapters.celery_queue.publishing import SigningAMQP
from refnet.adapters.celery_queue.queues import ROUTES, task_queues
from refnet.domain.errors import ConfigurationError
from refnet.domain.priority import HIGHEST
from refnet.domain.workers import DEAD_LETTERS, MOST_KILOBYTES, WORKERS

#: Seconds until Redis gives a message to another worker. Must exceed the longest hard limit and the longest back-off
#: together, or a task runs twice at a time.
VISIBILITY_TIMEOUT = 1_800
#: Seconds that a worker asked to end lets its tasks go on.
SOFT_SHUTDOWN = 7.0
#: Seconds between two health checks by beat.
HEALTH_CHECK_EVERY = 60.0
#: Seconds for which results are kept.
RESULTS_KEPT = 7 * 86_400

_REDIS_OPTIONS: dict[str, Any] = {
    "priority_steps": list(range(HIGHEST + 1)),
    "queue_order_strategy": "priority",
    "queue_order": tuple(kind.queue for kind in WORKERS),
    "queue_max_priority": {kind.queue: kind.priority for kind in WORKERS},
    "dead_letter_queue": DEAD_LETTERS,
    "visibility_timeout": VISIBILITY_TIMEOUT,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    # A connection that a firewall forgot answers nothing, for ever: it has to be noticed (celery#8030, celery#10205).
    # The worker's loop may wait for three such answers, one after another, before it looks at its own connection.
    "socket_timeout": 5,
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 5,
    # Would send a batch again whose first half had arrived, and switches batches off.
    "retry_on_timeout": False,
}
_AMQP_OPTIONS: dict[str, Any] = {"confirm_publish": True, "connect_timeout": 3, "read_timeout": 10, "write_timeout": 10}


@dataclass(frozen=True, slots=True)
class Connections:
    """Where the application finds its broker and its results."""

    broker_url: str
    database_url: str


def create_app(read: Callable[[], Connections], keys: Callable[[], Sequence[bytes]]) -> Celery:
    """The application. `read` is called when the first setting is needed, `keys` (see `Signer`) when the first message
    is signed or checked; both may raise.
    """
    transport.register()
    read_any_properties()

    class Loader(BaseLoader):
        override_backends = {"db": "refnet.adapters.celery_queue.results:DatabaseResults"}  # noqa: RUF012 - Celery's

        def read_configuration(self, fail_silently: bool = True) -> Mapping[str, Any]:
            del fail_silently
            return checked(configuration(read()))

    app = Celery(
        "refnet",
        loader=Loader,
        control=Control,
        amqp=partial(SigningAMQP, keys=keys, longest=RESULTS_KEPT),
        task_cls=OnceTask,
        set_as_current=False,
        fixups=[],
    )
    app.clock = Clock()
    return app


def configuration(connections: Connections) -> dict[str, Any]:
    """Celery's settings. Seed: the design document, sections 3, 10 and 11."""
    is_redis = _is_redis(connections.broker_url)
    return {
        "broker_url": connections.broker_url,
        "broker_transport_options": _REDIS_OPTIONS if is_redis else _AMQP_OPTIONS,
        # RabbitMQ keeps a lost worker's exclusive queue until it misses the second one, and no other can be declared.
        "broker_heartbeat": 6,
        "broker_connection_timeout": 3,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # never give up; 0 would mean at once
        "broker_channel_error_retry": True,  # a Redis that takes no writes for a while must not end a worker
        "result_backend": f"db+{connections.database_url}",
        "result_extended": True,
        "result_expires": RESULTS_KEPT,
        "result_serializer": "json",
        "result_backend_always_retry": True,
        "result_backend_max_retries": 1_000,
        "task_serializer": "json",
        "accept_content": ["json"],
        "timezone": "UTC",
        "enable_utc": True,
        "task_routes": ROUTES,
        "task_queues": task_queues(),
        "task_default_queue": WORKERS[0].queue,
        "task_default_exchange": WORKERS[0].queue,
        "task_default_routing_key": WORKERS[0].queue,
        "task_default_priority": 5,
        "task_soft_time_limit": 300,
        "task_time_limit": 600,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_retry_on_worker_lost": True,
        "task_acks_on_failure": False,
        "task_acks_on_timeout": True,
        "task_publish_retry_policy": {"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5},
        "task_send_sent_event": True,
        "worker_send_task_events": True,
        "worker_prefetch_multiplier": 1,
        "worker_max_tasks_per_child": 1_000,
        "worker_max_memory_per_child": MOST_KILOBYTES,
        "worker_disable_rate_limits": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_soft_shutdown_timeout": SOFT_SHUTDOWN,
        "worker_consumer": "refnet.adapters.celery_queue.consumer:Consumer",
        "worker_autoscaler": "refnet.adapters.celery_queue.autoscaling:Autoscaler",
        "beat_schedule": {
            "health-check": {
                "task": "health_check",
                "schedule": HEALTH_CHECK_EVERY,
                # Without `expires`, which a worker whose clock is wrong would find over at once: beat makes up for
                # missed turns by one.
            }
        },
        "beat_scheduler": "refnet.adapters.celery_queue.beat:Scheduler",
    }


def checked(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings, where Celery knows each of them: by itself it takes what it does not know without a word.

    Raises ConfigurationError.
    """
    known = {name for name, _ in flatten(NAMESPACES)} | {"broker_url", "result_backend"}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise ConfigurationError(
            f"Celery {_version()} has no setting {', '.join(unknown)}. Check the spelling, or take it out."
        )
    return settings


def check_broker(url: str) -> None:
    """Raises ConfigurationError for a broker that refnet does not use."""
    try:
        scheme = parse_url(url)["transport"]
    except (KeyError, ValueError):
        scheme = None
    if scheme not in ("redis", "rediss", "amqp", "amqps", "pyamqp"):
        # Not the URL itself: it may hold a password.
        raise ConfigurationError(
            "CELERY_BROKER_URL is not the address of a broker that refnet uses. Write redis://:password@host:6379/0, "
            "rediss://… or amqp://user:password@host:5672//"
        )


def _is_redis(url: str) -> bool:
    return url.partition(":")[0] in ("redis", "rediss")


def _version() -> str:
    from celery import __version__

    return str(__version__)
