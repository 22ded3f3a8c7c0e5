"""S23: what `/metrics` says is true: counts of tasks, the ledger, queues, sources and workers."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from refnet.adapters.celery_queue.transport import PROBE
from refnet.demo.bundled import SEED
from refnet.entrypoints.celery.metrics import KEEP_EVERY
from tests.cluster.conftest import MakeLab
from tests.cluster.faults import Proxy, holders
from tests.cluster.lab import Lab, until
from tests.cluster.one_lab import FETCH
from tests.cluster.watching import Scrape, scrape, serving
from tests.redis_server import RedisServer, running_redis
from tests.servers import free_port

pytestmark = pytest.mark.slow

ACTING = "tests.cluster.acting_tasks"
HEALTH = "health_check"
TOTAL = "celery_tasks_total"


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """One that a test may stop."""
    with running_redis() as server:
        yield server


def counted(lab: Lab) -> Counter[tuple[str, str]]:
    """What the database has of counted tasks, by task and state."""
    rows = lab.query("SELECT task, state, CAST(sum(count) AS bigint) AS number FROM task_counts GROUP BY task, state")
    return Counter({(row.task, row.state): row.number for row in rows})


def ledger(lab: Lab) -> dict[tuple[str, ...], float]:
    rows = lab.query("SELECT stage, state, count(*) AS number FROM jobs GROUP BY stage, state")
    return {(row.stage, row.state): row.number for row in rows}


def results(lab: Lab) -> dict[tuple[str, ...], float]:
    """Tasks that ended for good, from Celery's table of results, as they are counted."""
    found = Counter((row.name, row.status.lower()) for row in lab.results() if row.status in ("SUCCESS", "FAILURE"))
    return dict(found)


def test_s23_after_a_crawl_the_metrics_are_what_the_ledger_the_results_and_the_source_say(
    make_lab: MakeLab, broker_url: str
) -> None:
    lab = make_lab(broker_url)
    for queue in ("crawler", "summarizer", "generator"):
        lab.worker(queue)
    lab.refnet.map(SEED, "--depth", "1")
    with lab.app() as app:
        failed = app.send_task(FETCH, ("0" * 40,))
        failed.get(timeout=60, propagate=False)

    with serving(lab) as url:

        def settled() -> Scrape | None:
            found = scrape(url)
            ended = {key: number for key, number in found.by(TOTAL, "task", "state").items() if key[1] in ENDS}
            waiting = found.by("refnet_queue_messages", "queue")
            # The crawl of what was fetched by hand goes on after that task's end.
            over = found.by("refnet_crawls", "state") == {("finished",): 2}
            return found if over and ended == results(lab) and waiting == {("dlq",): 1} else None

        found: Scrape = until(settled, timeout=30, what="the counts to be those of the results")

    assert found.by("refnet_jobs", "stage", "state") == ledger(lab)
    assert found.by("refnet_dead_letters", "kind") == {("job",): 1}
    assert found.by("refnet_requests_total", "source", "status") == {
        ("semantic_scholar", str(status)): number
        for status, number in Counter(entry.status for entry in lab.stand_in.log).items()
    }
    assert found.by("refnet_oldest_due_seconds", "stage") == {}
    assert found.by("refnet_workers", "queue", "state") == {
        (queue, state): 1 for queue in ("crawler", "summarizer", "generator") for state in ("alive", "consuming")
    }
    assert sum(found.by("refnet_worker_slots", "state").values()) == 6
    assert found.value("refnet_database_up") == found.value("refnet_broker_up") == 1
    begun = found.by("celery_task_duration_seconds_count", "task")
    assert sum(begun.values()) == sum(found.by(TOTAL, "task", "state").values())
    assert found.value("celery_task_duration_seconds_bucket", task=FETCH, le="+Inf") == begun[FETCH,]
    assert len(found.samples) <= 500


#: Of these states Celery's table of results tells, too.
ENDS = ("success", "failure")


def test_s23_every_way_in_which_a_task_can_end_is_counted_once(lab: Lab, tmp_path: Path) -> None:
    worker = lab.worker("crawler", "-c2", app=ACTING)
    notes, there = str(tmp_path / "notes"), str(tmp_path / "there")
    with lab.app() as app:

        def ends(task: str, *args: object, **options: object) -> None:
            app.send_task(task, args, queue="crawler", **options).get(timeout=60, propagate=False)

        ends("acting.note", notes, "success")
        ends("acting.note", notes, "comes again twice", 0.0, 2)
        ends("acting.fail_unless", there)
        ends("acting.poison", str(tmp_path / "killed"))
        ends("acting.cling", 60.0, soft_time_limit=1, time_limit=2)
        ends("acting.note", notes, "twice the same", task_id="the-same")
        app.send_task("acting.note", (notes, "twice the same"), queue="crawler", task_id="the-same")
        app.send_task("somebody.elses.task", (), queue="crawler")
        app.control.revoke("revoked-before")
        until(lambda: "revoked-before" in worker.text, what="the worker to hear of it")
        app.send_task("acting.note", (notes, "never"), queue="crawler", task_id="revoked-before")

    # A lost process is one retry and, the last time, one failure; so are the hard time limit and the bug.
    expected = {"success": 3, "retry": 3, "failure": 3, "ignored": 1, "rejected": 1, "revoked": 1}
    until(lambda: sum(counted(lab).values()) >= sum(expected.values()), timeout=30, what="all to be counted")
    worker.stop()
    assert counted(lab) == {("other", state): number for state, number in expected.items()}


