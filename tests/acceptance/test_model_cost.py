"""What a language model cost is told by the run that asked it; and nothing is paid for what cannot be written."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from refnet.demo.server import StandIn
from tests.acceptance.command import Refnet
from tests.acceptance.conftest import User
from tests.model_server import ModelServer

#: Each runs the whole command, most several times.
pytestmark = pytest.mark.slow

#: Invented papers that are read.
PAPERS = (
    "93b04e6d275d1f212068f0ece499f28b4824359d",
    "0992309defb9194f5516e17029f6de92eb84f09d",
)
PAPER = PAPERS[0]
#: US dollars for 10,000 tokens in and 1,000 out, as the stand-in counts each call.
PRICED, COST = "gpt-4o-mini", 0.0021
MAP = ("map", *PAPERS, "--depth", "0", "--summaries", "all")


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as started:
        yield started


@pytest.fixture
def reader(user: User, library: StandIn, server: ModelServer) -> Refnet:
    """Somebody who may ask a model that costs money, and turns none on."""
    return user(
        library,
        REFNET_ARXIV_URL=library.origin,
        REFNET_ALLOW_PRIVATE_HOSTS=urlsplit(library.url).netloc,
        OPENAI_BASE_URL=server.url,
        OPENAI_API_KEY="sk-of-the-tests-0123456789",
    )


@pytest.fixture
def mapped(reader: Refnet) -> Refnet:
    """The same, who has the papers in ./vault."""
    reader.done("map", *PAPERS, "--depth", "0", "--no-summaries")
    return reader


def test_map_tells_what_its_own_calls_cost_and_a_run_that_asks_nothing_costs_nothing(reader: Refnet) -> None:
    paying = reader.with_(REFNET_LLM_MODEL=PRICED)

    first = paying.done(*MAP)
    again = paying.done(*MAP)

    assert "Model      $0.0042 (2 requests)" in first.out.splitlines()
    assert "reading papers: 2 of 2 · $0.0042" in first.err.splitlines()
    assert first.out.splitlines()[-1] == f"Vault: {reader.folder / 'vault'}"
    assert "Model " not in again.out
    assert paying.done(*MAP, "--json").json["cost"] == 0


def test_map_tells_the_cost_in_json(reader: Refnet) -> None:
    assert reader.with_(REFNET_LLM_MODEL=PRICED).done(*MAP, "--json").json["cost"] == 2 * COST


def test_summarize_tells_what_this_run_cost_and_not_what_was_spent_before(mapped: Refnet) -> None:
    first = mapped.done("summarize", PAPER, "--model", PRICED)
    second = mapped.done("summarize", "--all", "--model", PRICED, "--json")

    assert "Model: $0.0021 (1 request)" in first.out
    assert "reading papers: 1 of 1 · $0.0021" in first.err.splitlines()
    # The first paper's answer is kept, and not paid for again.
    assert second.json["cost"] == COST


def test_a_paid_summary_that_gives_way_to_an_offline_one_is_told_and_comes_back_for_nothing(
    mapped: Refnet, server: ModelServer
) -> None:
    mapped.done("summarize", PAPER, "--model", PRICED)
    asked = len(server.calls)

    replaced = mapped.done("summarize", PAPER)
    back = mapped.done("summarize", PAPER, "--model", PRICED, "--json")

    assert f"1 summary by {PRICED} gave way to the offline summariser's; its answers are kept" in replaced.err
    assert f"used again in the same language with: --model {PRICED}" in replaced.err
    assert [one["model"] for one in back.json["papers"]] == [PRICED]
    assert (back.json["cost"], len(server.calls)) == (0, asked)
    assert "gave way" not in mapped.done("summarize", PAPER, "--model", "another").err


def test_an_interrupted_run_tells_what_it_cost_until_then(mapped: Refnet, server: ModelServer) -> None:
    # The first question is whether the key is taken; at the second paper the model hangs.
    server.modes = ["good", "good", "hang"]
    running = mapped.start("summarize", *PAPERS, "--model", PRICED)
    assert running.until(lambda: len(server.calls) == 2)

    ended = running.interrupt(signal.SIGINT)

    assert ended.code == 130
    assert "The language model cost $0." in ended.err


def test_a_cap_of_less_than_a_call_is_told_in_figures_that_make_sense(mapped: Refnet, server: ModelServer) -> None:
    ended = mapped.with_(REFNET_SPEND_CAP="0.0005").done("summarize", PAPER, "--model", PRICED)

    assert "cap of $0.0005 is reached ($0 is spent or set aside, and the call may cost $0.00" in ended.err
    assert "may cost $0.00)" not in ended.err
    assert server.calls == []


@pytest.mark.parametrize("place", ["/proc/vault", "file", "file/vault"])
def test_summarize_pays_nothing_where_the_vault_cannot_be_one(mapped: Refnet, server: ModelServer, place: str) -> None:
    (mapped.folder / "file").write_text("mine", encoding="utf-8")

    ended = mapped("summarize", PAPER, "--model", PRICED, "--vault", place)

    assert (ended.code, ended.out) == (2, "")
    assert place in ended.error
    assert "choose another vault" in ended.error
    assert server.calls == []


def test_the_usual_folder_that_is_a_file_is_refused_too(mapped: Refnet, server: ModelServer) -> None:
    (mapped.folder / "elsewhere").mkdir()
    (mapped.folder / "elsewhere" / "vault").write_text("mine", encoding="utf-8")

    ended = Refnet(mapped.folder / "elsewhere", mapped.environment)("summarize", PAPER, "--model", PRICED)

    assert (ended.code, server.calls) == (2, [])
    assert "is not a folder" in ended.error


def test_a_summary_that_no_note_shows_is_told_before_it_is_paid_for_and_after(
    mapped: Refnet, server: ModelServer
) -> None:
    elsewhere = mapped.folder / "elsewhere"
    elsewhere.mkdir()
    away, home = Refnet(elsewhere, mapped.environment), mapped.folder / "vault"
    server.modes = ["good", "hang"]
    running = away.start("summarize", PAPER, "--model", PRICED)
    assert running.until(lambda: len(server.calls) == 1)
    told = running.interrupt(signal.SIGINT).err
    assert f"The vault {elsewhere / 'vault'} holds no note of this paper: the summary is kept" in told
    assert f"Vaults that have it: {home}. Name one with --vault." in told
    server.modes = ["good"]

    ended = away.done("summarize", PAPER, "--model", PRICED)

    assert "Vault: " not in ended.out
    assert f"The vault {elsewhere / 'vault'} holds no note of this paper: nothing of that was written" in ended.out
    assert f"refnet vault write --vault {home}" in ended.out
    assert list(elsewhere.iterdir()) == []
    document = away.done("summarize", PAPER, "--model", PRICED, "--json", "--vault", "new/vault").json
    assert [one["in_vault"] for one in document["papers"]] == [False]
    assert list(elsewhere.iterdir()) == []
    # What was paid for is used by the vault that has the paper.
    away.done("vault", "write", "--vault", home)
    assert any(PRICED in file.read_text(encoding="utf-8") for file in (home / "papers").glob("*.md"))


def test_a_summary_whose_note_was_deleted_says_so(mapped: Refnet) -> None:
    for file in (mapped.folder / "vault" / "papers").glob("*.md"):
        if PAPER in file.read_text(encoding="utf-8"):
            file.unlink()

    ended = mapped.done("summarize", PAPER)

    assert "1 note that you deleted stays deleted." in ended.out


def test_a_number_of_summaries_and_none_do_not_go_together(reader: Refnet, library: StandIn) -> None:
    ended = reader("map", PAPER, "--summaries", "3", "--no-summaries")

    assert ended.code == 2
    assert "--summaries 3 and --no-summaries do not go together" in ended.error
    assert library.log == []
