from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from refnet.demo.graph import Corpus
from refnet.demo.server import StandIn
from refnet.demo.switches import Switches
from tests.demo.asking import Got, ask, batch, corpus, get, sha

SEED = "649def34f8be52c8b66281af98ae884c09aef38b"
SERVED = ("batch_", "citations_", "match_", "paper_", "references_", "search_")
SWITCHED = {  # answers that come of a switch, or of a paper that the corpus lacks
    "batch_bad-key_403_20241208",
    "batch_server-error_500_20230907",
    "citations_corpusid-49313245_504_20230908",
    "references_elided-by-publisher_200_20261006",
    "search_turing_rate-limited_429_20260323",
}
SINCE = {"citingPaperInfo"}  # keys that older recordings lack


@pytest.fixture(scope="session")
def recorded_corpus(shared: Path) -> Corpus:
    return Corpus.load(shared / "corpus")


@pytest.fixture(scope="session")
def recordings(shared: Path) -> dict[str, dict[str, Any]]:
    files = [path for path in (shared / "s2").glob("*.json") if path.name.startswith(SERVED)]
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(files)}


@pytest.fixture
def stand_in(recorded_corpus: Corpus) -> Iterator[StandIn]:
    with StandIn(recorded_corpus) as serving:
        yield serving


def replay(stand_in: StandIn, recording: dict[str, Any], key: str | None = None) -> Got:
    body = recording["request_body"]
    sent = body if body is None or isinstance(body, str) else json.dumps(body)
    path = recording["path"].removeprefix("/graph/v1")
    return ask(stand_in, recording["method"], path, sent, key, dict(recording["query"]))


def rows_of(answer: Any) -> list[Any]:
    if isinstance(answer, list):
        return answer
    rows: list[Any] = answer.get("data", [answer])
    return rows


def test_every_recorded_request_is_answered_with_the_recorded_status_and_keys(
    stand_in: StandIn, recordings: dict[str, dict[str, Any]]
) -> None:
    compared = 0
    for name, recording in recordings.items():
        if name in SWITCHED:
            continue
        got = replay(stand_in, recording)
        recorded = recording["response_body"]
        assert got.status == recording["status"], name
        if got.status != 200:
            assert got.json == recorded, name
            continue
        if isinstance(recorded, dict) and "data" in recorded:
            assert set(recorded) - {"next"} <= set(got.json) <= set(recorded) | SINCE | {"next"}, name
        for there, here in zip(rows_of(recorded)[:1], rows_of(got.json)[:1], strict=True):
            assert same_keys(there, here), name
            compared += 1
    assert compared >= 30


def same_keys(there: Any, here: Any) -> bool:
    """Whether two rows have the same keys, in the papers nested in them too."""
    if there is None or here is None:
        return there is here
    nested = [(there[name], here[name]) for name in ("citingPaper", "citedPaper") if name in there]
    nested += [(there[name][0], here[name][0]) for name in ("citations", "references") if there.get(name)]
    return set(there) == set(here) and all(same_keys(*pair) for pair in nested)


def test_keys_come_in_the_order_recorded_in_2026(stand_in: StandIn, recordings: dict[str, dict[str, Any]]) -> None:
    for name in ("search_turing_all-fields_200_20260323", "batch_6-ids-last-unknown_200_20261006"):
        there = rows_of(recordings[name]["response_body"])[0]
        assert list(rows_of(replay(stand_in, recordings[name]).json)[0]) == list(there)


def test_a_batch_has_the_recorded_rows_in_the_order_asked(
    stand_in: StandIn, recordings: dict[str, dict[str, Any]]
) -> None:
    for name in ("batch_4-ids-one-unknown_200_20241208", "batch_6-ids-last-unknown_200_20261006"):
        there = [row and row["paperId"] for row in recordings[name]["response_body"]]
        assert None in there
        assert [row and row["paperId"] for row in replay(stand_in, recordings[name]).json] == there


def test_pages_of_references_hold_the_recorded_rows_unmatched_ones_included(
    stand_in: StandIn, recordings: dict[str, dict[str, Any]]
) -> None:
    there, here = [], []
    for name in ("references_ssrn.2250500_o00_200_20241210", "references_ssrn.2250500_o50_200_20241210"):
        there += recordings[name]["response_body"]["data"]
        here += replay(stand_in, recordings[name]).json["data"]
    assert sum(item["citedPaper"]["paperId"] is None for item in here) == 23
    assert here == there


