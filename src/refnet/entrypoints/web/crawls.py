"""Crawls: asked for, listed, stopped, and as a graph."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse

from refnet.adapters.database.store import Store
from refnet.domain.crawls import Crawl, CrawlState
from refnet.domain.identifiers import parse_seed
from refnet.domain.permissions import Scope
from refnet.domain.requests import CrawlView, Wish
from refnet.entrypoints.web.graphs import graph_of
from refnet.entrypoints.web.models import (
    CrawlDetails,
    CrawlDocument,
    CrawlPage,
    CrawlWish,
    Graph,
    UnresolvedSeed,
)
from refnet.entrypoints.web.paging import USUAL, Cursor, Limit, after, cursor_behind
from refnet.entrypoints.web.problems import Problem, responses
from refnet.entrypoints.web.routing import (
    API,
    COMMON,
    DECIMAL,
    LARGEST_ID,
    WITH_BODY,
    StoreOf,
    application_of,
    needs,
    not_found,
    offers,
    takes,
)
from refnet.entrypoints.web.security import caller_of

JSON = "application/json"
router = APIRouter(prefix=API, responses=COMMON, tags=["crawls"], dependencies=[offers(JSON)])

CrawlId = Annotated[int, Path(ge=1, le=LARGEST_ID, description="The id that `POST /crawls` gave."), DECIMAL]


@router.post(
    "/crawls",
    status_code=202,
    operation_id="ask_for_crawl",
    dependencies=[needs(Scope.WRITE), takes(JSON)],
    responses={
        **WITH_BODY,
        **responses(415),
        202: {"headers": {"Location": {"description": "Where to follow it.", "schema": {"type": "string"}}}},
    },
)
def ask_for_crawl(wish: CrawlWish, request: Request, response: Response, store: StoreOf) -> CrawlDocument:
    """Ask for a crawl. It is written down and answered at once; whoever does the work takes it up within seconds."""
    seeds = [parse_seed(text) for text in wish.seeds]
    usual = application_of(request).settings.summaries
    full_texts = usual if wish.summaries is None else None if wish.summaries == "all" else wish.summaries
    asked = Wish(seeds, wish.depth, wish.limit, wish.direction, full_texts=full_texts)
    identity = store.add_request(asked, caller_of(request).claim)
    response.headers["Location"] = f"{request.url.path}/{identity}"
    return document(view_of(store, identity))


@router.get("/crawls", operation_id="list_crawls", dependencies=[needs(Scope.READ)])
def list_crawls(store: StoreOf, limit: Limit = USUAL, cursor: Cursor = None) -> CrawlPage:
    """Crawls asked for or at work, the latest first."""
    before = after(cursor, int)
    views = store.crawl_views(before, limit + 1)
    more = cursor_behind(views[limit - 1].id) if len(views) > limit else None
    return CrawlPage(items=[document(view) for view in views[:limit]], next_cursor=more)


@router.get("/crawls/{crawl_id}", operation_id="get_crawl", dependencies=[needs(Scope.READ)], responses=responses(404))
def get_crawl(crawl_id: CrawlId, request: Request, store: StoreOf) -> CrawlDetails:
    """A crawl with what it has found so far. The counts of a large one may be a minute or two old while it runs."""
    view = view_of(store, crawl_id)
    return _details(view, request.app.state.figures(store, view))


@router.post(
    "/crawls/{crawl_id}/cancel",
    operation_id="cancel_crawl",
    dependencies=[needs(Scope.WRITE)],
    responses={**responses(404, 409), **WITH_BODY},
)
def cancel_crawl(crawl_id: CrawlId, request: Request, store: StoreOf) -> CrawlDetails:
    """Stop a crawl. What is collected stays, and gets its notes; asked for again, the crawl goes on."""
    if not store.cancel_crawl(crawl_id):
        view = view_of(store, crawl_id)
        if view.state is not CrawlState.CANCELLED:
            raise Problem(409, f"Crawl {crawl_id} is {view.state.value} already.")
    view = view_of(store, crawl_id)
    return _details(view, request.app.state.figures(store, view))


@router.get(
    "/crawls/{crawl_id}/graph",
    operation_id="get_crawl_graph",
    dependencies=[needs(Scope.READ)],
    responses=responses(404),
    response_model=Graph,
)
def get_crawl_graph(crawl_id: CrawlId, store: StoreOf) -> Response:
    """The collected papers of a crawl and the citations among them, for a map."""
    return StreamingResponse(graph_of(store, view_of(store, crawl_id).crawl_id), media_type=JSON)


def view_of(store: Store, identity: int) -> CrawlView:
    """Raises Problem."""
    if (view := store.crawl_view(identity)) is None:
        raise not_found("crawl", identity)
    return view


def document(view: CrawlView) -> CrawlDocument:
    return CrawlDocument(**_plain(view))


def _plain(view: CrawlView) -> dict[str, Any]:
    return {
        "id": view.id,
        "crawl": view.crawl_id,
        "state": view.state,
        "stage": view.stage,
        "direction": view.direction,
        "depth": view.depth,
        "limit": view.limit,
        "created_at": datetime.fromtimestamp(view.created_at, UTC),
        "reason": view.reason,
    }


def _details(view: CrawlView, crawl: Crawl | None) -> CrawlDetails:
    return CrawlDetails(
        **_plain(view),
        seeds=list(view.inputs),
        unresolved=[UnresolvedSeed(input=seed.input, why=seed.why) for seed in view.unresolved],
        papers=crawl.collected if crawl else 0,
        found=crawl.members if crawl else 0,
        citations=crawl.citations if crawl else 0,
        missing=crawl.missing if crawl else 0,
        dead=crawl.dead if crawl else 0,
    )
