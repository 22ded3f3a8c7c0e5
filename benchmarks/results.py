"""Results of tasks stored per second, beside Celery's own database backend.

    python benchmarks/results.py [--results 3000] [--runs 5]

Both store successes with everything that `result_extended` adds, into the same table on PostgreSQL, through
`mark_as_done`. Each run is a process forked as a worker's pool forks its children, with the backend made before: only
there does Celery's own keep a connection. The two take turns.
"""

from __future__ import annotations

import argparse
import sys
import time
from statistics import median
from typing import Any

from billiard import Pipe, Process
from celery import Celery
from celery.app.task import Context
from measuring import ROOT, note, open_application, table

from refnet.adapters.database.migrate import upgrade

sys.path.insert(0, str(ROOT))

WARMING_UP = 20
PAPER = "649def34f8be52c8b66281af98ae884c09aef38b"
OURS = {"db": "refnet.adapters.celery_queue.results:DatabaseResults"}


def celery_app(database: str, backends: dict[str, str]) -> Celery:
    app = Celery("bench", set_as_current=False)
    app.loader.override_backends = backends
    app.conf.update(result_backend=f"db+{database}", result_extended=True)
    return app


def request(task_id: str) -> Context:
    """What a worker knows of a task of the crawler."""
    return Context(
        id=task_id,
        task="crawler.tasks.fetch_paper_metadata",
        args=[PAPER],
        kwargs={"depth": 1},
        hostname="crawler@host",
        retries=0,
        delivery_info={"routing_key": "crawler"},
    )


def store(backend: Any, run: str, amount: int, seconds: Any) -> None:
    """Send the seconds that the backend takes for that many results, over the pipe `seconds`."""
    started = 0.0
    for number in range(-WARMING_UP, amount):
        if number == 0:
            started = time.perf_counter()
        task_id = f"{run}-{number:08d}"
        backend.mark_as_done(task_id, {"status": "success", "paper_id": PAPER}, request=request(task_id))
    seconds.send(time.perf_counter() - started)


def per_second(database: str, backends: dict[str, str], run: str, amount: int) -> float:
    backend = celery_app(database, backends).backend
    receiving, sending = Pipe(duplex=False)
    process = Process(target=store, args=(backend, run, amount, sending))
    process.start()
    sending.close()  # so that the end of a process that failed is noticed
    seconds: float = receiving.recv()
    process.join()
    return amount / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--results", type=int, default=3_000)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()

    from tests.servers import fresh_database, postgres_binaries, running_postgres

    binaries = postgres_binaries()
    if binaries is None:
        raise SystemExit("no PostgreSQL on this machine and none among the test dependencies")
    ours: list[float] = []
    stock: list[float] = []
    with running_postgres(binaries) as server, fresh_database(server) as database:
        application = open_application(database)
        upgrade(application.engine)
        application.engine.dispose()
        for run in range(given.runs):
            ours.append(per_second(database, OURS, f"ours-{run}", given.results))
            stock.append(per_second(database, {}, f"stock-{run}", given.results))
            note(f"results {run + 1}/{given.runs}: refnet {ours[-1]:,.0f}/s, Celery's own {stock[-1]:,.0f}/s")
    head = ("database", "refnet, results/s", "Celery's own, results/s", "ratio")
    row = ("postgresql", f"{median(ours):,.0f}", f"{median(stock):,.0f}", f"{median(ours) / median(stock):.2f}")
    print(table(head, [row]))
    print(
        f"\nMedians of {given.runs} runs of {given.results:,} results, the two taking turns. The server does not sync."
    )


if __name__ == "__main__":
    main()
