"""T10 of reliability.md: each kind of process, asked to end in each way; workers while their tasks take a minute."""

from __future__ import annotations

from pathlib import Path

import pytest

from refnet.demo.bundled import SEED
from tests.acceptance.command import Refnet, clean_environment, tree
from tests.cluster.conftest import MakeLab
from tests.cluster.draining import WAYS, drain, end_beat, end_map
from tests.cluster.lab import Lab
from tests.rabbitmq_server import RabbitServer

pytestmark = pytest.mark.soak

#: Seconds within which a process is over. Source: T10.
SOON = 10.0


@pytest.fixture
def rabbit(request: pytest.FixtureRequest, broker_url: str) -> RabbitServer | None:
    """The broker's server, where that is a RabbitMQ."""
    return request.getfixturevalue("rabbitmq_server") if broker_url.startswith("amqp") else None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("start", ["celery", "refnet"])
@pytest.mark.parametrize("kind", ["crawler", "summarizer", "generator"])
def test_a_worker_asked_to_end_gives_everything_back(
    make_lab: MakeLab,
    broker_url: str,
    rabbit: RabbitServer | None,
    kind: str,
    start: str,
    way: str,
    figures: dict[str, object],
    tmp_path: Path,
) -> None:
    lab = make_lab(broker_url, environment={"REFNET_BATCH_IDS": "20"})
    drained = drain(lab, kind, start, way, rabbit)
    figures.update({"over after s": round(drained.took, 1), "at work again after s": round(drained.resumed, 1)})

    folder = tmp_path / "alone"
    folder.mkdir()
    other = Refnet(
        folder, clean_environment(folder / "data", SEMANTIC_SCHOLAR_URL=lab.stand_in.url, SEMANTIC_SCHOLAR_RPS="1000")
    )
    other.map(SEED, "--depth", "1")
    assert drained.mapped.code == 0, drained.mapped.err
    assert tree(lab.vault) == tree(folder / "vault")
    assert not lab.query("SELECT 1 FROM jobs WHERE state <> 'done' OR losses > 0")
    assert drained.code == 0
    assert drained.took <= SOON


@pytest.mark.parametrize("way", WAYS)
def test_a_beat_asked_to_end_ends_in_order(
    make_lab: MakeLab, broker_url: str, way: str, figures: dict[str, object]
) -> None:
    figures["over after s"] = took = end_beat(make_lab(broker_url), WAYS[way])
    assert took <= SOON


@pytest.mark.parametrize("way", WAYS)
def test_a_map_that_follows_a_crawl_ends_in_order(
    make_lab: MakeLab, broker_url: str, way: str, figures: dict[str, object]
) -> None:
    figures["over after s"] = took = end_map(make_lab(broker_url), WAYS[way], following=True)
    assert took <= SOON


@pytest.mark.parametrize("way", WAYS)
def test_a_map_that_collects_by_itself_gives_its_papers_back(lab: Lab, way: str, figures: dict[str, object]) -> None:
    figures["over after s"] = took = end_map(lab, WAYS[way], following=False)
    assert took <= SOON
