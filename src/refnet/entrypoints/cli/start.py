"""How commands come to an application, and what is closed when they have ended."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refnet.bootstrap import Application
    from refnet.settings import Settings

_in_use = ExitStack()


def application(settings: Settings | None = None) -> Application:
    """The application that the settings, or else the environment, describe. Raises ConfigurationError."""
    from refnet.bootstrap import build
    from refnet.entrypoints.logs import configure
    from refnet.settings import load_settings

    settings = settings or load_settings()
    configure(settings, "refnet.log", console=False)
    found = build(settings)
    _in_use.callback(found.engine.dispose)
    return found


def close_all() -> None:
    """Close the databases of a command that has ended."""
    _in_use.close()


def opened() -> Application:
    """The same, with its database at the present schema, for commands that read or make short writes beside a working
    process.
    """
    from refnet.adapters.database.migrate import open_at_head

    found = application()
    open_at_head(found.engine)
    return found
