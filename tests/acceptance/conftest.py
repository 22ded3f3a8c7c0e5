"""What acceptance tests have: the command, and stand-ins for it to talk to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from refnet.demo.bundled import bundled_corpus, demo_corpus, demo_downloads
from refnet.demo.graph import Corpus
from refnet.demo.server import StandIn
from refnet.demo.switches import Switches
from tests.acceptance.command import Refnet, Running, clean_environment

Serve = Callable[..., StandIn]
User = Callable[..., Refnet]


@pytest.fixture(scope="session")
def literature(shared: Path) -> Corpus:
    """The large corpus, of real recordings."""
    return Corpus.load(shared / "corpus")


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    yield
    Running.end_all()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a stand-in, by default for the bundled corpus."""
    with ExitStack() as stack:
        yield lambda corpus=None, **switches: stack.enter_context(
            StandIn(corpus or bundled_corpus(), Switches(**switches))
        )


@pytest.fixture
def library() -> Iterator[StandIn]:
    """What the demo talks to: with invented papers, and their PDFs."""
    with StandIn(demo_corpus(), downloads=demo_downloads()) as server:
        yield server


@pytest.fixture
def user(tmp_path: Path) -> User:
    """Makes a user of that name with an own data directory, who asks a stand-in as fast as it allows."""

    def make(stand_in: StandIn | str, name: str = "user", **environment: str) -> Refnet:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        url = stand_in if isinstance(stand_in, str) else stand_in.url
        settings = {"SEMANTIC_SCHOLAR_URL": url, "SEMANTIC_SCHOLAR_RPS": "1000", **environment}
        return Refnet(folder, clean_environment(folder / "data", **settings))

    return make


@pytest.fixture
def stand_in(serve: Serve) -> StandIn:
    """The bundled corpus, with no faults and no limit."""
    return serve()


@pytest.fixture
def refnet(user: User, stand_in: StandIn) -> Refnet:
    """A user of that stand-in."""
    return user(stand_in)
