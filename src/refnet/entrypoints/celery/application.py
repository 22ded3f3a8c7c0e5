"""The Celery application that `celery -A refnet` finds."""

from __future__ import annotations

import click

from refnet.adapters.celery_queue.application import Connections, create_app
from refnet.domain.errors import ConfigurationError


class _Refused(click.ClickException, ConfigurationError):
    """A ConfigurationError that click ends with one line, too."""

    exit_code = 2


def _read() -> Connections:
    from refnet.bootstrap.connections import connections
    from refnet.settings import load_settings

    try:
        return connections(load_settings())
    except ConfigurationError as error:
        # Celery's own commands end with what click is told, others with a traceback.
        raise _Refused(str(error)) from error


def _keys() -> tuple[bytes, ...]:
    from refnet.bootstrap.connections import keys
    from refnet.settings import load_settings

    try:
        return keys(load_settings())
    except ConfigurationError as error:
        raise _Refused(str(error)) from error


app = create_app(_read, _keys)
