"""The summary of a paper made of its own sentences."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from refnet.adapters.pdf.reader import BoundedPdfReader
from refnet.domain import extractive, passages
from refnet.domain.documents import ASIDE, Document, DocumentSection, FoundPdf, NoFullText, SectionKind, Sentence
from refnet.domain.extractive import FEWEST, LENGTH, LENGTH_JAPANESE, MOST, ExtractiveSummarizer
from refnet.domain.papers import Paper
from refnet.domain.sentences import split_sentences
from refnet.domain.summaries import ABSTRACT, FULL_TEXT, NOTHING, Summary
from refnet.domain.wording import plain
from tests.domain.counting import lines_run
from tests.domain.made_up_papers import english, japanese, of_sentences

FOUND = FoundPdf("/nowhere/x.pdf", "https://example.org/x.pdf", "ab" * 32)
PAPER = Paper("p1", "Street Lamps and Moths")


def summarize(document: Document, paper: Paper = PAPER) -> Summary:
    return ExtractiveSummarizer().summarize(paper, document, FOUND, "en")


def place(document: Document, sentence: str) -> int:
    every = [plain(one.text) or one.text for section in document.sections for one in section.sentences]
    return every.index(sentence)


@pytest.mark.parametrize("document", [english(), japanese()], ids=["en", "ja"])
def test_a_summary_is_five_to_eight_sentences_of_the_paper_in_its_order(document: Document) -> None:
    summary = summarize(document)
    sentences = split_sentences(summary.text)
    assert FEWEST <= len(sentences) <= MOST
    places = [place(document, one) for one in sentences]
    assert places == sorted(set(places))
    assert (summary.basis, summary.lang) == (FULL_TEXT, document.lang)


@pytest.mark.parametrize("document", [english(), japanese()], ids=["en", "ja"])
def test_a_finding_is_quoted_as_it_stands_on_its_page_and_says_what_it_is_about(document: Document) -> None:
    summary = summarize(document)
    assert summary.findings
    for finding in summary.findings:
        on_page = [one.text for section in document.sections for one in section.sentences if one.page == finding.page]
        assert any(finding.quote in one for one in on_page)
        assert finding.claim
        assert finding.claim not in finding.quote


def test_what_stands_before_the_first_heading_and_what_was_known_before_is_no_finding() -> None:
    document = english()
    front = Sentence(
        "The survey of this journal shows that 93.5 % of its papers are significantly better than others.", 1
    )
    known = Sentence("White lamps have been shown to attract 45.2 % more moths than amber lamps.", 1)
    sections = [
        replace(one, sentences=(known, *one.sentences)) if one.kind is SectionKind.INTRODUCTION else one
        for one in document.sections
    ]
    with_front = replace(document, sections=(DocumentSection(SectionKind.OTHER, "", (front,)), *sections))
    quotes = [finding.quote for finding in summarize(with_front).findings]
    assert quotes
    assert front.text not in quotes
    assert known.text not in quotes


def test_captions_formulas_references_thanks_and_pointers_are_not_in_it() -> None:
    summary = summarize(english())
    everything = summary.text + "".join(one.quote for one in summary.findings)
    for part in (
        "Figure 2:",
        "k ∈ K",
        "Journal of Moths",
        "We thank",
        "In Section 2",
        "This matters",
        "example.org",
        "The appendix",
    ):
        assert part not in everything


@pytest.mark.parametrize(("document", "other"), [(japanese(), english()), (english(), japanese())], ids=["ja", "en"])
def test_an_abstract_in_a_second_language_is_not_in_it(document: Document, other: Document) -> None:
    """Many a Japanese paper has one in English."""
    second = [one for one in other.sections if one.kind is SectionKind.ABSTRACT]
    assert second
    alone, both = summarize(document), summarize(replace(document, sections=(*second, *document.sections)))

    foreign = {one.text for section in second for one in section.sentences}
    assert both.text
    assert not any(sentence in both.text for sentence in foreign)
    assert {one.quote for one in both.findings} == {one.quote for one in alone.findings}


def test_it_tells_where_it_comes_from() -> None:
    provenance = summarize(english()).provenance
    assert provenance is not None
    assert (provenance.pdf_url, provenance.pdf_sha256) == (FOUND.url, FOUND.sha256)
    assert (provenance.pages, provenance.pages_read, provenance.hidden) == (7, 7, 12)
    assert (provenance.model, provenance.prompt, provenance.fallback) == (None, None, None)


def test_it_tells_which_pages_were_not_read() -> None:
    part = replace(english(), pages_read=3, damaged_pages=(2,), picture_pages=(4, 5, 6))
    provenance = summarize(part).provenance
    assert provenance is not None
    assert (provenance.pages_read, provenance.damaged_pages, provenance.picture_pages) == (3, 1, 3)


def test_a_number_in_brackets_is_read_as_the_references_of_the_paper_are_numbered() -> None:
    by_name = DocumentSection(SectionKind.REFERENCES, "References", (Sentence("Flutter, A.: Moths, 2001. " * 30, 7),))
    sentence = "The lamps of the sizes [5, 10] were counted by the traps of the village."
    by_year = "The moths of other villages were counted by those of the towns before (Flutter, 2001)."
    document = of_sentences([sentence, by_year])
    passage, *_ = passages.passages(replace(document, sections=(*document.sections, by_name)))
    assert (passage.text, passage.cites) == (sentence, False)
    passage, *_ = passages.passages(document)
    assert (passage.text, passage.cites) == (sentence.replace(" [5, 10]", ""), True)


def test_keywords_are_the_authors_own_first() -> None:
    assert summarize(english()).keywords[:2] == ("street lamps", "moths")
    assert 5 <= len(summarize(english()).keywords) <= 10
    assert 5 <= len(summarize(japanese()).keywords) <= 10


def test_what_the_abstract_beside_it_says_is_not_said_again() -> None:
    abstract = " ".join(one.text for one in english().of(SectionKind.ABSTRACT))
    without = summarize(english(), replace(PAPER, abstract=abstract))
    assert "Amber lamps drew far fewer moths" in summarize(english()).text
    assert "Amber lamps drew far fewer moths" not in without.text
    assert FEWEST <= len(split_sentences(without.text)) <= MOST


def test_the_abstract_helps_out_where_the_rest_is_too_little() -> None:
    document = replace(english(), sections=english().sections[:3])
    abstract = " ".join(one.text for one in document.of(SectionKind.ABSTRACT))
    assert "We study how the colour" in summarize(document, replace(PAPER, abstract=abstract)).text


def test_sentences_that_lean_on_others_help_out_where_there_are_too_few() -> None:
    leaning = "It was smaller in the villages in which the lamps had been replaced before."
    alone = [f"The number of moths at lamp {at} was counted by the traps of the village." for at in "ABCDEF"]
    assert leaning in summarize(of_sentences([leaning, *alone[:3]])).text
    assert leaning not in summarize(of_sentences([leaning, *alone])).text


def test_a_text_with_too_little_prose_is_summarised_from_the_record_and_says_so() -> None:
    slides = of_sentences(["Lamps 2019", "x = 3", "Street lamps draw moths away from the flowers there."])
    record = Summary("Lamps draw moths.", ABSTRACT)
    made = ExtractiveSummarizer(lambda paper: record).summarize(PAPER, slides, FOUND, "en")
    assert made == replace(record, why=NoFullText.NO_PROSE)
    assert summarize(slides).text == "Street lamps draw moths away from the flowers there."
    assert summarize(slides).basis == FULL_TEXT
    empty = summarize(of_sentences(["Lamps 2019", "x = 3"]))
    assert (empty.text, empty.basis, empty.why, empty.findings) == ("", NOTHING, NoFullText.NO_PROSE, ())


def test_captions_are_known_by_the_title_that_the_reader_gives_them() -> None:
    document = english()
    captions = DocumentSection(
        SectionKind.OTHER, ASIDE, (Sentence("The lamps of the villages in which we counted moths.", 1),)
    )
    assert summarize(replace(document, sections=(*document.sections, captions))) == summarize(document)


PROGRAM = """
from refnet.domain.extractive import rank
from refnet.domain.passages import passages
from tests.domain.made_up_papers import english, japanese
from tests.domain.test_extractive import summarize
for one in (english(), japanese()):
    print(summarize(one), rank(passages(one)).scores)
