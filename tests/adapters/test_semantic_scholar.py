"""Semantic Scholar's answers over the wire, as it gives them and as nobody should."""

from __future__ import annotations

import json
import threading
import tracemalloc
import unicodedata
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.adapters.http import Response
from refnet.adapters.semantic_scholar import SemanticScholar, clean_query, read_batch, read_match, read_page
from refnet.adapters.semantic_scholar_refusals import refusal
from refnet.adapters.semantic_scholar_rows import LONGEST_ABSTRACT, LONGEST_TITLE, MOST_AUTHORS
from refnet.domain.crawl import Ask, Limits
from refnet.domain.errors import (
    ConfigurationError,
    CredentialsRejected,
    NothingMatched,
    PaperNotFound,
    RateLimited,
    RefnetError,
    RequestRefused,
    RequestTooLarge,
    SourceUnavailable,
    TransientError,
)
from refnet.domain.papers import Answer, Author, Listing, ListName, Page, Paper, Stub
from refnet.ports import PaperSource, TitleMatch
from tests.adapters.scripted import Answering, Scripted, answer

KEY = "sekret-key-0123456789"
A, B, C = "a" * 40, "b" * 40, "c" * 40
EVERYTHING = Ask.DETAILS | Ask.REFERENCES | Ask.CITATIONS
USUAL = Limits()
FIELDS = (
    *(
        "title",
        "abstract",
        "venue",
        "journal",
        "year",
        "authors",
        "externalIds",
        "corpusId",
        "publicationDate",
    ),
    *("openAccessPdf", "tldr", "url", "citationCount", "referenceCount"),
)


