"""A flood of keys that are not valid: it costs little, and keeps nobody out who has one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import islice

import pytest
from starlette.testclient import TestClient

from refnet.domain.permissions import ApiKey, Scope
from refnet.entrypoints.web.gate import MOST_FAILURES
from refnet.entrypoints.web.key_ring import FRESH, MOST_DOUBTED, KeyRing
from refnet.entrypoints.web.security import SESSION
from tests.entrypoints.web.conftest import Api

MANY = 30


def ask(client: TestClient, key: str) -> int:
    return client.get("/api/v1/jobs", headers={"Authorization": f"Bearer {key}"}).status_code


def ask_openly(client: TestClient, key: str) -> int:
    return client.get("/login", headers={"Authorization": f"Bearer {key}"}).status_code


def ask_as_browser(client: TestClient, key: str) -> int:
    return client.get("/api/v1/jobs", headers={"Cookie": f"{SESSION}={key}"}).status_code


def sign_in(client: TestClient, key: str) -> int:
    return client.post("/login", data={"key": key}, follow_redirects=False).status_code


@dataclass
class SlowWithBadKeys:
    """The keys of a store, which for a bad one answers only once it may."""

    has_keys: Callable[[], bool]
    _key_of: Callable[[str], ApiKey | None]
    _key_of_session: Callable[[str], ApiKey | None]

    def __post_init__(self) -> None:
        self.looked = threading.Semaphore(0)
        self.answers = threading.Event()

    def key_of(self, token: str) -> ApiKey | None:
        return self._look(token, self._key_of)

    def key_of_session(self, token: str) -> ApiKey | None:
        return self._look(token, self._key_of_session)

    def _look(self, token: str, find: Callable[[str], ApiKey | None]) -> ApiKey | None:
        if token.startswith("bad"):
            self.looked.release()
            assert self.answers.wait(60)
        return find(token)


@pytest.mark.parametrize(
    ("attempt", "refused", "put_off"),
    [(ask, 401, 429), (ask_openly, 200, 200), (ask_as_browser, 401, 429), (sign_in, 401, 429)],
)
def test_a_flood_takes_a_few_looks_at_a_time_and_keeps_no_valid_key_out(
    api: Api, attempt: Callable[[TestClient, str], int], refused: int, put_off: int
) -> None:
    used, unused = api.key(Scope.READ), api.key(Scope.READ)
    client, ring = api.client(), api.app.state.keys
    assert isinstance(ring, KeyRing)
    assert ask(client, used) == 200
    ring._clock = lambda: time.monotonic() + FRESH  # what was found is not fresh any more
    assert {attempt(client, f"bad{number}") for number in range(MOST_FAILURES)} == {refused}
    store = ring._store
    slow = ring._store = SlowWithBadKeys(store.has_keys, store.key_of, store.key_of_session)

    with ThreadPoolExecutor(MANY) as flood:
        attempts = [flood.submit(attempt, client, f"bad{number}") for number in range(MANY)]
        try:
            others = list(islice(as_completed(attempts, timeout=15), MANY - MOST_DOUBTED))
            assert ask(client, used) == 200, "one that was valid lately"
            # They have their turns before the others are put off, and their threads perhaps only later.
            looks = [slow.looked.acquire(timeout=15) for _ in range(MOST_DOUBTED)]
            looks.append(slow.looked.acquire(blocking=False))
        finally:
            slow.answers.set()

    assert {one.result() for one in others} == {put_off}
    assert looks == [True] * MOST_DOUBTED + [False]
    assert sign_in(client, unused) == 303
    assert ask(client, unused) == 200


def test_a_browser_that_is_put_off_gets_the_page_again(api: Api) -> None:
    api.key(Scope.READ)
    client, ring = api.client(), api.app.state.keys
    for number in range(MOST_FAILURES):
        sign_in(client, f"bad{number}")
    ring._doubted = MOST_DOUBTED

    answer = client.post("/login", data={"key": "bad"}, headers={"Accept": "text/html"})

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert 'name="key"' in answer.text
    assert client.get("/login", headers={"Authorization": "Bearer bad"}).status_code == 200
