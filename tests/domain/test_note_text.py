"""The text of a note and of the index."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from refnet.domain.frontmatter import split
from refnet.domain.index_text import Census, index_text
from refnet.domain.note_text import render, to_text
from refnet.domain.notes import Neighbour, NoteContent, NoteList
from refnet.domain.papers import Author, ListState, Paper
from refnet.domain.summaries import Summary
from tests.domain.test_inert import FORBIDDEN_ANYWHERE, hostile

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

TRANSFORMER = Paper(
    paper_id="204e3073870fae3d05bcbc2f6a8e263d9b72e776",
    title="Attention Is All You Need",
    authors=tuple(Author(f"Given{at} Family{at}") for at in range(10)),
    year=2017,
    venue="NeurIPS",
    abstract="We propose p < 0.05.\n\nA second paragraph.",
    external_ids={"DOI": "10.1002/(SICI)1::AID-ASI1>3.0.CO;2-9", "ArXiv": "1706.03762"},
    citation_count=130637,
    reference_count=3,
    pdf_url="https://arxiv.org/pdf/1706.03762",
)
NOTE = NoteContent(
    paper=TRANSFORMER,
    name="Family0 2017 Attention Is All You Need",
    citekey="vaswani2017",
    summary=Summary("One sentence. Two.", "tldr"),
    references=NoteList(
        (Neighbour("a", "Linked", 2014, "Bahdanau 2014 Linked"), Neighbour(None, "Plain*", None)),
        0,
        2,
        ListState.COMPLETE,
    ),
    citations=NoteList((Neighbour("b", "Later", 2019),), 999, 130637, ListState.NEWEST),
    tags=("NLP & IR", "1984"),
)


def test_a_note_as_a_whole() -> None:
    assert to_text(render(NOTE)) == (
        """---
title: "Attention Is All You Need"
authors:
"""
        + "".join(f'  - "Given{at} Family{at}"\n' for at in range(10))
        + """year: 2017
venue: "NeurIPS"
paper_id: "204e3073870fae3d05bcbc2f6a8e263d9b72e776"
doi: "10.1002/(SICI)1::AID-ASI1>3.0.CO;2-9"
arxiv_id: "1706.03762"
citekey: "vaswani2017"
citation_count: 130637
reference_count: 3
url: "https://www.semanticscholar.org/paper/204e3073870fae3d05bcbc2f6a8e263d9b72e776"
pdf: "https://arxiv.org/pdf/1706.03762"
summary_basis: "tldr"
aliases:
  - "Attention Is All You Need"
tags:
  - "NLP-IR"
  - "y1984"
refnet: 1
---

Given0 Family0, Given1 Family1, Given2 Family2, Given3 Family3, Given4 Family4, Given5 Family5 """
        """et al. (10 authors) · NeurIPS · 2017

## Abstract

We propose p < 0.05.

A second paragraph.

## Summary

> [!summary] Semantic Scholar's TLDR; the full text was not read
> One sentence. Two.

## References

- [[Bahdanau 2014 Linked]]
- Plain\\*

## Cited by

The newest 1,000 of 130,637 papers that cite this one.

- Later (2019)
- and 999 more

## Links

