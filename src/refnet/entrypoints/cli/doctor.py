"""`refnet doctor` and `refnet db`: is everything in order, and put the database in order."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Annotated

import typer

from refnet.domain.errors import ConfigurationError, RefnetError, StoreUnavailable
from refnet.entrypoints.cli.output import note, print_json, say
from refnet.entrypoints.cli.start import application

if TYPE_CHECKING:
    from refnet.bootstrap import Application
    from refnet.pipeline.doctor import Check

EXAMPLE = "Example: refnet doctor"
#: Seconds for which a database server may still be starting, on a machine that has only come up itself.
STARTS_WITHIN = 20.0

database = typer.Typer(
    help="The database.", epilog="Example: refnet db upgrade", no_args_is_help=True, rich_markup_mode=None
)


def doctor(
    worker: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only look whether this worker takes work, as a container's health check does; without an @ that of this machine.",
            show_default=False,
        ),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(metavar="CHECK", help="Only this check, by its name, such as beat.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Find what is wrong, and name the cure.

    Looks at the settings, the database, the broker and the workers where there are any, Semantic Scholar, the language
    model, the reading of PDFs and the vault. Nothing that it asks costs money.
    Exit code 1 if anything is wrong.
    """
    checks = _checks(worker, only)
    if as_json:
        print_json({"ok": all(check.ok for check in checks), "checks": [check.as_document() for check in checks]})
    else:
        for check in checks:
            say(f"{'ok  ' if check.ok else 'BAD '} {check.name}: {check.found}")
    raise typer.Exit(0 if all(check.ok for check in checks) else 1)


def _checks(worker: str | None, only: str | None) -> list[Check]:
    """Raises ConfigurationError for a check that there is not."""
    from refnet.bootstrap.doctor import look_at_worker, probes
    from refnet.pipeline.doctor import Check, Probe, examine

    try:
        app = application()
    except RefnetError as error:
        return [Check("settings", ok=False, found=str(error))]
    if worker is not None:
        return examine([Probe(f"worker {worker}", lambda: look_at_worker(app, worker))])
    # They have been read: else nothing could be looked at.
    every = [Probe("settings", lambda: "readable"), *probes(app, only)]
    if only is not None:
        named = {probe.name: probe for probe in every}
        if only not in named:
            raise ConfigurationError(f"There is no check {only}. Give one of: {', '.join(named)}")
        return examine([named[only]])
    return examine(every)


@database.command(epilog="Example: refnet db upgrade")
def upgrade() -> None:
    """Bring it to the schema of this version.

    An SQLite file is copied first.
    """
    from refnet.adapters.database.migrate import HEAD
    from refnet.adapters.database.migrate import upgrade as run

    app = application()
    _wait_for_server(app)
    with app.alone():
        copy = run(app.engine)
    if copy is not None:
        say(f"The database as it was is kept in {copy}")
    say(f"The database {app.place} is at schema {HEAD}.")


def _wait_for_server(app: Application) -> None:
    """Raises StoreUnavailable where it is not there in time."""
    from refnet.adapters.database.migrate import current_revision

    if app.database_file() is not None:
        return
    end, told = time.monotonic() + STARTS_WITHIN, False
    while True:
        try:
            current_revision(app.engine)
        except StoreUnavailable as error:
            if time.monotonic() >= end:
                raise
            if not told:
                note(f"{str(error).removesuffix('.')}. Waiting for it for up to {STARTS_WITHIN:g} s.")
            told = True
            threading.Event().wait(0.5)
        else:
            return
