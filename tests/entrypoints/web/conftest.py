"""What tests of the API have: the application over an SQLite file, with a small crawl in it, and keys of each scope."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from refnet.bootstrap import Application, build
from refnet.demo.bundled import SEED, bundled_corpus
from refnet.demo.server import StandIn
from refnet.domain.identifiers import parse_seed
from refnet.domain.permissions import Scope
from refnet.entrypoints.web.app import create_app
from refnet.entrypoints.web.routing import Serving
from refnet.pipeline.map_papers import MapRequest
from refnet.pipeline.progress import Silent
from refnet.settings import load_settings

BASE = "http://127.0.0.1:8000"


@dataclass
class Api:
    """The application, and clients of it."""

    application: Application
    serving: Serving
    app: FastAPI
    _stack: ExitStack

    def client(self, key: str | None = None, base: str = BASE, address: str = "10.0.0.7") -> TestClient:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        client = TestClient(self.app, base, headers=headers, client=(address, 50_000), raise_server_exceptions=False)
        return self._stack.enter_context(client)

    def key(self, scope: Scope, *, revoked: bool = False) -> str:
        made, token = self.application.store.make_key(scope)
        if revoked:
            self.application.store.revoke_key(made.id)
        return token


@pytest.fixture(scope="session")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with one finished crawl of five papers."""
    folder = tmp_path_factory.mktemp("crawled")
    with StandIn(bundled_corpus()) as stand_in, pytest.MonkeyPatch.context() as environment:
        environment.setenv("REFNET_DATA_DIR", str(folder))
        environment.setenv("REFNET_PRIVATE_HOSTS_ONLY", "1")
        environment.setenv("SEMANTIC_SCHOLAR_URL", stand_in.url)
        environment.setenv("SEMANTIC_SCHOLAR_RPS", "1000")
        application = build(load_settings())
        with application.at_work(), application.mapper(Silent()) as mapper:
            mapper.map(MapRequest([parse_seed(SEED)], limit=5), application.vault(folder / "vault"))
        application.engine.dispose()
    return folder / "refnet.db"


@pytest.fixture
def open_api(tmp_path: Path, crawled: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Api]]:
    """Makes the application: `open_api(loopback=True, **environment)`."""
    with ExitStack() as stack:

        def make(*, loopback: bool = True, **environment: str) -> Api:
            folder = tmp_path / "refnet-data"
            folder.mkdir(exist_ok=True)
            shutil.copyfile(crawled, folder / "refnet.db")
            for name, value in {"REFNET_API_RPS": "100000", **environment}.items():
                monkeypatch.setenv(name, value)
            application = build(load_settings())
            stack.callback(application.engine.dispose)
            serving = Serving(loopback=loopback)
            return Api(application, serving, create_app(application, serving), stack)

        yield make


@pytest.fixture
def api(open_api: Callable[..., Api]) -> Api:
    return open_api()


@pytest.fixture
def client(api: Api) -> TestClient:
    """A laptop user's, who is asked for no key."""
    return api.client()
