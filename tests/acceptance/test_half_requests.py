"""Clients that begin a request and leave it at that: they take neither the server's files nor its log."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.acceptance.command import Refnet
from tests.acceptance.serving import serving

#: Each runs the whole command, most several times.
pytestmark = pytest.mark.slow

HALF = b"GET /ready HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
_FORM = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
#: What a client may say and then hold its connection.
HELD = {
    "half of the headers": HALF,
    "no body": _FORM + b"Content-Length: 50\r\n\r\n",
    "half of a body": _FORM + b"Content-Length: 50\r\n\r\nkey=",
    "no body, and not waited for": b"GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n",
    "all, and no more": b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.slow
def test_hundreds_of_half_requests_are_hung_up_on_and_leave_room_for_whole_ones(refnet: Refnet) -> None:
    with _few_files():
        server = serving(refnet)
    place = urlsplit(server.url)
    assert place.hostname is not None
    assert place.port is not None
    with ExitStack() as held:
        opened = []
        for _ in range(260):
            client = held.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex((place.hostname, place.port))
            opened.append(client)
        begun = [client for client in opened if _says(client)]
        assert len(begun) > 10

        assert server.running.until(lambda: all(map(_is_hung_up, begun)), timeout=30.0)
        assert server.running.until(lambda: _is_ready(server.url), timeout=30.0)

    ended = server.running.interrupt()
    assert ended.code == 0
    assert "Too many open files" not in ended.err
    assert len(ended.err) < 10_000


@pytest.mark.parametrize("said", HELD.values(), ids=HELD)
def test_connections_that_one_address_holds_leave_room_for_others_at_once(refnet: Refnet, said: bytes) -> None:
    with _few_files():
        server = serving(refnet)
    place = urlsplit(server.url)
    with ExitStack() as held:
        for _ in range(150):
            client = held.enter_context(socket.socket())
            client.bind(("127.0.0.2", 0))
            client.settimeout(5.0)
            with suppress(OSError):  # there was no more room
                client.connect((place.hostname, place.port))
            _says(client, said)

        assert all(_is_ready(server.url) for _ in range(5))

    assert server.running.interrupt().code == 0


@contextmanager
def _few_files() -> Iterator[None]:
    """What is started within may open only a few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _says(client: socket.socket, said: bytes = HALF) -> bool:
    try:
        return client.send(said) > 0
    except OSError:
        return False


def _is_hung_up(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _is_ready(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/ready", timeout=5.0).status_code == 200
    except httpx2.TransportError:
        return False
