from __future__ import annotations

import json
import time

import pytest

from refnet.demo.server import StandIn
from refnet.demo.switches import Switches
from tests.demo.asking import ask, batch, corpus, get, sha, star


def many_stars(*citers: int) -> list[tuple[str, str]]:
    return [
        (f"citer {number} of {centre}", f"c{centre}") for centre, count in enumerate(citers) for number in range(count)
    ]


def test_500_ids_pass_and_501_do_not() -> None:
    with StandIn(corpus([], a={})) as stand_in:
        assert len(batch(stand_in, [sha("a")] * 500).json) == 500
        assert batch(stand_in, [sha("a")] * 501).status == 400


def test_citations_beyond_9999_in_a_batch_are_left_out_silently_and_not_from_the_tail() -> None:
    centres = 12
    with StandIn(corpus(many_stars(*[1_000] * centres))) as stand_in:
        got = batch(stand_in, [sha(f"c{number}") for number in range(centres)], "citationCount,citations.year")
    lengths = [len(row["citations"]) for row in got.json]
    assert got.status == 200
    assert sum(lengths) == 9_999
    assert sorted(lengths) == [0, 0, 999, *[1_000] * 9]
    assert lengths[-2:] != [0, 0]
    assert {row["citationCount"] for row in got.json} == {1_000}


def test_references_do_not_count_against_the_cap_on_citations() -> None:
    papers = corpus([*many_stars(5), *[("c0", f"cited {number}") for number in range(8)]])
    with StandIn(papers, Switches(max_citations=5)) as stand_in:
        row = batch(stand_in, [sha("c0")], "citations,references").json[0]
    assert (len(row["citations"]), len(row["references"])) == (5, 8)


def test_a_list_nested_in_get_ends_at_its_thousand_newest() -> None:
    years = {f"citer {number} of 0": {"year": 1000 + number} for number in range(1_200)}
    with StandIn(corpus(many_stars(1_200), **years)) as stand_in:
        row = get(stand_in, f"/paper/{sha('c0')}", fields="citationCount,citations.year").json
    assert row["citationCount"] == 1_200
    assert [item["year"] for item in row["citations"]] == list(range(2_199, 1_199, -1))


def test_offset_and_limit_stay_below_10000_and_the_last_page_still_advertises_a_next() -> None:
    with StandIn(star(10_050)) as stand_in:
        path = f"/paper/{sha('centre')}/citations"
        refused = get(stand_in, path, offset=9_000, limit=1_000)
        last = get(stand_in, path, offset=9_998, limit=1).json
    assert (refused.status, refused.json) == (400, {"error": "offset + limit must be < 10000"})
    assert (last["next"], len(last["data"])) == (9_999, 1)


def test_an_answer_above_the_size_limit_is_refused_and_one_of_that_size_is_not() -> None:
    with StandIn(corpus([], a={})) as stand_in:
        size = len(batch(stand_in, [sha("a")] * 3, "title,year").body)
    with StandIn(corpus([], a={}), Switches(max_bytes=size)) as stand_in:
        assert batch(stand_in, [sha("a")] * 3, "title,year").status == 200
    with StandIn(corpus([], a={}), Switches(max_bytes=size - 1)) as stand_in:
        got = batch(stand_in, [sha("a")] * 3, "title,year")
    assert (got.status, got.json) == (400, {"error": "Response would exceed maximum size...."})


def test_ten_megabytes_is_the_limit() -> None:
    with StandIn(corpus([], a={"abstract": "x" * 30_000})) as stand_in:
        assert batch(stand_in, [sha("a")] * 320, "abstract").status == 200
        assert batch(stand_in, [sha("a")] * 340, "abstract").status == 400


def test_a_huge_list_nested_in_a_batch_times_out_but_can_be_paged() -> None:
    with StandIn(star(60), Switches(timeout_citations=50)) as stand_in:
        nested = batch(stand_in, [sha("centre")], "citations.year")
        plain = batch(stand_in, [sha("centre")], "citationCount")
        page = get(stand_in, f"/paper/{sha('centre')}/citations")
    assert (nested.status, nested.json) == (504, {"message": "Endpoint request timed out"})
    assert plain.json[0]["citationCount"] == 60
    assert len(page.json["data"]) == 60


