"""The application that the measurements hold the API against: as strict, and it answers the same."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from benchmarks.bare_app import create_app
from refnet.domain.permissions import Scope
from tests.entrypoints.web.conftest import Api


@pytest.fixture
def bare(api: Api) -> TestClient:
    return TestClient(create_app(str(api.application.engine.url)))


def test_it_lets_nobody_in_without_a_key(bare: TestClient, api: Api) -> None:
    revoked = {"Authorization": f"Bearer {api.key(Scope.READ, revoked=True)}"}

    assert bare.get("/papers/1").status_code == 401
    assert bare.get("/papers", headers=revoked).status_code == 401


def test_it_gives_the_same_papers_as_the_api(bare: TestClient, api: Api) -> None:
    key = api.key(Scope.READ)
    bare.headers["Authorization"] = f"Bearer {key}"
    client = api.client(key)

    listed = client.get("/api/v1/papers").json()["items"]
    assert listed == bare.get("/papers").json()["items"]
    one = listed[0]["paper_id"]
    assert client.get(f"/api/v1/papers/{one}").json() == bare.get(f"/papers/{one}").json()
