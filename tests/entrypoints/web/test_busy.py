"""A server whose threads or database connections are all in use: it says so, and still says that it lives."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr
from sqlalchemy import create_engine
from sqlalchemy.pool import QueuePool

from refnet.adapters.database.engine import reading
from refnet.bootstrap import Application
from refnet.domain.errors import StoreUnavailable
from refnet.domain.permissions import Scope
from refnet.entrypoints.web import gate, metrics
from refnet.entrypoints.web.app import create_app
from refnet.entrypoints.web.health import get_health
from refnet.entrypoints.web.key_ring import FRESH
from tests.entrypoints.web.conftest import Api


def test_a_request_that_gets_no_database_connection_is_told_to_come_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = api.client()
    assert client.get("/api/v1/jobs").status_code == 200
    pool = api.application.engine.pool
    assert isinstance(pool, QueuePool)
    monkeypatch.setattr(pool, "_timeout", 0.01)
    with ExitStack() as held:
        for _ in range(pool.size() + pool._max_overflow):
            held.enter_context(api.application.engine.connect())

        answer = client.get("/api/v1/jobs")

        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert client.get("/health").status_code == 200
    assert client.get("/api/v1/jobs").status_code == 200


def test_no_free_connection_is_a_store_that_is_not_available() -> None:
    engine = create_engine("sqlite://", poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.01)
    with (
        engine.connect(),
        pytest.raises(StoreUnavailable, match="All connections to the database sqlite:// are in use"),
        reading(engine),
    ):
        pass
    engine.dispose()


def test_the_sign_of_life_needs_no_thread() -> None:
    assert inspect.iscoroutinefunction(get_health)


def test_however_many_ask_whether_it_is_ready_they_take_one_thread(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    looking, go_on = threading.Event(), threading.Event()
    looks: list[int] = []

    def hangs(_: Application) -> None:
        looks.append(1)
        looking.set()
        assert go_on.wait(60)

    monkeypatch.setattr(Application, "check_schema", hangs)
    client = api.client()
    api.app.state.look.clock = lambda: 0.0  # the answer holds, however late somebody comes
    with ThreadPoolExecutor(61) as pollers:
        asked = [pollers.submit(client.get, "/ready") for _ in range(60)]
        assert looking.wait(60)
        other = pollers.submit(client.get, "/api/v1/jobs")
        try:
            assert other.result(30).status_code == 200
        finally:
            go_on.set()
        assert {one.result(60).status_code for one in asked} == {200}
    assert len(looks) == 1


def test_a_scrape_ends_before_prometheus_gives_up_though_all_that_it_asks_hangs_and_all_threads_do(
    open_api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    """Else a database that hangs would be told by no alert: a scrape that fails says nothing of it."""
    often = yaml.safe_load((root / "deploy" / "prometheus" / "prometheus.yml").read_text())["global"]
    gives_up = float(often["scrape_timeout"].rstrip("s"))
    assert gives_up - 1.5 >= gate.SCRAPE_PATIENCE + metrics.PATIENCE
    answers, hung = threading.Event(), threading.Semaphore(0)

    def hang(*_: object) -> None:
        hung.release()
        answers.wait(60)
        raise StoreUnavailable("It hung.")

    api = open_api(loopback=False)
    monkeypatch.setattr(Application, "cluster", hang)
    settings = api.application.settings.model_copy(update={"broker_url": SecretStr("redis://localhost")})
    api.app = create_app(replace(api.application, settings=settings), api.serving)
    client = api.client(api.key(Scope.READ))
    assert client.get("/api/v1/jobs").status_code == 200
    ring = api.app.state.keys
    ring._clock = lambda: time.monotonic() + FRESH
    ring._store = HangingKeys(hang)
    monkeypatch.setattr(metrics, "read_figures", hang)
    with ThreadPoolExecutor(60) as pollers:
        others = [pollers.submit(client.get, "/api/v1/jobs") for _ in range(60)]
        try:
            # As many threads as there are for requests.
            assert all(hung.acquire(timeout=30) for _ in range(40))
            began = time.monotonic()
            found = client.get("/metrics")
            took = time.monotonic() - began
        finally:
            answers.set()
        for one in others:
            one.result(60)
    assert found.status_code == 200
    assert "refnet_database_up 0" in found.text
    assert "refnet_broker_up 0" in found.text
    assert took < gives_up


class HangingKeys:
    def __init__(self, hang: Callable[..., None]) -> None:
        self.has_keys = self.key_of = self.key_of_session = hang
