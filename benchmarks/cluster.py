"""What a cluster takes: jobs per second, ids queued at once, memory of idle workers, time to the first paper.

python benchmarks/cluster.py [--runs 5] [--tasks 3000]

Starts a Redis and a PostgreSQL of its own. Ways that are held against each other take turns.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from celery import Celery
from measuring import note, table

from refnet.demo.bundled import SEED, bundled_corpus
from refnet.demo.server import StandIn
from refnet.demo.switches import Switches
from refnet.domain.jobs import DueJob, Stage
from refnet.domain.workers import WORKERS
from tests.acceptance.command import Refnet, clean_environment
from tests.cluster.lab import Lab, Worker, open_lab, until
from tests.redis_server import RedisServer, running_redis
from tests.servers import fresh_database, postgres_binaries, running_postgres

#: Ids queued by one call.
IDS = 10_000
#: Tasks done before timing begins: by then the worker's processes are all at work.
WARM = 300
PATIENCE = 300.0


@contextmanager
def lab_on(redis: RedisServer, postgres: str) -> Iterator[Lab]:
    """A lab with a database of its own; its Redis is emptied."""
    with redis.client() as client:
        client.flushall()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="refnet-bench-")))
        database = stack.enter_context(fresh_database(postgres))
        stand_in = stack.enter_context(StandIn(bundled_corpus(), Switches()))
        settings = {
            "SEMANTIC_SCHOLAR_URL": stand_in.url,
            "SEMANTIC_SCHOLAR_RPS": "1000",
            "DATABASE_URL": database,
            "CELERY_BROKER_URL": redis.url,
            "OUTPUT_DIR": str(folder / "vault"),
        }
        lab = open_lab(Refnet(folder, clean_environment(folder / "data", **settings)), stand_in, database)
        stack.callback(lab.end)
        yield lab


def papers(count: int) -> list[str]:
    return [hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest() for number in range(count)]


def drained(done: Callable[[], int], count: int) -> float:
    """Tasks per second from the moment that the worker is at work."""
    until(lambda: done() >= WARM, PATIENCE, "the first tasks")
    begun, first = time.perf_counter(), done()
    until(lambda: done() >= count, PATIENCE, "the last task")
    return (count - first) / (time.perf_counter() - begun)


def stock(redis: RedisServer, count: int, lab: Lab) -> float:
    """No-op tasks per second of Celery as it comes, its results off."""
    with redis.client() as client:
        client.flushall()
    app = Celery("stock", broker=redis.url, set_as_current=False)
    app.conf.task_default_queue = "stock"
    app.conf.task_ignore_result = True
    with app.producer_pool.acquire(block=True) as producer:
        for _ in range(count):
            app.send_task("nothing", producer=producer)
    app.close()
    with redis.client() as client:
        worker = lab.worker("stock", app="benchmarks.stock_app")
        rate = drained(lambda: count - int(client.llen("stock")), count)
        worker.kill()
    return rate


def jobs(count: int, lab: Lab, hints: int) -> float:
    """Jobs of the summarizer per second, whose papers have nothing to summarise: claimed, settled, the result of each
    task in PostgreSQL. `hints` is the number of messages sent for them.
    """
    ids = papers(count)
    lab.store.enqueue(Stage.SUMMARIZE, ids)
    with lab.cluster() as cluster:
        cluster.announcer.send(Stage.SUMMARIZE, [DueJob(0, paper_id, 5) for paper_id in ids[:hints]])
    worker = lab.worker("summarizer", app="benchmarks.one_job_app" if hints == count else "celery_app")

    def done() -> int:
        found: int = lab.query("SELECT count(*) FROM jobs WHERE state = 'done'")[0][0]
        return found

    rate = drained(done, count)
    worker.kill()
    return rate


def queued(lab: Lab) -> float:
    """Seconds until 10,000 ids are in the ledger, once each, and the workers are told."""
    with lab.cluster() as cluster:
        worker = cluster.worker(())
        worker.fetch_all(papers(10), None)
        begun = time.perf_counter()
        worker.fetch_all(papers(IDS), None)
        return time.perf_counter() - begun


def delayed(lab: Lab) -> float:
    """Seconds until as many single tasks are sent."""
    with lab.app() as app:
        for paper_id in papers(10):
            app.send_task("crawler.tasks.fetch_paper_metadata", (paper_id,))
        begun = time.perf_counter()
        for paper_id in papers(IDS):
            app.send_task("crawler.tasks.fetch_paper_metadata", (paper_id,))
        return time.perf_counter() - begun


def memory(worker: Worker) -> tuple[float, float, int]:
    """Megabytes (PSS) of a worker's main process, of all its processes together, and the number of its children."""

    def pss(pid: int) -> float:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024

    children = worker.children()
    main = pss(worker.pid)
    return main, main + sum(map(pss, children)), len(children)


