from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

import pytest

from refnet.demo.graph import Corpus

_FOLDER = files("refnet.demo") / "corpus"
_LINES = {name: (_FOLDER / name).read_text("utf-8").splitlines() for name in ("papers.jsonl", "edges.jsonl")}
PAPERS: list[dict[str, Any]] = [json.loads(line) for line in _LINES["papers.jsonl"]]
EDGES: list[dict[str, str]] = [json.loads(line) for line in _LINES["edges.jsonl"]]
BY_ID = {paper["paperId"]: paper for paper in PAPERS}
BY_ARXIV = {paper["externalIds"]["ArXiv"]: paper["paperId"] for paper in PAPERS if "ArXiv" in paper["externalIds"]}
RAG = BY_ARXIV["2005.11401"]


def twice(values: Iterable[object]) -> list[object]:
    listed = list(values)
    return sorted({value for value in listed if listed.count(value) > 1}, key=str)


def external(name: str) -> list[str]:
    return [paper["externalIds"][name] for paper in PAPERS if name in paper["externalIds"]]


def test_it_has_about_a_hundred_papers_and_several_hundred_citations() -> None:
    assert 80 <= len(PAPERS) <= 120
    assert 350 <= len(EDGES) <= 700


def test_nothing_that_names_a_paper_names_two() -> None:
    for field in ("paperId", "corpusId"):
        assert twice(paper[field] for paper in PAPERS) == []
    for name in ("ArXiv", "ACL", "DOI"):
        assert twice(value.lower() for value in external(name)) == []
    assert twice(paper["title"].casefold() for paper in PAPERS) == []


def test_a_paper_has_what_a_note_needs() -> None:
    for paper in PAPERS:
        assert paper["title"].strip() == paper["title"] != "", paper["title"]
        assert paper["venue"].strip() == paper["venue"] != "", paper["title"]
        assert 1990 <= paper["year"] <= 2024, paper["title"]
        assert 40 <= len(paper["abstract"]) <= 400, paper["title"]
        assert paper["authors"], paper["title"]
        for author in paper["authors"]:
            assert author["authorId"] is None, paper["title"]
            assert author["name"].strip() == author["name"] != "", paper["title"]


def test_the_ids_of_a_paper_are_ours_and_follow_from_what_it_is() -> None:
    for paper in PAPERS:
        ids = paper["externalIds"]
        name = ids.get("ArXiv") or ids.get("DOI") or paper["title"]
        digest = hashlib.sha1(f"refnet-demo:{name}".encode(), usedforsecurity=False)
        assert paper["paperId"] == digest.hexdigest(), paper["title"]
        assert ids["CorpusId"] == paper["corpusId"], paper["title"]


def test_the_outside_ids_of_a_paper_are_well_formed() -> None:
    for paper in PAPERS:
        ids = paper["externalIds"]
        assert ids.keys() <= {"ArXiv", "DOI", "ACL", "CorpusId"}, paper["title"]
        assert re.fullmatch(r"\d\d(0[1-9]|1[0-2])\.\d{4,5}", ids.get("ArXiv", "1706.03762")), paper["title"]
        assert re.fullmatch(r"10\.\d{4,9}/\S+", ids.get("DOI", "10.1162/x")), paper["title"]
        acl = ids.get("ACL", "D13-1160")
        assert re.fullmatch(r"[A-Z]\d\d-\d{4}|\d{4}\.[a-z]+-[a-z]+\.\d+", acl), paper["title"]


def test_the_year_is_that_of_the_preprint_and_of_the_day_where_known() -> None:
    for paper in PAPERS:
        arxiv, day = paper["externalIds"].get("ArXiv"), paper.get("publicationDate")
        assert arxiv is None or 2000 + int(arxiv[:2]) == paper["year"], paper["title"]
        assert day is None or re.fullmatch(rf"{paper['year']}-\d\d-\d\d", day), paper["title"]


def test_there_is_a_pdf_exactly_where_there_is_a_preprint() -> None:
    for paper in PAPERS:
        arxiv = paper["externalIds"].get("ArXiv")
        pdf = {"url": f"https://arxiv.org/pdf/{arxiv}", "status": "GREEN"}
        assert paper["openAccessPdf"] == (pdf if arxiv else None), paper["title"]


def test_no_count_is_written_down_since_the_stand_in_counts_edges() -> None:
    for paper in PAPERS:
        counted = {"citationCount", "referenceCount", "citations", "references"}
        assert not paper.keys() & counted, paper["title"]
        assert paper["tldr"] is None, paper["title"]


def test_papers_stand_by_year_and_title_and_edges_by_their_ends() -> None:
    assert sorted(PAPERS, key=lambda paper: (paper["year"], paper["title"])) == PAPERS
    assert sorted(EDGES, key=lambda edge: (edge["citing"], edge["cited"])) == EDGES


def test_every_citation_stands_once_between_two_different_papers_of_the_corpus() -> None:
    assert twice((edge["citing"], edge["cited"]) for edge in EDGES) == []
    for edge in EDGES:
        assert edge.keys() == {"citing", "cited"}
        assert edge["citing"] in BY_ID
        assert edge["cited"] in BY_ID
        assert edge["citing"] != edge["cited"]


def test_no_paper_cites_one_that_appeared_later() -> None:
    def month_and_number(paper: dict[str, Any]) -> tuple[int, int]:
        month, number = paper["externalIds"]["ArXiv"].split(".")
        return int(month), int(number)

    for edge in EDGES:
        citing, cited = BY_ID[edge["citing"]], BY_ID[edge["cited"]]
        what = f"{citing['title']} -> {cited['title']}"
        assert cited["year"] <= citing["year"], what
        # Dates and arXiv numbers say more than the year, where both papers have them.
        if "publicationDate" in cited and "publicationDate" in citing:
            assert cited["publicationDate"] <= citing["publicationDate"], what
        if "ArXiv" in cited["externalIds"] and "ArXiv" in citing["externalIds"]:
            assert month_and_number(cited) < month_and_number(citing), what


def test_the_seed_has_long_lists_both_ways() -> None:
    assert sum(edge["citing"] == RAG for edge in EDGES) >= 25
    assert sum(edge["cited"] == RAG for edge in EDGES) >= 15


def test_every_paper_is_connected_and_two_steps_from_the_seed_reach_nearly_all() -> None:
    corpus = Corpus(PAPERS, EDGES)
    assert set().union(*corpus.breadth_first(RAG, len(PAPERS))) == BY_ID.keys()
    assert len(set().union(*corpus.breadth_first(RAG, 2))) >= 0.95 * len(PAPERS)


@pytest.mark.parametrize("direction", ["references", "citations"])
def test_each_direction_alone_leads_two_steps_away(direction: Any) -> None:
    levels = Corpus(PAPERS, EDGES).breadth_first(RAG, 2, direction)
    assert all(len(level) >= 15 for level in levels[1:])


def test_the_files_are_plain_readable_text() -> None:
    assert any("Küttler" in line for line in _LINES["papers.jsonl"])
    assert not any("\\u" in line for lines in _LINES.values() for line in lines)