"""


def test_it_is_the_same_whatever_the_hashes_of_strings_are(root: Path) -> None:
    said: list[bytes] = []
    for seed in ("0", "1", "2"):
        environment = os.environ | {
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": f"{root / 'src'}:{root}",
            "PYTHONIOENCODING": "utf-8",
        }
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, cwd=root, capture_output=True, check=True
        )
        said.append(done.stdout)
    assert said[0]
    assert len(set(said)) == 1


def book(sentences: int) -> Document:
    texts = [
        f"The moths of valley number {at % 97} were counted at lamp {at} of the village." for at in range(sentences)
    ]
    sections = [
        DocumentSection(SectionKind.OTHER, f"Chapter {at}", tuple(Sentence(one, 1) for one in texts[at::20]))
        for at in range(20)
    ]
    return Document(400, 400, tuple(sections))


def test_the_work_grows_with_the_length_of_a_book_and_beyond_some_length_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(extractive, "LARGEST_GRAPH", 40)
    monkeypatch.setattr(passages, "MOST_SENTENCES", 400)
    short, long, endless = book(200), book(400), book(4_000)
    once = lines_run(lambda: summarize(short))
    twice = lines_run(lambda: summarize(long))
    assert twice <= 2.2 * once
    assert lines_run(lambda: summarize(endless)) <= 1.3 * twice


def test_of_a_long_book_the_sections_that_promise_most_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passages, "MOST_SENTENCES", 40)
    long = book(400)
    last = DocumentSection(SectionKind.CONCLUSION, "Conclusion", english().sections[-4].sentences)
    assert "protect moths" in summarize(replace(long, sections=(*long.sections, last))).text


@pytest.mark.parametrize("piece", ["a", "a ", "(", "「", "A. ", "[1]", "蛾", "et al. ", "1 "])
def test_a_sentence_of_a_megabyte_is_not_looked_into(piece: str) -> None:
    giant = of_sentences([piece * (1_000_000 // len(piece)) + "."])
    assert lines_run(lambda: summarize(giant)) < 2_000
    assert summarize(giant).text == ""


def test_a_hostile_title_or_abstract_does_no_harm() -> None:
    sections = tuple(replace(one, title="[[x]] <b> " * 10_000) for one in english().sections)
    summary = summarize(replace(english(), sections=sections), replace(PAPER, abstract="A. (b " * 100_000))
    assert {one.claim for one in summary.findings} <= {"Result", "Discussion", "Conclusion", "Limitation", "Finding"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "says", "keyword"),
    [
        ("paper-acl-2020.acl-main.207-specter", "We present SPECTER", "SPECTER"),
        ("paper-springer-bogner2019", "controlled experiment", "Evolvability"),
        ("paper-japanese-ipsj-serverspec", "制御テストフレームワーク", "serverspec"),
    ],
)
def test_real_papers_are_summarised_in_whole_sentences(shared: Path, name: str, says: str, keyword: str) -> None:
    reader = BoundedPdfReader()
    document = reader.read(str(shared / "pdf" / f"{name}.pdf"))
    reader.close()
    assert isinstance(document, Document)
    summary = summarize(document)
    sentences = split_sentences(summary.text)
    length = LENGTH_JAPANESE if document.lang == "ja" else LENGTH
    assert FEWEST <= len(sentences) <= MOST
    assert len(summary.text) >= length or len(sentences) == MOST
    assert says in summary.text
    assert keyword in summary.keywords
    assert 3 <= len(summary.findings) <= 6
    for finding in summary.findings:
        on_page = "".join(
            one.text for section in document.sections for one in section.sentences if one.page == finding.page
        )
        assert finding.quote in on_page


def test_a_chinese_paper_is_summarised_from_its_own_sentences() -> None:
    sentences = [
        f"本文研究了路灯颜色对第{number}个村庄飞蛾数量的影响，并且用灯光诱捕器进行了测量。"
        for number in "一二三四五六七"
    ]
    document = of_sentences([*sentences, "This is the only English sentence that the whole of the paper has in it."])

    summary = summarize(document)

    assert summary.basis == FULL_TEXT
    assert len(split_sentences(summary.text)) >= FEWEST
    assert "English" not in summary.text
