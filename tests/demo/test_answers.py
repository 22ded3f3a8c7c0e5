from __future__ import annotations

import json

import pytest

from refnet.demo.server import StandIn
from refnet.demo.switches import Switches
from tests.demo.asking import ask, batch, corpus, get, sha, star

EVERY_ID = {
    "corpusId": 99,
    "aliases": ["f" * 40],
    "externalIds": {
        "DOI": "10.18653/V1/N18-3011",
        "ArXiv": "1805.02262",
        "ACL": "N18-3011",
        "MAG": "2799",
        "PubMed": "123",
        "PubMedCentral": "4567",
    },
}


@pytest.mark.parametrize(
    "identifier",
    [
        sha("a"),
        "f" * 40,
        "CorpusId:99",
        "CorpusID:99",
        "DOI:10.18653/v1/n18-3011",
        "10.18653/V1/N18-3011",
        "doi:10.48550/arXiv.1805.02262",
        "ARXIV:1805.02262",
        "arXiv:1805.02262",
        "ACL:N18-3011",
        "MAG:2799",
        "PMID:123",
        "PMCID:4567",
        "PMCID:PMC4567",
        f"URL:https://www.semanticscholar.org/paper/Some-Title/{sha('a')}",
        "URL:https://arxiv.org/abs/1805.02262v2",
        "URL:https://arxiv.org/pdf/1805.02262.pdf",
        "URL:https://www.aclweb.org/anthology/N18-3011/",
        "URL:https://dl.acm.org/doi/abs/10.18653/v1/N18-3011",
    ],
)
def test_a_paper_is_found_by_every_documented_form_of_id(identifier: str) -> None:
    with StandIn(corpus([], a=EVERY_ID, b={})) as stand_in:
        assert get(stand_in, f"/paper/{identifier}").json == {"paperId": sha("a"), "title": "a"}
        assert batch(stand_in, [identifier]).json == [{"paperId": sha("a"), "title": "a"}]


@pytest.mark.parametrize("identifier", ["0", "None", "ARXIV:1805.02262v2", "ISBN:1", "e" * 40, "batch"])
def test_an_unknown_id_is_404_even_with_fields_that_do_not_exist(identifier: str) -> None:
    with StandIn(corpus([], a=EVERY_ID)) as stand_in:
        got = get(stand_in, f"/paper/{identifier}", fields="nonsense")
    assert (got.status, got.json) == (404, {"error": f"Paper with id {identifier} not found"})


@pytest.mark.parametrize("spoiler", ["", "  ", None, 7, "https://doi.org/10.1/x", "DOI:https://doi.org/10.1/x"])
def test_one_malformed_id_spoils_the_batch(spoiler: object) -> None:
    with StandIn(corpus([], a={})) as stand_in:
        got = batch(stand_in, [sha("a"), spoiler])
    assert (got.status, got.json) == (400, {"error": "No valid paper ids given"})


@pytest.mark.parametrize("ids", [[], ["e" * 40], ["x", "y"]])
def test_a_batch_without_a_known_id_is_refused(ids: list[str]) -> None:
    with StandIn(corpus([], a={})) as stand_in:
        got = batch(stand_in, ids, "nonsense")
    assert (got.status, got.json) == (400, {"error": "No valid paper ids given"})


def test_a_batch_is_aligned_by_position_and_answers_a_name_twice_if_asked_twice() -> None:
    with StandIn(corpus([], a={}, b={})) as stand_in:
        got = batch(stand_in, [sha("b"), "x", sha("a"), sha("b")]).json
    assert [row and row["title"] for row in got] == ["b", None, "a", "b"]