- [PDF](https://arxiv.org/pdf/1706.03762)
- [DOI](https://doi.org/10.1002/%28SICI%291:%3AAID-ASI1%3E3.0.CO%3B2-9)
- [arXiv](https://arxiv.org/abs/1706.03762)
- [Semantic Scholar](https://www.semanticscholar.org/paper/204e3073870fae3d05bcbc2f6a8e263d9b72e776)
"""
    )


def test_what_is_not_known_is_left_out() -> None:
    assert to_text(render(NoteContent(Paper("ab", ""), "ab"))) == (
        '---\npaper_id: "ab"\nurl: "https://www.semanticscholar.org/paper/ab"\nrefnet: 1\n---\n'
        "\n## Links\n\n- [Semantic Scholar](https://www.semanticscholar.org/paper/ab)\n"
    )


def test_zero_is_known() -> None:
    assert "citation_count: 0\n" in to_text(render(NoteContent(Paper("ab", "T", citation_count=0), "T")))


def test_a_summary_that_would_repeat_the_abstract_says_so_instead() -> None:
    same = NoteContent(Paper("ab", "T", abstract="One  sentence."), "T", summary=Summary("One sentence.", "abstract"))
    assert render(same).sections["summary"].body == (
        "> [!summary] From the abstract; the full text was not read\n> The abstract is short enough to stand for itself."
    )


def test_a_number_that_obsidian_would_round_is_left_out() -> None:
    text = to_text(render(NoteContent(Paper("ab", "T", citation_count=2**53, reference_count=2**53 + 1), "T")))
    assert "citation_count: 9007199254740992\n" in text
    assert "reference_count" not in text


def test_headings_speak_japanese() -> None:
    text = to_text(render(NOTE, "ja"))
    assert re.findall("^## (.*)$", text, re.MULTILINE) == ["要旨", "要約", "参考文献", "被引用", "リンク"]
    assert "- ほか 999 件" in text


def test_a_title_that_its_name_could_not_hold_stands_in_full() -> None:
    whole = NoteContent(Paper("ab", "BERT: Pre-training", year=2019), "2019 BERT Pre-training")
    assert render(whole).lead == "**BERT: Pre-training**\n\n2019"
    assert render(NOTE).lead.startswith("Given0")
    second = NoteContent(Paper("ab", "Same", year=2019), "2019 Same (ab)")
    assert render(second).lead == "2019"


def test_the_alias_is_left_out_where_it_is_the_name() -> None:
    assert "aliases" not in render(NoteContent(Paper("ab", "Title"), "Title")).properties


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (NoteList((), 0, 53, ListState.WITHHELD), "The publisher withholds this list; it has 53 entries."),
        (NoteList((), 0, None, ListState.WITHHELD), "The publisher withholds this list."),
        (
            NoteList((Neighbour("a", "T"),), 39, 53, ListState.SHORT),
            "40 of 53 references are known; Semantic Scholar does not hand out the others.",
        ),
        (NoteList((Neighbour("a", "T"),), 0, 53, None), "1 met so far, of 53 that Semantic Scholar counts."),
        (NoteList((Neighbour("a", "T"),), 0, 53, ListState.COMPLETE), "- T"),
        (NoteList((Neighbour("a", None, 1999),), 0, 1, ListState.COMPLETE), "- untitled (1999)"),
    ],
)
def test_a_list_says_why_it_is_not_whole(held: NoteList, said: str) -> None:
    body = render(NoteContent(Paper("ab", "T"), "T", references=held)).sections["references"].body
    assert body.split("\n")[0] == said


@pytest.mark.parametrize("held", [NoteList(), NoteList((), 0, 7, None), NoteList((), 0, 0, ListState.COMPLETE)])
def test_a_list_with_nothing_to_say_is_left_out(held: NoteList) -> None:
    assert "references" not in render(NoteContent(Paper("ab", "T"), "T", references=held)).sections


def test_a_note_whose_name_breaks_links_is_not_linked() -> None:
    held = NoteList((Neighbour("a", "Shown", 2000, "bad|name"),))
    assert render(NoteContent(Paper("ab", "T"), "T", references=held)).sections["references"].body == "- Shown (2000)"


names = st.sampled_from(["A Note", "Other 2001 Note"])
neighbours = st.builds(
    Neighbour, st.none() | hostile, st.none() | hostile, st.none() | st.integers(0, 9999), st.none() | names
)
lists = st.builds(
    NoteList,
    st.lists(neighbours, max_size=4).map(tuple),
    st.integers(0, 9),
    st.none() | st.integers(0, 10**6),
    st.none() | st.sampled_from(ListState),
)
contents = st.builds(
    NoteContent,
    paper=st.builds(
        Paper,
        paper_id=st.sampled_from(["0a1b2c", "3d4e5f"]) | hostile,
        title=hostile,
        authors=st.lists(st.builds(Author, hostile), max_size=3).map(tuple),
        year=st.none() | st.integers(-1, 10**20),
        venue=st.none() | hostile,
        abstract=st.none() | hostile,
        external_ids=st.dictionaries(st.sampled_from(["DOI", "ArXiv"]), hostile),
        citation_count=st.none() | st.integers(0, 10**20),
        pdf_url=st.none() | hostile | hostile.map("https://x.org/{}".format),
    ),
    name=st.just("A Note"),
    citekey=st.none() | hostile,
    summary=st.none() | st.builds(Summary, hostile, st.sampled_from(["tldr", "abstract", "full text"]) | hostile),
    references=lists,
    citations=lists,
    tags=st.lists(hostile, max_size=3).map(tuple),
)

OWN_LINK = re.compile(r"- \[\[[\w ]+\]\]$", re.MULTILINE)
OWN_WEB = re.compile(r"^- \[(?:PDF|DOI|arXiv|Semantic Scholar)\]\(https?://[^\s()]+\)$", re.MULTILINE)


@given(contents, st.sampled_from(["en", "ja"]))
def test_a_hostile_note_is_inert(content: NoteContent, lang: str) -> None:
    text = to_text(render(content, lang))
    bare = OWN_WEB.sub("", OWN_LINK.sub("", text))
    assert not re.search(FORBIDDEN_ANYWHERE, bare.replace("\n", " "))
    tokens = MARKDOWN.parse(split(text).body)
    inside = [child for token in tokens for child in token.children or []]
    assert {token.type for token in (*tokens, *inside)} <= {
        "paragraph_open", "paragraph_close", "inline", "text", "text_special", "softbreak", "heading_open", "heading_close",
        "bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close", "blockquote_open", "blockquote_close",
        "link_open", "link_close", "strong_open", "strong_close",
    }  # fmt: skip
    rendered = render(content, lang)
    assert sum(token.type == "heading_open" for token in tokens) == len(rendered.sections)
    assert sum(token.type == "blockquote_open" for token in tokens) == ("summary" in rendered.sections)
    assert sum(token.type == "link_open" for token in inside) == len(OWN_WEB.findall(text))


@given(contents)
def test_hostile_properties_are_one_sound_document(content: NoteContent) -> None:
    rendered = render(content)
    head = split(to_text(rendered))
    (read,) = yaml.safe_load_all("".join(one.raw for one in head.entries))
    assert list(read) == list(rendered.properties)
    for key, told in read.items():
        numbers = ("year", "citation_count", "reference_count", "refnet")
        kind = int if key in numbers else list if key in ("authors", "aliases", "tags") else str
        assert type(told) is kind
        says = rendered.properties[key].says
        assert (tuple(told) if isinstance(told, list) else str(told)) == says


def test_the_index_says_what_a_vault_holds() -> None:
    census = Census("en", deleted=2)
    linked = NoteList((Neighbour("a", "A", 2000, "Note A"), Neighbour("c", "C", 2000)), 0, None, None)
    census.add(NoteContent(Paper("a", "A", year=2001, citation_count=12), "Note A", depth=0))
    census.add(NoteContent(Paper("b", "B", year=1999, citation_count=3456), "Note B", citations=linked))
    census.add(NoteContent(Paper("c", "C"), "Note C", references=NoteList((), 0, 5, ListState.WITHHELD)))
    assert index_text(census) == (
        """Notes: 3. Citations among them: 1. Notes that you deleted, and that stay so: 2.

## Seeds

- [[Note A]]

## Most linked

The papers of this vault that most other papers of this vault cite.

| Paper | Cited here | Cited in all |
|---|--:|--:|
| [[Note B]] | 1 | 3,456 |

## By year

| Year | Papers | Most linked of the year |
|--:|--:|---|
| 2001 | 1 |  |
| 1999 | 1 | [[Note B]] |
| unknown | 1 |  |

## Incomplete lists

Lists that are not whole, and why.

- [[Note C]], References: The publisher withholds this list; it has 5 entries.

## About

Papers and citations come from [Semantic Scholar](https://www.semanticscholar.org/?utm_source=api). """
        """This note is written anew whenever the vault changes; keep your own notes elsewhere.
"""
    )


def test_sentences_of_a_japanese_index_stand_without_a_space_between_them() -> None:
    text = index_text(Census("ja", deleted=2))
    assert "引用 0 件。削除されたままのノート 2 件。" in text
    assert "による。このノートは" in text


def test_a_name_that_breaks_links_breaks_no_table() -> None:
    census = Census("en")
    linked = NoteList((Neighbour("a", "A", 2000, "Note A"),))
    census.add(NoteContent(Paper("b", "B", year=1999), "Mine | yours", citations=linked))
    assert "| Mine \\| yours | 1 |  |\n" in index_text(census)


def test_long_tables_of_the_index_say_that_they_are_cut() -> None:
    census = Census("en")
    for at in range(150):
        withheld = NoteList((), 0, 5, ListState.WITHHELD)
        census.add(NoteContent(Paper(f"{at}", "T", year=1800 + at), f"Note {at}", references=withheld))
    text = index_text(census)
    assert "- and 50 more" in text
    assert "\nand 90 more\n" in text
    assert text.count("[[") <= 400