def test_missing_papers_stand_in_lists_but_are_not_found() -> None:
    switches = Switches(missing=frozenset({sha("b")}))
    with StandIn(corpus([("a", "b"), ("a", "c")]), switches) as stand_in:
        row, gone = batch(stand_in, [sha("a"), sha("b")], "references").json
        assert [item["title"] for item in row["references"]] == ["b", "c"]
        assert gone is None
        assert get(stand_in, f"/paper/{sha('b')}").status == 404
        assert get(stand_in, "/paper/search/match", query="b").status == 404
        assert stand_in.truth(sha("a"), 1) == [{sha("a")}, {sha("c")}]


def test_withheld_references_are_left_out_of_the_truth() -> None:
    with StandIn(corpus([("a", "b"), ("c", "a")]), Switches(elided=1.0)) as stand_in:
        assert stand_in.truth(sha("a"), 1) == [{sha("a")}, {sha("c")}]
        assert get(stand_in, f"/paper/{sha('a')}", fields="references").json["references"] is None


def test_a_share_of_elided_papers_is_about_that_share_and_always_the_same() -> None:
    papers = corpus([(f"p{number}", "cited") for number in range(400)])
    ids = [sha(f"p{number}") for number in range(400)]
    seen = []
    for _ in range(2):
        with StandIn(papers, Switches(elided=0.25)) as stand_in:
            rows = batch(stand_in, ids, "references").json
        seen.append([row["references"] is None for row in rows])
    assert seen[0] == seen[1]
    assert 70 <= sum(seen[0]) <= 130


def test_added_null_rows_count_and_leave_the_truth_alone() -> None:
    papers = corpus([("a", f"b{number}") for number in range(30)])
    with StandIn(papers, Switches(null_rows=0.25)) as stand_in:
        row = batch(stand_in, [sha("a")], "referenceCount,references").json[0]
        page = get(stand_in, f"/paper/{sha('a')}/references", limit=1000).json["data"]
        found = len(stand_in.truth(sha("a"), 1)[1])
    unmatched = [item for item in row["references"] if item["paperId"] is None]
    assert len(unmatched) in {10, 11}
    assert row["referenceCount"] == len(row["references"]) == len(page) == 30 + len(unmatched)
    assert found == 30


def test_counts_drift_by_no_more_than_they_may() -> None:
    papers = star(40)
    with StandIn(papers, Switches(count_drift=2)) as stand_in:
        ids = [sha("centre"), *(sha(f"centre citer {number}") for number in range(40))]
        rows = batch(stand_in, ids, "referenceCount,citationCount").json
    off = {row["referenceCount"] - 1 for row in rows[1:]}
    assert off <= {-1, 0, 1, 2}  # never below zero
    assert len(off) > 1
    assert abs(rows[0]["citationCount"] - 40) <= 2


def test_latency_keeps_an_answer_back_and_too_much_of_it_is_a_timeout() -> None:
    with StandIn(star(5), Switches(latency=0.05)) as stand_in:
        before = time.monotonic()
        assert batch(stand_in, [sha("centre")]).status == 200
        assert time.monotonic() - before >= 0.05
    with StandIn(star(5), Switches(latency=0.0, latency_per_row=0.01, timeout=0.03)) as stand_in:
        assert batch(stand_in, [sha("centre")], "citations").status == 504
        assert batch(stand_in, [sha("centre")]).status == 200


@pytest.mark.parametrize("wrong", [{"kinds": ("nonsense",)}, {"faults": 0.1, "kinds": ()}, {"null_rows": 1.0}])
def test_switches_without_a_meaning_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"fault|null_rows"):
        Switches(**wrong)  # type: ignore[arg-type]


def test_the_log_can_be_read_over_http() -> None:
    with StandIn(star(3)) as stand_in:
        batch(stand_in, [sha("centre"), "x"], "citations.year", "k")
        entries = ask(stand_in, "GET", "/__log").json
        totals = ask(stand_in, "GET", "/__stats").json
        ask(stand_in, "POST", "/__reset")
        assert ask(stand_in, "GET", "/__log").json == []
    (entry,) = entries
    assert (entry["route"], entry["status"], entry["rows"], entry["key"]) == ("batch", 200, 4, "k")
    assert (entry["ids"], entry["asked"]) == ([sha("centre"), "x"], [sha("centre")])
    assert entry["query"] == {"fields": "citations.year"}
    assert totals["by_route"] == {"batch": {"200": 1}}
    assert json.dumps(totals)
