from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from refnet.adapters.database.engine import database_url, open_engine
from refnet.adapters.database.migrate import upgrade
from refnet.adapters.database.store import Store


class Clock:
    """The database's clock, and with `monotonic` a process's own; both are moved by hand."""

    def __init__(self) -> None:
        self.now = 1_750_000_000.0

    def __call__(self, connection: Connection) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "refnet.db"
    engine = open_engine(database_url(f"sqlite:///{path}"))
    upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture
def engine(sqlite_template: Path, tmp_path: Path) -> Iterator[Engine]:
    path = tmp_path / "refnet.db"
    shutil.copyfile(sqlite_template, path)
    engine = open_engine(database_url(f"sqlite:///{path}"))
    yield engine
    engine.dispose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(engine: Engine, clock: Clock) -> Store:
    return Store(engine, clock=clock)
