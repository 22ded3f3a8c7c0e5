"""The commands, and what an error means for the exit code."""

from __future__ import annotations

import os
import re
import sys
import traceback
from typing import Annotated

import typer

from refnet import __version__
from refnet.domain.errors import RefnetError
from refnet.entrypoints.cli import (
    cache,
    dead,
    demo,
    doctor,
    export,
    keys,
    map_command,
    serve,
    status,
    summarize,
    vault,
    worker,
)
from refnet.entrypoints.cli.ending import end_by_signals, end_undisturbed
from refnet.entrypoints.cli.output import note
from refnet.entrypoints.cli.start import close_all
from refnet.entrypoints.exit_codes import DONE, INTERRUPTED, REFUSED, STOPPED, exit_code

#: No number of days has four decimals, as every arXiv id has.
_DAYS = re.compile(r"-?[0-9]+(\.[0-9]{1,3})?")

app = typer.Typer(
    name="refnet",
    help="Give it a paper, and see how the literature around it hangs together.",
    epilog="Example: refnet map arXiv:2005.11401 --depth 1 --limit 200",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # the pretty help alone would cost more than all the rest of the start
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("map", epilog=map_command.EXAMPLE)(map_command.map_papers)
app.command("demo", epilog=demo.EXAMPLE)(demo.demo)
app.command("summarize", epilog=summarize.EXAMPLE)(summarize.summarize)
app.command("status", epilog=status.EXAMPLE)(status.status)
app.add_typer(dead.app, name="dead")
app.add_typer(vault.app, name="vault")
app.command("serve", epilog=serve.EXAMPLE)(serve.serve)
app.command("worker", epilog=worker.EXAMPLE)(worker.worker)
app.command("export", epilog=export.EXAMPLE)(export.export)
app.command("doctor", epilog=doctor.EXAMPLE)(doctor.doctor)
app.add_typer(keys.app, name="keys")
app.add_typer(cache.app, name="cache")
app.add_typer(doctor.database, name="db")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"refnet {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    _debug: Annotated[bool, typer.Option("--debug", help="Print a traceback with an error; goes anywhere.")] = False,
) -> None: ...


def main() -> None:
    """Run the command that the process was started with, and exit."""
    # Python has none where the caller closed them.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: PTH123, SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: PTH123, SIM115
    end_by_signals(INTERRUPTED)
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # before the command had begun, or after its end
        code = INTERRUPTED
    end_undisturbed()
    sys.exit(code)


def run(words: list[str]) -> int:
    """Run a command, see that its answer is out, and return its exit code."""
    try:
        code = _run(words)
    finally:
        close_all()
    try:
        sys.stdout.flush()
    except OSError as error:
        # What is still held back would be tried once more at the end of the process, and be complained of.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            note(f"refnet: the answer could not be written ({error.strerror}). What is collected is kept.")
            return STOPPED
    return code


def _run(words: list[str]) -> int:
    # After the command, too, where people add it when something went wrong.
    debug = "--debug" in words
    words = _with_default_age([word for word in words if word != "--debug"])
    try:
        app(words, prog_name="refnet")
    except SystemExit as end:
        if end.code == INTERRUPTED:
            note("Interrupted. What is collected is kept; the same command goes on from here.")
        return end.code if isinstance(end.code, int) else REFUSED
    except RefnetError as error:
        if debug:
            traceback.print_exc()
        note(f"refnet: {error}")
        return exit_code(error)
    except OSError as error:
        if debug:
            traceback.print_exc()
        note(f"refnet: {error.filename or 'A file'} could not be read or written ({error.strerror or error}).")
        return STOPPED
    except Exception as error:  # noqa: BLE001 - the edge of the process: a bug ends in a sentence, too
        if debug:
            traceback.print_exc()
        name = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        note(
            f"refnet: a fault in refnet itself ({name}). What is collected is kept. "
            "Run the command again with --debug and report what it prints."
        )
        return STOPPED
    return DONE


def _with_default_age(words: list[str]) -> list[str]:
    """`--refresh` may stand without its number; option parsers cannot tell that from a seed that follows."""
    options = words[: words.index("--")] if "--" in words else words
    result = list(words)
    for place, word in enumerate(options):
        following = words[place + 1] if place + 1 < len(words) else ""
        if word == "--refresh" and not _DAYS.fullmatch(following):
            result[place] = "--refresh=30"
    return result
