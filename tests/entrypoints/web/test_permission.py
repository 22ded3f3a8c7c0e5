"""Who may do what: each cell of the matrix of operations and roles, as the OpenAPI document declares them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute

from refnet.demo.bundled import SEED
from refnet.domain.permissions import Scope
from refnet.entrypoints.web.gate import MOST_FAILURES
from refnet.entrypoints.web.security import declared
from tests.entrypoints.web.conftest import Api

FORM = "application/x-www-form-urlencoded"
ROLES = ("none", "bad", "revoked", "read", "write", "admin")


def operations(api: Api) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in api.app.openapi()["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def needed(operation: dict[str, Any]) -> Scope | None:
    """The scope that an operation's `security` asks for; None where it asks for none."""
    if operation["security"] == []:
        return None
    (scope,) = {scope for way in operation["security"] for scopes in way.values() for scope in scopes}
    return Scope(scope)


def body_for(operation: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    if FORM in content:
        return {"data": {"key": "unknown"}}
    return {"json": {"seeds": [SEED]}} if content else {}


def key_of(api: Api, role: str) -> str | None:
    if role == "none":
        return None
    if role == "bad":
        return "refnet_" + "x" * 43
    return api.key(Scope.ADMIN, revoked=True) if role == "revoked" else api.key(Scope(role))


def test_every_route_declares_its_scope_and_stands_in_the_document(api: Api) -> None:
    routes = api.app.routes
    assert [route for route in routes if not isinstance(route, APIRoute)] == []
    silent = [route.path for route in routes if isinstance(route, APIRoute) and declared(route) is None]
    assert silent == []
    shown = {(method.upper(), path) for method, path, _ in operations(api)}
    assert {(m, r.path_format) for r in routes if isinstance(r, APIRoute) for m in r.methods or ()} == shown


def test_only_these_ask_nobody_for_a_key(api: Api) -> None:
    assert sorted((method, path) for method, path, one in operations(api) if needed(one) is None) == [
        ("get", "/health"),
        ("get", "/login"),
        ("get", "/ready"),
        ("post", "/login"),
    ]


@pytest.mark.parametrize("loopback", [True, False], ids=["loopback", "other"])
@pytest.mark.parametrize("role", ROLES)
def test_every_cell_of_the_matrix_is_as_declared(open_api: Callable[..., Api], role: str, loopback: bool) -> None:
    api = open_api(loopback=loopback)
    api.key(Scope.READ)  # one is made, so that all are asked
    key = key_of(api, role)
    cells, expected = {}, {}
    for number, (method, path, operation) in enumerate(operations(api)):
        # From an address each, so that bad keys are not too many.
        client = api.client(key, address=f"10.0.1.{number}")
        url = path.format(crawl_id=1, paper_id=SEED, dead_id=1)
        answer = client.request(method.upper(), url, **body_for(operation), follow_redirects=False)
        scope = needed(operation)
        if scope is None or (role in ("read", "write", "admin") and Scope(role).allows(scope)):
            expected[method, path] = "let in"
        else:
            expected[method, path] = "403" if role in ("read", "write", "admin") else "401"
        own = path == "/login" and method == "post"  # it says itself that the key is not valid
        let_in = answer.status_code not in (401, 403) or own
        cells[method, path] = "let in" if let_in else str(answer.status_code)
        assert answer.status_code < 500

    assert cells == expected
    assert len(cells) >= 18


def test_an_unknown_address_is_not_told_from_a_known_one_without_a_key(open_api: Callable[..., Api]) -> None:
    client = open_api(loopback=False).client()

    for path in ("/api/v1/crawls", "/api/v1/nothing", "/metrics", "/openapi.json", "/"):
        answer = client.get(path)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_key_that_is_revoked_ends_within_five_seconds(api: Api) -> None:
    made, token = api.application.store.make_key(Scope.READ)
    client = api.client(token)
    assert client.get("/api/v1/jobs").status_code == 200
    api.application.store.revoke_key(made.id)

    ring = api.app.state.keys
    now = ring._clock()
    ring._clock = lambda: now + 5

    assert client.get("/api/v1/jobs").status_code == 401


def test_after_some_bad_keys_an_address_has_to_wait_whatever_it_says_of_itself(api: Api) -> None:
    good = api.key(Scope.READ)
    client = api.client("refnet_bad")
    codes = [
        client.get("/api/v1/jobs", headers={"X-Forwarded-For": f"192.0.2.{number}"})
        for number in range(MOST_FAILURES + 1)
    ]

    assert [one.status_code for one in codes] == [401] * MOST_FAILURES + [429]
    assert int(codes[-1].headers["Retry-After"]) >= 1
    assert api.client("refnet_bad", address="10.0.0.8").get("/api/v1/jobs").status_code == 401
    assert api.client(good).get("/api/v1/jobs").status_code == 200, "others there have a valid key"


def test_a_crawl_carries_the_scope_of_the_key_that_asked_for_it(api: Api) -> None:
    answer = api.client(api.key(Scope.WRITE)).post("/api/v1/crawls", json={"seeds": [SEED]})

    assert answer.status_code == 202
    assert api.application.store.take_requests_due(1) == [(SEED, "write")]


def test_while_no_key_is_made_the_laptop_user_is_the_operator(api: Api) -> None:
    assert api.client().post("/api/v1/crawls", json={"seeds": [SEED]}).status_code == 202
    assert api.application.store.take_requests_due(1) == [(SEED, None)]


def test_the_first_key_closes_the_door_within_a_few_seconds(api: Api) -> None:
    client = api.client()
    assert client.get("/api/v1/jobs").status_code == 200
    api.key(Scope.READ)
    ring = api.app.state.keys
    now = ring._clock()
    ring._clock = lambda: now + 5

    assert client.get("/api/v1/jobs").status_code == 401


# ---- pages of other sites


#: What begins like a name of this machine.
ALMOST = (
    "[::1]evil.com",
    "[::1]:80evil.com",
    "[::1].evil.com:80",
    "127.0.0.1:80.evil.com",
    "localhost:x",
    "::1",
    "[::1",
)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "10.0.0.1", "", "localhost.evil.example", "[::2]", *ALMOST]
)
def test_without_keys_only_names_of_this_machine_are_answered(api: Api, host: str) -> None:
    answer = api.client().get("/health", headers={"Host": host})

    assert answer.status_code == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:9", "[::1]:8000", "127.8.8.8"])
def test_every_name_of_this_machine_is_answered(api: Api, host: str) -> None:
    assert api.client().get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:8001", "http://localhost:8000"])
def test_without_keys_a_page_of_another_site_can_do_nothing(api: Api, origin: str) -> None:
    answer = api.client().post("/api/v1/crawls", json={"seeds": [SEED]}, headers={"Origin": origin})

    assert answer.status_code == 403
    assert not api.application.store.requests_due()


def test_a_page_of_our_own_can(api: Api) -> None:
    answer = api.client().post("/api/v1/crawls", json={"seeds": [SEED]}, headers={"Origin": "http://127.0.0.1:8000"})

    assert answer.status_code == 202
