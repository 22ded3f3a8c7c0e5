"""What tests of the cluster have: a lab on real servers that the suite starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from refnet.demo.bundled import bundled_corpus, demo_downloads
from refnet.demo.graph import Corpus
from refnet.demo.server import StandIn
from refnet.demo.switches import Switches
from tests.acceptance.command import Refnet, Running, clean_environment
from tests.cluster.lab import Lab, open_lab

MakeLab = Callable[..., Lab]


@pytest.fixture(scope="session")
def literature(shared: Path) -> Corpus:
    """The large corpus, of real recordings."""
    return Corpus.load(shared / "corpus")


@pytest.fixture
def make_lab(tmp_path: Path, postgres_database: str) -> Iterator[MakeLab]:
    """Makes the test's lab on a broker: `make_lab(broker_url, corpus=None, environment={}, **switches)`."""
    with ExitStack() as stack:

        def make(
            broker_url: str, corpus: Corpus | None = None, environment: dict[str, str] | None = None, **switches: object
        ) -> Lab:
            stand_in = stack.enter_context(
                StandIn(corpus or bundled_corpus(), Switches(**switches), downloads=demo_downloads())  # type: ignore[arg-type]
            )
            folder = tmp_path / "lab"
            folder.mkdir()
            settings = {
                "SEMANTIC_SCHOLAR_URL": stand_in.url,
                "SEMANTIC_SCHOLAR_RPS": "1000",
                "REFNET_ARXIV_URL": stand_in.origin,
                "REFNET_ALLOW_PRIVATE_HOSTS": urlsplit(stand_in.origin).netloc,
                "DATABASE_URL": postgres_database,
                "CELERY_BROKER_URL": broker_url,
                "OUTPUT_DIR": str(folder / "vault"),
                **(environment or {}),
            }
            lab = open_lab(Refnet(folder, clean_environment(folder / "data", **settings)), stand_in, postgres_database)
            stack.callback(lab.end)
            stack.callback(Running.end_all)
            return lab

        yield make


@pytest.fixture
def lab(make_lab: MakeLab, redis_url: str) -> Lab:
    """A lab on Redis, with the bundled corpus."""
    return make_lab(redis_url)


@pytest.fixture(params=["redis_url", "rabbitmq_url"], ids=["redis", "rabbitmq"])
def broker_url(request: pytest.FixtureRequest) -> str:
    """Each broker in turn."""
    url: str = request.getfixturevalue(request.param)
    return url
