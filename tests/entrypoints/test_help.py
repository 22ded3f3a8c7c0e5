"""What `--help` says of each command, and how fast."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from refnet import __version__
from refnet.entrypoints.cli.main import app, run

#: Libraries that take longer to load than all the rest of the start.
HEAVY = {"alembic", "bibtexparser", "httpx2", "rich", "sqlalchemy", "yaml"}


def commands(group: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*above, name)
        if hasattr(command, "commands"):
            yield from commands(command, (*above, name))


COMMANDS = sorted(commands(typer.main.get_command(app)))


def test_the_commands_are_those_of_the_contract() -> None:
    assert {" ".join(words) for words in COMMANDS} == {
        *("map", "demo", "summarize", "status", "export", "doctor", "worker", "serve"),
        *("dead", "dead list", "dead show", "dead retry", "dead purge"),
        *("vault", "vault write", "vault check", "db", "db upgrade"),
        *("cache", "cache empty"),
        *("keys", "keys signing", "keys create", "keys list", "keys revoke"),
    }


@pytest.mark.parametrize("words", [(), *COMMANDS], ids=lambda words: " ".join(words) or "refnet")
def test_every_help_has_an_example_that_begins_with_the_command(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*words, "--help"]) == 0
    out, err = capsys.readouterr()
    assert f"Example: refnet {' '.join(words)}".strip() in " ".join(out.split())
    assert err == ""


def test_a_command_alone_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    run([])
    assert "Usage: refnet" in "".join(capsys.readouterr())


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"refnet {__version__}\n"


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys; from refnet.entrypoints.cli.main import run; run(['map', '--help']); "
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "Usage: refnet map" in ran.stdout
    assert HEAVY & set(ran.stderr.split()) == set()


def test_help_takes_less_than_a_third_of_a_second_of_processor_time() -> None:
    def seconds() -> float:
        before = os.times()
        subprocess.run([sys.executable, "-m", "refnet", "--help"], capture_output=True, check=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    # The best of some: what else the machine does is not ours.
    assert min(seconds() for _ in range(5)) < 0.3
