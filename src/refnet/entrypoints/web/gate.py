"""What every request passes before a route sees it, and what every answer carries."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from refnet.domain.about import about
from refnet.domain.errors import RefnetError, StoreUnavailable
from refnet.domain.permissions import Scope as Permission
from refnet.entrypoints.web import problems, security
from refnet.entrypoints.web.key_ring import KeyRing, TooManyBadKeys
from refnet.entrypoints.web.limits import Buckets
from refnet.entrypoints.web.problems import Problem
from refnet.entrypoints.web.proxies import NO_PROXIES, Proxies
from refnet.entrypoints.web.security import Caller

logger = logging.getLogger(__name__)

#: Bytes of a request's body at the most, and seconds that it may take to come.
MOST_BODY, BODY_SECONDS = 1_000_000, 20.0
#: The same while it is not known who asks: it is enough to sign in, with any text as long as a key may be.
MOST_UNKNOWN_BODY, UNKNOWN_SECONDS = 4_000, 5.0
#: Bad keys that one address may try before it has to wait, and how many it gains a second.
MOST_FAILURES, FAILURES_RATE = 10, 0.1
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
#: As they go out: names in lower case, as those of the routes come.
_RAW_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
#: Seconds that the database has for telling who asks whether it is away.
PATIENCE = 3.0
#: The same at a scrape, which then still waits for the figures; Prometheus gives up after five.
SCRAPE_PATIENCE = 0.5
_METRICS = "/metrics"
_PUT_OFF = (429, 503)
#: Characters of a path that a line of the log shows.
_LONGEST_PATH = 200
FORM = "application/x-www-form-urlencoded"
_BODY = "refnet.body"


@dataclass(slots=True)
class Gate:
    """The outermost of the application: the same checks for every address, known or not.

    `loopback` is whether only this machine can reach the server; `open_paths` are asked for no key. `requests` and
    `failures` hold what each caller may still ask, and each address may still try. `proxies` are believed when they say
    whose request they pass on.
    """

    app: ASGIApp
    keys: KeyRing
    open_paths: frozenset[str]
    loopback: bool
    requests: Buckets
    failures: Buckets
    proxies: Proxies = NO_PROXIES
    #: a look at the keys that is still under way
    hanging: asyncio.Future[Caller] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        identity, method = secrets.token_hex(8), scope["method"]
        if method == "HEAD":
            # Of all that can be read; routes know nothing of it. The server looks at its own scope, so this is a copy.
            scope = {**scope, "method": "GET"}
        with about(request=identity):
            answer, began = _Answer(send, identity, headers_alone=method == "HEAD"), time.monotonic()
            try:
                await self._answer(scope, receive, answer)
            finally:
                _log(scope, method, answer.status, time.monotonic() - began)

    async def _answer(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            received = await self._let_in(scope, receive)
            await self.app(scope, received, answer)
        except Problem as problem:
            told = problems.response(scope, problem.status, problem.args[0], problem.headers, **problem.more)
            await told(scope, receive, answer)
        except _Told:
            return
        except RefnetError as error:
            # Of the look at the keys, or in the middle of an answer; what routes raise is told by the application.
            logger.warning("%s", error)
            if answer.begun:
                raise  # so that it breaks off, and nobody takes it for a whole one
            retry = {"Retry-After": str(problems.TRY_AGAIN)}
            await problems.response(scope, 503, "The database is not available.", retry)(scope, receive, answer)
        except Exception:
            logger.exception(
                "A fault in refnet itself, at %s %s", scope["method"], scope["path"].encode("ascii", "replace")
            )
            if answer.begun:
                raise
            detail = "It is in the server's log."
            await problems.response(scope, 500, detail)(scope, receive, answer)

    async def _let_in(self, scope: Scope, receive: Receive) -> Receive:
        """Raises Problem."""
        headers = Headers(scope=scope)
        address = self.proxies.address_of(scope["client"][0] if scope.get("client") else "?", headers)
        security.set_caller(scope, Caller(address), address)
        caller = await self._caller_of(scope, headers, address)
        security.set_caller(scope, caller, address)
        if not _signs_in(scope, caller) and (wait := self.requests.take(caller.name)):
            raise Problem(429, "Ask more slowly.", headers={"Retry-After": str(wait)})
        if caller.scope is None and scope["path"] not in self.open_paths:
            raise self._unknown(address, tried=_has_credentials(headers))
        if scope["method"] == "GET":
            return receive
        limits = (MOST_BODY, BODY_SECONDS) if caller.scope is not None else (MOST_UNKNOWN_BODY, UNKNOWN_SECONDS)
        body = await _read(headers, receive, *limits)
        scope[_BODY] = body
        form = _form(headers, body) if caller.session is not None else {}
        security.check_csrf(scope["method"], headers, caller, form.get("csrf"))
        return _again(body, receive)

    async def _caller_of(self, scope: Scope, headers: Headers, address: str) -> Caller:
        """Whether the process lives, and what is wrong, is answered without the database, too."""
        if scope["path"] == _METRICS or scope["path"] in self.open_paths:
            return await self._caller_if_told(scope, headers, address)
        return await self._caller(headers, address)

    async def _caller_if_told(self, scope: Scope, headers: Headers, address: str) -> Caller:
        away: RefnetError = StoreUnavailable("The database does not answer.")
        if self.hanging is None or self.hanging.done():
            look = asyncio.ensure_future(self._caller(headers, address))
            await asyncio.wait({look}, timeout=SCRAPE_PATIENCE if scope["path"] == _METRICS else PATIENCE)
            if look.done():
                try:
                    return self._counted(look.result(), scope, headers)
                except TooManyBadKeys:
                    if scope["path"] not in self.open_paths:
                        raise
                    return Caller(address)
                except RefnetError as error:
                    away = error
            else:
                # One thread at the most waits for a database that hangs.
                self.hanging = look
                look.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        if scope["method"] == "GET" and (known := self._known_lately(headers, address)) is not None:
            return known
        if scope["path"] in self.open_paths:
            return Caller(address)
        raise away

    def _counted(self, caller: Caller, scope: Scope, headers: Headers) -> Caller:
        """A bad key is one also where nobody is asked for any."""
        if caller.scope is None and scope["path"] in self.open_paths and _has_credentials(headers):
            self.failures.take(caller.name)
        return caller

    def _known_lately(self, headers: Headers, address: str) -> Caller | None:
        """Who asks, while the database is away: it may see no more than how refnet is."""
        if (key := self.keys.knew(headers)) is not None:
            return Caller(f"key {key.id}", Permission.READ, Permission.READ.value)
        if self.loopback and self.keys.had_none():
            security.check_host(headers)
            security.check_origin(headers)
            return Caller(address, Permission.READ)
        return None

    async def _caller(self, headers: Headers, address: str) -> Caller:
        if self.loopback and not await self.keys.any_made():
            security.check_host(headers)
            security.check_origin(headers)
            return Caller(address, Permission.ADMIN)
        token, doubted = security.bearer(headers), self.failures.is_empty(address)
        if token is not None:
            key = await self.keys.of_token(token, doubted=doubted)
            return Caller(address) if key is None else Caller(f"key {key.id}", key.scope, key.scope.value, key)
        if (session := security.session_cookie(headers)) is not None:
            key = await self.keys.of_session(session, doubted=doubted)
            if key is not None:
                return Caller(f"key {key.id}", key.scope, key.scope.value, key, session)
        return Caller(address)

    def _unknown(self, address: str, *, tried: bool) -> Problem:
        if tried and (wait := self.failures.take(address)):
            return Problem(429, "Too many keys that are not valid.", headers={"Retry-After": str(wait)})
        # Whether there was a key, and what was wrong with it, is not told.
        told = {"WWW-Authenticate": 'Bearer realm="refnet"'}
        return Problem(401, "Send a valid key as: Authorization: Bearer …", headers=told)


def _log(scope: Scope, method: str, status: int | None, seconds: float) -> None:
    """Who asked for what, and what came of it; at DEBUG what was only read, and that of which anybody can make any number."""
    is_usual = scope["method"] == "GET" and status is not None and status < 400
    is_usual |= status in _PUT_OFF or (status == 401 and not _has_credentials(Headers(scope=scope)))
    logger.log(
        logging.DEBUG if is_usual else logging.INFO,
        "%s %s by %s: %s after %.0f ms",
        method,
        quote(scope["path"][:_LONGEST_PATH]),  # or a path with blanks could say who asked
        security.asker(scope),
        status or "no answer",
        1_000 * seconds,
    )


def _signs_in(scope: Scope, caller: Caller) -> bool:
    """Whether it is only now to be seen whose request it is: it counts as that key's, or as a bad one."""
    return caller.scope is None and (scope["method"], scope["path"]) == ("POST", "/login")


