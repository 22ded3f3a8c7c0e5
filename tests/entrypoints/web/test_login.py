"""Browsers: a key swapped for a cookie, and what a page of another site cannot do with it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from refnet.demo.bundled import SEED
from refnet.domain.permissions import Scope
from refnet.entrypoints.web.gate import MOST_FAILURES
from refnet.entrypoints.web.limits import Buckets
from refnet.entrypoints.web.security import CSRF, SESSION
from tests.entrypoints.web.conftest import BASE, Api


@pytest.fixture
def browser(api: Api) -> TestClient:
    """One that has signed in with a key that may write."""
    browser = api.client()
    answer = browser.post("/login", data={"key": api.key(Scope.WRITE)}, follow_redirects=False)
    assert answer.status_code == 303
    return browser


def test_the_page_asks_for_a_key_runs_no_script_and_sends_it_nowhere_else(api: Api) -> None:
    api.key(Scope.READ)
    page = api.client().get("/login")

    assert 'type="password"' in page.text
    assert "<script" not in page.text
    policy = page.headers["Content-Security-Policy"]
    assert {"default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= {
        part.strip() for part in policy.split(";")
    }
    assert "unsafe" not in policy


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(api: Api) -> None:
    key = api.key(Scope.READ)
    for headers, secure in (({}, False), ({"Origin": "https://127.0.0.1:8000"}, True)):
        answer = api.client().post("/login", data={"key": key}, headers=headers, follow_redirects=False)
        session, csrf = answer.headers.get_list("set-cookie")
        assert session.startswith(f"{SESSION}=")
        assert "HttpOnly" in session
        assert csrf.startswith(f"{CSRF}=")
        assert "HttpOnly" not in csrf
        for cookie in (session, csrf):
            assert "samesite=strict" in cookie.lower()
            assert ("Secure" in cookie) is secure
        assert key not in str(answer.headers)


def test_a_browser_that_signed_in_reads_without_a_header(browser: TestClient) -> None:
    assert browser.get("/api/v1/jobs").status_code == 200
    assert "write" in browser.get("/login").text


def test_a_password_for_the_proxy_before_it_keeps_a_browser_signed_in_and_is_no_bad_key(
    browser: TestClient, api: Api
) -> None:
    password = {"Authorization": "Basic eW91OnB3"}
    browser.headers.update(password)
    token = {"X-CSRF-Token": browser.cookies[CSRF]}

    assert browser.get("/api/v1/jobs").status_code == 200
    assert browser.post("/api/v1/crawls", json={"seeds": [SEED]}).status_code == 403, "it is the cookie that counts"
    assert browser.post("/api/v1/crawls", json={"seeds": [SEED]}, headers=token).status_code == 202
    browser.headers["Authorization"] = "Bearer refnet_bad"
    assert browser.get("/api/v1/jobs").status_code == 401, "a key goes before the cookie"
    stranger = [api.client(address="10.0.0.9").get("/api/v1/jobs", headers=password) for _ in range(MOST_FAILURES + 1)]
    assert {one.status_code for one in stranger} == {401}


@pytest.mark.parametrize(
    "foreign", ['foo={"a": 1}', "theme=a b", "a[b]=c", "user@host=1", "ä=ö", "=", "novalue", "x=refnet_session=y"]
)
@pytest.mark.parametrize("order", ["{foreign}; {own}", "{own}; {foreign}", "{foreign};{own}"])
def test_whatever_cookies_others_have_set_keep_a_browser_signed_in(
    browser: TestClient, api: Api, foreign: str, order: str
) -> None:
    cookies = order.format(foreign=foreign, own=f"{SESSION}={browser.cookies[SESSION]}")

    assert api.client().get("/api/v1/jobs", headers={b"Cookie": cookies.encode("latin-1")}).status_code == 200


def test_what_only_looks_like_the_cookie_of_a_session_is_none(api: Api) -> None:
    api.key(Scope.READ)
    client = api.client()

    for cookies in (f"{SESSION}=", f"x{SESSION}=y", f"x={SESSION}=y", SESSION):
        answers = [client.get("/api/v1/jobs", headers={"Cookie": cookies}) for _ in range(MOST_FAILURES + 1)]
        assert {answer.status_code for answer in answers} == {401}, "nobody tried a key"


def test_it_changes_something_only_with_the_token_of_its_session(browser: TestClient, api: Api) -> None:
    wish = {"seeds": [SEED]}
    token = browser.cookies[CSRF]

    assert browser.post("/api/v1/crawls", json=wish).status_code == 403
    assert browser.post("/api/v1/crawls", json=wish, headers={"X-CSRF-Token": "x" * 64}).status_code == 403
    elsewhere = {"X-CSRF-Token": token, "Origin": "http://evil.example"}
    assert browser.post("/api/v1/crawls", json=wish, headers=elsewhere).status_code == 403
    other = api.client()
    other.post("/login", data={"key": api.key(Scope.WRITE)})
    assert browser.post("/api/v1/crawls", json=wish, headers={"X-CSRF-Token": other.cookies[CSRF]}).status_code == 403
    assert not api.application.store.requests_due()
    assert browser.post("/api/v1/crawls", json=wish, headers={"X-CSRF-Token": token}).status_code == 202


def test_a_session_may_no_more_than_its_key(api: Api) -> None:
    browser = api.client()
    browser.post("/login", data={"key": api.key(Scope.READ)})

    answer = browser.post("/api/v1/crawls", json={"seeds": [SEED]}, headers={"X-CSRF-Token": browser.cookies[CSRF]})

    assert answer.status_code == 403
    assert "write" in answer.json()["detail"]


def test_signing_out_ends_the_session_at_once(browser: TestClient, api: Api) -> None:
    session = browser.cookies[SESSION]
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', browser.get("/login").text)
    assert found is not None

    answer = browser.post("/logout", data={"csrf": found[1]}, follow_redirects=False)

    assert answer.status_code == 303
    assert SESSION not in browser.cookies
    assert api.client().get("/api/v1/jobs", headers={"Cookie": f"{SESSION}={session}"}).status_code == 401


def test_a_revoked_key_ends_its_sessions_within_five_seconds(browser: TestClient, api: Api) -> None:
    assert browser.get("/api/v1/jobs").status_code == 200
    keys = api.application.store.keys()
    for key in keys:
        api.application.store.revoke_key(key.id)
    ring = api.app.state.keys
    now = ring._clock()
    ring._clock = lambda: now + 5

    assert browser.get("/api/v1/jobs").status_code == 401


def test_bad_keys_are_refused_alike_and_after_some_the_address_has_to_wait(api: Api) -> None:
    good, revoked = api.key(Scope.READ), api.key(Scope.READ, revoked=True)
    client = api.client()
    answers = [client.post("/login", data={"key": key}) for key in ("", "x", revoked, "x" * 900)]
    assert len({answer.json()["detail"] for answer in answers}) == 1
    assert {answer.status_code for answer in answers} == {401}

    codes = [client.post("/login", data={"key": "x"}).status_code for _ in range(MOST_FAILURES)]

    assert codes[-1] == 429
    assert client.post("/login", data={"key": good}).status_code == 200, "behind a proxy it may be somebody else's"
    assert api.client().post("/login", data={"key": "x"}).status_code == 429
    assert api.client(address="10.0.0.9").post("/login", data={"key": "x"}).status_code == 401


def test_a_valid_key_signs_in_however_much_was_asked_from_its_address_by_others(
    open_api: Callable[..., Api],
) -> None:
    api = open_api(REFNET_API_RPS="0.01")
    good, other = api.key(Scope.READ), api.key(Scope.READ)
    api.client().get("/health")
    assert api.client().get("/health").status_code == 429
    api.app.state.requests = Buckets(0.01, 1)

    codes = [
        api.client().post("/login", data={"key": key}, follow_redirects=False).status_code
        for key in (good, good, other)
    ]

    assert codes == [303, 429, 303], "but each key only so often"


def test_no_page_of_another_site_signs_a_browser_in(api: Api) -> None:
    answer = api.client().post("/login", data={"key": api.key(Scope.READ)}, headers={"Origin": "http://evil.example"})

    assert answer.status_code == 403


def test_only_a_form_is_taken(api: Api) -> None:
    assert api.client().post("/login", json={"key": "x"}).status_code == 415
    assert BASE.startswith("http://127.")


def test_a_browser_that_is_refused_gets_the_page_again_and_a_script_a_problem(api: Api) -> None:
    api.key(Scope.READ)
    pages = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    client = api.client()
    answers = [client.post("/login", data={"key": "x"}, headers={"Accept": pages}) for _ in range(MOST_FAILURES + 1)]

    assert [one.status_code for one in answers] == [401] * MOST_FAILURES + [429]
    assert '<p role="alert">That is no valid key.</p>' in answers[0].text
    assert 'name="key"' in answers[0].text
    wait = answers[-1].headers["Retry-After"]
    assert f"Too many keys that are not valid. Try again in {wait} s." in answers[-1].text
    assert client.post("/login", data={"key": "x"}).headers["content-type"] == "application/problem+json"


def test_the_page_lets_a_browser_say_where_its_form_comes_from(api: Api) -> None:
    """Where a page forbids that, Chromium sends `Origin: null`, which is another site's."""
    api.key(Scope.READ)

    assert api.client().get("/login").headers["Referrer-Policy"] == "same-origin"
    assert api.client().post("/login", data={"key": "x"}, headers={"Origin": "null"}).status_code == 403


@pytest.mark.parametrize("body", [b"", b"key=%00", b"key=%ED%A0%80", b"key=\xff", b"key=" + b"9" * 900, b"&" * 900])
def test_a_form_with_whatever_in_it_is_a_bad_key(api: Api, body: bytes) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    assert api.client().post("/login", content=body, headers=form).status_code == 401
