"""What one client may hold of the server while there is nothing to answer it: a few seconds, and its share of the files."""

from __future__ import annotations

import asyncio
import logging
import resource
import secrets
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from refnet.domain.about import about
from refnet.entrypoints.web import problems
from refnet.entrypoints.web.gate import HEADERS

logger = logging.getLogger(__name__)

#: Seconds within which the headers of a request have to be there.
HEADERS_SECONDS = 10.0
#: Connections at a time, at the most, and of those that wait to be taken.
MOST_CONNECTIONS, MOST_WAITING = 512, 64


def most_connections() -> int:
    """Half of the files that the process may open, so that the database always finds one."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if files == resource.RLIM_INFINITY else max(1, min(MOST_CONNECTIONS, files // 2))


def most_waiting() -> int:
    """The event loop takes as many at once before it closes the first of them: they are files, too."""
    return max(1, min(MOST_WAITING, most_connections() // 8))


def most_of_one() -> int:
    """Of one address that have no whole request to be answered. One more ends the one that has waited longest: others find
    room, and so does whoever is honest at the same address.
    """
    return max(1, most_connections() // 4)


class Connection(H11Protocol):
    """uvicorn's, which waits for the headers of a request as long as a client likes, and for any number of clients."""

    #: by address those that wait for a request, or the rest of one, the longest first
    waiting: ClassVar[dict[str, dict[Connection, None]]] = {}
    _late: asyncio.TimerHandle | None = None
    _address = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= most_connections():
            self.transport = transport
            transport.abort()
            return
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self._wait_for_headers()
        self._take_place()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._wait_for_headers()
        else:
            self._have_headers()
        self._take_place()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # Kept for another request; or the answer did not wait for the body.
        if not self.transport.is_closing():
            self._take_place()

    def connection_lost(self, exc: Exception | None) -> None:
        self._have_headers()
        self._leave_place()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """uvicorn's is a plain text, and fails where another answer has begun already."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        identity = secrets.token_hex(8)
        with about(request=identity):
            logger.debug("%s", msg)
        body = problems.document(400, "What came is no HTTP request, or has no name of a host, or several.", None)
        told = {
            "Content-Type": problems.MEDIA_TYPE,
            "Content-Length": str(len(body)),
            "Connection": "close",
            "X-Request-Id": identity,
            **HEADERS,
        }
        own = [(name.lower().encode(), value.encode()) for name, value in told.items()]
        headers = [*self.server_state.default_headers, *own]
        for event in (h11.Response(status_code=400, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
            if (output := self.conn.send(event)) is not None:
                self.transport.write(output)
        self.transport.close()

    def end(self) -> None:
        """Hang up on one that waits."""
        self._have_headers()
        self._leave_place()
        self.transport.abort()

    def _wait_for_headers(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(HEADERS_SECONDS, self.timeout_keep_alive_handler)

    def _have_headers(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _take_place(self) -> None:
        """Among those of its address that wait; none of them once its request is whole."""
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._leave_place()
            return
        others = self.waiting.setdefault(self._address, {})
        others.setdefault(self)
        if len(others) > most_of_one():
            longest = next(iter(others))
            longest.end()

    def _leave_place(self) -> None:
        others = self.waiting.get(self._address, {})
        others.pop(self, None)
        if not others:
            self.waiting.pop(self._address, None)
