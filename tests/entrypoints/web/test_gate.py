"""What every request passes: sizes, rates, forms; and what every answer carries."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.testclient import TestClient

from refnet.demo.bundled import SEED
from refnet.domain.permissions import Scope
from refnet.entrypoints.web import gate
from refnet.entrypoints.web.gate import MOST_BODY, MOST_FAILURES
from refnet.entrypoints.web.key_ring import FRESH, STALE, KeyRing
from refnet.entrypoints.web.routing import LARGEST_ID
from tests.entrypoints.web.conftest import Api

JSON = {"Content-Type": "application/json"}
#: A request as a server passes it on.
SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": "/api/v1/crawls",
    "raw_path": b"/api/v1/crawls",
    "query_string": b"",
    "root_path": "",
    "headers": [(b"host", b"127.0.0.1")],
    "client": ("10.0.0.7", 1),
    "server": ("127.0.0.1", 8000),
}


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


def test_whom_nobody_knows_has_little_to_say_and_says_it_at_once(
    open_api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is for signing in, and nobody knows yet who does."""
    api = open_api(loopback=False)
    api.key(Scope.READ)
    monkeypatch.setattr(gate, "UNKNOWN_SECONDS", 0.05)

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    sizes = (gate.MOST_UNKNOWN_BODY, gate.MOST_UNKNOWN_BODY + 1)
    assert [asyncio.run(answered(api, receive, size, path="/login")) for size in sizes] == [408, 413]
    assert gate.MOST_UNKNOWN_BODY < MOST_BODY / 100


async def answered(api: Api, receive: Callable[[], Any], length: int | None = None, path: str = SCOPE["path"]) -> int:
    """The status for a POST whose body comes from `receive`, and is said to have that length."""
    told: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            told.append(message["status"])

    size = [] if length is None else [(b"content-length", str(length).encode())]
    form = (b"content-type", b"application/json")
    place = {"path": path, "raw_path": path.encode()}
    await api.app({**SCOPE, **place, "headers": [*SCOPE["headers"], form, *size]}, receive, send)
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
    ("body", "status", "said"),
    [
        (b"{", 400, "JSON"),
        (b"\xff", 400, "The body is no text in UTF-8."),
        (b"[" * 100_000 + b"]" * 100_000, 422, "body: it is nested too deeply."),
        (b'{"seeds": ["x"], "limit": ' + b"9" * 10_000 + b"}", 422, "body: a number in it has too many digits."),
        (b'{"seeds": ["a\\u0007b"]}', 422, "body.seeds.0: control characters are not allowed."),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else None,
)
def test_what_is_wrong_with_a_body_is_said(client: TestClient, body: bytes, status: int, said: str) -> None:
    answer = client.post("/api/v1/crawls", content=body, headers=JSON)

    assert answer.status_code == status
    assert said in answer.json()["detail"]
    assert status == 400 or [fault["why"] for fault in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("path", "instance"),
    [
        ("/nothing%0a", "/nothing%0a"),
        ("/%C3%A9%20%00", "/%C3%A9%20%00"),
        ('/"<>\\^`{|}[]', "/%22%3C%3E%5C%5E%60%7B%7C%7D%5B%5D"),
        ("/%zz%", "/%25zz%25"),
        ("//evil.example/x", "/.//evil.example/x"),
        ("/a:b@c;d=e,f!$&'()*+~-._", "/a:b@c;d=e,f!$&'()*+~-._"),
    ],
)
def test_a_problem_names_the_address_as_it_was_asked_for(api: Api, path: str, instance: str) -> None:
    problem = asyncio.run(problem_at(api, path))

    assert problem["status"] == 404
    assert problem["instance"] == instance


async def problem_at(api: Api, path: str) -> dict[str, Any]:
    """The body of the answer to GET, with the path as a server passes it on: no client of Python's asks for all of them."""
    said = b""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        nonlocal said
        said += message.get("body", b"")

    await api.app({**SCOPE, "method": "GET", "path": unquote(path), "raw_path": path.encode()}, receive, send)
    problem: dict[str, Any] = json.loads(said)
    return problem


def test_the_document_says_of_every_operation_with_a_body_that_it_may_be_too_large_or_too_late(
    client: TestClient,
) -> None:
    posts = [methods["post"] for methods in client.get("/openapi.json").json()["paths"].values() if "post" in methods]

    assert len(posts) == 5
    assert [post["operationId"] for post in posts if not {"408", "413"} <= post["responses"].keys()] == []


