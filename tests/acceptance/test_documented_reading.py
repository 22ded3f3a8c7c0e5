"""The pages on reading papers, typed as they stand, and the notes that they show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from refnet.demo.bundled import demo_corpus, demo_downloads
from refnet.demo.server import StandIn
from tests.acceptance.command import Refnet
from tests.acceptance.conftest import User
from tests.acceptance.test_documented_commands import BLOCK, ROOT, commands
from tests.model_server import ModelServer

TWO_PAPERS = ROOT / "docs" / "tutorial" / "two-papers-read.md"
READ = ROOT / "docs" / "how-to" / "read-full-texts.md"
#: Where the stand-in listens on the page, and how it is started there.
SHOWN = "127.0.0.1:8900"
STARTED = f"python -m refnet.demo --pdfs --port {SHOWN.rpartition(':')[2]}"
NOTE = re.compile(r"^```markdown\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture
def library() -> Iterator[StandIn]:
    """What `--pdfs` serves, at a port of its own."""
    with StandIn(demo_corpus(), downloads=demo_downloads()) as server:
        yield server


def exported(page: Path) -> dict[str, str]:
    """The variables that a page sets."""
    return dict(re.findall(r"^export (\w+)=(\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE))


def notes(folder: Path) -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in sorted((folder / "papers").glob("*.md")))


@pytest.mark.slow
def test_an_english_and_a_japanese_paper_become_the_notes_that_the_tutorial_shows_in_both_languages(
    library: StandIn, user: User
) -> None:
    here = urlsplit(library.url).netloc
    page = TWO_PAPERS.read_text(encoding="utf-8")
    settings = {name: value.replace(SHOWN, here) for name, value in exported(TWO_PAPERS).items()}
    assert settings["SEMANTIC_SCHOLAR_URL"] == library.url
    assert f"$ {STARTED}\n" in page
    reader = user(library, **{"REFNET_SUMMARIES": "20", **settings})

    printed: list[str] = []
    written = []
    for words in commands(TWO_PAPERS):
        printed += reader.done(*words[1:]).out.splitlines()
        written.append(notes(reader.folder / "two-papers").replace(here, SHOWN))

    shown = NOTE.findall(page)
    assert [block for block in shown[:2] if block not in written[0]] == []
    assert [block for block in shown[2:] if block not in written[1]] == []
    assert [block.splitlines()[0] for block in shown] == ["## Summary", "## Summary", "## 要約", "## 要約"]
    lines = [line for block in BLOCK.findall(page) if "$ refnet" in block for line in block.splitlines()]
    told = [line for line in lines if not line.startswith("$ ") and "…" not in line]
    assert len(told) >= 2
    assert [line for line in told if line not in printed] == []


@pytest.mark.slow
def test_the_commands_of_the_page_on_full_texts_do_what_they_say_one_after_another(
    library: StandIn, user: User
) -> None:
    place = urlsplit(library.url).netloc
    inside = {"REFNET_ARXIV_URL": library.origin, "REFNET_ALLOW_PRIVATE_HOSTS": place}
    shown = list(commands(READ))
    assert len(shown) >= 8

    with ModelServer(["good"]) as server:
        reader = user(library, OPENAI_BASE_URL=server.url, **inside)
        for words in shown:
            reader.done(*words[1:])
            if words[-1] == "all":
                read(reader, library)
    assert reader.done("cache", "--json").json["files"] == 0, "the last command of the page empties it"


def read(reader: Refnet, library: StandIn) -> None:
    """With `all` the invented papers that cite this one have been read, but the one that is refused."""
    assert reader.map("arXiv:2005.11401", "--summaries", "all")["full_texts"] == 4
    assert [one.path for one in library.downloaded if one.path.startswith("/closed/")] == ["/closed/asking-again"]


@pytest.mark.slow
def test_nothing_is_looked_for_where_the_page_says_that_it_is_turned_off(library: StandIn, user: User) -> None:
    place = urlsplit(library.url).netloc
    inside = {"REFNET_ARXIV_URL": library.origin, "REFNET_ALLOW_PRIVATE_HOSTS": place}
    for number, (off, words) in enumerate(
        [({"REFNET_SUMMARIES": "0"}, []), ({"REFNET_SUMMARIES": "20"}, ["--no-summaries"])]
    ):
        reader = user(library, f"reader-{number}", **inside, **off)
        assert reader.map("arXiv:2402.99901", "--depth", "0", *words)["full_texts"] == 0
    assert library.downloaded == []

    # The guard holds: with the same settings and nothing turned off, it is read.
    reader = user(library, "another", **inside, REFNET_SUMMARIES="20")
    assert reader.map("arXiv:2402.99901", "--depth", "0")["full_texts"] == 1
