"""Signing in with a key: a browser cannot send headers with an event stream, so it gets a cookie."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from refnet.domain.permissions import Scope
from refnet.entrypoints.web import security
from refnet.entrypoints.web.gate import FORM, form_of
from refnet.entrypoints.web.problems import Problem, responses
from refnet.entrypoints.web.routing import COMMON, StoreOf, anyone, needs, offers, takes

router = APIRouter(responses=COMMON, tags=["login"])
#: Seconds for which a browser stays signed in.
SESSION_SECONDS = 12 * 3600
_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:26rem;margin:15vh auto;padding:0 1rem}"
    "input,button{font:inherit;width:100%;box-sizing:border-box;padding:.5rem;margin:.25rem 0}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>refnet</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>
<body><h1>refnet</h1>
{content}
</body></html>
"""
_SIGN_IN = """<p role="status">{said}</p>
<form method="post" action="/login"><label for="key">Key</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
<button type="submit">Sign in</button></form>"""
_SIGNED_IN = """<p role="status">Signed in; the key's scope is <strong>{scope}</strong>.</p>
<form method="post" action="/logout"><input type="hidden" name="csrf" value="{csrf}">
<button type="submit">Sign out</button></form>"""


def _body(field: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {field: {"type": "string", "maxLength": 200}},
        "required": [field],
    }
    return {"requestBody": {"required": True, "content": {FORM: {"schema": schema}}}}


@router.get(
    "/login",
    operation_id="show_login",
    dependencies=[anyone(), offers("text/html")],
    response_class=HTMLResponse,
)
def show_login(request: Request) -> Response:
    """The page on which a browser swaps its key for a cookie."""
    caller = security.caller_of(request)
    if caller.session is None or caller.scope is None:
        return _page(_SIGN_IN.format(said="Sign in with a key of this server."))
    return _page(_SIGNED_IN.format(scope=escape(caller.scope.value), csrf=security.csrf_of(caller.session)))


@router.post(
    "/login",
    operation_id="log_in",
    status_code=303,
    dependencies=[anyone(), offers("text/html"), takes(FORM)],
    response_class=RedirectResponse,
    responses={**responses(413, 415), 303: {"description": "Signed in: the cookies are set."}},
    openapi_extra=_body("key"),
)
def log_in(request: Request, store: StoreOf) -> Response:
    """Swap a key for a cookie that holds for twelve hours, or until the key is revoked."""
    security.check_origin(request.headers)
    address = request.client.host if request.client else "?"
    # First of all: behind a proxy all browsers have one address, and nobody's bad keys may shut out who has a good one.
    key = store.key_of(form_of(request.scope).get("key", "").strip()[:200])
    if key is None:
        if wait := request.app.state.failures.take(address):
            raise _too_many("Too many keys that are not valid.", wait)
        raise Problem(401, "That is no valid key.", headers={"WWW-Authenticate": 'Bearer realm="refnet"'})
    if wait := request.app.state.requests.take(f"key {key.id}"):
        raise _too_many("Ask more slowly.", wait)
    session = store.open_session(key.id, SESSION_SECONDS)
    response = RedirectResponse("/login", 303)
    # A proxy that speaks TLS to the browser does not to us; but the browser says where its page came from.
    secure = "https" in (request.url.scheme, request.headers.get("origin", "").partition("://")[0])
    common: dict[str, Any] = {"max_age": SESSION_SECONDS, "samesite": "strict", "secure": secure, "path": "/"}
    response.set_cookie(security.SESSION, session, httponly=True, **common)
    response.set_cookie(security.CSRF, security.csrf_of(session), **common)
    return response


@router.post(
    "/logout",
    operation_id="log_out",
    status_code=303,
    dependencies=[needs(Scope.READ), offers("text/html")],
    response_class=RedirectResponse,
    responses={**responses(413), 303: {"description": "Signed out: the cookies are gone."}},
)
def log_out(request: Request, store: StoreOf) -> Response:
    """End the session whose cookie comes along."""
    caller = security.caller_of(request)
    if caller.session is not None:
        store.close_session(caller.session)
        request.app.state.keys.forget_session(caller.session)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(security.SESSION, path="/")
    response.delete_cookie(security.CSRF, path="/")
    return response


def _too_many(said: str, wait: int) -> Problem:
    return Problem(429, said, headers={"Retry-After": str(wait)})


def _page(content: str) -> Response:
    page = _PAGE.format(style=_STYLE, content=content)
    return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})
