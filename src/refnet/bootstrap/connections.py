"""Whether the settings describe a cluster, where it meets, and what it knows its own by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from refnet.adapters.database.engine import database_url
from refnet.adapters.signing_keys import signing_keys
from refnet.domain.errors import ConfigurationError
from refnet.settings import Settings

if TYPE_CHECKING:
    from refnet.adapters.celery_queue.application import Connections


def connections(settings: Settings) -> Connections:
    """Where Celery finds its broker and its table of results. Raises ConfigurationError."""
    if settings.broker_url is None:
        raise ConfigurationError(
            "CELERY_BROKER_URL is not set, so there are no workers: refnet works in one process. Set it to "
            "redis://:password@host:6379/0 or amqp://user:password@host:5672// for a cluster."
        )
    try:
        from refnet.adapters.celery_queue.application import Connections, check_broker
    except ImportError as error:
        raise ConfigurationError(
            f"CELERY_BROKER_URL is set, for which the extra 'cluster' is needed ({error.name} is not installed): "
            "pip install 'refnet[cluster]'"
        ) from error
    broker = settings.broker_url.get_secret_value()
    check_broker(broker)
    url = database_url(settings.database)
    if url.get_backend_name() != "postgresql":
        raise ConfigurationError(
            "CELERY_BROKER_URL is set, but the database is an SQLite file, which several machines cannot share. "
            "Set DATABASE_URL to PostgreSQL, or unset CELERY_BROKER_URL to work in this process alone."
        )
    if isinstance(password := url.query.get("password"), str):
        # There Celery would show it, where it lists its settings.
        url = url.difference_update_query(["password"]).set(password=password)
    return Connections(broker, url.render_as_string(hide_password=False))


def keys(settings: Settings) -> tuple[bytes, ...]:
    """What the cluster's task messages are signed with. Raises ConfigurationError."""
    given = settings.signing_keys
    return signing_keys(None if given is None else given.get_secret_value(), settings.data_dir)
