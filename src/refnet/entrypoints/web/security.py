"""Who is asking, and whether they may: keys, sessions of browsers, and the laptop user whom nobody asks."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from refnet.domain.permissions import ApiKey, Scope
from refnet.entrypoints.web.problems import Problem

#: Cookies: the session, which no script can read, and the token that scripts of our own pages send back.
SESSION, CSRF = "refnet_session", "refnet_csrf"
CSRF_HEADER = "x-csrf-token"
_SAFE = ("GET", "HEAD", "OPTIONS")
_NETLOC = re.compile(r"(\[(?P<address>[^\[\]]*)\]|(?P<name>[^\[\]:]*))(:[0-9]*)?")
_CALLER, _ADDRESS = "refnet.caller", "refnet.address"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `scope` None is nobody known; `claim` is what work begun for them carries, None for the operator."""

    name: str
    scope: Scope | None = None
    claim: str | None = None
    key: ApiKey | None = None
    session: str | None = None


class Needs:
    """A dependency: whoever asks has to have a scope. It is also what the OpenAPI document says of the operation."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    # Not in a thread: it only compares.
    async def __call__(self, request: Request) -> Caller:
        caller = caller_of(request)
        if caller.scope is None or not caller.scope.allows(self.scope):
            raise Problem(403, f"It needs a key with the scope '{self.scope}'.")
        return caller

    @property
    def security(self) -> list[dict[str, list[str]]]:
        return [{"key": [self.scope.value]}, {"session": [self.scope.value]}]


class Anyone:
    """A dependency: nobody is asked for a key."""

    security: tuple[dict[str, list[str]], ...] = ()

    async def __call__(self) -> None: ...


#: As FastAPI's document wants them.
SCHEMES: Mapping[str, Any] = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key made by `refnet keys create`. Scopes: admin includes write, write includes read.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION,
        "description": "What `/login` gives a browser for a key. Other methods than GET also need the header "
        "`X-CSRF-Token`, whose value is that of the cookie `refnet_csrf`.",
    },
}


def declared(route: APIRoute) -> Needs | Anyone | None:
    """What a route says of who may use it; None where it says nothing, which no route may."""
    found = [one.call for one in route.dependant.dependencies if isinstance(one.call, Needs | Anyone)]
    return found[0] if len(found) == 1 else None


def open_paths(routes: Iterable[APIRoute]) -> frozenset[str]:
    return frozenset(route.path for route in routes if isinstance(declared(route), Anyone))


def caller_of(request: Request) -> Caller:
    caller: Caller = request.scope[_CALLER]
    return caller


def asker(scope: Any) -> str:
    """Who asks, for the log: a key or the laptop user; of others the address."""
    caller: Caller | None = scope.get(_CALLER)
    if caller is None:
        return "somebody"
    return f"{scope[_ADDRESS]} without a valid key" if caller.scope is None else caller.name


def address_of(request: Request) -> str:
    """Where a request comes from; behind a proxy that is believed, what that says of it."""
    address: str = request.scope[_ADDRESS]
    return address


def set_caller(scope: Any, caller: Caller, address: str) -> None:
    scope[_CALLER], scope[_ADDRESS] = caller, address


def csrf_of(session: str) -> str:
    """The token that shows that a request comes from a page of ours: nobody can tell it who cannot read the session."""
    return hmac.new(session.encode(), b"refnet csrf", hashlib.sha256).hexdigest()


def check_csrf(method: str, headers: Headers, caller: Caller, field: str | None) -> None:
    """Raises Problem where a browser's cookie comes along without a sign that a page of ours sent it."""
    if caller.session is None or method in _SAFE:
        return
    check_origin(headers)
    given = headers.get(CSRF_HEADER) or field or ""
    if not hmac.compare_digest(given.encode(), csrf_of(caller.session).encode()):
        raise Problem(403, "With the cookie of a session the header X-CSRF-Token is needed.")


def check_origin(headers: Headers) -> None:
    """Raises Problem for a request that a page of another site makes a browser send."""
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != headers.get("host", ""):
        raise Problem(403, "The request comes from a page of another site.")


def check_host(headers: Headers) -> None:
    """Raises Problem for a name that is not this machine's own: a page could have let its own name lead here."""
    if not is_loopback(host_of(headers.get("host", ""))):
        raise Problem(403, "While no key is made, only the names localhost, 127.0.0.1 and [::1] are answered.")


def host_of(netloc: str) -> str:
    """`host:port` without the port, and without the brackets of IPv6; empty for what is neither."""
    found = _NETLOC.fullmatch(netloc)
    return "" if found is None else found["address"] or found["name"] or ""


def is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bearer(headers: Headers) -> str | None:
    """The key of the header Authorization; None where there is none. What else stands there is for others, such as the
    password of a proxy, which a browser sends with everything.
    """
    way, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if way.lower() == "bearer" else None


def session_cookie(headers: Headers) -> str | None:
    # Not by http.cookies: at the first cookie of somebody else's that it does not like it drops all others, too.
    return cookie_parser(headers.get("cookie", "")).get(SESSION) or None
