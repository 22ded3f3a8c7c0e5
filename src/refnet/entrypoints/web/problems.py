"""What went wrong, as RFC 9457 has it: `application/problem+json`, and nothing of what is inside."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from refnet.domain.errors import BrokerUnavailable, ConfigurationError, StorageFull, StoreUnavailable

#: Texts without control characters: no database takes them all, and no log should.
PLAIN = r"^[^\x00-\x1f\x7f]*$"
MEDIA_TYPE = "application/problem+json"
logger = logging.getLogger(__name__)

_TITLES = {
    400: "The request cannot be read",
    401: "A key is needed",
    403: "Not permitted",
    404: "Not found",
    405: "This method is not for this address",
    406: "Not available in a form that was asked for",
    408: "The request took too long to come",
    409: "It is too late for that",
    413: "The request is too large",
    415: "The request is in a form that is not taken",
    422: "The request is not valid",
    429: "Too many requests",
    500: "A fault in refnet itself",
    503: "Not available at the moment",
}
#: What RFC 3986 has in paths beside letters, digits and what is never quoted; and a percent sign that quotes nothing.
_IN_PATHS = "/%:@!$&'()*+,;="
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
#: Seconds after which to try again what is not available.
TRY_AGAIN = 5


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(description="Where it is: `body.seeds.0`, `query.limit`.")
    why: str


class ProblemDocument(BaseModel):
    """RFC 9457."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Not found"])
    status: int = Field(examples=[404])
    detail: str | None = Field(None, examples=["There is no crawl 12."])
    instance: str | None = Field(None, examples=["/api/v1/crawls/12"])
    errors: list[Fault] | None = Field(None, description="With 422: each thing that is wrong.")
    parts: list[dict[str, Any]] | None = Field(
        None, description="With 503 of `/ready`: each part, and whether it is up."
    )


class Problem(Exception):
    """An answer that is a problem."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = more


def instance_of(scope: Any) -> str:
    """The address of a request as a URI reference: what it has that no URI may have is quoted."""
    raw = scope.get("raw_path") or quote(scope["path"]).encode()
    path = _NO_ESCAPE.sub("%25", quote(raw, safe=_IN_PATHS))
    # Two slashes at the beginning would be the name of a host.
    return f"/.{path}" if path.startswith("//") else path


def document(status: int, detail: str | None, instance: str | None, **more: Any) -> bytes:
    found = {
        "type": "about:blank",
        "title": _TITLES.get(status) or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": instance,
        **more,
    }
    return json.dumps({key: value for key, value in found.items() if value is not None}).encode()


def response(
    scope: Any, status: int, detail: str | None, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """To the request with that scope."""
    return Response(
        document(status, detail, instance_of(scope), **more), status, headers=headers, media_type=MEDIA_TYPE
    )


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For the OpenAPI document: these problems may be the answer."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    return {status: {"description": _TITLES[status], "content": content} for status in statuses}


def install(app: FastAPI) -> None:
    """Let every error that reaches the application be told as a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    for error in (StoreUnavailable, BrokerUnavailable, StorageFull, ConfigurationError):
        app.add_exception_handler(error, _unavailable)


def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - for the type checker
    return response(request.scope, error.status, error.detail, error.headers, **error.more)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(sorted(_methods(request)))
        return response(request.scope, 405, f"It takes {headers['Allow']}.", headers)
    if error.status_code == 400:
        return _unread(request, error.__cause__)
    detail = {404: "There is nothing at this address."}.get(error.status_code)
    return response(request.scope, error.status_code, detail, headers)


def _unread(request: Request, cause: BaseException | None) -> Response:
    """Of a body that is JSON perhaps, and that Python does not read."""
    if isinstance(cause, UnicodeDecodeError):
        return response(request.scope, 400, "The body is no text in UTF-8.")
    if isinstance(cause, RecursionError):
        why = "it is nested too deeply"
    elif isinstance(cause, ValueError):
        why = "a number in it has too many digits"
    else:
        return response(request.scope, 400, "The body cannot be read.")
    return response(request.scope, 422, f"body: {why}.", errors=[{"field": "body", "why": why}])


def _methods(request: Request) -> set[str]:
    """All that the address takes: each route knows its own only."""
    found: set[str] = set()
    for route in request.app.state.plain_routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return found | {"HEAD"} if "GET" in found else found


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    # What was given is not repeated: it may be anything.
    faults = [{"field": ".".join(str(part) for part in one["loc"])[:200], "why": _why(one)} for one in error.errors()]
    status = 400 if any(one["type"] == "json_invalid" for one in error.errors()) else 422
    return response(request.scope, status, f"{faults[0]['field']}: {faults[0]['why']}.", errors=faults[:100])


def _why(error: Mapping[str, Any]) -> str:
    if error.get("ctx", {}).get("pattern") == PLAIN:
        return "control characters are not allowed"
    said: str = error["msg"]
    return said.removeprefix("Value error, ")


def _unavailable(request: Request, error: Exception) -> Response:
    """Which part is away is told; where it is, and what it said, is for the log."""
    logger.warning("%s", error)
    part = {BrokerUnavailable: "The broker", StorageFull: "Room on the disk"}.get(type(error), "The database")
    return response(request.scope, 503, f"{part} is not available. Try again later.", {"Retry-After": str(TRY_AGAIN)})