def first_paper(lab: Lab) -> float:
    """Seconds from the start of `refnet map` until its first paper is stored, with workers at rest."""
    begun = time.perf_counter()
    running = lab.refnet.start("map", SEED)
    until(lambda: lab.query("SELECT 1 FROM papers WHERE fetched_at IS NOT NULL LIMIT 1"), PATIENCE, "a paper")
    took = time.perf_counter() - begun
    running.wait()
    return took


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=3_000)
    given = parser.parse_args()
    binaries = postgres_binaries()
    assert binaries is not None, "PostgreSQL is needed"
    os.chdir(Path(__file__).resolve().parent.parent)
    speeds: dict[str, list[float]] = {"stock": [], "waves": [], "single": []}
    queueing: dict[str, list[float]] = {"ids": [], "delay": []}
    firsts: list[float] = []
    with running_redis() as redis, running_postgres(binaries) as postgres:
        for run in range(given.runs):
            note(f"run {run + 1} of {given.runs}")
            with lab_on(redis, postgres) as lab:
                speeds["stock"].append(stock(redis, given.tasks, lab))
            with lab_on(redis, postgres) as lab:
                speeds["waves"].append(jobs(given.tasks * 5, lab, hints=64))
            with lab_on(redis, postgres) as lab:
                speeds["single"].append(jobs(given.tasks, lab, hints=given.tasks))
            with lab_on(redis, postgres) as lab:
                queueing["ids"].append(queued(lab))
                queueing["delay"].append(delayed(lab))
            with lab_on(redis, postgres) as lab:
                lab.worker()
                firsts.append(first_paper(lab))
        note("memory of idle workers")
        idle = []
        with lab_on(redis, postgres) as lab:
            for kind in WORKERS:
                worker = lab.refnet_worker(kind.queue)
                until(lambda name=kind.queue: lab.query(f"SELECT 1 FROM workers WHERE name LIKE '{name}%'"), PATIENCE)  # type: ignore[misc]  # noqa: S608
                idle.append((kind.queue, *memory(worker)))
                worker.stop()
    base = median(speeds["stock"])
    names = {
        "stock": "Celery as it comes, no-op tasks, results off",
        "waves": "refnet: jobs of a stage, many to a task, ledger, results in PostgreSQL",
        "single": "refnet: one job to a task, ledger, results in PostgreSQL",
    }
    print(
        table(
            ("per second, worker of two processes", "median", "beside Celery (goal ≥ 0.5)"),
            [(names[key], f"{median(found):,.0f}", f"{median(found) / base:.2f}") for key, found in speeds.items()],
        )
    )
    ratio = median(queueing["delay"]) / median(queueing["ids"])
    print(
        "\n"
        + table(
            (f"{IDS:,} ids", "seconds", "times as fast (goal ≥ 3)"),
            [
                ("`batch_process_papers`", f"{median(queueing['ids']):.2f}", f"{ratio:.1f}"),
                ("a task sent for each", f"{median(queueing['delay']):.2f}", "1.0"),
            ],
        )
    )
    print(
        "\n"
        + table(
            ("idle worker, MB (PSS)", "main process", "with its children", "children"),
            [(name, f"{main:.0f}", f"{whole:.0f}", children) for name, main, whole, children in idle],
        )
    )
    print(
        f"\nFrom `refnet map` to the first paper stored, workers at rest: {median(firsts):.1f} s (median of {len(firsts)})."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
