"""Every recorded exchange with Semantic Scholar is read or refused as its README says.

Requests that refnet makes are replayed over the wire. What came of requests that it never makes (authors,
searches, recommendations, single papers, releases) goes through the readers of rows and of refusals alone.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from refnet.adapters.http import Response
from refnet.adapters.semantic_scholar import SemanticScholar, read_batch
from refnet.adapters.semantic_scholar_refusals import refusal
from refnet.adapters.semantic_scholar_rows import read_authors, read_list, read_paper
from refnet.domain.crawl import Ask
from refnet.domain.errors import (
    CredentialsRejected,
    PaperNotFound,
    RateLimited,
    RefnetError,
    RequestRefused,
    SourceUnavailable,
    TransientError,
)
from refnet.domain.papers import ListName, Page, Paper
from refnet.ports import TitleMatch
from tests.adapters.scripted import Scripted, answer

Exchange = Mapping[str, Any]
Result = TypeVar("Result")

EVERYTHING = Ask.DETAILS | Ask.REFERENCES | Ask.CITATIONS


class Unpaced:
    def start(self) -> None: ...

    def succeeded(self) -> None: ...

    def failed(self, error: TransientError) -> None: ...

    def successes(self) -> int:
        return 0


@pytest.fixture(scope="module")
def exchanges(shared: Path) -> dict[str, Exchange]:
    """All exchanges, by the name of their file."""
    files = sorted((shared / "s2").glob("*.json"))
    return {file.stem: json.loads(file.read_bytes()) for file in files if file.stem != "swagger"}


@pytest.fixture(scope="module")
def contents(shared: Path) -> dict[str, str]:
    """What the README says of each exchange, by the name of its file."""
    section = (shared / "README.md").read_text("utf-8").partition("## s2/")[2].partition("\n## ")[0]
    rows = [line.strip("| \n").split(" | ") for line in section.splitlines() if ".json |" in line]
    return {row[0].removesuffix(".json"): row[-1] for row in rows}


def kind_of(exchange: Exchange) -> str:
    path = exchange["path"]
    for name in ["batch", "match", "citations", "references", "authors"]:
        if "/paper/" in path and path.endswith(f"/{name}"):
            return str(name)
    return "paper" if re.match(r"/graph/v1/paper/(?!search)", path) else "other"


def of_kind(exchanges: Mapping[str, Exchange], *kinds: str) -> dict[str, Exchange]:
    return {name: exchange for name, exchange in exchanges.items() if kind_of(exchange) in kinds}


def well(exchanges: Mapping[str, Exchange]) -> dict[str, Exchange]:
    return {name: exchange for name, exchange in exchanges.items() if exchange["status"] == 200}


def response(exchange: Exchange) -> Response:
    return Response(exchange["status"], exchange["response_headers"], json.dumps(exchange["response_body"]))


def replayed(exchange: Exchange, ask: Callable[[SemanticScholar], Result]) -> Result:
    """What the source makes of the recorded answer; that it asks for the recorded path."""
    with Scripted(lambda _: answer(exchange["response_body"], exchange["status"])) as server:
        scholar = SemanticScholar(f"{server.url}/graph/v1", api_key=None, pace=Unpaced())
        try:
            return ask(scholar)
        finally:
            scholar.close()
            assert [asked.path for asked in server.asked] == [exchange["path"]]


def asked_again(exchange: Exchange, scholar: SemanticScholar) -> object:
    """The recorded request, as refnet makes it."""
    query = dict(exchange["query"])
    kind = kind_of(exchange)
    if kind == "batch":
        body = exchange["request_body"]
        return scholar.fetch((json.loads(body) if isinstance(body, str) else body)["ids"], Ask.DETAILS)
    if kind == "match":
        return scholar.match(query["query"])
    paper_id = exchange["path"].removeprefix("/graph/v1/paper/").removesuffix(f"/{kind}")
    return scholar.page(paper_id, ListName(kind), int(query.get("offset", "0")))


def rows_of(body: Any) -> list[Any]:
    """The rows of papers in an answer of any endpoint."""
    if isinstance(body, Mapping):
        for name in ["data", "papers", "recommendedPapers"]:
            if name in body:
                return list(body[name] or [])
        return []
    return list(body)


def same_paper(read: Paper, row: Mapping[str, Any]) -> bool:
    """Whether what was read of a row says what the row says."""
    words = " ".join(str(row.get("title") or "").split())
    ids = {name: str(value) for name, value in (row.get("externalIds") or {}).items()}
    return (
        (read.title == words or bool(re.search(r"[^ -~]", words)))
        and read.year == row.get("year")
        and read.citation_count == row.get("citationCount")
        and read.reference_count == row.get("referenceCount")
        and read.external_ids.items() >= ids.items()
        and [author.name for author in read.authors] == [author["name"] for author in row.get("authors") or []]
        and bool(read.abstract) == bool(row.get("abstract"))
        and (read.pdf_url or "") == ((row.get("openAccessPdf") or {}).get("url") or "").replace(" ", "%20")
        and read.publication_date == row.get("publicationDate")
        and read.url == row.get("url")
        and read.tldr == (row.get("tldr") or {}).get("text")
    )


def test_all_78_exchanges_are_walked(exchanges: dict[str, Exchange], contents: dict[str, str]) -> None:
    assert len(exchanges) == 78
    assert exchanges.keys() == contents.keys()
    assert Counter(map(kind_of, exchanges.values())) == {
        "batch": 5,
        "match": 8,
        "citations": 24,
        "references": 8,
        "authors": 3,
        "paper": 11,
        "other": 19,
    }
    assert Counter(exchange["status"] for exchange in exchanges.values()) == {
        200: 67,
        400: 3,
        403: 1,
        404: 4,
        429: 1,
        500: 1,
        504: 1,
    }


def test_batches_are_read_row_by_row(exchanges: dict[str, Exchange], contents: dict[str, str]) -> None:
    batches = well(of_kind(exchanges, "batch"))
    for name, exchange in batches.items():
        rows = exchange["response_body"]
        answers = replayed(exchange, partial(asked_again, exchange))
        assert isinstance(answers, list)
        assert contents[name].startswith(f"{len(answers)} items"), name
        assert (f"{answers.count(None)} null" in contents[name]) is (None in answers), name
        for read, row in zip(answers, rows, strict=True):
            assert (read is None) is (row is None), name
            assert row is None or same_paper(read.paper, row), name
    assert len(batches) == 3


def test_pages_of_lists_are_read_to_their_rows(exchanges: dict[str, Exchange], contents: dict[str, str]) -> None:
    pages = well(of_kind(exchanges, "citations", "references"))
    for name, exchange in pages.items():
        body = exchange["response_body"]
        page = replayed(exchange, partial(asked_again, exchange))
        assert isinstance(page, Page)
        assert page.listing.withheld is ("data=null" in contents[name]), name
        assert page.next_offset == body.get("next"), name
        assert (f"next={page.next_offset}" in contents[name]) is (page.next_offset is not None), name
        ends = [row["citingPaper" if "citations" in name else "citedPaper"] for row in rows_of(body)]
        ids = [end["paperId"] for end in ends if end["paperId"]]
        unmatched = [row for row in page.listing.rows if row.paper_id is None]
        assert [row.paper_id for row in page.listing.rows if row.paper_id] == list(dict.fromkeys(ids)), name
        assert len(unmatched) == len(ends) - len(ids), name
        assert (f"{len(unmatched)} null paperId" in contents[name]) is bool(unmatched), name
        assert all(row.title for row in unmatched), name
    assert len(pages) == 31


def test_matches_are_read_and_their_absence_is_a_value(exchanges: dict[str, Exchange]) -> None:
    matches = of_kind(exchanges, "match")
    for name, exchange in matches.items():
        found = replayed(exchange, partial(asked_again, exchange))
        if exchange["status"] == 404:
            assert found is None, name
            continue
        assert isinstance(found, TitleMatch), name
        row = exchange["response_body"]["data"][0]
        assert (found.paper_id, found.title, found.year) == (row["paperId"], row["title"], row.get("year")), name
        assert [author.name for author in found.authors] == [author["name"] for author in row.get("authors", [])], name
        assert same_paper(read_paper(row, row["paperId"]), row), name
    assert len(matches) == 8


def test_single_papers_are_rows_like_those_of_a_batch(exchanges: dict[str, Exchange], contents: dict[str, str]) -> None:
    papers = well(of_kind(exchanges, "paper"))
    for name, exchange in papers.items():
        row = exchange["response_body"]
        (read,) = read_batch([row], [exchange["path"].removeprefix("/graph/v1/paper/")], EVERYTHING)
        assert read is not None
        assert read.paper is not None
        assert same_paper(read.paper, row), name
        for each in ListName:
            listing = read.listing(each)
            assert listing is not None
            assert len(listing.rows) == len(row.get(each.value, [])), name
            unmatched = sum(stub.paper_id is None for stub in listing.rows)
            assert f"({unmatched} null paperId)" in contents[name] or each.value not in row, name
    assert len(papers) == 9


def test_rows_of_papers_from_elsewhere_are_read_the_same(exchanges: dict[str, Exchange]) -> None:
    seen = 0
    for name, exchange in well(of_kind(exchanges, "other")).items():
        rows = [row for row in rows_of(exchange["response_body"]) if isinstance(row, Mapping) and "paperId" in row]
        listing = read_list(rows, [])
        assert listing is not None
        assert [stub.paper_id for stub in listing.rows] == [row["paperId"] for row in rows], name
        for row in rows:
            assert same_paper(read_paper(row, row["paperId"]), row), (name, row)
        seen += len(rows)
    assert seen == 100 + 75 + 60 + 100 + 100 + 1_000 + 27 + 100 + 100 + 100 + 21


def test_authors_from_elsewhere_are_read_the_same(exchanges: dict[str, Exchange]) -> None:
    seen = 0
    for name, exchange in well(of_kind(exchanges, "authors", "other")).items():
        rows = [row for row in rows_of(exchange["response_body"]) if isinstance(row, Mapping) and "authorId" in row]
        authors = read_authors(rows)
        assert [(author.author_id, author.name) for author in authors] == [
            (row["authorId"], row["name"]) for row in rows
        ], name
        seen += len(rows)
    assert seen == 3 + 59 + 1_000 + 4


REFUSED: dict[str, tuple[type[RefnetError], str]] = {
    "author_unknown_404_20241221": (SourceUnavailable, "Author with id 0 not found"),
    "batch_bad-key_403_20241208": (CredentialsRejected, "403"),
    "batch_server-error_500_20230907": (SourceUnavailable, "500: Internal Server Error"),
    "citations_corpusid-49313245_504_20230908": (SourceUnavailable, "504: Endpoint request timed out"),
    "paper_bad-field_400_20230908": (RequestRefused, "Unrecognized or unsupported fields: [unknown]"),
    "paper_unknown-id_404_20241221": (PaperNotFound, "Paper with id 0 not found"),
    "recommend-from-list_no-positive_400_20241208": (RequestRefused, "No positive paper examples given"),
    "search_beyond-end_400_20231227": (RequestRefused, "limit and/or offset is not available"),
    "search_turing_rate-limited_429_20260323": (RateLimited, "fewer requests (429)"),
}


def test_refusals_are_the_errors_that_they_mean(exchanges: dict[str, Exchange], contents: dict[str, str]) -> None:
    refused = {name: one for name, one in exchanges.items() if one["status"] != 200 and kind_of(one) != "match"}
    assert refused.keys() == REFUSED.keys()
    for name, exchange in refused.items():
        assert contents[name].startswith(("error: ", "message: ")), name
        kind, says = REFUSED[name]
        error = refusal(response(exchange), None, one_paper=kind_of(exchange) == "paper")
        assert type(error) is kind, name
        assert says in str(error), name
        if kind_of(exchange) in {"batch", "citations"}:
            with pytest.raises(kind, match=re.escape(str(error))):
                replayed(exchange, partial(asked_again, exchange))


def test_the_failures_that_may_be_of_the_requests_own_making_are_marked(
    exchanges: dict[str, Exchange],
) -> None:
    for name in ["batch_server-error_500_20230907", "citations_corpusid-49313245_504_20230908"]:
        error = refusal(response(exchanges[name]), None)
        assert isinstance(error, SourceUnavailable)
        assert error.own_fault_possible
