"""Seeds that name no paper, and files that are not what they should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from refnet.demo.bundled import SEED
from refnet.demo.server import StandIn
from tests.acceptance.command import Refnet, stamps

UNKNOWN = "ffffffffffffffffffffffffffffffffffffffff"
GOOD_ENTRY = """
@article{{{key},
  title = {{{title}}},
  eprint = {{{arxiv}}},
  archivePrefix = {{arXiv}},
  year = {{{year}}}
}}
"""
RAG = GOOD_ENTRY.format(
    key="lewis2020rag",
    title="Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks",
    arxiv="2005.11401",
    year=2020,
)
ATTENTION = GOOD_ENTRY.format(key="vaswani2017", title="Attention Is All You Need", arxiv="1706.03762", year=2017)


def test_a_title_is_refused_when_the_nearest_paper_is_another(refnet: Refnet) -> None:
    ended = refnet("map", "title:Retrieval-Augmented Generation for Cooking Recipes and Knowledge-Intensive Tasks")

    assert ended.code == 2
    assert "the nearest title found is" in ended.error or "finds no paper" in ended.error


@pytest.mark.slow
def test_good_seeds_go_on_beside_bad_ones(refnet: Refnet) -> None:
    ended = refnet("map", SEED, UNKNOWN, "", "title:A Paper Which Nobody Ever Wrote", "--limit", "5", "--json")

    assert ended.code == 1
    document = ended.json
    assert document["papers"] == 5
    assert [seed["input"] for seed in document["seeds"]] == [SEED]
    assert {entry["input"] for entry in document["unresolved"]} == {
        UNKNOWN,
        "",
        "title:A Paper Which Nobody Ever Wrote",
    }
    assert all(entry["why"] for entry in document["unresolved"])


def test_the_report_names_each_seed_that_was_not_resolved(refnet: Refnet) -> None:
    ended = refnet("map", SEED, UNKNOWN, "--limit", "5")

    assert ended.code == 1
    assert "Not resolved (1):" in ended.out
    assert f"{UNKNOWN}: Semantic Scholar knows no paper {UNKNOWN}" in ended.out


def test_a_broken_entry_of_a_bibliography_is_listed_and_the_rest_goes_on(refnet: Refnet) -> None:
    broken = "@article{broken,\n  title = {Never closed,\n  year = 2020\n\n"
    (refnet.folder / "refs.bib").write_text(RAG + broken + ATTENTION, encoding="utf-8")

    ended = refnet("map", "refs.bib", "--depth", "0", "--json")

    assert ended.code == 1
    titles = {seed["title"] for seed in ended.json["seeds"]}
    assert "Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks" in titles
    assert "Attention Is All You Need" in titles
    assert len(ended.json["unresolved"]) == 1
    assert "broken" in str(ended.json["unresolved"])


def test_a_file_that_cannot_be_read_is_listed_and_the_other_seeds_go_on(refnet: Refnet) -> None:
    (refnet.folder / "half.json").write_text('{"half": [1, 2', encoding="utf-8")

    ended = refnet("map", "missing.bib", "half.json", SEED, "--depth", "0", "--json")

    assert ended.code == 1
    assert ended.json["papers"] == 1
    assert [seed["input"] for seed in ended.json["unresolved"]] == ["missing.bib", "half.json"]


@pytest.mark.slow
def test_nothing_is_lost_by_a_refused_seed(refnet: Refnet) -> None:
    refnet.map(SEED, "--limit", "10")
    before, stored = stamps(refnet.folder / "vault"), refnet.exported()

    assert refnet("map", UNKNOWN).code == 2

    assert stamps(refnet.folder / "vault") == before
    assert refnet.exported() == stored


IDENTIFIERS = (
    "7eda0c4e99c68e4f3cb00a14b4513a1d74fdabb2",
    "arXiv:2005.11401",
    "2005.11401v4",
    "https://arxiv.org/abs/2005.11401",
    "https://arxiv.org/pdf/2005.11401v2.pdf",
    "10.48550/arXiv.2005.11401",
    "https://doi.org/10.48550/ARXIV.2005.11401",
    "Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks",
    "title:retrieval augmented generation for knowledge intensive NLP tasks",
)


@pytest.mark.slow
def test_one_paper_by_any_name_is_one_crawl(refnet: Refnet, stand_in: StandIn) -> None:
    (refnet.folder / "refs.bib").write_text(RAG, encoding="utf-8")
    first = refnet.map(IDENTIFIERS[0], "--limit", "5")

    for seed in (*IDENTIFIERS[1:], "refs.bib"):
        assert refnet.map(seed, "--limit", "5")["crawl"] == first["crawl"], seed

    assert len(refnet.done("status", "--json").json["crawls"]) == 1
    # The citation key came last, and is in the note all the same.
    notes = [path.read_text(encoding="utf-8") for path in (refnet.folder / "vault" / "papers").glob("Lewis 2020*")]
    assert any("lewis2020rag" in note for note in notes)


def test_seeds_that_are_one_paper_are_one_seed(refnet: Refnet, stand_in: StandIn) -> None:
    document = refnet.map(*IDENTIFIERS[:7], "--depth", "0")

    assert document["papers"] == 1
    assert len(stand_in.log) <= 3


@pytest.mark.slow
def test_the_order_of_seeds_makes_no_other_crawl(refnet: Refnet) -> None:
    one = refnet.map(SEED, "arXiv:1706.03762", "--depth", "0")
    other = refnet.map("https://arxiv.org/abs/1706.03762", SEED, "--depth", "0")
    references = refnet.map(SEED, "arXiv:1706.03762", "--depth", "0", "--direction", "references")

    assert one["crawl"] == other["crawl"] != references["crawl"]


@pytest.mark.slow
def test_a_bibliography_in_each_form_is_read(refnet: Refnet) -> None:
    forms = {
        "refs.bib": RAG,
        "refs.ris": "TY  - JOUR\nID  - lewis2020rag\nTI  - Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks\n"
        "AU  - Lewis, Patrick\nPY  - 2020\nER  - \n",
        "refs.json": '[{"id": "lewis2020rag", "type": "article", "title": '
        '"Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks", "issued": {"date-parts": [[2020]]}}]',
    }
    for name, text in forms.items():
        Path(refnet.folder / name).write_text(text, encoding="utf-8")
        document = refnet.map(name, "--depth", "0")
        assert document["seeds"][0]["paper_id"] == IDENTIFIERS[0], name
