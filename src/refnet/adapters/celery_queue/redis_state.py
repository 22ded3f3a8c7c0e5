"""How a Redis that is the broker is set up: what lets it lose messages, or fail soon, although it answers."""

from __future__ import annotations

from typing import Any

from refnet.adapters.celery_queue.queues import AWAY
from refnet.domain.errors import BrokerUnavailable, ConfigurationError

#: The part of `maxmemory` that may be in use before it is told.
NEARLY_FULL = 0.9
#: Where stock Celery keeps which queue gets what, for the queue that an application has which names none.
_STRANGER = "_kombu.binding.celery"


def look_at_redis(app: Any) -> str:
    """What is found; `app` is a Celery application.

    Raises ConfigurationError with what is wrong and the cure, BrokerUnavailable where it does not answer.
    """
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0.2)
            redis = connection.default_channel.client
            told, stranger = redis.info(), bool(redis.exists(_STRANGER))
    except AWAY as error:
        raise BrokerUnavailable(f"The broker does not answer ({str(error) or type(error).__name__}).") from error
    if faults := redis_faults(told, stranger):
        raise ConfigurationError(" ".join(faults))
    return f"Redis {told['redis_version']}, {told['used_memory_human']} in use"


def redis_faults(told: dict[str, Any], stranger: bool) -> list[str]:
    """In words with the cures, what is wrong by what Redis tells of itself (INFO)."""
    faults = []
    if (policy := told.get("maxmemory_policy", "noeviction")) != "noeviction":
        faults.append(
            f"Redis throws queued tasks away when it is full (maxmemory-policy {policy}), and nobody is told. Set it to "
            "noeviction, as deploy/redis.conf does: redis-cli config set maxmemory-policy noeviction"
        )
    most, used = int(told.get("maxmemory", 0)), int(told.get("used_memory", 0))
    if most and used > NEARLY_FULL * most:
        faults.append(
            f"Redis is nearly full: {used / 2**20:,.0f} of {most / 2**20:,.0f} MB. Full, it refuses tasks. Raise "
            "maxmemory, or see which queue is long: refnet status"
        )
    if told.get("rdb_last_bgsave_status") == "err" or told.get("aof_last_write_status") == "err":
        faults.append(
            "Redis cannot save its data to its disk, and refuses tasks before long. Make room on it, and see that Redis "
            "may write to its folder: redis-cli config get dir"
        )
    if stranger:
        faults.append(
            "Another Celery application uses this database of Redis: the shorter visibility timeout of the two holds for "
            "both, and tasks may run twice. Give refnet a database of its own, by the number at the end of "
            f"CELERY_BROKER_URL. If it is gone since: redis-cli del {_STRANGER}"
        )
    return faults
