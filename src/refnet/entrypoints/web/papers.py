"""Collected papers: found by words and year, and each by any of its ids."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response

from refnet.adapters.database.paper_lists import StoredPaper
from refnet.adapters.database.store import Store
from refnet.domain.errors import InvalidIdentifier
from refnet.domain.identifiers import parse_seed
from refnet.domain.papers import Paper
from refnet.domain.permissions import Scope
from refnet.domain.summaries import NOTHING
from refnet.entrypoints.web.models import PaperDetails, PaperPage
from refnet.entrypoints.web.paging import USUAL, Cursor, Limit, after, cursor_behind
from refnet.entrypoints.web.problems import PLAIN, responses
from refnet.entrypoints.web.routing import API, COMMON, StoreOf, needs, not_found, offers

JSON = "application/json"
router = APIRouter(prefix=API, responses=COMMON, tags=["papers"], dependencies=[needs(Scope.READ), offers(JSON)])
#: May be kept by the one who asked, who has to ask each time whether it still holds.
_KEPT = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
_ETAG = {"ETag": {"description": "Changes when the answer does.", "schema": {"type": "string"}}}


@router.get("/papers", operation_id="list_papers", response_model=PaperPage)
def list_papers(
    store: StoreOf,
    query: Annotated[str, Query(max_length=200, pattern=PLAIN, description="Stands in the title.")] = "",
    year: Annotated[int | None, Query(ge=0, le=9999, examples=[2020])] = None,
    limit: Limit = USUAL,
    cursor: Cursor = None,
) -> Response:
    """Collected papers in the order of their ids, which no paper that comes in changes."""
    words = query.strip()
    papers = store.paper_page(words, year, after(cursor, str, words, year) or "", limit + 1)
    more = cursor_behind(papers[limit - 1].paper_id, words, year) if len(papers) > limit else None
    # Put together by hand: the models take longer than all the rest.
    page = {"items": [_plain(paper) for paper in papers[:limit]], "next_cursor": more}
    return Response(json.dumps(page), media_type=JSON)


@router.get(
    "/papers/{paper_id:path}",
    operation_id="get_paper",
    response_model=PaperDetails,
    responses={
        **responses(404),
        200: {"headers": _ETAG},
        304: {"description": "It is as the ETag in If-None-Match says.", "headers": _ETAG},
    },
)
def get_paper(
    paper_id: Annotated[
        str,
        Path(
            min_length=1,
            max_length=500,
            pattern=PLAIN,
            description="Semantic Scholar's id, also one that was merged into another since; or a DOI, `ARXIV:…`, `PMID:…`.",
        ),
    ],
    request: Request,
    store: StoreOf,
) -> Response:
    """A collected paper with its abstract and summary. Content-Location gives its present id, where that is another."""
    stored = store.stored_paper(paper_id) or _by_other_id(store, paper_id)
    if stored is None:
        raise not_found("collected paper", paper_id)
    body = json.dumps(_details(stored)).encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, **_KEPT}
    if stored.paper.paper_id != paper_id:
        base = request.url.path.partition("/papers/")[0]
        headers["Content-Location"] = f"{base}/papers/{quote(stored.paper.paper_id)}"
    if _is_known(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=JSON)


def _by_other_id(store: Store, text: str) -> StoredPaper | None:
    try:
        forms = [str(one) for one in parse_seed(text).identifiers]
    except InvalidIdentifier:
        return None
    known = store.known(forms)
    for form in forms:
        found = known.get(form) or store.with_external_id(form)
        if found is not None:
            return store.stored_paper(found)
    return None


def _is_known(given: str, tag: str) -> bool:
    known = {one.strip().removeprefix("W/") for one in given.split(",")}
    return bool({tag, "*"} & known)


def _plain(paper: Paper) -> dict[str, Any]:
    return {
        "paper_id": paper.paper_id,
        "title": paper.title,
        "authors": [author.name for author in paper.authors],
        "year": paper.year,
        "venue": paper.venue,
        "doi": paper.doi,
        "arxiv_id": paper.arxiv_id,
        "citation_count": paper.citation_count,
        "reference_count": paper.reference_count,
        "url": paper.url,
        "pdf": paper.pdf_url,
    }


def _details(stored: StoredPaper) -> dict[str, Any]:
    summary = stored.summary
    told = summary is not None and summary.basis != NOTHING
    return {
        **_plain(stored.paper),
        "pdf": stored.paper.pdf_url or (summary.provenance.pdf_url if summary and summary.provenance else None),
        "abstract": stored.paper.abstract,
        "summary": summary.text if summary and told else None,
        "summary_basis": summary.basis if summary and told else None,
        "summary_lang": summary.lang if summary and told else None,
        "findings": [asdict(one) for one in summary.findings] if summary else [],
        "keywords": list(summary.keywords) if summary else [],
        "no_full_text": summary.why if summary else None,
        "provenance": asdict(summary.provenance) if summary and summary.provenance else None,
    }
