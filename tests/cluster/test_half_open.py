"""Connections that a firewall forgot: no answer and no error, for ever. T6 of reliability.md."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from refnet.demo.bundled import SEED
from refnet.domain.errors import BrokerUnavailable
from refnet.domain.jobs import DueJob, Stage
from tests.acceptance.command import Refnet, clean_environment, tree
from tests.cluster.conftest import MakeLab
from tests.cluster.faults import Proxy
from tests.cluster.lab import until

pytestmark = pytest.mark.slow

#: Seconds within which work is taken again, and for which a publisher may be held up.
RESUMES, HELD_UP = 30.0, 7.0


def proxy_of(url: str) -> Proxy:
    port = urlsplit(url).port
    assert port is not None
    return Proxy(port)


def held_up(publish: Callable[[], object]) -> float:
    """Seconds until it was done, or the broker given up."""
    asked = time.monotonic()
    with suppress(BrokerUnavailable):
        publish()
    return time.monotonic() - asked


def test_a_worker_whose_connections_to_the_broker_fell_silent_consumes_again(
    make_lab: MakeLab, broker_url: str
) -> None:
    lab = make_lab(broker_url)
    with proxy_of(broker_url) as proxy, lab.app() as app:
        worker = lab.with_(CELERY_BROKER_URL=proxy.through(broker_url)).worker("crawler")
        assert app.send_task("health_check", queue="crawler").get(timeout=60)["status"] == "healthy"
        assert proxy.cut() >= 1
        cut = time.monotonic()

        result = app.send_task("health_check", queue="crawler")
        result.get(timeout=60)

        took = time.monotonic() - cut
        print(f"consumes again after {took:.1f} s")
        assert took <= RESUMES
        assert not worker.is_over
    # RabbitMQ holds the lost connection's queues for some seconds; Celery alone would ask for them every 20 ms.
    assert worker.text.count("RESOURCE_LOCKED") <= 20
    worker.kill()


def test_a_worker_whose_connections_to_the_database_fell_silent_works_again(
    make_lab: MakeLab, redis_url: str, tmp_path: Path
) -> None:
    """Cut in the middle of much work, so that questions are on their way, transactions open and locks held."""
    lab = make_lab(redis_url, environment={"REFNET_BATCH_IDS": "2", "SEMANTIC_SCHOLAR_RPS": "10"})
    url = lab.environment["DATABASE_URL"]
    with proxy_of(url) as proxy:
        worker = lab.with_(DATABASE_URL=proxy.through(url)).worker()
        mapping = lab.refnet.start("map", SEED, "--depth", "1", "--json")
        until(lambda: len(lab.stand_in.log) >= 8, what="requests")
        assert proxy.cut() >= 3
        cut, asked = time.monotonic(), len(lab.stand_in.log)

        until(lambda: len(lab.stand_in.log) > asked + 2, what="requests")

        took = time.monotonic() - cut
        print(f"works again after {took:.1f} s")
        ended = mapping.wait()
        print(f"all is done after {time.monotonic() - cut:.1f} s")
        assert ended.code == 0, ended.err
        assert not worker.is_over
        assert took <= RESUMES
        worker.kill()
    folder = tmp_path / "alone"
    folder.mkdir()
    other = Refnet(
        folder, clean_environment(folder / "data", SEMANTIC_SCHOLAR_URL=lab.stand_in.url, SEMANTIC_SCHOLAR_RPS="1000")
    )
    other.map(SEED, "--depth", "1")
    assert tree(lab.vault) == tree(folder / "vault")


def test_a_worker_whose_connection_to_the_source_fell_silent_asks_again(make_lab: MakeLab, redis_url: str) -> None:
    """Long before an answer of the source's would be overdue."""
    lab = make_lab(redis_url, latency=1.5)
    url = lab.environment["SEMANTIC_SCHOLAR_URL"]
    with proxy_of(url) as proxy:
        worker = lab.with_(SEMANTIC_SCHOLAR_URL=proxy.through(url)).worker("crawler", "-c1")
        lab.store.add_by_hand(sorted(lab.stand_in.truth(SEED, 1)[1])[:3], None, 1, f"{lab.vault}-elsewhere")
        until(lambda: lab.stand_in.log, what="a request")
        assert proxy.cut() >= 1
        cut = time.monotonic()

        crawled = "SELECT 1 FROM jobs WHERE stage = 'crawl' AND state = 'done'"
        until(lambda: lab.query(crawled), what="the papers")

        took = time.monotonic() - cut
        print(f"asks again after {took:.1f} s")
        assert not lab.query("SELECT 1 FROM jobs WHERE losses > 0 OR attempts > 1")
        assert took <= RESUMES
        worker.kill()


def test_a_publisher_is_not_held_up_by_a_silent_broker(make_lab: MakeLab, broker_url: str) -> None:
    lab = make_lab(broker_url)
    with proxy_of(broker_url) as proxy, lab.with_(CELERY_BROKER_URL=proxy.through(broker_url)).cluster() as cluster:
        announcer, hint = cluster.announcer, [DueJob(1, SEED, 5)]
        announcer.send(Stage.CRAWL, hint)
        assert proxy.cut() >= 1
        took = [held_up(lambda: announcer.send(Stage.CRAWL, hint)) for _ in range(2)]
        with proxy.dark():
            took += [held_up(lambda: announcer.send(Stage.CRAWL, hint)) for _ in range(2)]
        print("a publisher was held up for", [f"{seconds:.1f} s" for seconds in took])
        assert max(took) <= HELD_UP
        until(lambda: held_up(lambda: announcer.send(Stage.CRAWL, hint)) < 0.5, what="the broker to be reached again")


def test_map_says_that_the_work_is_queued_and_goes_on_without_the_broker(make_lab: MakeLab, redis_url: str) -> None:
    lab = make_lab(redis_url)
    lab.worker()
    with proxy_of(redis_url) as proxy, proxy.dark():
        started = time.monotonic()
        mapping = lab.refnet.with_(CELERY_BROKER_URL=proxy.through(redis_url)).start("map", SEED, "--depth", "1")
        while "queued and will be announced" not in (line := mapping.line()):
            assert line, "it ended without a word"
        print(f"said so after {time.monotonic() - started:.1f} s")
        ended = mapping.wait()
        print(f"ended after {time.monotonic() - started:.1f} s")
        assert ended.code == 0, ended.err
