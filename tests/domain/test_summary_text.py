"""What a note says of a paper's summary: what it rests on, who made it, and where each finding stands."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from refnet.domain.documents import NoFullText
from refnet.domain.faults import UNREAD, WRONG_NUMBERS, Fault
from refnet.domain.note_text import render, to_text
from refnet.domain.note_words import LANGUAGES
from refnet.domain.notes import NoteContent
from refnet.domain.papers import Paper
from refnet.domain.summaries import FULL_TEXT, NOTHING, Finding, Provenance, Summary

ORIGIN = Provenance("https://arxiv.org/pdf/2005.11401", "ab" * 32, pages=12, pages_read=12)
READ = Summary(
    "It counts stars. It finds many.",
    FULL_TEXT,
    findings=(Finding("There are 9 of them.", "We count 9 stars in all.", 4),),
    keywords=("stars", "counting"),
    provenance=ORIGIN,
)


def note(summary: Summary | None, lang: str = "en", **paper: str) -> str:
    return to_text(render(NoteContent(Paper("p1", "A title", **paper), "Note", summary=summary), lang))  # type: ignore[arg-type]


def section(text: str, heading: str) -> str:
    return text.partition(f"## {heading}\n\n")[2].partition("\n\n## ")[0]


def test_a_summary_from_the_full_text_says_so_with_keywords_and_who_made_it() -> None:
    assert section(note(READ), "Summary") == (
        "> [!summary] From the full text\n"
        "> It counts stars. It finds many.\n"
        ">\n"
        "> Keywords: stars, counting\n"
        ">\n"
        "> *Sentences of the paper, chosen offline. 12 of 12 pages read.*"
    )


def test_a_finding_is_one_line_with_the_paper_s_words_and_a_link_to_their_page() -> None:
    assert section(note(READ), "Key findings") == (
        "- There are 9 of them: “We count 9 stars in all.” ([p. 4](https://arxiv.org/pdf/2005.11401#page=4))"
    )


def test_a_finding_without_a_claim_is_its_quote() -> None:
    bare = replace(READ, findings=(Finding("", "We count 9 stars in all.", 4),))
    assert section(note(bare), "Key findings").startswith("- “We count 9 stars in all.” (")


def test_the_page_is_told_without_a_link_where_the_pdf_s_address_is_none() -> None:
    nowhere = replace(READ, provenance=replace(ORIGIN, pdf_url="javascript:alert(1)"))
    assert section(note(nowhere), "Key findings").endswith("” (p. 4)")


def test_a_fragment_of_the_pdf_s_address_gives_way_to_the_page() -> None:
    marked = replace(READ, provenance=replace(ORIGIN, pdf_url="https://x.org/a.pdf#top"))
    assert "(https://x.org/a.pdf#page=4)" in section(note(marked), "Key findings")


def test_what_was_left_out_and_why_the_model_did_not_make_it_is_told() -> None:
    origin = replace(
        ORIGIN,
        pages=30,
        pages_read=20,
        dropped=2,
        dropped_why="2 with a *number*",
        left_out=7,
        hidden=312,
        fallback="the day's cap of $5 is reached.",
    )
    told = section(note(replace(READ, provenance=origin)), "Summary").splitlines()[-1]
    assert told == (
        "> *Sentences of the paper, chosen offline. The language model did not make it: the day's cap of \\$5 is reached. "
        "20 of 30 pages read. Statements of the model that the paper does not bear out, left out: 2 (2 with a \\*number\\*). "
        "Sentences of the paper that the model was not given, for want of room: 7. "
        "Text that no reader can see was left out: 312 characters.*"
    )


def test_pages_that_are_pictures_and_damaged_ones_are_told_apart_from_those_read() -> None:
    part = replace(READ, provenance=replace(ORIGIN, pages=5, pages_read=1, picture_pages=3, damaged_pages=1))
    assert "1 of 5 pages read. Pages that are pictures and hold no text: 3. Damaged pages: 1.*" in section(
        note(part), "Summary"
    )
    assert (
        "5 ページのうち 1 ページを読んだ。画像だけで文字のないページ: 3 ページ。壊れているページ: 1 ページ。*"
        in section(note(part, "ja"), "要約")
    )


def test_a_model_is_named_with_the_version_of_its_prompt() -> None:
    told = section(note(replace(READ, provenance=replace(ORIGIN, model="gpt-5-mini", prompt="1"))), "Summary")
    assert (
        "By the language model gpt-5-mini (prompt 1); its findings were held against the paper, of its sentences the numbers alone."
        in told
    )


def test_of_sentences_of_a_model_it_is_told_that_their_numbers_alone_were_looked_for() -> None:
    by_model = replace(READ, provenance=replace(ORIGIN, model="gpt", prompt="1"))
    assert "要約の文は数値だけを照合した" in section(note(by_model, "ja"), "要約")


def test_findings_in_another_language_than_the_paper_are_told_to_be_compared_less() -> None:
    other = (*READ.findings, Finding("星は九つある。", "We count 9 stars in all.", 4))
    by_model = replace(ORIGIN, model="gpt", prompt="1")
    one = "Findings in another language than the words that they rest on: 1."
    assert one in section(note(replace(READ, findings=other, provenance=by_model)), "Summary")
    assert "another language" not in section(note(replace(READ, provenance=by_model)), "Summary")
    assert "原文と言語が異なる知見は 1 件" in note(replace(READ, findings=other, provenance=by_model), "ja")


def test_every_reason_for_which_statements_are_left_out_is_told_in_japanese() -> None:
    reasons = [*Fault, WRONG_NUMBERS, UNREAD]
    why = ", ".join(f"{number} {reason}" for number, reason in enumerate(reasons, 1))
    origin = replace(ORIGIN, model="gpt", prompt="1", dropped=9, dropped_why=why)
    told = section(note(replace(READ, provenance=origin), "ja"), "要約")
    assert re.search(r"件 \(1 引用が本文にない, 2 .*は除いた", told)
    assert not re.search("[a-z]{3}", told.partition("件 (")[2])


@pytest.mark.parametrize(
    ("fallback", "told"),
    [
        ("the model declines to answer", "言語モデルは使えなかった: モデルが回答を拒んだ。"),
        (
            "none of the 8 findings that the model named stands in the paper (8 with a quote that is not in the paper)",
            "モデルの挙げた知見 8 件はどれも本文にない(8 引用が本文にない)",
        ),
        (
            "the model gave no answer: No connection to 127.0.0.1:9 came about: Connection refused",
            "モデルの応答がなかった(127.0.0.1:9 に接続できなかった(Connection refused))",
        ),
        ("Some host refuses nothing.", "言語モデルは使えなかった: Some host refuses nothing。"),
    ],
)
def test_why_a_model_did_not_make_the_summary_is_told_in_japanese(fallback: str, told: str) -> None:
    origin = replace(ORIGIN, fallback=fallback)
    assert told in section(note(replace(READ, provenance=origin), "ja"), "要約")


def test_the_pdf_is_where_it_was_found_where_the_source_names_none() -> None:
    found = note(READ)
    assert '\npdf: "https://arxiv.org/pdf/2005.11401"\n' in found
    assert "- [PDF](https://arxiv.org/pdf/2005.11401)" in found
    named = note(READ, pdf_url="https://x.org/a.pdf")
    assert '\npdf: "https://x.org/a.pdf"\n' in named


@pytest.mark.parametrize("lang", sorted(LANGUAGES))
@pytest.mark.parametrize("why", list(NoFullText))
def test_every_reason_for_which_there_is_no_full_text_is_told_in_every_language(lang: str, why: NoFullText) -> None:
    reason = LANGUAGES[lang].why[why]
    heading = LANGUAGES[lang].headings["summary"]
    for summary in (
        Summary("Short.", "abstract", why=why),
        Summary("S.", "tldr", why=why),
        Summary("", NOTHING, why=why),
    ):
        first = section(note(summary, lang), heading).splitlines()[0]
        assert first.startswith("> [!summary] ")
        assert reason in first


def test_a_paper_with_nothing_to_go_by_has_no_basis_and_a_callout_without_text() -> None:
    text = note(Summary("", NOTHING, why=NoFullText.NO_TEXT))
    assert "summary_basis" not in text
    assert section(text, "Summary") == "> [!summary] No summary: there is no abstract, and the PDF holds no text"


def test_a_summary_that_nobody_tried_to_make_from_the_full_text_says_that_it_was_not_read() -> None:
    assert section(note(Summary("Short.", "abstract")), "Summary").startswith(
        "> [!summary] From the abstract; the full text was not read\n"
    )


def test_headings_and_origin_are_japanese_where_the_vault_is() -> None:
    text = note(replace(READ, lang="ja", text="星を数える。"), "ja")
    assert "本文の文をオフラインで選んだもの。12 ページのうち 12 ページを読んだ。" in section(text, "要約")
    assert section(text, "主な知見").startswith("- There are 9 of them: “We count 9 stars in all.” ([p. 4](")


HOSTILE = "<img src=x> ![](http://evil) [[x]] `= 1` <% x %> {{y}} rating:: 5\n```dataviewjs\nx\n```\n%%c%%"


def test_words_of_a_model_start_nothing() -> None:
    summary = replace(
        READ,
        text=HOSTILE,
        findings=(Finding(HOSTILE, HOSTILE, 1),),
        keywords=(HOSTILE,),
        provenance=replace(ORIGIN, model=HOSTILE, prompt=HOSTILE, fallback=HOSTILE),
    )
    body = note(summary).partition("\n---\n")[2]
    for sign in ("<img", "![", "[[", "`=", "<%", "{{", "rating::", "```", "%%"):
        assert sign not in body.replace("\\" + sign, "")
