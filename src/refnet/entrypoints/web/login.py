"""Signing in with a key: a browser cannot send headers with an event stream, so it gets a cookie."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from refnet.domain.permissions import Scope
from refnet.entrypoints.web import security
from refnet.entrypoints.web.gate import FORM, form_of
from refnet.entrypoints.web.key_ring import TooManyBadKeys
from refnet.entrypoints.web.problems import Problem, responses
from refnet.entrypoints.web.routing import COMMON, WITH_BODY, StoreOf, anyone, needs, offers, takes

router = APIRouter(responses=COMMON, tags=["login"])
#: Seconds for which a browser stays signed in.
SESSION_SECONDS = 12 * 3600
_STYLE = (
    ":root{color-scheme:light dark;--line:#8886;--accent:#2563a8}"
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:22rem;margin:14vh auto;padding:0 1.25rem}"
    "h1{font-size:1.5rem;margin:0 0 .25rem}p{margin:0 0 1.25rem}label{display:block;font-weight:600}"
    "input,button{font:inherit;width:100%;box-sizing:border-box;padding:.6rem .75rem;margin:.25rem 0 .75rem;"
    "border:1px solid var(--line);border-radius:.4rem}"
    "button{background:var(--accent);border-color:var(--accent);color:#fff;font-weight:600;cursor:pointer}"
    ":focus-visible{outline:3px solid #5b9bd5;outline-offset:1px}"
    "[role=alert]{border-left:.25rem solid #c0392b;padding-left:.75rem;font-weight:600}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
# Without an icon of its own a browser asks for /favicon.ico, and is refused.
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>refnet</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>
<body><h1>refnet</h1>
{content}
</body></html>
"""
_SIGN_IN = """<p role="{role}">{said}</p>
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


def _shown(found: dict[int | str, dict[str, Any]]) -> dict[int | str, dict[str, Any]]:
    """The same problems, which a browser gets as a page."""
    page = {"text/html": {"schema": {"type": "string"}}}
    return {status: {**one, "content": {**one["content"], **page}} for status, one in found.items()}


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
        return _page(_SIGN_IN.format(role="status", said="Sign in with a key of this server."))
    return _page(_SIGNED_IN.format(scope=escape(caller.scope.value), csrf=security.csrf_of(caller.session)))


@router.post(
    "/login",
    operation_id="log_in",
    status_code=303,
    dependencies=[anyone(), offers("text/html"), takes(FORM)],
    response_class=RedirectResponse,
    responses={
        **_shown(responses(401, 429)),
        **WITH_BODY,
        **responses(415),
        303: {"description": "Signed in: the cookies are set."},
    },
    openapi_extra=_body("key"),
)
async def log_in(request: Request, store: StoreOf) -> Response:
    """Swap a key for a cookie that holds for twelve hours, or until the key is revoked."""
    security.check_origin(request.headers)
    address = security.address_of(request)
    keys, failures = request.app.state.keys, request.app.state.failures
    # First of all: behind a proxy that is not named all browsers have one address, and nobody's bad keys may shut out
    # who has a good one.
    try:
        given = form_of(request.scope).get("key", "").strip()[:200]
        key = await keys.of_token(given, doubted=failures.is_empty(address))
    except TooManyBadKeys as many:
        return _refused(request, many.status, many.detail, int(many.headers["Retry-After"]))
    if key is None:
        if wait := failures.take(address):
            return _refused(request, 429, "Too many keys that are not valid.", wait)
        return _refused(request, 401, "That is no valid key.")
    if wait := request.app.state.requests.take(f"key {key.id}"):
        return _refused(request, 429, "Ask more slowly.", wait)
    session = await run_in_threadpool(store.open_session, key.id, SESSION_SECONDS)
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
    responses={**WITH_BODY, 303: {"description": "Signed out: the cookies are gone."}},
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


def _refused(request: Request, status: int, said: str, wait: int | None = None) -> Response:
    """For a browser the page on which to try again. Raises Problem for whoever does not ask for pages."""
    headers = {"Retry-After": str(wait)} if wait is not None else {"WWW-Authenticate": 'Bearer realm="refnet"'}
    if "text/html" not in request.headers.get("accept", ""):
        raise Problem(status, said, headers=headers)
    again = "" if wait is None else f" Try again in {wait} s."
    return _page(_SIGN_IN.format(role="alert", said=escape(said + again)), status, headers)


def _page(content: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    page = _PAGE.format(style=_STYLE, content=content)
    # With the policy of all other answers a browser would not say where a form comes from, and the form be refused.
    own = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "same-origin"}
    return HTMLResponse(page, status, headers={**own, **(headers or {})})
