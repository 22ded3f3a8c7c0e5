"""The key of a language model: one that its server refuses ends a command before anything is done."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from refnet.demo.server import StandIn
from tests.acceptance.command import Refnet, stamps
from tests.acceptance.conftest import User
from tests.model_server import ModelServer
from tests.servers import free_port

#: Invented papers that are read.
PAPERS = (
    "93b04e6d275d1f212068f0ece499f28b4824359d",
    "0992309defb9194f5516e17029f6de92eb84f09d",
    "71e470aaeb9ea2caca3dc41dde6f0ecd6dc21874",
)
MAP = ("map", *PAPERS, "--depth", "0", "--summaries", "all", "--json")
KEY, WRONG = "sk-of-the-tests-0123456789", "sk-of-somebody-else-987654"


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(key=KEY) as started:
        yield started


@pytest.fixture
def reader(user: User, library: StandIn, server: ModelServer) -> Refnet:
    """Somebody whose model is the stand-in, with the right key."""
    place = urlsplit(library.url).netloc
    return user(
        library,
        REFNET_ARXIV_URL=library.origin,
        REFNET_ALLOW_PRIVATE_HOSTS=place,
        REFNET_LLM_MODEL="stand-in",
        OPENAI_BASE_URL=server.url,
        OPENAI_API_KEY=KEY,
    )


def test_map_with_a_wrong_key_is_refused_before_anything_is_done(
    reader: Refnet, library: StandIn, server: ModelServer
) -> None:
    ended = reader.with_(OPENAI_API_KEY=WRONG)(*MAP)

    assert ended.code == 2
    assert "refuses the key (401). Check OPENAI_API_KEY." in ended.error
    assert WRONG not in ended.err
    assert [asked.path for asked in server.asked] == ["/v1/models"]
    assert (library.log, library.downloaded) == ([], [])
    assert not (reader.folder / "vault").exists()
    assert list((reader.folder / "data").glob("*.db*")) == []


def test_map_without_the_key_that_a_server_wants_is_refused_too(reader: Refnet, library: StandIn) -> None:
    ended = reader.without("OPENAI_API_KEY")(*MAP)

    assert (ended.code, library.log) == (2, [])
    assert "wants a key (401). Set OPENAI_API_KEY." in ended.error


@pytest.mark.slow
def test_summarize_with_a_wrong_key_changes_nothing(reader: Refnet, library: StandIn, server: ModelServer) -> None:
    reader.done("map", *PAPERS, "--depth", "0", "--no-summaries")
    before = stamps(reader.folder / "vault")

    ended = reader.with_(OPENAI_API_KEY=WRONG)("summarize", "--all")

    assert ended.code == 2
    assert "Check OPENAI_API_KEY" in ended.error
    assert (server.calls, library.downloaded) == ([], [])
    assert stamps(reader.folder / "vault") == before


@pytest.mark.slow
def test_where_no_summary_by_the_model_is_wanted_it_is_not_asked(reader: Refnet, server: ModelServer) -> None:
    wrong = reader.with_(OPENAI_API_KEY=WRONG)
    for words in (["--no-summaries"], ["--summaries", "0"], ["--dry-run"]):
        wrong.done("map", *PAPERS, "--depth", "0", *words)
    wrong.with_(REFNET_SUMMARIES="0").done("map", *PAPERS, "--depth", "0")

    assert server.asked == []


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["away", "no list", "503", "429"])
def test_a_server_that_says_nothing_of_the_key_stops_nothing(reader: Refnet, server: ModelServer, trouble: str) -> None:
    if trouble == "away":
        reader = reader.with_(OPENAI_BASE_URL=f"http://127.0.0.1:{free_port()}/v1")
    elif trouble == "no list":
        server.models = None
    else:
        server.modes = [trouble, "good"]

    report = reader.done(*MAP).json

    assert report["full_texts"] == len(PAPERS)
    assert bool(server.calls) is (trouble != "away")


@pytest.mark.slow
def test_a_key_that_is_refused_later_is_not_tried_again_and_told_once(reader: Refnet, server: ModelServer) -> None:
    # The first is to be looked at, the second is asked to write.
    server.modes = ["good", "good", "401"]

    ended = reader.done(*MAP)

    assert ended.json["full_texts"] == len(PAPERS)
    assert len(server.calls) == 2
    assert ended.err.count("refuses the key (401)") == 1
    assert "did not make 2 of the summaries" in ended.err
