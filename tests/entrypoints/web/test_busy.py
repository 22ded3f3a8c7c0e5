"""A server whose threads or database connections are all in use: it says so, and still says that it lives."""

from __future__ import annotations

import inspect
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import QueuePool

from refnet.adapters.database.engine import reading
from refnet.bootstrap import Application
from refnet.domain.errors import StoreUnavailable
from refnet.entrypoints.web.health import get_health
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
