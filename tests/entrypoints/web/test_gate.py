"""What every request passes: sizes, rates, forms; and what every answer carries."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from refnet.demo.bundled import SEED
from refnet.domain.permissions import Scope
from refnet.entrypoints.web import gate
from refnet.entrypoints.web.gate import MOST_BODY, MOST_FAILURES
from tests.entrypoints.web.conftest import Api

JSON = {"Content-Type": "application/json"}


def test_every_answer_is_confined_and_kept_by_nobody(client: TestClient) -> None:
    for answer in (
        client.get("/health"),
        client.get("/nothing"),
        client.get("/api/v1/jobs"),
        client.post("/api/v1/crawls", content=b"x", headers=JSON),
        client.get("/health", headers={"Host": "evil.example"}),
    ):
        headers = answer.headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert len(headers["X-Request-Id"]) == 16
        assert "server" not in headers


@pytest.mark.parametrize("size", [MOST_BODY + 1, 10_000_000])
def test_a_body_that_says_that_it_is_too_large_is_not_read(client: TestClient, api: Api, size: int) -> None:
    answer = client.post("/api/v1/crawls", content=b"x" * size, headers=JSON)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"

    async def receive() -> dict[str, Any]:
        raise AssertionError("it was read")

    assert asyncio.run(answered(api, receive, MOST_BODY + 1)) == 413


def test_a_body_that_does_not_say_how_large_it_is_is_read_no_further_than_allowed(api: Api) -> None:
    read = 0

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 100_000
        return {"type": "http.request", "body": b" " * 100_000, "more_body": True}

    assert asyncio.run(answered(api, receive)) == 413
    assert read <= MOST_BODY + 100_000


def test_a_body_that_does_not_come_is_not_waited_for(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "BODY_SECONDS", 0.05)

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    assert asyncio.run(answered(api, receive)) == 408


async def answered(api: Api, receive: Callable[[], Any], length: int | None = None) -> int:
    """The status for a POST whose body comes from `receive`, and is said to have that length."""
    told: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            told.append(message["status"])

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/api/v1/crawls",
        "raw_path": b"/api/v1/crawls",
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"127.0.0.1"),
            (b"content-type", b"application/json"),
            *([] if length is None else [(b"content-length", str(length).encode())]),
        ],
        "client": ("10.0.0.7", 1),
        "server": ("127.0.0.1", 8000),
    }
    await api.app(scope, receive, send)
    return told[0]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 1_000 + b"]" * 1_000,
        b"[" * 400_000,
        b'{"seeds": [' + b"[" * 2_000 + b"]" * 2_000 + b"]}",
        b"9" * 10_000,
        b'{"seeds": ["\\ud800"]}',
        b'{"seeds": ["a\\u0000b"]}',
        b'{"seeds": ["arXiv:2005.11401"], "limit": 9223372036854775808}',
        b'{"seeds": ["arXiv:2005.11401"], "limit": 1e400}',
        b'{"seeds": ["arXiv:2005.11401"], "depth": NaN}',
        b'{"seeds": ["arXiv:2005.11401"], "more": 1}',
        b'{"seeds": []}',
        b'{"seeds": "arXiv:2005.11401"}',
        b"null",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_a_body_that_is_no_wish_is_the_askers_fault(client: TestClient, body: bytes) -> None:
    answer = client.post("/api/v1/crawls", content=body, headers=JSON)

    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/papers?query=%00",
        "/api/v1/papers?query=%ED%A0%80",
        "/api/v1/papers?year=9223372036854775808",
        "/api/v1/papers?year=9e29",
        "/api/v1/papers?limit=0",
        "/api/v1/papers?limit=201",
        "/api/v1/papers?cursor=x",
        "/api/v1/papers?cursor=%00",
        "/api/v1/papers?cursor=W1tdLFtdXQ",
        "/api/v1/papers/%00",
        "/api/v1/papers/%ED%A0%80",
        "/api/v1/papers/..%2f..%2fetc%2fpasswd",
        "/api/v1/papers/" + "x" * 5_000,
        "/api/v1/crawls/9223372036854775808",
        "/api/v1/crawls/0",
        "/api/v1/crawls/-1",
        "/api/v1/crawls/x/graph",
        "/api/v1/crawls?cursor=WzkyMjMzNzIwMzY4NTQ3NzU4MDgsIngiXQ",
        "/api/v1/dead?cursor=W3RydWUsIngiXQ",
        "/%00",
        "//",
    ],
)
def test_an_address_that_names_nothing_is_the_askers_fault(client: TestClient, path: str) -> None:
    answer = client.get(path)

    known_to_be_harmless = path.endswith("query=%ED%A0%80") and answer.status_code == 200
    assert 400 <= answer.status_code < 500 or known_to_be_harmless


def test_a_method_that_an_address_does_not_have_is_told_with_those_that_it_has(client: TestClient) -> None:
    answer = client.put("/api/v1/crawls", json={})

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, POST"
    assert answer.json()["title"]


@pytest.mark.parametrize("accept", ["text/html", "application/xml, text/*", "application/json;q=0"])
def test_an_answer_in_another_form_is_not_to_be_had(client: TestClient, accept: str) -> None:
    assert client.get("/api/v1/jobs", headers={"Accept": accept}).status_code == 406


@pytest.mark.parametrize("accept", ["*/*", "application/*", "text/html, application/json;q=0.1", "application/json"])
def test_an_answer_in_its_form_is(client: TestClient, accept: str) -> None:
    assert client.get("/api/v1/jobs", headers={"Accept": accept}).status_code == 200


@pytest.mark.parametrize("form", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"])
def test_a_wish_in_another_form_is_not_taken(client: TestClient, form: str) -> None:
    body = json.dumps({"seeds": [SEED]})

    assert client.post("/api/v1/crawls", content=body, headers={"Content-Type": form}).status_code == 415


def test_who_asks_too_fast_has_to_wait_and_others_have_not(open_api: Callable[..., Api]) -> None:
    api = open_api(REFNET_API_RPS="5")
    first, second = api.key(Scope.READ), api.key(Scope.READ)
    clients = [api.client(first, address=f"10.0.0.{number}") for number in range(2)]
    answers = [clients[number % 2].get("/api/v1/jobs") for number in range(40)]

    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers[:10]} == {200}
    assert refused, "the key counts, not the address"
    assert int(refused[0].headers["Retry-After"]) >= 1
    assert api.client(second).get("/api/v1/jobs").status_code == 200


def test_behind_a_trusted_proxy_each_client_has_its_own_share_of_bad_keys(open_api: Callable[..., Api]) -> None:
    api = open_api(loopback=False, REFNET_TRUSTED_PROXIES="172.16.0.0/12, 10.1.0.1")
    api.key(Scope.READ)
    proxy = api.client("wrong", address="172.18.0.5")

    def ask(client: TestClient, said: str) -> int:
        return client.get("/api/v1/jobs", headers={"X-Forwarded-For": said}).status_code

    bad = [ask(proxy, "203.0.113.9") for _ in range(MOST_FAILURES + 1)]
    assert (bad[0], bad[-1]) == (401, 429)
    assert ask(proxy, "203.0.113.10") == 401, "another client has a share of its own"
    assert ask(proxy, "198.51.100.1, 203.0.113.9") == 429, "what a client says of itself has no effect"
    assert ask(proxy, "203.0.113.9, 10.1.0.1") == 429, "another trusted proxy stood before it"
    assert ask(proxy, "no address") == 401, "then it is the proxy's own"


def test_behind_a_trusted_proxy_each_browser_has_its_own_share_of_keys_that_do_not_hold(
    open_api: Callable[..., Api],
) -> None:
    api = open_api(loopback=False, REFNET_TRUSTED_PROXIES="172.16.0.0/12")
    api.key(Scope.READ)
    proxy = api.client(address="172.18.0.5")

    def sign_in(said: str) -> int:
        return proxy.post("/login", data={"key": "wrong"}, headers={"X-Forwarded-For": said}).status_code

    bad = [sign_in("203.0.113.9") for _ in range(MOST_FAILURES + 1)]
    assert (bad[0], bad[-1]) == (401, 429)
    assert sign_in("203.0.113.10") == 401


def test_nobody_else_is_believed_who_says_for_whom_it_asks(open_api: Callable[..., Api]) -> None:
    api = open_api(loopback=False, REFNET_TRUSTED_PROXIES="172.16.0.0/12")
    api.key(Scope.READ)
    client = api.client("wrong", address="203.0.113.9")
    answers = [
        client.get("/api/v1/jobs", headers={"X-Forwarded-For": f"198.51.100.{number}"}).status_code
        for number in range(MOST_FAILURES + 1)
    ]

    assert answers[-1] == 429


def test_a_fault_in_refnet_itself_is_told_to_the_log_alone(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise ValueError("postgresql://user:password@host")

    monkeypatch.setattr(api.application.store, "job_counts", broken)
    with caplog.at_level(logging.ERROR, "refnet"):
        answer = api.client().get("/api/v1/jobs")

    assert answer.status_code == 500
    assert "password" not in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "ValueError" in caplog.text


def test_a_database_that_is_away_is_told_without_its_address(api: Api) -> None:
    client = api.client()
    client.get("/health")
    file = api.application.database_file()
    assert file is not None
    api.application.engine.dispose()
    file.write_bytes(b"no database at all" * 100)

    answer = client.get("/api/v1/jobs")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert str(file) not in answer.text
    assert client.get("/health").status_code == 200
    ready = client.get("/ready")
    assert ready.status_code == 503
    assert {"name": "database", "ok": False} in ready.json()["parts"]
