"""Crawls, papers, jobs and dead letters over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from refnet.adapters.database.engine import writing
from refnet.demo.bundled import SEED
from refnet.domain.jobs import Stage
from refnet.entrypoints.web.gate import HEADERS
from tests.contract.making import LEAF, claimed, enqueue
from tests.entrypoints.web.conftest import Api


def post(client: TestClient, **wish: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/crawls", json={"seeds": [SEED], **wish})
    assert answer.status_code == 202
    document: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/api/v1/crawls/{document['id']}"
    return document


def paper_ids(client: TestClient, **choices: Any) -> list[str]:
    return [paper["paper_id"] for paper in client.get("/api/v1/papers", params=choices).json()["items"]]


# ---- crawls


def test_a_wish_is_answered_at_once_and_shown_with_its_defaults(client: TestClient) -> None:
    document = post(client)

    assert (document["state"], document["crawl"], document["reason"]) == ("queued", None, None)
    assert (document["depth"], document["limit"], document["direction"]) == (1, 200, "both")
    shown = client.get(f"/api/v1/crawls/{document['id']}").json()
    assert {**shown, **document} == shown
    assert shown["seeds"] == [SEED]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"depth": 11}, "body.depth"),
        ({"depth": "1"}, "body.depth"),
        ({"depth": True}, "body.depth"),
        ({"limit": 0}, "body.limit"),
        ({"limit": 1_000_001}, "body.limit"),
        ({"direction": "up"}, "body.direction"),
        ({"seeds": []}, "body.seeds"),
        ({"seeds": ["a"] * 1_001}, "body.seeds"),
        ({"seeds": [SEED, ""]}, "body.seeds.1"),
        ({"seeds": [SEED, "10.1"]}, "body.seeds.1"),
        ({"seeds": [SEED, "x" * 2_001]}, "body.seeds.1"),
        ({"seeds": ["library.bib"]}, "body.seeds.0"),
        ({"seeds": ["/etc/passwd"]}, "body.seeds.0"),
        ({"vault": "/etc"}, "body.vault"),
        ({"summaries": True}, "body.summaries"),
    ],
)
def test_a_wish_that_is_not_valid_names_the_field(client: TestClient, change: dict[str, Any], field: str) -> None:
    answer = client.post("/api/v1/crawls", json={"seeds": [SEED], **change})

    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("given", ["some", "20", -1, 1_000_001, 1.5, []])
def test_a_number_of_summaries_that_is_none_is_told_all_that_is_allowed(client: TestClient, given: object) -> None:
    problem = client.post("/api/v1/crawls", json={"seeds": [SEED], "summaries": given}).json()

    why = "Input should be a whole number from 0 to 1000000, or 'all'"
    assert problem["errors"] == [{"field": "body.summaries", "why": why}]
    assert problem["detail"] == f"body.summaries: {why}."


def test_the_document_says_which_numbers_of_summaries_are_allowed(client: TestClient) -> None:
    wish = client.get("/openapi.json").json()["components"]["schemas"]["CrawlWish"]

    assert wish["properties"]["summaries"]["anyOf"] == [
        {"type": "integer", "minimum": 0, "maximum": 1_000_000},
        {"type": "string", "const": "all"},
        {"type": "null"},
    ]


def test_of_several_seeds_that_name_nothing_each_is_named(client: TestClient) -> None:
    answer = client.post("/api/v1/crawls", json={"seeds": ["10.1", SEED, "", "library.bib"]})

    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == ["body.seeds.0", "body.seeds.2", "body.seeds.3"]
    assert client.get("/api/v1/crawls").json()["items"][0]["id"] == 1, "nothing was asked for"


def test_crawls_are_listed_page_by_page_the_latest_first(client: TestClient) -> None:
    mapped = client.get("/api/v1/crawls").json()["items"][0]["id"]
    asked = [post(client)["id"] for _ in range(3)]

    first = client.get("/api/v1/crawls?limit=3").json()
    post(client)
    second = client.get("/api/v1/crawls", params={"limit": 3, "cursor": first["next_cursor"]}).json()

    assert [one["id"] for one in (*first["items"], *second["items"])] == [*reversed(asked), mapped]
    assert second["next_cursor"] is None


def test_a_crawl_of_a_command_is_shown_with_its_counts(client: TestClient) -> None:
    shown = client.get("/api/v1/crawls/1").json()

    assert (shown["state"], shown["crawl"], shown["papers"], shown["found"]) == ("finished", 1, 5, 5)
    assert shown["seeds"] == [SEED]
    assert shown["citations"] > 0


def test_a_graph_has_the_collected_papers_and_the_citations_among_them(client: TestClient) -> None:
    graph = client.get("/api/v1/crawls/1/graph").json()

    ids = {node["id"] for node in graph["nodes"]}
    assert len(ids) == 5
    assert all(edge["source"] in ids and edge["target"] in ids for edge in graph["edges"])
    assert len(graph["edges"]) == client.get("/api/v1/crawls/1").json()["citations"]
    assert min(node["depth"] for node in graph["nodes"]) == 0


def test_a_crawl_is_cancelled_once_and_again_without_harm_and_not_after_its_end(client: TestClient) -> None:
    identity = post(client)["id"]

    for _ in range(2):
        answer = client.post(f"/api/v1/crawls/{identity}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert client.post("/api/v1/crawls/1/cancel").status_code == 409
    assert client.post("/api/v1/crawls/999/cancel").status_code == 404


@pytest.mark.parametrize("path", ["", "/events", "/graph"])
def test_a_crawl_that_there_is_not_is_not_found(client: TestClient, path: str) -> None:
    answer = client.get(f"/api/v1/crawls/999{path}", headers={"Accept": "*/*"})

    assert answer.status_code == 404
    assert answer.json()["detail"] == "There is no crawl 999."
    assert answer.json()["instance"] == f"/api/v1/crawls/999{path}"


# ---- papers


def test_papers_are_listed_page_by_page_whatever_comes_in_between(client: TestClient, api: Api) -> None:
    every = paper_ids(client)
    assert len(every) == 5
    assert every == sorted(every)
    first = client.get("/api/v1/papers?limit=2").json()
    with writing(api.application.engine) as connection:
        new = "INSERT INTO papers (paper_id, title, fetched_at) VALUES ('0', 'New', 1), ('zz', 'New', 1)"
        connection.execute(text(new))
    rest, cursor = [], first["next_cursor"]
    while cursor is not None:
        page = client.get("/api/v1/papers", params={"limit": 2, "cursor": cursor}).json()
        rest += [paper["paper_id"] for paper in page["items"]]
        cursor = page["next_cursor"]

    assert [paper["paper_id"] for paper in first["items"]] + rest == [*every, "zz"]


def test_papers_are_found_by_words_of_the_title_and_by_year(client: TestClient) -> None:
    found = client.get("/api/v1/papers?query=RETRIEVAL").json()["items"]

    assert found
    assert all("retrieval" in paper["title"].lower() for paper in found)
    year = found[0]["year"]
    assert paper_ids(client, query="retrieval", year=year)
    assert paper_ids(client, query="retrieval", year=1) == []


def test_a_cursor_of_another_list_is_refused(client: TestClient) -> None:
    cursor = client.get("/api/v1/papers?limit=1").json()["next_cursor"]

    answer = client.get("/api/v1/papers", params={"limit": 1, "cursor": cursor, "query": "retrieval"})

    assert answer.status_code == 422
    assert client.get("/api/v1/crawls", params={"cursor": cursor}).status_code == 422


def test_a_paper_that_is_known_already_is_not_sent_again(client: TestClient) -> None:
    paper_id = paper_ids(client)[0]
    first = client.get(f"/api/v1/papers/{paper_id}")
    tag = first.headers["ETag"]

    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get(f"/api/v1/papers/{paper_id}", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert client.get(f"/api/v1/papers/{paper_id}", headers={"If-None-Match": '"other"'}).status_code == 200
    assert first.headers["Cache-Control"] == "private, no-cache"
    assert HEADERS["Cache-Control"] == "no-store"


def test_its_etag_changes_when_the_paper_does(client: TestClient, api: Api) -> None:
    paper_id = paper_ids(client)[0]
    tag = client.get(f"/api/v1/papers/{paper_id}").headers["ETag"]
    with writing(api.application.engine) as connection:
        connection.execute(text("UPDATE papers SET citation_count = citation_count + 1"))

    answer = client.get(f"/api/v1/papers/{paper_id}", headers={"If-None-Match": tag})

    assert answer.status_code == 200
    assert answer.headers["ETag"] != tag


def test_a_paper_is_found_by_each_of_its_ids_and_by_one_that_was_merged_into_it(client: TestClient, api: Api) -> None:
    (seed,) = client.get("/api/v1/papers?query=Retrieval-Augmented Generation for").json()["items"]
    with writing(api.application.engine) as connection:
        merged = text("INSERT INTO merged (old_id, paper_id) VALUES (:old, :new)")
        connection.execute(merged, {"old": "0" * 40, "new": seed["paper_id"]})

    for other in ("0" * 40, SEED, f"ARXIV:{seed['arxiv_id']}", f"https://arxiv.org/abs/{seed['arxiv_id']}"):
        answer = client.get(f"/api/v1/papers/{other}")
        assert answer.json()["paper_id"] == seed["paper_id"], other
        assert answer.headers["Content-Location"] == f"/api/v1/papers/{seed['paper_id']}"
    assert "Content-Location" not in client.get(f"/api/v1/papers/{seed['paper_id']}").headers


def test_a_paper_has_its_abstract_and_its_summary(client: TestClient) -> None:
    paper = client.get(f"/api/v1/papers/{paper_ids(client)[0]}").json()

    assert paper["summary"]
    assert paper["summary_basis"] in ("tldr", "abstract")


# ---- jobs


def test_jobs_are_counted_by_stage_and_state(client: TestClient) -> None:
    assert client.get("/api/v1/jobs").json() == {
        "items": [{"stage": "crawl", "state": "done", "count": 4}],
        "next_cursor": None,
    }


def test_a_dead_job_is_listed_and_queued_again_and_its_crawl_taken_up(client: TestClient, api: Api) -> None:
    store = api.application.store
    paper_id = paper_ids(client)[0]
    enqueue(store, {paper_id: LEAF})
    store.bury(claimed(store, lead=paper_id), "it would not be fetched")
    (letter,) = client.get("/api/v1/dead").json()["items"]
    assert (letter["stage"], letter["paper_id"]) == (Stage.CRAWL, paper_id)

    answer = client.post(f"/api/v1/dead/{letter['id']}/retry")

    assert (answer.status_code, answer.json()) == (202, {"id": letter["id"], "queued_again": True})
    assert client.get("/api/v1/dead").json()["items"] == []
    request = store.next_request()
    assert request is not None
    assert request.crawl_id == 1
    assert client.post(f"/api/v1/dead/{letter['id']}/retry").status_code == 404


# ---- health


def test_it_is_ready_with_each_part_and_not_while_one_is_down(client: TestClient, api: Api) -> None:
    assert client.get("/ready").json()["parts"] == [{"name": "database", "ok": True}, {"name": "crawler", "ok": True}]
    api.serving.crawler = "it ended"
    api.app.state.look.clock = lambda: float("inf")

    answer = client.get("/ready")

    assert answer.status_code == 503
    assert answer.json()["detail"] == "Down: crawler."
    assert client.get("/health").status_code == 200


def test_metrics_are_there_for_whoever_may_read(client: TestClient) -> None:
    answer = client.get("/metrics")

    assert answer.status_code == 200
    assert "refnet_jobs" in answer.text
