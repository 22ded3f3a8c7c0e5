"""The progress of a crawl as server-sent events: all of it first, then what changes, until the crawl is over."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from refnet.adapters.database.store import Store
from refnet.domain.errors import RefnetError
from refnet.domain.permissions import Scope
from refnet.domain.requests import CrawlView
from refnet.entrypoints.web.crawls import CrawlId, view_of
from refnet.entrypoints.web.key_ring import KeyRing
from refnet.entrypoints.web.problems import Problem, responses
from refnet.entrypoints.web.routing import API, COMMON, Serving, StoreOf, needs, offers
from refnet.entrypoints.web.security import caller_of

MEDIA_TYPE = "text/event-stream"
#: Streams at a time, of all and of one caller.
MOST_STREAMS, MOST_OF_ONE = 100, 20
#: Seconds between two looks at a crawl, and between two signs of life where nothing changes. A look at a large crawl
#: takes its time; the pause is at least ten times as long.
LOOK_EVERY, ALIVE_EVERY = 0.5, 15.0
#: Seconds after which a browser that lost the stream comes again, in milliseconds.
RETRY = 2_000
#: Seconds after which a stream asks again whether its key still holds.
ASK_EVERY = 3.0
_LONGEST_ID, _LONGEST_TEXT = 2_000, 32

router = APIRouter(prefix=API, responses=COMMON, tags=["crawls"])


class Streams:
    """How many there are, so that nobody takes all of the server's time."""

    def __init__(self) -> None:
        self._of: dict[str, int] = {}

    def open(self, caller: str) -> None:
        """Raises Problem where there are too many."""
        if sum(self._of.values()) >= MOST_STREAMS or self._of.get(caller, 0) >= MOST_OF_ONE:
            raise Problem(429, "Too many event streams are open.", headers={"Retry-After": "10"})
        self._of[caller] = self._of.get(caller, 0) + 1

    def close(self, caller: str) -> None:
        self._of[caller] -= 1
        if not self._of[caller]:
            del self._of[caller]


# The one route that is not a `def`: a stream that lasts for hours must not hold a thread.
@router.get(
    "/crawls/{crawl_id}/events",
    operation_id="follow_crawl",
    dependencies=[needs(Scope.READ), offers(MEDIA_TYPE)],
    response_class=StreamingResponse,
    responses={
        **responses(404),
        200: {
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
            "description": "`snapshot` first, all there is to say; then `progress`, what has changed; `end` last. "
            "With `Last-Event-ID` it goes on where another stream broke off.",
        },
        204: {"description": "Nothing has happened since `Last-Event-ID`, and nothing will: the crawl is over."},
    },
)
async def follow_crawl(crawl_id: CrawlId, request: Request, store: StoreOf) -> Response:
    """Follow a crawl to its end."""
    known = _known(request.headers.get("last-event-id", ""), crawl_id)
    view, now = await run_in_threadpool(_look, store, crawl_id)
    if view.is_over and known == _brief(now):
        return Response(status_code=204)
    streams: Streams = request.app.state.streams
    caller = caller_of(request)
    streams.open(caller.name)
    keys: KeyRing = request.app.state.keys
    events = _events(
        store, crawl_id, known, request.app.state.serving, lambda: keys.still_knows(caller, request.headers)
    )
    return _Stream(events, lambda: streams.close(caller.name))


class _Stream(StreamingResponse):
    """A stream whose place is given back however it ends."""

    def __init__(self, events: AsyncIterator[str], closed: Any) -> None:
        super().__init__(events, media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})
        self._closed = closed

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._closed()


async def _events(
    store: Store,
    crawl_id: int,
    known: dict[str, Any] | None,
    serving: Serving,
    holds: Callable[[], Awaitable[bool]],
) -> AsyncIterator[str]:
    """`holds` says whether who follows still may."""
    yield f"retry: {RETRY}\n\n"
    said = asked = time.monotonic()
    while not serving.draining.is_set():
        begun = time.monotonic()
        try:
            if begun - asked >= ASK_EVERY:
                if not await holds():
                    return
                asked = begun
            view, now = await run_in_threadpool(_look, store, crawl_id)
        except RefnetError:
            # The database is away for a moment: the stream is not.
            await asyncio.sleep(LOOK_EVERY)
            continue
        pause = max(LOOK_EVERY, 10 * (time.monotonic() - begun))
        brief = _brief(now)
        if known is None:
            yield _event("snapshot", now, brief)
        if view.is_over:
            yield _event("end", now, brief)
            return
        if known is None:
            pass
        elif changed := {key: now[key] for key, value in brief.items() if known.get(key) != value}:
            yield _event("progress", changed | dict.fromkeys(known.keys() - now.keys()), brief)
        elif time.monotonic() - said >= ALIVE_EVERY:
            yield ": alive\n\n"
        else:
            await asyncio.sleep(pause)
            continue
        known, said = brief, time.monotonic()
        await asyncio.sleep(pause)


def _look(store: Store, crawl_id: int) -> tuple[CrawlView, dict[str, Any]]:
    """Raises Problem where there is no such crawl."""
    view = view_of(store, crawl_id)
    now: dict[str, Any] = {
        "id": view.id,
        "state": view.state.value,
        "stage": None if view.stage is None else view.stage.value,
        "reason": view.reason,
        **store.crawl_figures(view),
        **({} if view.is_over else view.progress),
    }
    return view, {key: value for key, value in now.items() if value is not None}


def _brief(now: dict[str, Any]) -> dict[str, Any]:
    """It with a digest for each long text: a browser sends it back in a header."""
    return {key: _digest(value) if isinstance(value, str) else value for key, value in now.items()}


def _digest(text: str) -> str:
    if len(text) <= _LONGEST_TEXT and text.isascii():
        return text
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def _event(name: str, told: dict[str, Any], brief: dict[str, Any]) -> str:
    """`brief` is what the one who has this event knows: it is the event's id, so that no server has to remember it."""
    identity = base64.urlsafe_b64encode(json.dumps(brief, separators=(",", ":")).encode()).decode()
    return f"event: {name}\nid: {identity}\ndata: {json.dumps(told)}\n\n"


def _known(identity: str, crawl_id: int) -> dict[str, Any] | None:
    """What an event's id says that its receiver knows; None where it is none of this crawl's."""
    if not identity or len(identity) > _LONGEST_ID:
        return None
    try:
        known = json.loads(base64.urlsafe_b64decode(identity))
    except (ValueError, binascii.Error, RecursionError):
        return None
    return known if isinstance(known, dict) and known.get("id") == crawl_id else None