@pytest.mark.parametrize("crawl_id", ["01", "+1", "%201", "1%20", "1_0", "1.0", "%D9%A1", "1e0", "00", "-01"])
def test_a_thing_has_one_address(client: TestClient, crawl_id: str) -> None:
    for path in (f"/api/v1/crawls/{crawl_id}", f"/api/v1/crawls/{crawl_id}/graph"):
        assert client.get(path).status_code == 422
    assert client.post(f"/api/v1/dead/{crawl_id}/retry").status_code == 422
    assert client.get("/api/v1/crawls/1").status_code == 200
    paths = client.get("/openapi.json").json()["paths"]
    (shown,) = paths["/api/v1/crawls/{crawl_id}"]["get"]["parameters"]
    assert (shown["schema"]["minimum"], shown["schema"]["maximum"]) == (1, LARGEST_ID)


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


@pytest.mark.parametrize(
    "path", ["/health/", "/api/v1/crawls/", "/api/v1/crawls/1/", "/api/v1/jobs/", "/openapi.json/"]
)
def test_an_address_with_a_slash_too_many_leads_nowhere(client: TestClient, path: str) -> None:
    answer = client.get(path, follow_redirects=False)

    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_a_method_that_an_address_does_not_have_is_told_with_those_that_it_has(client: TestClient) -> None:
    answer = client.put("/api/v1/crawls", json={})

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD, POST"
    assert answer.json()["detail"] == "It takes GET, HEAD, POST."


@pytest.mark.parametrize(
    "path",
    [
        *("/health", "/ready", "/login", "/metrics", "/openapi.json", "/api/v1/jobs", "/api/v1/papers", "/api/v1/dead"),
        *("/api/v1/crawls", "/api/v1/crawls/1", "/api/v1/crawls/1/graph", "/api/v1/crawls/1/events", f"/api/v1/papers/{SEED}"),
        *("/nothing", "/api/v1/crawls/999", "/api/v1/papers?limit=0"),
    ],
)  # fmt: skip
def test_what_can_be_read_can_be_asked_for_its_headers_alone(client: TestClient, path: str) -> None:
    # Of each answer alone: when it was given, the values of its counters.
    shown, head = client.get(path), client.head(path)

    assert shown.content
    assert (head.status_code, head.content) == (shown.status_code, b"")
    of_each = {"x-request-id", *(("content-length",) if path == "/metrics" else ())}
    told = [{name: value for name, value in one.headers.items() if name not in of_each} for one in (shown, head)]
    assert told[0] == told[1]


def test_who_asks_for_headers_alone_is_let_in_as_for_the_rest(open_api: Callable[..., Api]) -> None:
    api = open_api(loopback=False)
    api.key(Scope.READ)

    assert api.client().head("/api/v1/jobs").status_code == 401
    assert api.client(api.key(Scope.READ)).head("/api/v1/jobs").status_code == 200
    assert api.client(api.key(Scope.ADMIN)).head("/api/v1/dead/1/retry").status_code == 405


@pytest.mark.parametrize("accept", ["text/html", "application/xml, text/*", "application/json;q=0"])
def test_an_answer_in_another_form_is_not_to_be_had(client: TestClient, accept: str) -> None:
    assert client.get("/api/v1/jobs", headers={"Accept": accept}).status_code == 406


@pytest.mark.parametrize(
    "accept", ["", " ", "*/*", "application/*", "text/html, application/json;q=0.1", "application/json"]
)
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


