"""Semantic Scholar's Graph API as a source of papers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from refnet.adapters.http import HttpClient, Response
from refnet.adapters.semantic_scholar_refusals import refusal, sentence
from refnet.adapters.semantic_scholar_rows import (
    LONGEST_TITLE,
    Row,
    clean_text,
    read_authors,
    read_count,
    read_id,
    read_list,
    read_paper,
    read_year,
)
from refnet.domain.counts import NO_ANSWER, status_of
from refnet.domain.crawl import Ask, Limits
from refnet.domain.errors import PaperNotFound, RefnetError, SourceUnavailable, TransientError
from refnet.domain.papers import Answer, Listing, ListName, Page
from refnet.ports import Pace, TitleMatch

Result = TypeVar("Result")

_ALWAYS = ("paperId", "citationCount", "referenceCount")
_DETAILS = (
    *("title", "abstract", "venue", "journal", "year", "authors", "externalIds", "corpusId"),
    *("publicationDate", "openAccessPdf", "tldr", "url"),
)
_STUB = ("paperId", "title", "year", "citationCount", "referenceCount")
_LISTS = {ListName.REFERENCES: Ask.REFERENCES, ListName.CITATIONS: Ask.CITATIONS}
_ENDS = {ListName.REFERENCES: "citedPaper", ListName.CITATIONS: "citingPaper"}
#: Pages reach no further: offset + limit must be below 10,000.
_LAST = 9_999
_LONGEST_QUERY = 300


class SemanticScholar:
    """The `PaperSource` port. Each method makes one request, spaced by `pace`, which learns how it went.

    `base_url` alone receives `api_key`. `timeout` is the longest silence in seconds. `counted` is told
    of each request how it was answered, and the seconds that it waited for its turn. Safe for threads.
    Raises ConfigurationError for settings that cannot be used.

    An answer that is not what the API promises is the passing state of the source, or of something before it:
    SourceUnavailable. Where it may come of the request itself, `own_fault_possible` is set, so that a paper
    whose row is always spoilt does not stop the rest for ever.
    """

    name = "semantic_scholar"

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None,
        pace: Pace,
        contact: str | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        timeout: float = 40.0,
        counted: Callable[[str, float], None] | None = None,
    ) -> None:
        key = (api_key or "").strip() or None
        self._http = HttpClient(base_url, headers={"x-api-key": key} if key else {}, timeout=timeout, contact=contact)
        self._key = key
        self._pace = pace
        self._limits = limits
        self._counted = counted
        self._lock = threading.Lock()
        self._requests = 0

    @property
    def limits(self) -> Limits:
        return self._limits

    @property
    def requests(self) -> int:
        return self._requests

    def close(self) -> None:
        self._http.close()

    def fetch(self, ids: Sequence[str], ask: Ask) -> list[Answer | None]:
        """No request is made for no ids."""
        if not ids:
            return []
        fields = [*_ALWAYS, *(_DETAILS if Ask.DETAILS in ask else ())]
        fields += [f"{name}.{field}" for name, flag in _LISTS.items() if flag in ask for field in _STUB]
        return self._exchange(
            lambda: self._http.request("POST", "/paper/batch", {"fields": ",".join(fields)}, json={"ids": list(ids)}),
            lambda response: read_batch(self._body(response), ids, ask),
        )

    def page(self, paper_id: str, name: ListName, offset: int) -> Page:
        """Reaches 9,999 rows; the page behind them is empty, the last one, and costs no request."""
        limit = min(self._limits.page, _LAST - offset)
        if limit <= 0:
            return Page(Listing())
        path = quote(paper_id, safe="/:", errors="replace")
        if not all(step.strip(".") for step in path.split("/")):
            # The library would make another path of this one.
            raise PaperNotFound(f"{paper_id[:100]!r} names no paper.")
        params = {"fields": ",".join(_STUB), "offset": str(offset), "limit": str(limit)}
        return self._exchange(
            lambda: self._http.request("GET", f"/paper/{path}/{name.value}", params),
            lambda response: read_page(self._body(response, one_paper=True), paper_id, name, offset),
        )

    def match(self, title: str) -> TitleMatch | None:
        """No request is made for an empty title; a long one is asked for by its first 300 characters."""
        query = clean_query(title)
        if not query:
            return None
        params = {"query": query, "fields": "title,year,authors"}
        return self._exchange(
            lambda: self._http.request("GET", "/paper/search/match", params),
            lambda response: None if self._no_match(response) else read_match(self._body(response)),
        )

    def _exchange(self, request: Callable[[], Response], read: Callable[[Response], Result]) -> Result:
        began = time.monotonic()
        self._pace.start()
        waited = time.monotonic() - began
        with self._lock:
            self._requests += 1
        try:
            result = read(self._count(request, waited))
        except TransientError as error:
            self._pace.failed(error)
            raise
        except RefnetError:
            # A refusal is an answer, too: the host is well.
            self._pace.succeeded()
            raise
        self._pace.succeeded()
        return result

    def _count(self, request: Callable[[], Response], waited: float) -> Response:
        """Make the request, and tell whoever counts how it was answered."""
        status = NO_ANSWER
        try:
            response = request()
            status = status_of(response.status)
            return response
        finally:
            if self._counted is not None:
                self._counted(status, waited)

    def _body(self, response: Response, *, one_paper: bool = False) -> Any:
        if response.status != 200:
            raise refusal(response, self._key, one_paper=one_paper)
        body = response.json()
        if isinstance(body, dict) and "error" in body:
            raise _spoilt(f"an error in place of an answer: {sentence(response, self._key)}")
        return body

    def _no_match(self, response: Response) -> bool:
        return response.status == 404 and "match not found" in sentence(response, self._key).lower()


def clean_query(title: str) -> str:
    """A title as a query: one line, cut between two words."""
    query = clean_text(title, LONGEST_TITLE) or ""
    if len(query) <= _LONGEST_QUERY:
        return query
    return query[: _LONGEST_QUERY + 1].rpartition(" ")[0] or query[:_LONGEST_QUERY]


def read_batch(body: Any, ids: Sequence[str], ask: Ask) -> list[Answer | None]:
    """The rows of a batch, by position. An id that is not the one asked for is that of a merged paper."""
    if not isinstance(body, list) or len(body) != len(ids):
        raise _spoilt(f"something else than the {len(ids)} rows asked for")
    answers = [_read_row(row, asked, ask) for row, asked in zip(body, ids, strict=True)]
    place = {asked: i for i, asked in enumerate(ids)}
    for asked, answer in zip(ids, answers, strict=True):
        if answer is None or answer.paper_id == asked or answer.paper_id not in place:
            continue
        # Another paper of this request: merged with it if it stands in its own place, too, else misplaced.
        own = answers[place[answer.paper_id]]
        if own is None or own.paper_id != answer.paper_id:
            raise _spoilt(f"{answer.paper_id} in the place of {asked}")
    return answers


def read_page(body: Any, paper_id: str, name: ListName, offset: int) -> Page:
    if not isinstance(body, dict) or "data" not in body:
        raise _spoilt("a page without rows")
    rows = body["data"]
    if isinstance(rows, list):
        rows = [row.get(_ENDS[name]) for row in rows if isinstance(row, dict)]
    listing = read_list(rows, [paper_id])
    if listing is None:
        raise _spoilt("rows that are no list")
    following = body.get("next")
    if following is None:
        return Page(listing)
    if type(following) is not int or following <= offset:
        raise _spoilt("a page that does not say where the next one begins")
    return Page(listing, following if following < _LAST else None)


def read_match(body: Any) -> TitleMatch | None:
    rows = body.get("data", []) if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise _spoilt("a match that is no list")
    if not rows:
        return None
    row = rows[0] if isinstance(rows[0], dict) else {}
    paper_id = read_id(row.get("paperId"))
    if paper_id is None:
        raise _spoilt("a match without an id")
    return TitleMatch(
        paper_id,
        clean_text(row.get("title"), LONGEST_TITLE) or "",
        read_year(row.get("year")),
        read_authors(row.get("authors")),
    )


def _read_row(row: object, asked: str, ask: Ask) -> Answer | None:
    if row is None:
        return None
    paper_id = read_id(row.get("paperId")) if isinstance(row, dict) else None
    if not isinstance(row, dict) or paper_id is None:
        raise _spoilt("a row without an id")
    lists = {name: _read_list(row, name, (paper_id, asked)) for name, flag in _LISTS.items() if flag in ask}
    return Answer(
        paper_id,
        read_paper(row, paper_id) if Ask.DETAILS in ask else None,
        lists.get(ListName.REFERENCES),
        lists.get(ListName.CITATIONS),
        read_count(row.get("citationCount")),
        read_count(row.get("referenceCount")),
    )


def _read_list(row: Row, name: ListName, own: tuple[str, str]) -> Listing:
    # A list left out is empty, not withheld: holding it against its count shows that it is short.
    listing = read_list(row.get(name.value, []), own)
    if listing is None:
        raise _spoilt(f"{name.value} that are no list")
    return listing


def _spoilt(what: str) -> SourceUnavailable:
    return SourceUnavailable(f"Semantic Scholar answers with {what}.", own_fault_possible=True)
