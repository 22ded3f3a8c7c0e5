"""A source that refuses, or is not there at all."""

from __future__ import annotations

import signal
import time
from dataclasses import replace

import pytest

from refnet.demo.bundled import SEED
from refnet.demo.faults import Faults
from refnet.demo.server import StandIn
from tests.acceptance.command import as_request_comes, asked_twice, tree
from tests.acceptance.conftest import Serve, User
from tests.acceptance.serving import ask, events, serving

#: Many runs of the whole command.
pytestmark = pytest.mark.slow

KEY = "s3cret-key-of-mine"


def test_a_wrong_key_is_told_at_its_first_use(serve: Serve, user: User) -> None:
    stand_in = serve(keys=frozenset({"another"}))
    refnet = user(stand_in, SEMANTIC_SCHOLAR_API_KEY=KEY)

    ended = refnet("map", SEED)

    assert ended.code == 2
    assert "refuses the key (403)" in ended.error
    assert "SEMANTIC_SCHOLAR_API_KEY" in ended.error
    assert len(stand_in.log) == 2  # once more, for it happens by mistake
    assert KEY not in ended.out + ended.err
    assert refnet.done("status", "--json").json["crawls"] == []


def test_a_server_with_a_wrong_key_says_so_once_and_shows_what_the_crawl_waits_for(serve: Serve, user: User) -> None:
    stand_in = serve(keys=frozenset({"another"}))
    server = serving(user(stand_in, SEMANTIC_SCHOLAR_API_KEY=KEY))
    with server.client() as client:
        place = ask(client, seeds=[SEED])
        why = "another try: Semantic Scholar refuses the key (403). Check SEMANTIC_SCHOLAR_API_KEY"
        assert server.running.until(lambda: why in next(events(client, place)).data.get("waiting", ""), 20.0)
    ended = server.running.interrupt(signal.SIGTERM)

    (said,) = [line for line in ended.err.splitlines() if "refuses the key" in line]
    assert "WARNING" in said
    assert len(stand_in.log) == 2


@pytest.mark.slow
def test_a_key_refused_later_stops_the_run_and_the_next_one_goes_on(serve: Serve, user: User) -> None:
    stand_in = serve(keys=frozenset({KEY}), latency=0.05)
    right = stand_in.switches
    refnet = user(stand_in, SEMANTIC_SCHOLAR_API_KEY=KEY, REFNET_BATCH_IDS="5")

    def refuse() -> None:
        stand_in.switches = replace(right, keys=frozenset())

    as_request_comes(stand_in, 4, refuse)
    ended = refnet("map", SEED)

    assert ended.code == 3
    assert "refuses the key (403)" in ended.error
    stand_in.switches = right
    document = refnet.map(SEED)
    assert document["papers"] == 57
    assert asked_twice(stand_in.log) == set()


def test_the_key_goes_to_the_source_with_every_request(serve: Serve, user: User) -> None:
    stand_in = serve(keys=frozenset({KEY}), keyless=False)

    user(stand_in, SEMANTIC_SCHOLAR_API_KEY=KEY).map(SEED, "--limit", "5")

    assert {entry.key for entry in stand_in.log} == {KEY}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:9/graph/v1", "Connection refused"),
        ("http://nowhere.invalid/graph/v1", "cannot be resolved"),
    ],
)
def test_without_a_network_it_stops_after_a_while_and_resumes(serve: Serve, user: User, url: str, said: str) -> None:
    refnet = user(url, REFNET_NO_NETWORK_SECONDS="0.5")

    ended = refnet("map", SEED)

    assert ended.code == 3
    assert said in ended.error
    assert "Check the network" in ended.error
    assert ended.seconds < 20
    assert refnet.with_(SEMANTIC_SCHOLAR_URL=serve().url).map(SEED)["papers"] == 57


@pytest.mark.parametrize(
    "kind", ["429", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("500", "503", "reset"))]
)
def test_a_lasting_outage_stops_the_run_and_costs_no_paper(serve: Serve, user: User, kind: str) -> None:
    whole, stand_in = user(serve(), "whole"), serve(latency=0.02)
    expected = whole.map(SEED)
    refnet = user(stand_in, REFNET_BATCH_IDS="5", REFNET_OUTAGE_SECONDS="0.5")
    as_request_comes(stand_in, 4, lambda: fail_from_now_on(stand_in, kind))

    ended = refnet("map", SEED)

    assert ended.code == 3
    assert "No request succeeded for" in ended.error
    assert "resumes" in ended.error
    fail_from_now_on(stand_in, None)
    document = refnet.map(SEED)
    assert document["papers"] == expected["papers"]
    assert document["dead"] == 0
    assert asked_twice(stand_in.log) == set()
    assert tree(refnet.folder / "vault") == tree(whole.folder / "vault")


@pytest.mark.slow
def test_a_source_that_asks_to_be_left_alone_for_longer_than_a_command_waits_is_left_alone(
    serve: Serve, user: User
) -> None:
    stand_in = serve(faults=1.0, kinds=("429-retry-after",), retry_after=1_800)
    refnet = user(stand_in)

    first, second = refnet("map", SEED), refnet("map", SEED)

    assert first.code == second.code == 3
    assert "asks to be left alone for 30 min more" in first.error
    assert "asks to be left alone for 30 min more" in second.error
    assert len(stand_in.log) == 1


def test_ctrl_c_ends_a_long_wait_at_once(serve: Serve, user: User) -> None:
    stand_in = serve(faults=1.0, kinds=("429-retry-after",), retry_after=600)
    running = user(stand_in).start("map", SEED)
    # The line that it waits stands on stderr before it does.
    told = [running.line() for _ in range(2)]
    began = time.monotonic()

    ended = running.interrupt()

    assert "waiting 600 s for another try" in told[1]
    assert ended.code == 130
    assert time.monotonic() - began < 5


@pytest.mark.slow
def test_a_limit_lower_than_the_pace_is_found_out(serve: Serve, user: User) -> None:
    stand_in = serve(rps=2)
    refnet = user(stand_in, REFNET_BATCH_IDS="20", SEMANTIC_SCHOLAR_RPS="20")

    document = refnet.map(SEED)

    assert document["papers"] == 57
    assert any(entry.breach for entry in stand_in.log)
    assert asked_twice(stand_in.log) == set()


def test_an_address_that_is_no_mirror_is_named(serve: Serve, user: User) -> None:
    refnet = user(serve().url.replace("/graph/v1", "/elsewhere"), REFNET_OUTAGE_SECONDS="0.5")

    ended = refnet("map", SEED)

    assert ended.code == 3
    assert "SEMANTIC_SCHOLAR_URL" in ended.error


def fail_from_now_on(stand_in: StandIn, kind: str | None) -> None:
    """Every request fails in this way, or none."""
    stand_in.switches = replace(stand_in.switches, faults=1.0 if kind else 0.0, kinds=(kind or "429",))
    stand_in._faults = Faults(stand_in.switches)