def test_however_low_the_rate_everybody_may_ask_once(open_api: Callable[..., Api]) -> None:
    api = open_api(REFNET_API_RPS="0.01")

    assert [api.client().get("/health").status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("proxy", ["::ffff:172.18.0.5", "172.18.0.5", "::ffff:10.1.0.1"])
def test_a_proxy_is_known_by_its_address_on_a_socket_of_both_kinds_too(
    open_api: Callable[..., Api], proxy: str
) -> None:
    """There an IPv4 address is written within an IPv6 one."""
    api = open_api(loopback=False, REFNET_TRUSTED_PROXIES="172.16.0.0/12, ::ffff:10.1.0.1")
    api.key(Scope.READ)
    client = api.client("wrong", address=proxy)
    said = ["203.0.113.9", "::ffff:203.0.113.9", "203.0.113.9, ::ffff:172.18.0.6"]
    bad = [
        client.get("/api/v1/jobs", headers={"X-Forwarded-For": said[number % 3]}).status_code
        for number in range(MOST_FAILURES + 1)
    ]

    assert bad == [401] * MOST_FAILURES + [429], "it is one client, however written"
    assert client.get("/api/v1/jobs", headers={"X-Forwarded-For": "203.0.113.10"}).status_code == 401


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
    take_away(api)

    answer = client.get("/api/v1/jobs")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert "refnet.db" not in answer.text
    assert client.get("/health").status_code == 200
    ready = client.get("/ready")
    assert ready.status_code == 503
    assert {"name": "database", "ok": False} in ready.json()["parts"]


def take_away(api: Api) -> None:
    """From now on the database answers nothing."""
    file = api.application.database_file()
    assert file is not None
    api.application.engine.dispose()
    file.write_bytes(b"no database at all" * 100)


@pytest.mark.parametrize("has_key", [True, False])
def test_without_the_database_it_still_says_that_it_lives_and_what_is_away(
    open_api: Callable[..., Api], has_key: bool
) -> None:
    """To whom it had let in lately; a server that Prometheus could not ask would count as dead."""
    api = open_api(loopback=not has_key)
    client = api.client(api.key(Scope.READ) if has_key else None)
    assert client.get("/metrics").status_code == 200
    take_away(api)
    ring: KeyRing = api.app.state.keys
    ring._clock = lambda: time.monotonic() + FRESH  # what was found is not fresh any more

    assert client.get("/health").status_code == 200
    assert client.get("/ready").status_code == 503
    assert {"name": "database", "ok": False} in client.get("/ready").json()["parts"]
    found = client.get("/metrics")
    assert found.status_code == 200
    assert "refnet_database_up 0" in found.text
    assert client.get("/api/v1/papers").status_code == 503
    ring._clock = lambda: time.monotonic() + FRESH + STALE
    assert client.get("/metrics").status_code == 503


def test_without_the_database_nobody_is_let_in_who_was_not_before(open_api: Callable[..., Api]) -> None:
    api = open_api(loopback=True)
    key = api.key(Scope.READ)
    take_away(api)

    for client in (api.client(), api.client(key), api.client("rn_wrong")):
        assert client.get("/health").status_code == 200
        assert client.get("/login").status_code == 200
        assert client.get("/metrics").status_code == 503
        assert client.get("/api/v1/papers").status_code == 503


def test_who_asked_for_what_is_in_the_log(open_api: Callable[..., Api], caplog: pytest.LogCaptureFixture) -> None:
    api = open_api(loopback=False)
    key = api.key(Scope.READ)
    with caplog.at_level(logging.DEBUG, "refnet.entrypoints.web.gate"):
        read = api.client(key).get("/api/v1/papers?secret=in-query")
        wrote = api.client(key).post("/api/v1/crawls", json={"seeds": ["arXiv:1706.03762"]})
        api.client("rn_wrong").get("/api/v1/papers%0A" + "x" * 500)

    lines = [(record.levelname, record.getMessage().partition(" after ")[0]) for record in caplog.records]
    assert lines[:2] == [
        ("DEBUG", "GET /api/v1/papers by key 1: 200"),
        ("INFO", "POST /api/v1/crawls by key 1: 403"),
    ]
    assert (read.status_code, wrote.status_code) == (200, 403)
    assert lines[2][0] == "INFO"
    assert lines[2][1].endswith("x by 10.0.0.7 without a valid key: 401")
    assert len(lines[2][1]) < 300
    assert "rn_wrong" not in caplog.text


def test_a_database_that_hangs_holds_up_no_look_at_how_the_server_is_and_one_thread_at_the_most(
    open_api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    api = open_api(loopback=False)
    client = api.client(api.key(Scope.READ))
    assert client.get("/metrics").status_code == 200
    ring: KeyRing = api.app.state.keys
    ring._clock = lambda: time.monotonic() + FRESH
    monkeypatch.setattr(gate, "PATIENCE", 0.05)
    answers, looks = threading.Event(), []

    def hang(token: str) -> None:
        looks.append(token)
        answers.wait(60)

    ring._store.key_of = hang  # type: ignore[method-assign]
    try:
        for _ in range(3):
            assert client.get("/health").status_code == 200
            assert client.get("/metrics").status_code == 200
        assert len(looks) == 1
    finally:
        answers.set()


def test_a_path_cannot_say_who_asked(open_api: Callable[..., Api], caplog: pytest.LogCaptureFixture) -> None:
    api = open_api(loopback=False)
    with caplog.at_level(logging.DEBUG, "refnet.entrypoints.web.gate"):
        api.client().delete("/api/v1/crawls/7%20by%20key%201:%20204")

    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(
        "DELETE /api/v1/crawls/7%20by%20key%201%3A%20204 by 10.0.0.7 without a valid key: 401 after "
    )
