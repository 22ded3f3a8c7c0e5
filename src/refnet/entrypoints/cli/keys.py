"""`refnet keys`: the keys of the API, and the key that signs tasks, which is made here and known elsewhere."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

import typer

from refnet.domain.errors import ConfigurationError
from refnet.domain.permissions import ApiKey, Scope
from refnet.entrypoints.cli.output import iso, minute, print_json, say
from refnet.entrypoints.cli.start import opened

app = typer.Typer(
    help="Keys: of the API, and of a cluster.",
    epilog="Example: refnet keys create --scope read",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command(epilog="Example: refnet keys create --scope read --name 'reading group'")
def create(
    scope: Annotated[Scope, typer.Option(help="What it permits: each includes those before it.", show_default=False)],
    name: Annotated[str, typer.Option(metavar="TEXT", help="For whom or what it is.", show_default=False)] = "",
    as_json: AsJson = False,
) -> None:
    """Make a key of the API and print it, this once: refnet keeps only what recognises it."""
    key, token = opened().store.make_key(scope, name)
    if as_json:
        print_json({"id": key.id, "key": token, "scope": key.scope})
        return
    say(f"Key {key.id} with the scope {key.scope}. Keep it secret; nobody can show it again:")
    say(token, whole=True)


@app.command("list", epilog="Example: refnet keys list --json")
def list_keys(as_json: AsJson = False) -> None:
    """List the keys of the API, the oldest first: what each permits, and when it was used."""
    keys = opened().store.keys()
    if as_json:
        print_json([_document(key) for key in keys])
        return
    if not keys:
        say("No keys.")
    width = max((len(str(key.id)) for key in keys), default=0)
    for key in keys:
        used = f"used {minute(key.used_at)}" if key.used_at is not None else "never used"
        over = f", revoked {minute(key.revoked_at)}" if key.revoked_at is not None else ""
        about = f"{key.id:>{width}}  {key.scope:<5}  made {minute(key.created_at)}, {used}{over}"
        say(f"{about}  {key.name}".rstrip(), indent=width + 2)


@app.command(epilog="Example: refnet keys revoke 3")
def revoke(identity: Annotated[int, typer.Argument(metavar="ID")]) -> None:
    """Let a key of the API count no more, at once and for good."""
    if not opened().store.revoke_key(identity):
        raise ConfigurationError(f"No key has the id {identity}. See: refnet keys list")
    say(f"Key {identity} is revoked.")


@app.command(epilog="Example: refnet keys signing | tail -n 1")
def signing() -> None:
    """Print a new key for REFNET_SIGNING_KEYS, alone on the last line.

    With it a cluster signs its task messages; whoever has none can give workers no work.
    """
    say("A first key: set it alone, the same on every machine, and keep it secret: its owner can run any task.")
    say("Another key, while work goes on: set these one after another, each on every machine before the next, and")
    say("restart workers, beat and Flower each time:")
    say("  REFNET_SIGNING_KEYS=old,new     the new one is accepted")
    say("  REFNET_SIGNING_KEYS=new,old     the new one signs")
    say("  REFNET_SIGNING_KEYS=new         once the queues hold nothing that the old one signed")
    say(secrets.token_hex(32), whole=True)


def _document(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scope": key.scope,
        "created_at": iso(key.created_at),
        "revoked_at": None if key.revoked_at is None else iso(key.revoked_at),
        "used_at": None if key.used_at is None else iso(key.used_at),
    }
