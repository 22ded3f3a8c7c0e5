"""A vault has one language: it is set by `--lang`, and stays until it is set anew."""

from __future__ import annotations

import pytest

from refnet.demo.server import StandIn
from tests.acceptance.command import Refnet, stamps
from tests.acceptance.conftest import User

#: Each runs the whole command several times.
pytestmark = pytest.mark.slow

FIRST, SECOND = "93b04e6d275d1f212068f0ece499f28b4824359d", "0992309defb9194f5516e17029f6de92eb84f09d"
ALONE = ("--depth", "0", "--no-summaries")


@pytest.fixture
def reader(user: User, library: StandIn) -> Refnet:
    return user(library, REFNET_ARXIV_URL=library.origin)


def headings(reader: Refnet, folder: str = "vault") -> set[str]:
    """Those of the links, of all notes."""
    lines = [
        line
        for note in (reader.folder / folder / "papers").glob("*.md")
        for line in note.read_text(encoding="utf-8").splitlines()
    ]
    return {line for line in lines if line in ("## Links", "## リンク")}


def test_a_crawl_into_a_vault_keeps_its_language_unless_another_is_asked_for(reader: Refnet) -> None:
    reader.done("map", FIRST, *ALONE, "--lang", "ja")

    reader.done("map", SECOND, *ALONE)
    assert headings(reader) == {"## リンク"}

    reader.done("map", SECOND, *ALONE, "--lang", "en")
    assert headings(reader) == {"## Links"}


def test_a_new_vault_is_in_english(reader: Refnet) -> None:
    reader.done("map", FIRST, *ALONE, "--lang", "ja")
    reader.done("map", FIRST, *ALONE, "--vault", "other")

    assert (headings(reader), headings(reader, "other")) == ({"## リンク"}, {"## Links"})


def test_summarize_in_a_language_puts_the_headings_of_the_vault_into_it_and_says_so_once(reader: Refnet) -> None:
    reader.done("map", FIRST, SECOND, *ALONE)
    told = "The headings of all notes are in Japanese from now on."

    first = reader.done("summarize", FIRST, "--lang", "ja")
    before = stamps(reader.folder / "vault")
    second = reader.done("summarize", FIRST, "--lang", "ja")
    reader.done("summarize", FIRST)

    assert (told in first.out, told in second.out) == (True, False)
    assert headings(reader) == {"## リンク"}
    assert stamps(reader.folder / "vault") == before


def test_summarize_of_a_paper_that_the_vault_does_not_hold_leaves_its_language(reader: Refnet) -> None:
    reader.done("map", FIRST, *ALONE)
    reader.done("map", SECOND, *ALONE, "--vault", "other")

    assert "from now on" not in reader.done("summarize", SECOND, "--lang", "ja").out
    assert (headings(reader), headings(reader, "other")) == ({"## Links"}, {"## Links"})
