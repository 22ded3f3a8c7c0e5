"""What a server on a real socket says to what is no request of ours, and of it to its log."""

from __future__ import annotations

import io
import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPResponse

import pytest
import uvicorn

from refnet.demo.bundled import SEED
from refnet.domain.identifiers import parse_seed
from refnet.domain.requests import Wish
from refnet.entrypoints.web.events import MOST_OF_ONE
from refnet.entrypoints.web.gate import HEADERS
from refnet.entrypoints.web.serving import config
from tests.entrypoints.web.conftest import Api
from tests.servers import free_port, ticks

#: Requests that are none.
BROKEN = {
    "two hosts": b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "no host": b"GET /health HTTP/1.1\r\n\r\n",
    "a control character": b"GET /\x1b[31m HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no words": b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    "two lengths": b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a length that is none": b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
}


@pytest.fixture
def port(api: Api) -> Iterator[int]:
    """Of a server that answers there."""
    port = free_port()
    server = uvicorn.Server(config(api.app, "127.0.0.1", port))
    thread = threading.Thread(target=server.run, name="serving")
    thread.start()
    for _ in ticks(30.0):
        if server.started or not thread.is_alive():
            break
    yield port
    server.should_exit = True
    thread.join(30)


def said_to(port: int, *parts: bytes) -> bytes:
    """All that comes until the server hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        for part in parts:
            client.sendall(part)
        found = b""
        while more := client.recv(65_536):
            found += more
        return found


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_what_is_no_request_is_told_as_a_problem_and_as_confined_as_all_answers(port: int, broken: bytes) -> None:
    answer = HTTPResponse(_Read(said_to(port, broken)))  # type: ignore[arg-type]
    answer.begin()
    problem = json.loads(answer.read())

    assert (answer.status, problem["status"], problem["title"]) == (400, 400, "The request cannot be read")
    assert problem["detail"]
    assert answer.getheader("Content-Type") == "application/problem+json"
    assert {name: answer.getheader(name) for name in HEADERS} == HEADERS
    assert len(answer.getheader("X-Request-Id") or "") == 16
    assert answer.getheader("Connection") == "close"


def test_what_goes_wrong_behind_the_beginning_of_an_answer_is_hung_up_on(
    api: Api, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    identity = api.application.store.add_request(Wish((parse_seed(SEED),)))
    stream = f"GET /api/v1/crawls/{identity}/events HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(stream.encode())
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        with suppress(OSError):
            client.sendall(b"no chunk\r\n")
            while client.recv(65_536):
                pass

    assert said_to(port, b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_the_headers_of_a_stream_that_would_go_on_come_at_once_and_take_no_place(api: Api, port: int) -> None:
    identity = api.application.store.add_request(Wish((parse_seed(SEED),)))
    head = f"HEAD /api/v1/crawls/{identity}/events HTTP/1.1\r\nHost: localhost\r\n"

    # More often than one may have streams, twice on each connection.
    for _ in range(MOST_OF_ONE // 2 + 1):
        answers = said_to(port, f"{head}\r\n{head}Connection: close\r\n\r\n".encode())
        first, second, rest = answers.split(b"\r\n\r\n")
        assert b"HTTP/1.1 200 " in first
        assert b"content-type: text/event-stream" in second
        assert rest == b""


class _Read:
    """As http.client wants a socket: with all that there is to read from it."""

    def __init__(self, said: bytes) -> None:
        self.said = said

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self.said)


@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG])
def test_nobody_without_a_key_writes_warnings_into_the_log(
    port: int, caplog: pytest.LogCaptureFixture, level: int
) -> None:
    upgrade = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade, close\r\nUpgrade: %s\r\n\r\n"
    with caplog.at_level(level, "uvicorn"):
        for protocol in (b"websocket", b"h2c"):
            assert said_to(port, upgrade % protocol).startswith(b"HTTP/1.1 200 ")
        for broken in BROKEN.values():
            said_to(port, broken)

    records = [record for record in caplog.records if record.name == "uvicorn.error"]
    assert {record.levelname for record in records} == ({"DEBUG"} if level == logging.DEBUG else set())
