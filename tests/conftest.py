"""What every test has: no network, an environment of its own, and the servers and data that it asks for."""

from __future__ import annotations

import logging
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from refnet.domain.about import now_about
from tests.guard import sitecustomize as guard
from tests.rabbitmq_server import RabbitServer, fresh_vhost, rabbitmq_program, running_rabbitmq
from tests.redis_server import RedisServer, redis_program, redis_programs, running_redis
from tests.servers import fresh_database, missing, postgres_binaries, running_postgres

ROOT = Path(__file__).resolve().parent.parent

#: Variables that refnet reads, or that change what it prints; the tests' own two stay.
_OURS = (
    "ANTHROPIC_",
    "AUTOSCALE_",
    "CELERY_",
    "C_FORCE_ROOT",
    "DATABASE_URL",
    "FLOWER_",
    "KOMBU_",
    "MAX_DEPTH",
    "OPENAI_",
    "OUTPUT_DIR",
    "REFNET_",
    "REMAP_SIGTERM",
    "SEMANTIC_SCHOLAR_",
    "XDG_",
)
_PRINTING = ("CI", "CLICOLOR", "COLUMNS", "FORCE_COLOR", "GITHUB_ACTIONS", "LINES", "NO_COLOR", "PY_COLORS")
_TESTS_OWN = ("REFNET_REQUIRE_ALL", "REFNET_SHARED")
_REDIS: list[Path | None] = [*redis_programs()] or [None]
_NO_REDIS = "no Redis on this machine and none among the test dependencies"

# Shared machines stall, so no deadline; where everything is required, a run must be the same as the last.
settings.register_profile("refnet", deadline=None, derandomize=os.environ.get("REFNET_REQUIRE_ALL") == "1")
settings.load_profile("refnet")

# A shell that starts the tests in the background has them ignore these, and children would, too.
for _number, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)

# Children start in another folder than this process did, so what is relative must be made absolute once.
_PYTHONPATH = os.pathsep.join(
    [str(Path(guard.__file__).parent)]
    + [str(Path(entry).resolve()) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("refnet")
    group.addoption("--made-up-seconds", type=int, default=12, help="of made-up requests to the API, in each role")


def pytest_keyboard_interrupt() -> None:
    """Ctrl-C is taken once by a process of pytest-xdist, which then ends what it started.

    Five seconds later its library sends it another, and a server that was about to be ended would stay.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def pytest_unconfigure() -> None:
    """Kombu gives back messages once more when the interpreter ends: its servers are gone, and what the log went to."""
    logging.raiseExceptions = False


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user with nothing set, no files and no network, who works in `tmp_path`; and a log that is about nothing yet."""
    now_about()  # a worker's task names what it is about until the next one begins
    for name in list(os.environ):
        if (name.startswith(_OURS) and name not in _TESTS_OWN) or name in _PRINTING:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REFNET_DATA_DIR", str(tmp_path / "refnet-data"))
    monkeypatch.setenv("REFNET_PRIVATE_HOSTS_ONLY", "1")
    monkeypatch.setenv("PYTHONPATH", _PYTHONPATH)
    monkeypatch.chdir(tmp_path)  # the vault's default is relative: it must not land in the repository


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded data beside the repository, or where REFNET_SHARED says; read only."""
    folder = Path(os.environ.get("REFNET_SHARED") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        missing(f"no recorded data at {folder}")
    return folder


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server that is ours for this run: a SQLAlchemy URL with all rights."""
    binaries = postgres_binaries()
    if binaries is None:
        missing("no PostgreSQL on this machine and none among the test dependencies")
    with running_postgres(binaries) as url:
        yield url


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """An empty database of the test's own on that server: a SQLAlchemy URL."""
    with fresh_database(postgres_url) as url:
        yield url


@pytest.fixture(params=_REDIS)
def each_redis(request: pytest.FixtureRequest) -> Path:
    """The program of each Redis there is, the machine's and the wheel's: they may be of different versions."""
    if request.param is None:
        missing(_NO_REDIS)
    assert isinstance(request.param, Path)
    return request.param


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis server that is ours for this run. A test that stops it or changes its settings starts its own."""
    if redis_program() is None:
        missing(_NO_REDIS)
    with running_redis() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """An empty Redis: its URL."""
    with redis_server.client() as redis:
        redis.flushall()
    return redis_server.url


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[RabbitServer]:
    """A RabbitMQ server that is ours for this run. A test that stops it starts its own."""
    if rabbitmq_program() is None:
        missing("no RabbitMQ on this machine")
    with running_rabbitmq() as server:
        yield server


@pytest.fixture
def rabbitmq_url(rabbitmq_server: RabbitServer) -> Iterator[str]:
    """An empty virtual host of the test's own on that server: its URL, with all rights."""
    with fresh_vhost(rabbitmq_server) as url:
        yield url


@pytest.fixture(scope="session")
def npm_yaml() -> Path:
    """A script for node that reads YAML as npm's `yaml` does; its first lines say how to speak with it."""
    tools = ROOT / "tests" / "tools"
    if shutil.which("node") is None:
        missing("node is not installed")
    if not (tools / "node_modules" / "yaml").is_dir():
        missing("npm's yaml is not installed; `make test` installs it where npm is")
    return tools / "read_yaml.js"
