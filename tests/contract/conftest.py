"""The same suite over both databases: `engine` and `store` are SQLite in a file, then PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from refnet.adapters.database.engine import database_url, open_engine, writing
from refnet.adapters.database.migrate import upgrade
from refnet.adapters.database.schema import metadata
from refnet.adapters.database.store import Store
from tests.servers import fresh_database


class Clock:
    """A clock that stands still until it is moved; what the store asks for the time."""

    def __init__(self) -> None:
        self.now = 1_750_000_000.0

    def __call__(self, connection: Connection) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(scope="session")
def shared_postgres(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """One database for the suite; making one for each test would take most of its time."""
    server = request.getfixturevalue("postgres_url")
    with fresh_database(server) as url:
        engine = open_engine(database_url(url))
        upgrade(engine)
        yield engine
        engine.dispose()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database at the present schema, migrated once."""
    path = tmp_path_factory.mktemp("template") / "refnet.db"
    engine = open_engine(database_url(f"sqlite:///{path}"))
    upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "postgresql":
        engine: Engine = request.getfixturevalue("shared_postgres")
        with writing(engine) as connection:
            for table in metadata.sorted_tables:
                connection.execute(table.delete())  # several times as fast as TRUNCATE for a few rows
        yield engine
        return
    path = tmp_path / "refnet.db"
    shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
    engine = open_engine(database_url(f"sqlite:///{path}"))
    yield engine
    engine.dispose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(engine: Engine, clock: Clock) -> Store:
    return Store(engine, clock=clock)
