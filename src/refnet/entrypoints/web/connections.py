"""What one client may hold of the server before it has asked for anything: a few seconds, and its share of the files."""

from __future__ import annotations

import asyncio
import resource
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

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
    """Of one address that wait for headers. One more ends the one that has waited longest: others find room, and so does
    whoever is honest at the same address.
    """
    return max(1, most_connections() // 4)


class Connection(H11Protocol):
    """uvicorn's, which waits for the headers of a request as long as a client likes, and for any number of clients."""

    #: by address those that wait for headers, the longest first
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

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._wait_for_headers()
        else:
            self._have_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._have_headers()
        super().connection_lost(exc)

    def end(self) -> None:
        """Hang up on one that waits for headers."""
        self._have_headers()
        self.transport.abort()

    def _wait_for_headers(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(HEADERS_SECONDS, self.timeout_keep_alive_handler)
            others = self.waiting.setdefault(self._address, {})
            others[self] = None
            if len(others) > most_of_one():
                longest = next(iter(others))
                longest.end()

    def _have_headers(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
            others = self.waiting[self._address]
            del others[self]
            if not others:
                del self.waiting[self._address]