@pytest.mark.parametrize("fields", ["title,unknown,citations.tldr", "references.citations,unknown"])
def test_fields_that_do_not_exist_are_named_in_the_order_asked(fields: str) -> None:
    bad = [name for name in fields.split(",") if name != "title"]
    with StandIn(corpus([], a={})) as stand_in:
        got = batch(stand_in, [sha("a")], fields)
        page = get(stand_in, f"/paper/{sha('a')}/citations", fields="title,references")
    assert (got.status, got.json) == (
        400,
        {"error": f"Unrecognized or unsupported fields: [{', '.join(bad)}]"},
    )
    assert page.json == {"error": "Unrecognized or unsupported fields: [references]"}


def test_defaults_and_nested_fields() -> None:
    papers = corpus([("a", "b")], b={"corpusId": 5, "authors": [{"authorId": None, "name": "N"}]})
    with StandIn(papers) as stand_in:
        row = get(stand_in, f"/paper/{sha('a')}", fields="references").json
        nested = get(stand_in, f"/paper/{sha('a')}", fields="references.corpusId,references.authors").json
        top = get(stand_in, f"/paper/{sha('b')}", fields="corpusId,externalIds,venue,tldr,authors.hIndex").json
    assert row["references"] == [{"paperId": sha("b"), "title": "b"}]
    author = {"authorId": None, "name": "N"}
    assert nested["references"] == [{"paperId": sha("b"), "corpusId": "5", "authors": [author]}]
    assert top == {
        "paperId": sha("b"),
        "externalIds": {"CorpusId": 5},
        "corpusId": 5,
        "venue": "",
        "tldr": None,
        "authors": [author | {"hIndex": None}],
    }


def test_a_notice_and_a_title_come_unasked_with_references_and_abstracts() -> None:
    with StandIn(corpus([("a", "b")])) as stand_in:
        for fields in ("abstract", "references.year"):
            row = batch(stand_in, [sha("a")], fields).json[0]
            assert {"title", "openAccessPdf"} < set(row)
            assert row["openAccessPdf"]["disclaimer"].startswith("Notice: Paper or abstract available at ")
        assert "openAccessPdf" not in batch(stand_in, [sha("a")], "citations.year").json[0]


def test_rows_without_an_id_stand_in_lists_and_count() -> None:
    papers = corpus([("a", None), ("a", "b"), (None, "a"), ("c", "a")])
    nothing = dict.fromkeys(("paperId", "externalIds", "citationCount"))
    fields = "referenceCount,citationCount,references.externalIds,references.citationCount,references.title,"
    with StandIn(papers) as stand_in:
        row = batch(stand_in, [sha("a")], f"{fields}references.authors,references.venue,references.year").json[0]
        page = get(stand_in, f"/paper/{sha('a')}/citations").json
    stub = {"title": "An unmatched reference", "year": 1950, "venue": "", "authors": []}
    assert (row["referenceCount"], row["citationCount"]) == (2, 2)
    assert row["references"][0] == {**nothing, **stub}
    unmatched = {"citingPaper": {"paperId": None, "title": "An unmatched citation"}}
    assert page == {"offset": 0, "data": [{"citingPaper": {"paperId": sha("c"), "title": "c"}}, unmatched]}


def test_citations_come_newest_first_undated_last() -> None:
    dates = {"old": (2019, "2019-05-01"), "new": (2021, "2021-01-01"), "newer": (2021, "2021-06-01")}
    papers = {name: {"year": year, "publicationDate": date} for name, (year, date) in dates.items()}
    papers |= {"year only": {"year": 2021}, "undated": {}}
    everything = corpus([(name, "a") for name in papers], **papers)
    with StandIn(everything) as stand_in:
        page = get(stand_in, f"/paper/{sha('a')}/citations").json["data"]
        dated = get(stand_in, f"/paper/{sha('a')}/citations", publicationDateOrYear="2020:2021-02").json["data"]
        ignored = get(stand_in, f"/paper/{sha('a')}/citations", year="1990").json["data"]
    titles = [item["citingPaper"]["title"] for item in page]
    assert titles == ["newer", "new", "year only", "old", "undated"]
    assert [item["citingPaper"]["title"] for item in dated] == ["new"]
    assert ignored == page


