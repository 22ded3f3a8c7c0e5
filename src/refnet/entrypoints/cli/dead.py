"""`refnet dead`: jobs that were given up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from refnet.domain.errors import ConfigurationError
from refnet.entrypoints.cli.output import print_json, say
from refnet.entrypoints.cli.start import opened

if TYPE_CHECKING:
    from refnet.adapters.database.store import Store
    from refnet.domain.jobs import DeadLetter

app = typer.Typer(
    help="Dead letters: jobs that were given up.",
    epilog="Example: refnet dead list",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command("list", epilog="Example: refnet dead list --json")
def list_dead(as_json: AsJson = False) -> None:
    """List them, the oldest first."""
    letters = opened().store.dead_letters()
    if as_json:
        print_json([_document(letter) for letter in letters])
        return
    if not letters:
        say("No dead letters.")
    for letter in letters:
        say(f"{letter.id}  {_at(letter)}  {letter.stage}  {letter.paper_id}  {letter.reason}")


@app.command(epilog="Example: refnet dead show 17")
def show(identity: Annotated[int, typer.Argument(metavar="ID")], as_json: AsJson = False) -> None:
    """Show one with its reason and traceback."""
    letter = next((letter for letter in opened().store.dead_letters() if letter.id == identity), None)
    if letter is None:
        raise _unknown([identity])
    if as_json:
        print_json({**_document(letter), "traceback": letter.traceback})
        return
    say(
        f"{letter.stage} of {letter.paper_id}, given up {_at(letter)} after {letter.attempts} attempts:\n{letter.reason}"
    )
    if letter.traceback:
        say(letter.traceback)


@app.command(epilog="Example: refnet dead retry --all")
def retry(
    identities: Annotated[list[int] | None, typer.Argument(metavar="ID…", show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Queue them again.

    The next `refnet map` of their crawl takes them up.
    """
    if everything == bool(identities):
        raise ConfigurationError("Name the dead letters to retry by their ids, or give --all.")
    store = opened().store
    found = store.retry_dead(None if everything else _existing(store, identities or []))
    _told(found, "queued again", as_json=as_json)


@app.command(epilog="Example: refnet dead purge 17 18")
def purge(identities: Annotated[list[int], typer.Argument(metavar="ID…")], as_json: AsJson = False) -> None:
    """Forget them."""
    store = opened().store
    _told(store.purge_dead(_existing(store, identities)), "purged", as_json=as_json)


def _existing(store: Store, identities: list[int]) -> list[int]:
    """Raises ConfigurationError before anything is changed."""
    absent = sorted(set(identities) - {letter.id for letter in store.dead_letters()})
    if absent:
        raise _unknown(absent)
    return identities


def _told(found: list[int], what: str, *, as_json: bool) -> None:
    if as_json:
        print_json({what.replace(" ", "_"): found})
    else:
        say(f"{len(found)} {what}.")


def _unknown(identities: list[int]) -> ConfigurationError:
    return ConfigurationError(f"No dead letter has the id {', '.join(map(str, identities))}. See: refnet dead list")


def _document(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "task": None,
        "stage": letter.stage,
        "paper_id": letter.paper_id,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "at": datetime.fromtimestamp(letter.at, UTC).isoformat(timespec="seconds"),
    }


def _at(letter: DeadLetter) -> str:
    return datetime.fromtimestamp(letter.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
