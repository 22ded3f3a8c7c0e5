"""Every command that the documentation shows can be typed, and those of the tutorial and the README do what they say."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import typer.main

from refnet.entrypoints.cli.main import _with_default_age, app
from tests.acceptance.command import Refnet

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("README*.md")])
BLOCK = re.compile(r"^```(?:sh|console|bash)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
#: Whose commands are looked at; those of Celery are in `tests/cluster`.
PROGRAMS = "refnet|make|python -m refnet"
#: Ends a command for our purposes: what follows is the shell's.
SHELL = {">", ">>", "|", "||", "&&", ";", "2>"}
LIBRARY = """
@inproceedings{lewis2020rag,
  title = {Retrieval-Augmented Generation for Knowledge-Intensive {NLP} Tasks},
  author = {Lewis, Patrick and others},
  eprint = {2005.11401},
  archivePrefix = {arXiv},
  year = {2020}
}
"""


def commands(page: Path, programs: str = PROGRAMS) -> Iterator[list[str]]:
    """The words of each command of these programs in the blocks of a page."""
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        joined = block.replace("\\\n", " ")
        for line in joined.splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True) if is_command(line, programs) else []
            words = list(takewhile(lambda word: word not in SHELL, words))
            if words[:3] == ["python", "-m", "refnet"]:
                words = words[2:]
            if words:
                yield words


def is_command(line: str, programs: str) -> bool:
    return re.match(rf"(\$ )?({programs})( |$)", line) is not None


def parse(words: list[str]) -> None:
    """Let the real parser read a command, without running it."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("refnet", _with_default_age([word for word in words if word != "--debug"]))
    while hasattr(command, "commands"):
        rest = [*context._protected_args, *context.args]
        if not rest and command.invoke_without_command:
            return
        _, command, rest = command.resolve_command(context, rest)
        context = command.make_context(command.name, rest, parent=context)


ALL = [(page, words) for page in PAGES for words in commands(page)]


def test_the_documentation_shows_commands() -> None:
    assert {words[0] for _, words in ALL} == {"refnet", "make"}
    assert len(ALL) >= 20


@pytest.mark.parametrize(
    ("page", "words"), ALL, ids=[f"{page.relative_to(ROOT)}: {shlex.join(words)}" for page, words in ALL]
)
def test_a_command_of_the_documentation_can_be_typed(page: Path, words: list[str]) -> None:
    if words[0] == "make":
        targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
        assert {word for word in words[1:] if "=" not in word} <= targets
    else:
        parse(words[1:])


def test_a_command_that_cannot_be_typed_is_found() -> None:
    for words in (["map"], ["map", "x", "--colour"], ["dead", "bury", "1"], ["export", "sculpture"]):
        with pytest.raises(Exception, match=r".") as caught:
            parse(words)
        assert type(caught.value).__name__ in {"MissingParameter", "NoSuchOption", "UsageError", "BadParameter"}, words


@pytest.mark.slow
@pytest.mark.parametrize("name", ["README.md", "docs/tutorial/first-vault.md"])
def test_the_commands_of_a_page_do_what_they_say_one_after_another(refnet: Refnet, name: str) -> None:
    (refnet.folder / "library.bib").write_text(LIBRARY, encoding="utf-8")
    shown = [words for words in commands(ROOT / name) if words != ["refnet", "--version"]]
    assert len(shown) >= 5

    for words in shown:
        refnet.done(*(["demo"] if words == ["make", "demo"] else words[1:]))