def test_pages_follow_next_until_it_is_missing() -> None:
    with StandIn(star(25)) as stand_in:
        path, offset, titles = f"/paper/{sha('centre')}/citations", 0, []
        while offset is not None:
            page = get(stand_in, path, offset=offset, limit=10).json
            assert page["offset"] == offset
            titles += [item["citingPaper"]["title"] for item in page["data"]]
            offset = page.get("next")
        beyond = get(stand_in, path, offset=500).json
    assert len(titles) == len(set(titles)) == 25
    assert beyond == {"offset": 500, "data": []}


def test_an_edge_tells_its_contexts_where_they_are_known() -> None:
    with StandIn(corpus([("a", "b")])) as stand_in:
        page = get(stand_in, f"/paper/{sha('a')}/references", fields="isInfluential,contexts").json
    assert page["data"] == [{"contexts": [], "isInfluential": False, "citedPaper": {"paperId": sha("b")}}]
    assert list(page) == ["offset", "citingPaperInfo", "data"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", "1001"), ("limit", "x"), ("limit", "9" * 5_000), ("offset", "-1"), ("limit", "0")],
)
def test_page_parameters_out_of_range_are_refused(name: str, value: str) -> None:
    with StandIn(corpus([], a={})) as stand_in:
        got = ask(stand_in, "GET", f"/paper/{sha('a')}/citations", query={name: value})
    assert (got.status, got.json) == (400, {"error": f"Unacceptable query params: [{name}={value}]"})


def test_searches_find_words_and_end_as_recorded() -> None:
    titles = {f"p{number}": {"title": f"Turing machine {number}"} for number in range(3)}
    with StandIn(corpus([], **titles)) as stand_in:
        found = get(stand_in, "/paper/search", query="turing", limit=2).json
        nothing = get(stand_in, "/paper/search", query="n0 r3sult", limit=100).json
        beyond = get(stand_in, "/paper/search", query="turing", offset=100)
        unmatched = get(stand_in, "/paper/search/match", query="askldjrq3rjaw938h")
        empty = get(stand_in, "/paper/search/match", query="")
    assert (found["total"], found["offset"], found["next"], len(found["data"])) == (3, 0, 2, 2)
    assert nothing == {"total": 0, "offset": 0}
    assert beyond.json == {"error": "Requested data for this limit and/or offset is not available"}
    assert (unmatched.status, unmatched.json) == (404, {"error": "Title match not found"})
    assert empty.status == 400


def test_bodies_are_encoded_as_the_service_does() -> None:
    with StandIn(corpus([], a={"title": "Ünïcode"})) as stand_in:
        got = batch(stand_in, [sha("a")], "title,year")
    expected = json.dumps([{"paperId": sha("a"), "title": "Ünïcode", "year": None}])
    assert got.body.decode("ascii") == expected + "\n"
    assert got.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("body", ["", "[", "[]", '{"ids": "x"}', '{"ids": null}', "null"])
def test_a_body_that_is_no_list_of_ids_is_refused(body: str) -> None:
    with StandIn(corpus([], a={})) as stand_in:
        assert ask(stand_in, "POST", "/paper/batch", body).status == 400


def test_counts_are_those_of_the_edges_unless_the_recorded_ones_are_asked_for() -> None:
    papers = corpus([("a", "b")], b={"citationCount": 700, "referenceCount": None})
    for recorded, count in ((False, 1), (True, 700)):
        with StandIn(papers, Switches(recorded_counts=recorded)) as stand_in:
            top = batch(stand_in, [sha("b")], "citationCount,referenceCount").json[0]
            nested = batch(stand_in, [sha("a")], "references.citationCount").json[0]["references"][0]
        assert (top["citationCount"], top["referenceCount"], nested["citationCount"]) == (count, 0, count)
