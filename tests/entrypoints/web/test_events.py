"""Progress as server-sent events: all first, then what changes, and on from where a stream broke off."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.testclient import TestClient

from refnet.demo.bundled import SEED
from refnet.domain.crawls import CrawlSeed, crawl_key
from refnet.domain.papers import Direction
from refnet.domain.permissions import Scope
from refnet.entrypoints.web import events
from refnet.entrypoints.web.key_ring import FRESH
from tests.entrypoints.web.conftest import Api


@dataclass(frozen=True)
class Event:
    name: str
    id: str
    data: dict[str, Any]


def parsed(text: str) -> list[Event]:
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            found.append(Event(fields["event"], fields["id"], json.loads(fields["data"])))
    return found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOOK_EVERY", 0.01)


@pytest.fixture
def crawl_id(api: Api, client: TestClient) -> int:
    """A crawl that was asked for."""
    found: int = client.post("/api/v1/crawls", json={"seeds": [SEED]}).json()["id"]
    return found


class Scripted:
    """Lets something happen each time that the crawl is looked at."""

    def __init__(self, api: Api, monkeypatch: pytest.MonkeyPatch, *happenings: Any) -> None:
        look = events._look
        left = list(happenings)

        def looked(store: Any, crawl_id: int) -> Any:
            found = look(store, crawl_id)
            if left:
                left.pop(0)()
            return found

        monkeypatch.setattr(events, "_look", looked)


def begin(api: Api, crawl_id: int) -> None:
    store = api.application.store
    store.next_request()
    seeds = [CrawlSeed("s", SEED, "")]
    assert store.begin_request(crawl_id, crawl_key(["s"], Direction.BOTH), seeds, []) == crawl_id


def follow(client: TestClient, crawl_id: int, last: str | None = None) -> list[Event]:
    headers = {} if last is None else {"Last-Event-ID": last}
    answer = client.get(f"/api/v1/crawls/{crawl_id}/events", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    return parsed(answer.text)


def test_all_is_told_first_then_what_changes_until_the_end(
    api: Api, client: TestClient, crawl_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = api.application.store
    Scripted(
        api,
        monkeypatch,
        lambda: None,  # asked whether there is such a crawl
        lambda: begin(api, crawl_id),
        lambda: store.tell_progress(crawl_id, {"phase": "collecting papers", "requests": 3}),
        lambda: store.fail_request(crawl_id, "It cannot be."),
    )

    told = follow(client, crawl_id)

    assert [event.name for event in told] == ["snapshot", "progress", "progress", "end"]
    assert told[0].data == {"id": crawl_id, "state": "queued"}
    assert told[1].data == {"state": "running", "found": 1, "collected": 0}
    assert told[2].data == {"phase": "collecting papers", "requests": 3}
    assert (told[3].data["state"], told[3].data["reason"]) == ("failed", "It cannot be.")
    assert len({event.id for event in told}) == 4


def test_who_comes_again_is_told_what_changed_meanwhile_and_nothing_twice(
    api: Api, client: TestClient, crawl_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = api.application.store
    first = follow_a_little(api, client, crawl_id, monkeypatch)
    begin(api, crawl_id)
    Scripted(api, monkeypatch, lambda: None, lambda: store.fail_request(crawl_id, "No."))

    told = follow(client, crawl_id, first[-1].id)

    assert [event.name for event in told] == ["progress", "end"]
    assert told[0].data == {"state": "running", "found": 1, "collected": 0}


def follow_a_little(api: Api, client: TestClient, crawl_id: int, monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """A stream that ends with its first event, for the server drains."""
    with monkeypatch.context() as patch:
        Scripted(api, patch, lambda: None, api.serving.draining.set)
        told = follow(client, crawl_id)
    api.serving.draining.clear()
    return told


def test_streams_end_when_the_server_drains_and_the_crawl_does_not(
    api: Api, client: TestClient, crawl_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = follow_a_little(api, client, crawl_id, monkeypatch)

    assert [event.name for event in told] == ["snapshot"]
    assert client.get(f"/api/v1/crawls/{crawl_id}").json()["state"] == "queued"


def test_a_crawl_that_is_over_is_told_once_and_a_browser_that_comes_again_is_sent_away(client: TestClient) -> None:
    told = follow(client, 1)

    assert [event.name for event in told] == ["snapshot", "end"]
    assert told[-1].data["state"] == "finished"
    again = client.get("/api/v1/crawls/1/events", headers={"Last-Event-ID": told[-1].id})
    assert again.status_code == 204


@pytest.mark.parametrize(
    "identity", ["x", "=", "W10=", "eyJpZCI6Mn0=", "1" * 3_000, base64.b64encode(b"[" * 900).decode()]
)
def test_an_id_that_is_none_of_this_crawls_begins_anew(client: TestClient, identity: str) -> None:
    assert [event.name for event in follow(client, 1, identity)] == ["snapshot", "end"]


def test_a_stream_says_that_it_lives_where_nothing_happens(
    api: Api, client: TestClient, crawl_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "ALIVE_EVERY", 0.0)
    looks: list[Any] = [lambda: None] * 3
    Scripted(api, monkeypatch, *looks, api.serving.draining.set)

    answer = client.get(f"/api/v1/crawls/{crawl_id}/events")

    assert ": alive\n\n" in answer.text


def test_there_are_only_so_many_streams_of_one_and_of_all_and_places_are_given_back(
    api: Api, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST_OF_ONE", 1)
    for _ in range(3):
        follow(client, 1)
    streams = api.app.state.streams
    streams.open("10.0.0.7")

    answer = client.get("/api/v1/crawls/1/events")

    assert answer.status_code == 429
    assert answer.headers["Retry-After"]
    monkeypatch.setattr(events, "MOST_STREAMS", 1)
    assert api.client(address="10.0.0.8").get("/api/v1/crawls/1/events").status_code == 429
    streams.close("10.0.0.7")
    assert follow(client, 1)


def test_a_database_that_is_away_for_a_moment_ends_no_stream(
    api: Api, client: TestClient, crawl_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from refnet.domain.errors import StoreUnavailable

    def away() -> None:
        raise StoreUnavailable("locked")

    cancel = lambda: api.application.store.cancel_crawl(crawl_id)  # noqa: E731
    Scripted(api, monkeypatch, lambda: None, lambda: None, away, cancel)

    assert [event.name for event in follow(client, crawl_id)] == ["snapshot", "end"]


@pytest.mark.parametrize("by", ["key", "session", "nothing"])
def test_a_stream_ends_soon_after_what_it_was_opened_with_holds_no_more(
    api: Api, client: TestClient, crawl_id: int, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setattr(events, "ASK_EVERY", 0.0)
    store, ring = api.application.store, api.app.state.keys
    now = ring._clock()
    key = "" if by == "nothing" else api.key(Scope.READ)
    if key:
        ring._clock = lambda: now + FRESH  # or it is not known yet that there are keys
        client = api.client(key if by == "key" else None)
        client.post("/login", data={"key": key})

    def no_more() -> None:
        if by == "nothing":
            api.key(Scope.READ)
        else:
            made = store.key_of(key)
            assert made is not None
            store.revoke_key(made.id)
        ring._clock = lambda: now + 10 * FRESH

    nothing: Any = lambda: None  # noqa: E731
    Scripted(api, monkeypatch, nothing, nothing, nothing, no_more, lambda: store.cancel_crawl(crawl_id), nothing)

    assert [event.name for event in follow(client, crawl_id)] == ["snapshot"]


def test_an_id_stays_short_however_long_the_reason_and_who_has_the_end_is_sent_away(
    api: Api, client: TestClient, crawl_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = api.application.store
    reason = "Ünlesbar: " + "the reason of it all, at length. " * 200
    Scripted(api, monkeypatch, lambda: None, lambda: begin(api, crawl_id), lambda: store.fail_request(crawl_id, reason))

    told = follow(client, crawl_id)

    assert told[-1].data["reason"].startswith("Ünlesbar: the reason")
    assert all(len(event.id) < 500 for event in told)
    again = client.get(f"/api/v1/crawls/{crawl_id}/events", headers={"Last-Event-ID": told[-1].id})
    assert again.status_code == 204
