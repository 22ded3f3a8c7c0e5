"""What the API is held against: two FastAPI routes with the API's own look at keys, one SELECT each, and nothing else.

    python benchmarks/bare_app.py DATABASE-URL

Serves at a free port of loopback, by uvicorn as `refnet serve` has it: one process, h11, asyncio, no access log.
The answers have the very fields of refnet's. They go out as FastAPI is quickest: put together by hand.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from typing import Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from sqlalchemy import create_engine, select

from refnet.adapters.database.schema import papers, summaries
from refnet.adapters.database.store import Store
from refnet.entrypoints.web.key_ring import KeyRing
from refnet.entrypoints.web.security import bearer

_CONNECTIONS = 16
_SUMMARY = ("text", "basis", "findings", "keywords", "lang", "why", "provenance")
_COLUMNS = (
    papers.c.paper_id,
    papers.c.title,
    papers.c.authors,
    papers.c.year,
    papers.c.venue,
    papers.c.external_ids,
    papers.c.citation_count,
    papers.c.reference_count,
    papers.c.url,
    papers.c.pdf_url,
)


def create_app(database: str) -> FastAPI:
    # No look whether a connection still stands, and none is ever closed again.
    engine = create_engine(database, pool_size=_CONNECTIONS)
    keys = KeyRing(Store(engine))
    app = FastAPI(openapi_url=None)

    async def known(request: Request) -> None:
        if await keys.of_token(bearer(request.headers) or "") is None:
            raise HTTPException(401)

    @app.get("/papers", dependencies=[Depends(known)])
    def page(after: str = "", limit: int = 50) -> Response:
        query = select(*_COLUMNS).where(papers.c.fetched_at.is_not(None), papers.c.paper_id > after)
        with engine.connect() as connection:
            items = [_plain(row) for row in connection.execute(query.order_by(papers.c.paper_id).limit(limit))]
        return _json({"items": items, "next_cursor": items[-1]["paper_id"] if items else None})

    @app.get("/papers/{paper_id}", dependencies=[Depends(known)])
    def paper(paper_id: str) -> Response:
        query = (
            select(*_COLUMNS, papers.c.abstract, *(summaries.c[name] for name in _SUMMARY))
            .outerjoin(summaries, summaries.c.paper_id == papers.c.paper_id)
            .where(papers.c.paper_id == paper_id, papers.c.fetched_at.is_not(None))
        )
        with engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise HTTPException(404)
        more = {"abstract": row.abstract, "summary": row.text, "summary_basis": row.basis}
        more |= {"summary_lang": row.lang, "findings": row.findings or [], "keywords": row.keywords or []}
        more |= {"no_full_text": row.why, "provenance": row.provenance}
        return _json(_plain(row) | more)

    return app


def _plain(row: Any) -> dict[str, Any]:
    ids = row.external_ids
    return {
        "paper_id": row.paper_id,
        "title": row.title,
        "authors": [name for name, _ in row.authors],
        "year": row.year,
        "venue": row.venue,
        "doi": ids.get("DOI"),
        "arxiv_id": ids.get("ArXiv"),
        "citation_count": row.citation_count,
        "reference_count": row.reference_count,
        "url": row.url,
        "pdf": row.pdf_url,
    }


def _json(document: Any) -> Response:
    return Response(json.dumps(document), media_type="application/json")


def main() -> None:
    # asyncio lets small answers go at once only where it is told that this is TCP.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(64)
    print(f"Serving at http://127.0.0.1:{listening.getsockname()[1]}", file=sys.stderr, flush=True)
    config = uvicorn.Config(create_app(sys.argv[1]), log_level="warning", access_log=False, http="h11", loop="asyncio")
    asyncio.run(uvicorn.Server(config).serve([listening]))


if __name__ == "__main__":
    main()
