"""`refnet worker`: a Celery worker with its row of the worker table."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import Annotated

import typer

from refnet.domain.workers import ALL_CONCURRENCY, BY_QUEUE, MOST_KILOBYTES, WORKERS

EXAMPLE = "Example: refnet worker crawler"


class Kind(StrEnum):
    CRAWLER = "crawler"
    SUMMARIZER = "summarizer"
    GENERATOR = "generator"
    ALL = "all"


def worker(
    kind: Annotated[Kind, typer.Argument(help="Which queue it serves; all is every queue.", show_default=False)],
    name: Annotated[
        str | None, typer.Option(help="Its name, where several of a kind run on one machine.", show_default=False)
    ] = None,
    log_level: Annotated[
        str | None,
        typer.Option(
            "--loglevel",
            help="What it logs: debug, info, warning, error; else what REFNET_LOG_LEVEL says.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run a worker of a cluster until it is asked to end.

    Needs CELERY_BROKER_URL and DATABASE_URL. It is Celery's own worker, with the limits of its kind; run it under
    something that starts it again, and end it by SIGTERM.
    """
    from refnet.bootstrap.connections import connections
    from refnet.settings import load_settings

    connections(load_settings())
    command = [sys.executable, "-m", "celery", "-A", "refnet", *words(kind, name)]
    command += [] if log_level is None else ["--loglevel", log_level]
    sys.stdout.flush()
    os.execv(sys.executable, command)  # noqa: S606 - no shell is wanted


def words(kind: Kind, name: str | None = None) -> list[str]:
    """What stands behind `celery -A refnet` for a worker of a kind."""
    chosen = ["worker", "-n", f"{name or kind.value}@%h", "--max-memory-per-child", str(MOST_KILOBYTES)]
    if kind is Kind.ALL:
        # Time limits belong to the tasks, whichever worker runs them.
        queues = ",".join(row.queue for row in WORKERS)
        return [*chosen, "-Q", queues, "--concurrency", str(ALL_CONCURRENCY)]
    row = BY_QUEUE[kind.value]
    return [
        *chosen,
        *("-Q", row.queue),
        *("--concurrency", str(row.concurrency)),
        *("--max-tasks-per-child", str(row.max_tasks_per_child)),
        *("--soft-time-limit", str(row.soft_time_limit)),
        *("--time-limit", str(row.time_limit)),
        *("--autoscale", ",".join(map(str, row.autoscale))),
    ]
