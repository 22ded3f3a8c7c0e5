"""The application with papers that harm whoever works on them: `Lab.worker(…, app="tests.cluster.poison_tasks")`.

The file `POISON` says which, as JSON: {"summarize": {"the paper's id": "segfault"}, "crawl": {…}}; it is read anew each
time. What would go on without end has `POISON_LIMITS` from when it begins, soft and hard, in seconds: "1.5,2.5"; so a
busy machine, on which it takes long to get there, changes nothing. Each act is a line of the file `POISON_LOG`. The
fork bomb comes to `POISON_BOMB` processes: a machine that runs tests must outlive it.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from celery.worker.control import control_command

from refnet.adapters.abstracts import AbstractSummarizer
from refnet.adapters.semantic_scholar import SemanticScholar
from refnet.celery import app
from refnet.domain.crawl import Ask
from refnet.domain.jobs import Stage
from refnet.domain.papers import Answer, Paper
from refnet.domain.summaries import Summary
from refnet.entrypoints.celery import process, tasks

__all__ = ["app"]

#: Bytes that are taken, piece by piece.
HUNGER, PIECE = 4 << 30, 16 << 20
#: Seconds that tasks have, soft and hard, for all that comes to its end.
LIMITS = 120.0, 180.0


def segfault() -> None:
    ctypes.string_at(0)


def leave() -> None:
    os._exit(1)


def leave_politely() -> None:
    raise SystemExit(7)


def allocate() -> None:
    assert [bytes(PIECE) for _ in range(HUNGER // PIECE)]


def eat() -> None:
    """And use it all, which takes seconds."""
    assert [b"\1" * PIECE for _ in range(HUNGER // PIECE)]


@control_command()  # type: ignore[untyped-decorator]
def limit_from_now(state: Any, pid: int) -> bool:
    """Let the time limits of what a process is at begin now, and be `POISON_LIMITS`; whether it is known to be at it."""
    pool = state.consumer.pool._pool
    found = [job for job in pool._cache.values() if job._worker_pid == pid]
    for job in found:
        pool.on_timeout_cancel(job)
        job._soft_timeout, job._timeout = map(float, os.environ["POISON_LIMITS"].split(","))
        pool.on_timeout_set(job, job._soft_timeout, job._timeout)
    return bool(found)


def go_on() -> None:
    """What comes now has no end. The main process may hear of that before it hears that the task has begun."""
    asked = {"arguments": {"pid": os.getpid()}, "reply": True, "limit": 1, "timeout": 5.0}
    with suppress(SoftTimeLimitExceeded):  # which shows that the limits are set
        while not any(said for reply in app.control.broadcast("limit_from_now", **asked) for said in reply.values()):
            pass


def hang() -> None:
    """And hear nothing of a time limit, as some libraries do."""
    go_on()
    while True:
        with suppress(Exception):
            while True:
                pass


def fork() -> None:
    """Fork as often as there is a token left, and try on for ever, in every process that came of it."""
    go_on()
    tokens, filling = os.pipe()
    os.write(filling, b"." * int(os.environ["POISON_BOMB"]))
    os.close(filling)
    pause = threading.Event()
    while True:
        with suppress(Exception):
            if os.read(tokens, 1):
                os.fork()
            else:
                pause.wait(0.5)  # the system would say EAGAIN


ACTS: dict[str, Callable[[], None]] = {
    "segfault": segfault,
    "exit": leave,
    "sys.exit": leave_politely,
    "memory": allocate,
    "used memory": eat,
    "loop": hang,
    "forks": fork,
}


def act(stage: str, paper_ids: Sequence[str]) -> None:
    poison: dict[str, str] = json.loads(Path(os.environ["POISON"]).read_text()).get(stage, {})
    for paper_id in paper_ids:
        if (kind := poison.get(paper_id)) is not None:
            with Path(os.environ["POISON_LOG"]).open("a") as log:
                log.write(f"{kind}\t{paper_id}\t{len(paper_ids)}\t{os.getpid()}\n")
            ACTS[kind]()


@app.task(base=tasks.CrawlerTask, name="poison.eat")  # type: ignore[untyped-decorator]
def eat_outside_of_a_wave() -> None:
    eat()


@app.task(base=tasks.CrawlerTask, name="poison.leave_a_child", max_retries=0)  # type: ignore[untyped-decorator]
def leave_a_child(path: str) -> None:
    """Start a process that heeds nothing but SIGKILL, write down its id, and die."""
    if os.fork() == 0:
        for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        Path(path).write_text(str(os.getpid()))
        while True:
            signal.pause()
    while not Path(path).exists() or not Path(path).read_text():
        pass
    segfault()


@app.task(base=tasks.CrawlerTask, name="poison.sleep_beside", max_retries=0)  # type: ignore[untyped-decorator]
def sleep_beside(path: str) -> None:
    """Start a program, as what reads documents does, write down its id and our own, and wait for it."""
    with subprocess.Popen(["sleep", "1000"]) as program:
        Path(path).write_text(f"{os.getpid()} {program.pid}\n")


@app.task(base=tasks.CrawlerTask, name="poison.work_together")  # type: ignore[untyped-decorator]
def work_together(stage: str, paper_id: str, folder: str, number: int) -> None:
    """Once so many processes have come, each with its own of these tasks, work on a paper, one after another: a request
    is filled up with what is due.
    """
    (Path(folder) / str(os.getpid())).touch()
    pause = threading.Event()
    while len(list(Path(folder).iterdir())) < number:
        pause.wait(0.05)
    turn = os.open(folder, os.O_RDONLY)
    fcntl.flock(turn, fcntl.LOCK_EX)
    if stage == Stage.CRAWL:
        process.worker().fetch(paper_id, 0, anew=True)
    else:
        process.worker().summarize(paper_id, anew=True)
    os.close(turn)


class PoisonedSource(SemanticScholar):
    def fetch(self, ids: Sequence[str], ask: Ask) -> list[Answer | None]:
        act("crawl", ids)
        return super().fetch(ids, ask)


class PoisonedSummarizer(AbstractSummarizer):
    def summarize(self, paper: Paper) -> Summary | None:
        act("summarize", [paper.paper_id])
        return super().summarize(paper)


def _poison() -> None:
    import refnet.adapters.semantic_scholar
    import refnet.bootstrap.cluster

    refnet.adapters.semantic_scholar.SemanticScholar = PoisonedSource  # type: ignore[misc]
    refnet.bootstrap.full_texts.AbstractSummarizer = PoisonedSummarizer  # type: ignore[attr-defined]
    for task in (tasks.fetch_paper_metadata, tasks.summarize_pdf, tasks.generate_markdown):
        task.soft_time_limit, task.time_limit = LIMITS
        task.default_retry_delay = 0


_poison()