def test_s23_the_counts_are_true_where_processes_of_the_pool_are_killed_at_work(
    make_lab: MakeLab, redis_url: str
) -> None:
    lab = make_lab(redis_url, latency=0.3)
    for queue in ("crawler", "summarizer", "generator"):
        lab.worker(queue)
    running = lab.refnet.start("map", SEED, "--depth", "2", "--json")
    killed = 0
    while killed < 5 and not running.is_over:
        for pid in holders(lab):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
        until(lambda: running.is_over or holders(lab), what="work to be taken up")
    assert running.wait().code == 0
    assert killed >= 3, "the kills missed"

    with serving(lab) as url:

        def settled() -> Scrape | None:
            found = scrape(url)
            ended = {key: number for key, number in found.by(TOTAL, "task", "state").items() if key[1] in ENDS}
            return found if ended == results(lab) else None

        found: Scrape = until(settled, timeout=30, what="the counts to be those of the results")
    assert found.by("refnet_jobs", "stage", "state") == ledger(lab)
    assert found.by("refnet_dead_letters", "kind") == {}
    assert sum(number for (_, state), number in found.by(TOTAL, "task", "state").items() if state == "retry") > 0


def test_s23_a_worker_that_is_asked_to_end_loses_no_count(lab: Lab) -> None:
    worker = lab.worker("crawler", "-c2", app="tests.cluster.rarely_kept")
    with lab.app() as app:
        sent = [app.send_task(HEALTH) for _ in range(100)]
        for one in sent:
            one.get(timeout=60, interval=0.01)
    assert counted(lab) == {}

    assert worker.stop() == 0

    assert counted(lab) == {(HEALTH, "success"): 100}


def test_s23_a_worker_that_is_killed_loses_the_counts_of_its_last_seconds_alone(lab: Lab) -> None:
    worker = lab.worker("crawler", "-c2")
    with lab.app() as app:
        for _ in range(10):
            app.send_task(HEALTH).get(timeout=60)
        until(lambda: counted(lab)[HEALTH, "success"] == 10, timeout=5 * KEEP_EVERY, what="them to be counted")
        worker.kill()
        lab.worker("crawler", "-c2", name="another")
        app.send_task(HEALTH).get(timeout=60)

    until(lambda: counted(lab)[HEALTH, "success"] == 11, timeout=5 * KEEP_EVERY, what="the last to be counted")


def test_s23_a_broker_that_is_gone_or_cut_off_is_said_and_holds_nobody_up(
    make_lab: MakeLab, redis: RedisServer
) -> None:
    with Proxy(redis.port) as proxy:
        lab = make_lab(proxy.through(redis.url))
        with serving(lab) as url:
            assert scrape(url).value("refnet_broker_up") == 1
            with proxy.dark():
                began = time.monotonic()
                found = scrape(url)
                assert time.monotonic() - began < 8.0, "Prometheus gives up after ten"
                assert found.value("refnet_broker_up") == 0
                assert found.value("refnet_database_up") == 1
                assert found.value("refnet_queue_messages", queue="crawler") is None, "unknown is not 0"
                assert found.value("refnet_jobs", stage="crawl", state="done") == 0
            until(lambda: scrape(url).value("refnet_broker_up") == 1, what="the broker to be found again")
            redis.kill()
            assert scrape(url).value("refnet_broker_up") == 0


def test_s23_a_redis_that_is_full_is_not_up_and_still_tells_what_waits(make_lab: MakeLab, redis: RedisServer) -> None:
    lab = make_lab(redis.url)
    with lab.app() as app, serving(lab) as url, redis.client() as client:
        app.send_task(HEALTH)
        assert scrape(url).value("refnet_broker_up") == 1

        client.config_set("maxmemory", "1mb")
        found = scrape(url)
        client.config_set("maxmemory", "0")

        assert found.value("refnet_broker_up") == 0
        assert found.value("refnet_queue_messages", queue="crawler") == 1
        assert scrape(url).value("refnet_broker_up") == 1
        assert until(lambda: not client.exists(PROBE), what="what was written to be gone")


def test_s23_a_database_that_does_not_answer_is_said_and_holds_nobody_up(lab: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        url = urlsplit(lab.environment["DATABASE_URL"])
        cut_off = lab.with_(DATABASE_URL=url._replace(netloc=f"{url.username}:x@127.0.0.1:{port}").geturl())
        with serving(cut_off) as address:
            began = time.monotonic()
            found = scrape(address)

            assert time.monotonic() - began < 8.0
            assert found.value("refnet_database_up") == 0
            assert found.value("refnet_broker_up") == 1


def test_s23_a_worker_shows_what_it_counted_itself_on_a_port_of_loopback(lab: Lab) -> None:
    port = free_port()
    worker = lab.with_(REFNET_METRICS_PORT=str(port)).worker("crawler", "-c2")
    other = lab.with_(REFNET_METRICS_PORT=str(port)).worker("crawler", "-c1", name="second")
    other.until_logs(f"REFNET_METRICS_PORT {port} cannot be used")
    other.stop()
    with lab.app() as app:
        for _ in range(3):
            app.send_task(HEALTH).get(timeout=60)
    os.kill(worker.children()[0], signal.SIGKILL)  # its counts are not the children's

    # A result is there a moment before its task is counted.
    expected = {(HEALTH, "success"): 3}
    until(lambda: scrape(f"http://127.0.0.1:{port}").by(TOTAL, "task", "state") == expected, what="the three counts")
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if " 0A " in line]
    assert [one for one in listening if one.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]
