"""S01: a crawl posted to the API runs through all three kinds of workers and ends as notes."""

from __future__ import annotations

from pathlib import Path

import pytest

from refnet.demo.bundled import SEED
from refnet.domain.crawls import CrawlState
from tests.acceptance.command import tree
from tests.acceptance.serving import ask, events, serving, to_its_end
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import Lab, until
from tests.redis_server import running_redis

pytestmark = pytest.mark.slow


def test_a_crawl_posted_to_the_api_ends_as_the_notes_of_map(lab: Lab, tmp_path: Path) -> None:
    for queue in ("crawler", "summarizer", "generator"):
        lab.worker(queue)
    key = lab.refnet.done("keys", "create", "--scope", "write", "--json").json["key"]
    server = serving(lab.refnet)
    with server.client(key) as client:
        place = ask(client, seeds=[SEED], depth=2, limit=40)
        told = to_its_end(client, place)
        crawl = client.get(place).json()
        server.until_ready(client)

    assert [told[0].name, told[-1].name] == ["snapshot", "end"]
    assert (crawl["state"], crawl["papers"], crawl["dead"]) == ("finished", 40, 0)
    alone = lab.refnet.without("CELERY_BROKER_URL", "DATABASE_URL").with_(
        OUTPUT_DIR=str(tmp_path / "alone"), REFNET_DATA_DIR=str(tmp_path / "data")
    )
    alone.map(SEED, "--depth", "2", "--limit", "40")
    assert tree(lab.vault) == tree(tmp_path / "alone")


def test_a_broker_that_answers_and_is_full_is_down(make_lab: MakeLab) -> None:
    with running_redis() as redis, redis.client() as broker:
        lab = make_lab(redis.url)
        lab.worker()
        server = serving(lab.refnet)
        with server.client() as client:
            server.until_ready(client)
            broker.config_set("maxmemory", "1mb")

            assert server.until_ready(client, 503).json()["parts"] == [
                {"name": "database", "ok": True},
                {"name": "broker", "ok": False},
                {"name": "workers", "ok": True},
            ]
            broker.config_set("maxmemory", "0")
            server.until_ready(client)


def test_a_crawl_is_written_down_while_no_worker_runs_and_cancelled_while_it_runs(
    make_lab: MakeLab, redis_url: str
) -> None:
    lab = make_lab(redis_url, environment={"REFNET_BATCH_IDS": "3", "SEMANTIC_SCHOLAR_RPS": "5"})
    server = serving(lab.refnet)
    with server.client() as client:
        place = ask(client, seeds=[SEED], depth=2, limit=100)
        assert client.get(place).json()["state"] == "queued"
        ready = client.get("/ready")
        assert (ready.status_code, ready.json()["detail"]) == (503, "Down: workers.")
        lab.worker()
        assert any(event.data.get("collected", 0) >= 5 for event in events(client, place))
        assert client.post(f"{place}/cancel").json()["state"] == "cancelled"
        assert to_its_end(client, place)[-1].data["state"] == "cancelled"
        until(lambda: lab.store.crawl(1).state is CrawlState.CANCELLED, what="the notes to be written")
        collected = client.get(place).json()["papers"]

    assert 5 <= collected < 100
    assert len(list((lab.vault / "papers").iterdir())) == collected
