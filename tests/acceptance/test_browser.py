"""A browser of today on the server's pages: it signs in, follows a crawl to its end, and has nothing to complain about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from refnet.demo.bundled import SEED
from tests.acceptance.command import Refnet
from tests.acceptance.serving import Server, serving
from tests.browser import Page, browsing

pytestmark = pytest.mark.slow

#: As a page of ours asks for a crawl, and follows it with nothing but the cookie.
ASK = """(async () => {
  const csrf = document.cookie.match(/refnet_csrf=([0-9a-f]+)/)[1];
  const answer = await fetch("/api/v1/crawls", {
    method: "POST",
    headers: {"Content-Type": "application/json", %s},
    body: JSON.stringify({seeds: ["%s"], depth: 1, limit: 20}),
  });
  return [answer.status, answer.headers.get("Location")];
})()"""
FOLLOW = """new Promise((resolve) => {
  const told = [], source = new EventSource("%s/events");
  const hear = (event) => {
    told.push([event.type, JSON.parse(event.data)]);
    if (event.type === "end") { source.close(); resolve(told); }
  };
  for (const type of ["snapshot", "progress", "end"]) source.addEventListener(type, hear);
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) resolve([...told, ["refused", {}]]); };
})"""


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with browsing(tmp_path) as one:
        yield one


@pytest.fixture
def key(refnet: Refnet) -> str:
    return str(refnet.done("keys", "create", "--scope", "write", "--json").json["key"])


@pytest.fixture
def server(refnet: Refnet, key: str) -> Server:
    del key  # one is made first, so that everybody is asked
    return serving(refnet)


def test_a_browser_signs_in_and_follows_a_crawl_to_its_end(page: Page, server: Server, key: str) -> None:
    page.open(f"{server.url}/login")
    page.submit("button", key)

    assert "Signed in" in page.text
    assert "write" in page.text
    cookies = page.cookies()
    assert {name: one["httpOnly"] for name, one in cookies.items()} == {"refnet_session": True, "refnet_csrf": False}
    assert {one["sameSite"] for one in cookies.values()} == {"Strict"}
    assert "refnet_session" not in page.run("document.cookie")

    status, place = page.run(ASK % ('"X-CSRF-Token": csrf', SEED))
    assert status == 202
    told = page.run(FOLLOW % place)
    assert [told[0][0], told[-1][0]] == ["snapshot", "end"]
    assert told[-1][1]["state"] == "finished"
    assert page.complaints == []

    assert page.run(ASK % ("", SEED))[0] == 403, "without the token of the session"
    page.submit("button")
    assert "Sign in" in page.text
    assert page.cookies() == {}


def test_a_key_that_does_not_hold_is_told_on_the_page_where_it_was_typed(page: Page, server: Server) -> None:
    page.open(f"{server.url}/login")
    page.submit("button", "not-a-key")

    assert "That is no valid key." in page.text
    assert page.cookies() == {}
    assert page.run("document.activeElement.name") == "key", "to be typed again"
    assert [one for one in page.complaints if "401" not in one] == []
    for _ in range(12):
        page.submit("button", "not-a-key")
    assert "Too many keys that are not valid. Try again in" in page.text
