"""The graph of a crawl, which is sent in pieces."""

from __future__ import annotations

import json

import pytest
from starlette.testclient import TestClient

from refnet.entrypoints.web import graphs
from tests.contract.making import FULL, LIMITS, answer, open_crawl
from tests.entrypoints.web.conftest import Api


@pytest.fixture(autouse=True)
def by_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "PAPERS", 2)


def test_a_graph_of_many_pieces_is_the_one_of_all_papers_and_edges(client: TestClient, api: Api) -> None:
    graph = client.get("/api/v1/crawls/1/graph").json()

    store = api.application.store
    assert [node["id"] for node in graph["nodes"]] == store.collected(1)
    assert [(edge["source"], edge["target"]) for edge in graph["edges"]] == store.edges(1)
    assert len(store.edges(1)) > 2


def test_no_piece_holds_more_than_a_few_papers(api: Api) -> None:
    pieces = list(graphs.graph_of(api.application.store, 1))

    assert max(piece.count('"id"') for piece in pieces) == 2


def test_no_edge_names_a_paper_that_came_in_after_the_papers_were_sent(api: Api) -> None:
    store = api.application.store
    crawl = open_crawl(store, "a", "b", "c")
    store.record_seeds({"a": answer("a", ["c"]), "b": answer("b", ["c", "a"])}, FULL, LIMITS)
    pieces = graphs.graph_of(store, crawl)
    sent = ""
    while "edges" not in sent:
        sent += next(pieces)
    store.record_seeds({"c": answer("c", [])}, FULL, LIMITS)

    graph = json.loads(sent + "".join(pieces))

    assert store.collected(crawl) == ["a", "b", "c"]
    assert [node["id"] for node in graph["nodes"]] == ["a", "b"]
    assert graph["edges"] == [{"source": "b", "target": "a"}]
