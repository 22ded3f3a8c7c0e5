"""`refnet keys`: keys that are made here, and known elsewhere."""

from __future__ import annotations

import secrets

import typer

from refnet.entrypoints.cli.output import say

app = typer.Typer(
    help="The keys of a cluster.", epilog="Example: refnet keys signing", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def _group() -> None: ...


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