def test_what_a_switch_brings_about_has_the_recorded_body(
    recorded_corpus: Corpus, recordings: dict[str, dict[str, Any]]
) -> None:
    for name, switches in (
        ("batch_bad-key_403_20241208", Switches(keys=frozenset({"good"}))),
        ("batch_server-error_500_20230907", Switches(faults=1.0, kinds=("500",))),
        ("search_turing_rate-limited_429_20260323", Switches(faults=1.0, kinds=("429",))),
    ):
        key = "bad" if "key" in name else None
        with StandIn(recorded_corpus, switches) as stand_in:
            got = replay(stand_in, recordings[name], key)
        assert (got.status, got.json) == (recordings[name]["status"], recordings[name]["response_body"])


def test_a_list_that_takes_too_long_has_the_recorded_body(recordings: dict[str, dict[str, Any]]) -> None:
    recording = recordings["citations_corpusid-49313245_504_20230908"]
    papers = corpus([("citing", "cited")], cited={"corpusId": 49313245})
    with StandIn(papers, Switches(latency_per_row=0.02, timeout=0.01)) as stand_in:
        got = replay(stand_in, recording)
    assert (got.status, got.json) == (504, recording["response_body"])


def test_withheld_references_have_the_recorded_shape(recordings: dict[str, dict[str, Any]]) -> None:
    recording = recordings["references_elided-by-publisher_200_20261006"]
    doi = "10.1016/j.actamat.2020.07.060"
    papers = corpus([("secretive", "cited")], secretive={"externalIds": {"DOI": doi}, "authors": []})
    with StandIn(papers, Switches(elided=frozenset({sha("secretive")}))) as stand_in:
        got = replay(stand_in, recording).json
        row = batch(stand_in, [f"DOI:{doi}"], "referenceCount,references.title").json[0]
    there = recording["response_body"]
    assert (list(got), got["data"]) == (list(there), None)
    assert list(got["citingPaperInfo"]) == list(there["citingPaperInfo"])
    assert list(got["citingPaperInfo"]["openAccessPdf"]) == list(there["citingPaperInfo"]["openAccessPdf"])
    start = "Notice: The following paper fields have been elided by the publisher: {'references'}."
    assert there["citingPaperInfo"]["openAccessPdf"]["disclaimer"].startswith(start)
    assert got["citingPaperInfo"]["openAccessPdf"]["disclaimer"].startswith(start)
    assert (row["referenceCount"], row["references"]) == (1, None)


def test_the_truth_over_the_real_corpus_is_the_published_one(stand_in: StandIn) -> None:
    levels = [len(level) for level in stand_in.truth(SEED, 3)]
    assert levels == [1, 310, 3934, 1693]
    assert [len(level) for level in stand_in.truth(SEED, 2, "references")] == [1, 3, 0]
    assert [len(level) for level in stand_in.truth(SEED, 2, "citations")] == [1, 307, 3924]
    answered = ask(stand_in, "GET", "/__truth", query={"seed": SEED, "depth": 2, "direction": "both"}).json
    assert answered["counts"] == [1, 310, 3934]


def test_a_crawl_that_asks_the_server_finds_the_truth(stand_in: StandIn) -> None:
    """A plain client: lists in batches of 50 (no more than 9,999 citations each), null rows passed over."""
    seen, level, sizes = {SEED}, [SEED], []
    for _ in range(2):
        sizes.append(len(level))
        found: list[str] = []
        for start in range(0, len(level), 50):
            for row in batch(stand_in, level[start : start + 50], "citations.title,references.title").json:
                for item in [*row["citations"], *row["references"]]:
                    if item["paperId"] is not None and item["paperId"] not in seen:
                        seen.add(item["paperId"])
                        found.append(item["paperId"])
        level = found
    assert [*sizes, len(level)] == [1, 310, 3934]
    assert seen == set().union(*stand_in.truth(SEED, 2))


def test_the_best_match_is_the_recorded_paper_and_a_similar_title_is_matched_too(stand_in: StandIn) -> None:
    there = get(stand_in, "/paper/search/match", query="mining association rules between", fields="title").json
    assert there["data"][0]["title"] == "Mining association rules between sets of items in large databases"
    other = get(stand_in, "/paper/search/match", query="The Literature Graph in Semantic Scholar, Revisited").json
    assert other["data"][0]["paperId"] == SEED
    assert list(other["data"][0]) == ["paperId", "title", "matchScore"]
