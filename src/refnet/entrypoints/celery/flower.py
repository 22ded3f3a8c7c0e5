"""Flower is started by Celery's own command; it is let in here, or not."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import click
from celery.utils.log import get_logger

from refnet.domain.errors import ConfigurationError
from refnet.domain.passwords import is_none
from refnet.settings import load_settings

_log = get_logger(__name__)

_LOOPBACK = "127.0.0.1"
#: Characters of a password.
_LEAST = 8


def check(**_: object) -> None:
    """See to it that Flower asks for a password, and is reached by nobody who could pass it by.

    For Celery's signal `import_modules`, which Flower sends once it has read its options and before it listens. It ends
    with exit code 2 where it must not start.
    """
    context = click.get_current_context(silent=True)
    if context is None or context.info_name != "flower":
        return
    from tornado.options import options

    from refnet.entrypoints.logs import configure

    try:
        settings = load_settings()
        if not options.basic_auth and settings.flower_auth is not None:
            # From the file that FLOWER_BASIC_AUTH_FILE names, which Flower does not know of.
            options.basic_auth = [settings.flower_auth.get_secret_value()]
        check_password(options.basic_auth)
        check_address(options)
        configure(settings, "flower.log")
    except ConfigurationError as error:
        # Not as an exception of click's: Celery would log it with a traceback before it passes it on.
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(2) from error


def check_password(given: list[str] | None) -> None:
    """Raises ConfigurationError without a password, or for one that anybody would try."""
    if not given:
        raise ConfigurationError(
            "Flower needs a password: its users can run any task. Set FLOWER_BASIC_AUTH to user:password."
        )
    for one in given:
        user, _, password = one.partition(":")
        if not user or len(password) < _LEAST or is_none(password) or is_none(one):
            raise ConfigurationError(
                f"FLOWER_BASIC_AUTH has to be user:password, with a password of your own of {_LEAST} characters or more."
            )


def check_address(options: Any) -> None:
    """Loopback, unless somebody says otherwise; elsewhere only behind a proxy, and it is said what stays open.

    Raises ConfigurationError.
    """
    if options.unix_socket:
        return
    options.address = options.address or _LOOPBACK
    if _is_loopback(options.address):
        return
    open_ = (
        "Flower's /metrics and /healthcheck ask for no password: whoever reaches the port learns the names of workers and "
        "tasks, and how many there were."
    )
    if not options.xheaders:
        raise ConfigurationError(
            f"{open_} Leave FLOWER_ADDRESS at {_LOOPBACK}; or put a proxy in front that keeps these two to itself, the "
            "only one to reach the port, and say so by FLOWER_XHEADERS=true."
        )
    _log.warning("Flower listens on %s. %s Let only the proxy reach it.", options.address, open_)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
