"""How commands come to an application."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refnet.bootstrap import Application


def application() -> Application:
    """The application that the environment describes. Raises ConfigurationError."""
    from refnet.bootstrap import build
    from refnet.settings import load_settings

    return build(load_settings())


def opened() -> Application:
    """The same, with its database at the present schema, for commands that read or make short writes beside a working
    process.
    """
    from refnet.adapters.database.migrate import open_at_head

    found = application()
    open_at_head(found.engine)
    return found