class Steps:
    """A pace that never waits and writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.errors: list[TransientError] = []

    def start(self) -> None:
        self.told.append("start")

    def succeeded(self) -> None:
        self.told.append("succeeded")

    def failed(self, error: TransientError) -> None:
        self.told.append("failed")
        self.errors.append(error)

    def successes(self) -> int:
        return self.told.count("succeeded")


@contextmanager
def source(
    answering: Answering, *, key: str | None = None, limits: Limits = USUAL
) -> Iterator[tuple[SemanticScholar, Scripted, Steps]]:
    pace = Steps()
    with Scripted(answering) as server:
        scholar = SemanticScholar(f"{server.url}/graph/v1", api_key=key, pace=pace, limits=limits, timeout=5)
        try:
            yield scholar, server, pace
        finally:
            scholar.close()


def fetched(row: dict[str, Any], ask: Ask = EVERYTHING, asked: str = A) -> Answer:
    """What is read of one row of a batch."""
    (read,) = read_batch([{"paperId": A, **row}], [asked], ask)
    assert read is not None
    return read


def details(row: dict[str, Any]) -> Paper:
    paper = fetched(row, Ask.DETAILS).paper
    assert paper is not None
    return paper


def references(rows: object) -> Listing:
    listing = fetched({"references": rows}, Ask.REFERENCES).references
    assert listing is not None
    return listing


def test_it_is_a_paper_source() -> None:
    with source(lambda _: answer([])) as (scholar, _, _):
        held: PaperSource = scholar
        assert (held.name, held.requests, held.limits) == ("semantic_scholar", 0, Limits())


# ---------------------------------------------------------------- fetch


def test_a_fetch_is_one_batch_request_with_the_ids_as_given() -> None:
    with source(lambda _: answer([{"paperId": A}, None])) as (scholar, server, pace):
        answers = scholar.fetch([A, "DOI:10.1/X"], Ask.DETAILS)
        assert scholar.requests == 1
    assert [found and found.paper_id for found in answers] == [A, None]
    assert (server.asked[0].method, server.asked[0].path) == ("POST", "/graph/v1/paper/batch")
    assert server.asked[0].json == {"ids": [A, "DOI:10.1/X"]}
    assert pace.told == ["start", "succeeded"]


@pytest.mark.parametrize(
    ("ask", "asked", "left_out"),
    [
        (
            Ask.DETAILS,
            {"abstract", "tldr", "openAccessPdf", "externalIds"},
            {"references.title", "citations.title"},
        ),
        (
            Ask.REFERENCES,
            {"references.paperId", "references.citationCount"},
            {"abstract", "citations.paperId"},
        ),
        (
            Ask.CITATIONS | Ask.EXPAND,
            {"citations.paperId", "citations.referenceCount"},
            {"references.paperId"},
        ),
    ],
)
def test_only_what_is_asked_for_is_requested_and_counts_always(ask: Ask, asked: set[str], left_out: set[str]) -> None:
    with source(lambda _: answer([{"paperId": A}])) as (scholar, server, _):
        scholar.fetch([A], ask)
    fields = set(server.asked[0].query["fields"].split(","))
    assert fields >= asked | {"paperId", "citationCount", "referenceCount"}
    assert not fields & left_out


def test_no_ids_make_no_request() -> None:
    with source(lambda _: answer([])) as (scholar, _, pace):
        assert scholar.fetch([], Ask.DETAILS) == []
    assert pace.told == []


def test_a_part_that_was_not_asked_for_is_none() -> None:
    row = {"citationCount": 3, "referenceCount": 2, "references": [{"paperId": B}], "title": "T"}
    assert fetched(row, Ask.REFERENCES) == Answer(
        A, references=Listing((Stub(B),)), citation_count=3, reference_count=2
    )


def test_another_id_than_the_one_asked_for_is_that_of_a_merged_paper() -> None:
    assert fetched({}, asked=B).paper_id == A


def test_two_ids_of_one_merged_paper_may_stand_in_one_request() -> None:
    read = read_batch([{"paperId": B}, {"paperId": B}], [A, B], Ask.DETAILS)
    assert [found and found.paper_id for found in read] == [B, B]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{"paperId": A}],
        [{"paperId": A}, None, None],
        [{"paperId": B}, {"paperId": A}],
        [{"paperId": B}, None],
        [{"paperId": A}, "row"],
        [{"paperId": A}, []],
        [{"paperId": A}, {"paperId": None}],
        [{"paperId": A}, {"title": "no id"}],
        [{"paperId": A}, {"paperId": "../../etc"}],
        [{"paperId": A}, {"paperId": B, "references": {"0": {}}}],
        {"data": []},
        {"error": "Something went wrong"},
        {"message": "Internal"},
        None,
        7,
    ],
)
def test_rows_that_cannot_be_the_answer_are_a_passing_state(rows: object) -> None:
    with source(lambda _: answer(rows)) as (scholar, _, pace), pytest.raises(SourceUnavailable) as caught:
        scholar.fetch([A, B], EVERYTHING)
    assert caught.value.own_fault_possible
    assert pace.told == ["start", "failed"]
    assert pace.errors == [caught.value]


@pytest.mark.parametrize(
    "body", ['[{"paperId": "a', "<!DOCTYPE html>", "", "[" * 100_000], ids=["cut", "page", "empty", "deep"]
)
def test_a_200_that_is_no_json_is_a_passing_state(body: str) -> None:
    with source(lambda _: answer(body)) as (scholar, _, pace), pytest.raises(SourceUnavailable):
        scholar.fetch([A, B], EVERYTHING)
    assert pace.told == ["start", "failed"]


# ---------------------------------------------------------------- details


def test_a_recorded_kind_of_row_is_read_whole() -> None:
    row = {
        "externalIds": {"MAG": "209", "DOI": " 10.2139/SSRN.288970 ", "CorpusId": 470667, "ArXiv": None},
        "corpusId": 470667,
        "title": "How Much\nShould We  Trust?",
        "abstract": " First.\r\n\r\n\r\n\r\nSecond. ",
        "venue": "QJE",
        "year": 2001,
        "authors": [{"authorId": "81", "name": "M. Bertrand"}, {"authorId": None, "name": "E. Duflo"}],
        "citationCount": 10670,
        "referenceCount": 30,
        "publicationDate": "2001-10-01",
        "openAccessPdf": {"url": "http://papers.nber.org/papers/w8841.pdf", "status": "GREEN"},
        "tldr": {"model": "tldr@v2", "text": "Standard errors are too small."},
        "url": f"https://www.semanticscholar.org/paper/{A}",
    }
    assert details(row) == Paper(
        A,
        "How Much Should We Trust?",
        (Author("M. Bertrand", "81"), Author("E. Duflo")),
        2001,
        "QJE",
        "First.\n\nSecond.",
        "Standard errors are too small.",
        {"DOI": "10.2139/SSRN.288970", "MAG": "209", "CorpusId": "470667"},
        10670,
        30,
        "2001-10-01",
        "http://papers.nber.org/papers/w8841.pdf",
        f"https://www.semanticscholar.org/paper/{A}",
    )


@pytest.mark.parametrize(
    "row",
    [
        {},
        dict.fromkeys(FIELDS),
        {
            "venue": "",
            "journal": {"pages": "5"},
            "authors": [],
            "openAccessPdf": {"url": "", "status": None},
            "tldr": {},
        },
        {
            "title": 7,
            "abstract": [],
            "venue": {},
            "year": "2001",
            "authors": {"name": "x"},
            "externalIds": ["DOI"],
        },
        {
            "title": " \n ",
            "tldr": "text",
            "url": "javascript:alert(1)",
            "openAccessPdf": {"url": "file:///etc/passwd"},
        },
        {
            "year": True,
            "citationCount": True,
            "referenceCount": -1,
            "publicationDate": "2001",
            "corpusId": "x",
        },
        {
            "year": 999,
            "citationCount": 2**31,
            "publicationDate": "2001-02-30",
            "openAccessPdf": {"url": "https://a b"},
        },
        {
            "year": 2101,
            "citationCount": 1.5,
            "authors": [None, 7, {"name": None}, {"authorId": "1"}],
            "tldr": {"text": ""},
        },
        {
            "externalIds": {
                "DOI": "10.1/a b",
                "MAG": True,
                "CorpusId": "x1",
                "ArXiv": "",
                "Other": "1",
                "ACL": -3,
            }
        },
        {
            "url": "https://",
            "openAccessPdf": {"url": "https://h/" + "a" * 5_000},
            "publicationDate": "2001-10-01T00:00",
        },
    ],
)
def test_what_is_missing_or_no_such_value_is_left_out(row: dict[str, Any]) -> None:
    assert details(row) == Paper(A, "")


def test_without_a_venue_the_journal_stands_in() -> None:
    assert details({"venue": "", "journal": {"name": "Experimental eJournal"}}).venue == "Experimental eJournal"


def test_a_corpus_id_is_text_of_digits_wherever_it_stands() -> None:
    assert details({"externalIds": {"CorpusId": "12"}}).external_ids == {"CorpusId": "12"}
    assert details({"corpusId": 12}).external_ids == {"CorpusId": "12"}
    assert details({"corpusId": "12", "externalIds": None}).external_ids == {"CorpusId": "12"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a\x00b\x1b[31m", "ab[31m"),
        ("a\ud800b\udfff", "ab"),
        ("e\u0301", "é"),
        ("\u0093Micro\u0085nance\u0092s \u0091iron law\u0092\u0096", "“Micro nance’s ‘iron law’–"),
        ("a\u2028b\u00a0c\u3000d", "a b c d"),
        ("\U0001f600 深層", "\U0001f600 深層"),
    ],
)
def test_titles_hold_no_control_characters_and_one_kind_of_space(given: str, kept: str) -> None:
    assert details({"title": given}).title == kept
    assert references([{"title": given}]).rows[0].title == kept


def test_texts_are_bounded_and_say_where_they_are_cut() -> None:
    paper = details(
        {
            "title": "t" * 50_000,
            "abstract": "é" * 90_000,
            "venue": "v" * 400,
            "authors": [{"name": "n" * 999}] * (MOST_AUTHORS + 5),
        }
    )
    assert (len(paper.title), paper.title[-2:]) == (LONGEST_TITLE, "t…")
    assert (len(paper.abstract or ""), (paper.abstract or "")[-2:]) == (LONGEST_ABSTRACT, "é…")
    assert (len(paper.venue or ""), len(paper.authors), len(paper.authors[0].name)) == (
        300,
        MOST_AUTHORS,
        300,
    )
    assert details({"title": "t" * LONGEST_TITLE}).title == "t" * LONGEST_TITLE


def test_spaces_in_addresses_are_encoded() -> None:
    assert details({"openAccessPdf": {"url": " https://h/a (final).pdf\n"}}).pdf_url == "https://h/a%20(final).pdf"


def test_an_id_in_many_lists_is_held_once() -> None:
    first, second = (references(json.loads(f'[{{"paperId": "{B}"}}]')).rows[0].paper_id for _ in range(2))
    assert first is second


def test_a_text_that_is_mostly_white_space_still_says_that_it_was_cut() -> None:
    assert details({"title": " " * 50_000 + "x"}).title == "…"


def test_a_tower_of_combining_marks_is_pulled_down() -> None:
    assert details({"title": "a" + "\u0316\u0301" * 1_000 + "b" + "\u0301" * 20}).title == (
        unicodedata.normalize("NFC", "a" + "\u0316\u0301" * 15 + "b" + "\u0301" * 20)
    )


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([A, B, "https://x/y"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["paperId", "title", "name", "url", "text", "DOI", "CorpusId", "authorId"]) | st.text(),
                inner,
            )
        ),
        max_leaves=12,
    ),
    st.sampled_from([*FIELDS, "references", "citations", "paperId"]),
)
def test_no_value_of_any_field_breaks_the_reading(value: object, name: str) -> None:
    try:
        read = fetched({name: value})
    except SourceUnavailable:
        assert name in {"paperId", "references", "citations"}
        return
    json.dumps([str(read), read.paper and read.paper.title]).encode()
    assert read.paper is not None
    text = " ".join([read.paper.title, read.paper.venue or "", *(author.name for author in read.paper.authors)])
    text.encode()
    assert not any(character < " " for character in text)


# ---------------------------------------------------------------- lists


def test_rows_without_an_id_are_kept_and_rows_that_say_nothing_are_not() -> None:
    rows = [
        {"paperId": None, "title": "Unmatched", "year": 1950, "citationCount": None, "authors": []},
        {"paperId": None, "title": None, "year": None},
        {},
        None,
        7,
        {"paperId": None, "title": "Unmatched", "year": 1950},
        {"paperId": B},
    ]
    unmatched = Stub(None, "Unmatched", 1950)
    assert references(rows) == Listing((unmatched, unmatched, Stub(B)))


def test_a_paper_stands_once_in_a_list_with_its_first_row() -> None:
    rows = [{"paperId": B, "title": "First"}, {"paperId": C}, {"paperId": B, "title": "Second"}]
    assert references(rows).rows == (Stub(B, "First"), Stub(C))


def test_a_paper_stands_in_no_list_of_its_own_under_either_id() -> None:
    row = {"references": [{"paperId": A}, {"paperId": B}, {"paperId": C}]}
    read = fetched(row, Ask.REFERENCES, asked=B)
    assert read.references == Listing((Stub(C),))


@pytest.mark.parametrize("name", list(ListName))
def test_a_list_that_is_null_is_withheld_and_an_empty_one_is_not(name: ListName) -> None:
    ask = Ask.REFERENCES if name is ListName.REFERENCES else Ask.CITATIONS
    assert fetched({name.value: None}, ask).listing(name) == Listing(withheld=True)
    assert fetched({name.value: []}, ask).listing(name) == Listing()
    assert fetched({}, ask).listing(name) == Listing()


def test_the_counts_of_a_row_in_a_list_are_read() -> None:
    row = {"paperId": B, "title": "T", "year": 2020, "citationCount": 5, "referenceCount": 0}
    assert references([row]).rows == (Stub(B, "T", 2020, 5, 0),)


# ---------------------------------------------------------------- pages


@pytest.mark.parametrize(("name", "end"), [(ListName.CITATIONS, "citingPaper"), (ListName.REFERENCES, "citedPaper")])
def test_a_page_is_one_request_for_the_rows_behind_an_offset(name: ListName, end: str) -> None:
    body = {"offset": 1000, "next": 2000, "data": [{end: {"paperId": B, "title": "T"}}, {end: None}, None]}
    with source(lambda _: answer(body)) as (scholar, server, pace):
        page = scholar.page(A, name, 1_000)
    assert page == Page(Listing((Stub(B, "T"),)), 2_000)
    assert (server.asked[0].method, server.asked[0].path) == ("GET", f"/graph/v1/paper/{A}/{name.value}")
    assert server.asked[0].query == {
        "fields": "paperId,title,year,citationCount,referenceCount",
        "offset": "1000",
        "limit": "1000",
    }
    assert pace.told == ["start", "succeeded"]


def test_a_page_without_next_is_the_last() -> None:
    assert read_page({"offset": 0, "data": []}, A, ListName.CITATIONS, 0) == Page(Listing())


def test_a_page_whose_rows_are_null_is_withheld() -> None:
    body = {"data": None, "citingPaperInfo": {"title": "T"}}
    assert read_page(body, A, ListName.REFERENCES, 0) == Page(Listing(withheld=True))


def test_the_last_page_asks_only_as_far_as_the_source_lets_one() -> None:
    with source(lambda _: answer({"offset": 9000, "next": 9999, "data": []})) as (scholar, server, _):
        assert scholar.page(A, ListName.CITATIONS, 9_000).next_offset is None
        assert scholar.page(A, ListName.CITATIONS, 9_999) == Page(Listing())
    assert [asked.query["limit"] for asked in server.asked] == ["999"]


def test_the_length_of_a_page_is_that_of_the_limits() -> None:
    with source(lambda _: answer({"data": []}), limits=Limits(page=20)) as (scholar, server, _):
        scholar.page(A, ListName.CITATIONS, 0)
    assert server.asked[0].query["limit"] == "20"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"offset": 0},
        {"data": 7},
        {"data": {"0": {}}},
        {"data": [], "next": 100},
        {"data": [], "next": 50},
        {"data": [], "next": "200"},
        {"data": [], "next": True},
        {"error": "Internal"},
        [],
        None,
    ],
)
def test_a_page_that_cannot_be_the_answer_is_a_passing_state(body: object) -> None:
    with source(lambda _: answer(body)) as (scholar, _, pace), pytest.raises(SourceUnavailable):
        scholar.page(A, ListName.CITATIONS, 100)
    assert pace.told == ["start", "failed"]


def test_ids_keep_their_slashes_and_are_encoded_otherwise() -> None:
    with source(lambda _: answer({"data": []})) as (scholar, server, _):
        scholar.page("DOI:10.1/a?b#c%2F é", ListName.REFERENCES, 0)
    assert server.asked[0].target.startswith("/graph/v1/paper/DOI:10.1/a%3Fb%23c%252F%20%C3%A9/references?")


@pytest.mark.parametrize("paper_id", ["", "..", "DOI:10.1/../../x", "a//b", "a/", "/a", "./a"])
def test_an_id_that_would_lead_to_another_path_names_no_paper(paper_id: str) -> None:
    with source(lambda _: answer({"data": []})) as (scholar, server, _), pytest.raises(PaperNotFound):
        scholar.page(paper_id, ListName.REFERENCES, 0)
    assert server.asked == []


# ---------------------------------------------------------------- match


def test_a_match_is_the_first_row() -> None:
    row = {
        "paperId": A,
        "title": "T",
        "year": 2017,
        "authors": [{"authorId": "1", "name": "N"}],
        "matchScore": 9.5,
    }
    with source(lambda _: answer({"data": [row]})) as (scholar, server, pace):
        found = scholar.match(" The\n title: of “it” ")
    assert found == TitleMatch(A, "T", 2017, (Author("N", "1"),))
    assert server.asked[0].path == "/graph/v1/paper/search/match"
    assert server.asked[0].query == {"query": "The title: of “it”", "fields": "title,year,authors"}
    assert pace.told == ["start", "succeeded"]


@pytest.mark.parametrize(
    ("status", "body"), [(404, {"error": "Title match not found"}), (200, {"data": []}), (200, {"total": 0})]
)
def test_no_match_is_a_value(status: int, body: object) -> None:
    with source(lambda _: answer(body, status)) as (scholar, _, pace):
        assert scholar.match("nothing like it") is None
    assert pace.told == ["start", "succeeded"]


def test_an_empty_title_matches_nothing_and_makes_no_request() -> None:
    with source(lambda _: answer({})) as (scholar, server, _):
        assert scholar.match(" \n\x00") is None
    assert server.asked == []


@pytest.mark.parametrize("body", [[], {"data": 7}, {"data": None}, {"data": [None]}, {"data": [{"title": "T"}]}])
def test_a_match_that_cannot_be_one_is_a_passing_state(body: object) -> None:
    with pytest.raises(SourceUnavailable):
        read_match(body)


def test_an_error_with_status_200_is_no_answer_to_anything() -> None:
    body = {"error": "Internal", "data": []}
    with source(lambda _: answer(body)) as (scholar, _, pace):
        requests: list[Callable[[], object]] = [
            lambda: scholar.match("a title"),
            lambda: scholar.page(A, ListName.CITATIONS, 0),
            lambda: scholar.fetch([A], Ask.DETAILS),
        ]
        for request in requests:
            with pytest.raises(SourceUnavailable, match="error in place of an answer: Internal"):
                request()
    assert pace.told == ["start", "failed"] * 3


def test_a_long_title_is_asked_for_by_its_first_words() -> None:
    query = clean_query("word " * 200)
    assert len(query) <= 300
    assert query.split() == ["word"] * 60
    assert clean_query("x" * 1_000) == "x" * 300


# ---------------------------------------------------------------- refusals

BY_STATUS: dict[int, type[RefnetError]] = {
    400: RequestRefused,
    401: CredentialsRejected,
    402: CredentialsRejected,
    403: CredentialsRejected,
    404: SourceUnavailable,
    407: SourceUnavailable,
    408: SourceUnavailable,
    409: SourceUnavailable,
    413: RequestTooLarge,
    421: SourceUnavailable,
    423: SourceUnavailable,
    425: SourceUnavailable,
    429: RateLimited,
    431: RequestTooLarge,
}


@pytest.mark.parametrize("shape", ["error", "message"])
def test_every_status_has_its_fate(shape: str) -> None:
    for status in [*range(100, 200), *range(201, 600)]:
        error = refusal(Response(status, {}, json.dumps({shape: "Some words"})), None)
        other = RequestRefused if 400 <= status < 500 else SourceUnavailable
        assert type(error) is BY_STATUS.get(status, other), status
        assert str(status) in str(error)


def test_a_refusal_that_the_source_does_not_word_itself_is_a_passing_state() -> None:
    for status in [400, 404, 405, 410, 418, 451, 499]:
        for body in [
            "<html>400 Bad Request</html>",
            "",
            "{}",
            '{"detail": "x"}',
            "[]",
            '{"error": 7}',
            '{"error": null}',
        ]:
            error = refusal(Response(status, {}, body), None)
            assert isinstance(error, SourceUnavailable), (status, body)
            assert error.own_fault_possible


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (
            400,
            {"error": "Response would exceed maximum size. Try fewer ids."},
            RequestTooLarge,
            "exceed maximum",
        ),
        (400, {"error": "Too many paper ids given: 501 > 500"}, RequestTooLarge, "Too many"),
        (400, {"error": "No valid paper ids given"}, NothingMatched, "identifiers"),
        (
            400,
            {"error": "Unrecognized or unsupported fields: [unknown]"},
            RequestRefused,
            "unsupported fields",
        ),
        (400, {"error": "offset + limit must be < 10000"}, RequestRefused, "10000"),
        (413, "<html>413</html>", RequestTooLarge, "413"),
        (429, {"message": "Too Many Requests", "code": "429"}, RateLimited, "fewer requests"),
        (500, {"message": "Internal Server Error"}, SourceUnavailable, "500: Internal Server Error"),
        (504, {"message": "Endpoint request timed out"}, SourceUnavailable, "timed out"),
        (502, "<html>502</html>", SourceUnavailable, "502"),
        (301, "", SourceUnavailable, "redirect"),
    ],
)
def test_refusals_over_the_wire(status: int, body: object, kind: type[RefnetError], says: str) -> None:
    with (
        source(lambda _: answer(body, status)) as (scholar, _, pace),
        pytest.raises(kind, match=says) as caught,
    ):
        scholar.fetch([A], Ask.DETAILS)
    assert type(caught.value) is kind
    assert pace.told == ["start", "failed" if isinstance(caught.value, TransientError) else "succeeded"]


def test_only_500_and_504_may_be_the_own_fault_of_a_request_that_the_gateway_refused() -> None:
    errors = {s: refusal(Response(s, {}, '{"message": "words"}'), None) for s in range(500, 600)}
    own = {s for s, error in errors.items() if isinstance(error, SourceUnavailable) and error.own_fault_possible}
    assert own == {500, 504}


def test_404_means_the_paper_only_where_one_paper_was_asked_for() -> None:
    body = {"error": f"Paper with id {A} not found"}
    with source(lambda _: answer(body, 404)) as (scholar, _, pace):
        with pytest.raises(PaperNotFound):
            scholar.page(A, ListName.REFERENCES, 0)
        with pytest.raises(SourceUnavailable):
            scholar.fetch([A], Ask.DETAILS)
        with pytest.raises(SourceUnavailable):
            scholar.match("a title")
    assert pace.told == ["start", "succeeded", "start", "failed", "start", "failed"]


def test_404_of_another_server_does_not_mean_the_paper() -> None:
    for body in [
        '{"message": "Missing Authentication Token"}',
        "<h1>Not Found</h1>",
        '{"detail": "Not Found"}',
    ]:
        assert isinstance(refusal(Response(404, {}, body), None, one_paper=True), SourceUnavailable)


@pytest.mark.parametrize("key", [KEY, None])
def test_403_says_whether_it_is_about_the_key(key: str | None) -> None:
    with (
        source(lambda _: answer({"message": "Forbidden"}, 403), key=key) as (scholar, _, pace),
        pytest.raises(CredentialsRejected, match="the key" if key else "without a key"),
    ):
        scholar.fetch([A], Ask.DETAILS)
    assert pace.told == ["start", "succeeded"]


# ---------------------------------------------------------------- how long to wait


def http_date(seconds: float) -> str:
    return format_datetime(datetime(2026, 10, 6, 12, tzinfo=UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("7", 7),
        (" 0.5 ", 0.5),
        ("3599", 3599),
        ("3600", 600),
        ("9e9", 600),
        ("inf", 600),
        (http_date(30), 30),
        (http_date(90_000), 600),
        (http_date(-30), None),
        ("0", None),
        ("-5", None),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Tue, 99 Oct 2026 12:00:00 GMT", None),
        ("9" * 400, 600),
        ("Fri, 31 Dec 99999999 23:59:59 GMT", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_within_reason(status: int, asked: str, seconds: float | None) -> None:
    headers = {"retry-after": asked, "date": http_date(0)}
    error = refusal(Response(status, headers, ""), None)
    assert isinstance(error, TransientError)
    assert error.retry_after == seconds


def test_a_date_is_held_against_our_own_clock_where_the_answer_has_none() -> None:
    headers = {"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)}
    error = refusal(Response(429, headers, ""), None)
    assert isinstance(error, RateLimited)
    assert error.retry_after == pytest.approx(100, abs=5)


def test_the_wait_that_the_source_asks_for_reaches_the_pace() -> None:
    with (
        source(lambda _: answer({}, 429, {"Retry-After": "12"})) as (scholar, _, pace),
        pytest.raises(RateLimited),
    ):
        scholar.fetch([A], Ask.DETAILS)
    assert pace.errors[0].retry_after == 12


# ---------------------------------------------------------------- the key


def test_the_key_is_sent_and_without_one_no_header_is() -> None:
    for key in [f" {KEY}\n", "", None]:
        with source(lambda _: answer([None]), key=key) as (scholar, server, _):
            scholar.fetch([A], Ask.DETAILS)
        assert server.asked[0].headers.get("x-api-key") == (KEY if key else None)


def test_a_key_with_a_line_break_inside_is_a_mistake_in_the_settings() -> None:
    with pytest.raises(ConfigurationError) as caught:
        SemanticScholar("https://host.invalid", api_key=f"{KEY}\nX: 1", pace=Steps())
    assert KEY not in str(caught.value)


def test_an_answer_that_repeats_the_key_does_not_get_it_shown() -> None:
    for length in range(250, 320):
        body = {"error": "x" * length + KEY}
        error = refusal(Response(400, {}, json.dumps(body)), KEY)
        assert KEY[:8] not in str(error)
    for way in (repr, ascii, quote, quote_plus, lambda key: b64encode(key.encode()).decode(), json.dumps):
        key = f"{KEY}'\"/+"
        error = refusal(Response(400, {}, json.dumps({"error": f"Bad key: {way(key)}"})), key)
        assert way(key).strip("'\"") not in str(error)
        assert "Bad key: " in str(error)
        assert KEY not in str(error)


# ---------------------------------------------------------------- pace, threads, memory


def test_nothing_is_sent_before_the_pace_lets_it() -> None:
    class Closed(Steps):
        def start(self) -> None:
            raise KeyboardInterrupt

    with Scripted(lambda _: answer([])) as server:
        scholar = SemanticScholar(server.url, api_key=None, pace=Closed())
        with pytest.raises(KeyboardInterrupt):
            scholar.fetch([A], Ask.DETAILS)
        scholar.close()
    assert (server.asked, scholar.requests) == ([], 0)


def test_no_network_is_told_to_the_pace_and_the_caller() -> None:
    pace = Steps()
    scholar = SemanticScholar("http://refnet.invalid", api_key=None, pace=pace)
    with pytest.raises(SourceUnavailable) as caught:
        scholar.fetch([A], Ask.DETAILS)
    scholar.close()
    assert not caught.value.reached
    assert pace.told == ["start", "failed"]


def test_requests_of_all_threads_are_counted() -> None:
    with source(lambda _: answer([None])) as (scholar, _, _):
        threads = [threading.Thread(target=scholar.fetch, args=([A], Ask.DETAILS)) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert scholar.requests == 20


@pytest.mark.slow
def test_the_largest_answer_is_read_within_100_megabytes() -> None:
    rows = [
        {
            "paperId": f"{i % 9_000:040x}",
            "title": f"A title of quite usual length, the {i}th of many of them",
            "year": 2020,
        }
        | {"citationCount": i, "referenceCount": 30}
        for i in range(50_000)
    ]
    batch = [{"paperId": f"{i:040x}", "title": "T", "references": rows[i * 100 : i * 100 + 100]} for i in range(500)]
    body = answer(batch)
    assert 9_000_000 < len(body) < 10_000_000
    del rows, batch
    with source(lambda _: body) as (scholar, _, _):
        tracemalloc.start()
        answers = scholar.fetch([f"{i:040x}" for i in range(500)], EVERYTHING)
        held, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert sum(len(found.references.rows) for found in answers if found and found.references) > 49_000
    assert peak < 100_000_000
    assert held < 30_000_000