def body_of(scope: Any) -> bytes:
    """What a request's body was, as a whole."""
    body: bytes = scope.get(_BODY, b"")
    return body


def form_of(scope: Any) -> dict[str, str]:
    """The fields of a form that a browser sent, each once."""
    return _form(Headers(scope=scope), body_of(scope))


def _form(headers: Headers, body: bytes) -> dict[str, str]:
    if headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        return {}
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=20)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}


def _has_credentials(headers: Headers) -> bool:
    return security.bearer(headers) is not None or security.session_cookie(headers) is not None


async def _read(headers: Headers, receive: Receive, most: int, seconds: float) -> bytes:
    """The body as a whole. Raises Problem, as soon as it is known, for one that is too large."""
    said = headers.get("content-length", "")
    too_large = Problem(413, f"The body of a request has at most {most:,} bytes.", headers={"Connection": "close"})
    if said.isdigit() and int(said) > most:
        raise too_large
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise Problem(400, "The request ended before its body did.")
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > most:
                    raise too_large
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        late = f"The body of a request has to come within {seconds:g} s."
        raise Problem(408, late, headers={"Connection": "close"}) from None


def _again(body: bytes, receive: Receive) -> Receive:
    given = False

    async def received() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return received


class _Told(Exception):
    """All that was asked for has been sent: a stream need not go on."""


class _Answer:
    """Adds to each answer what all have, unless a route said otherwise. With `headers_alone` it has no body."""

    def __init__(self, send: Send, identity: str, *, headers_alone: bool = False) -> None:
        self._send = send
        self._identity = identity
        self._headers_alone = headers_alone
        self.begun = False
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            self.status = message["status"]
            said = {name for name, _ in message["headers"]}
            more = [header for header in _RAW_HEADERS if header[0] not in said]
            message["headers"] = [*message["headers"], (b"x-request-id", self._identity.encode()), *more]
        elif self._headers_alone:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            if message.get("more_body", False):
                raise _Told
            return
        await self._send(message)
