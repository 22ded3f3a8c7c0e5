from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from refnet.adapters.celery_queue.transport import Transport
from tests.redis_server import RedisServer, redis_programs, running_redis
from tests.servers import missing, ticks

Connect = Callable[..., Any]


_PROGRAMS: list[Path | None] = [*redis_programs()] or [None]


@pytest.fixture(scope="session", params=_PROGRAMS, ids=lambda program: "none" if program is None else program.parts[-3])
def each_running_redis(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    if request.param is None:
        missing("no Redis on this machine and none among the test dependencies")
    with running_redis(request.param) as server:
        yield server


@pytest.fixture
def broker(each_running_redis: RedisServer) -> Iterator[Any]:
    """A client of an empty Redis, of each version that there is."""
    with each_running_redis.client() as client:
        client.flushall()
        client.script_flush()
        yield client


@pytest.fixture
def connect(each_running_redis: RedisServer, broker: Any) -> Iterator[Connect]:
    """Opens connections with our transport and these transport options; `transport` is for a class of the test's."""
    with ExitStack() as stack:

        def opened(transport: type = Transport, **options: Any) -> Any:
            return stack.enter_context(
                Connection(each_running_redis.url, transport=transport, transport_options=options)
            )

        yield opened


@pytest.fixture
def celery_worker(tmp_path: Path) -> Iterator[Callable[..., CeleryWorker]]:
    """Starts worker processes of `tiny`. What is left of them is killed at the end."""
    with ExitStack() as stack:

        def started(url: str, *options: str, **variables: str) -> CeleryWorker:
            return stack.enter_context(_running_worker(url, tmp_path, options, variables))

        yield started


class CeleryWorker:
    """A worker process with its children."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    def kill(self) -> None:
        """SIGKILL, to all of them at once."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wait_for(self, what: str, condition: Callable[[], Any], timeout: float = 30) -> None:
        for _ in ticks(timeout):
            if condition():
                return
            assert self.process.poll() is None, f"the worker exited:\n{self.log.read_text()}"
        pytest.fail(f"{what}: not within {timeout} s\n{self.log.read_text()}")


@contextmanager
def _running_worker(
    url: str, folder: Path, options: tuple[str, ...], variables: dict[str, str]
) -> Iterator[CeleryWorker]:
    root = Path(__file__).parents[3]
    environment = os.environ | {
        "TINY_BROKER": url,
        "TINY_FOLDER": str(folder),
        "PYTHONPATH": os.pathsep.join([str(root), os.environ["PYTHONPATH"]]),
        **variables,
    }
    log = folder / "log"
    command = [sys.executable, "-m", "celery", "-A", "tests.adapters.celery_queue.tiny", "worker", "--loglevel=INFO"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "--without-mingle", "--without-gossip", "--hostname=tiny@%h", *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # a group of its own, which `kill` ends
        )
    worker = CeleryWorker(process, log)
    try:
        yield worker
    finally:
        worker.kill()


def lines(file: Path) -> list[str]:
    """What `tiny` wrote; nothing before it wrote at all."""
    return file.read_text().splitlines() if file.exists() else []


def envelope(body: str = "{}", tag: str = "a-tag", **changes: Any) -> dict[str, Any]:
    """A message as kombu writes it. `changes` replace what it has at its top."""
    message = {
        "body": body,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {},
        "properties": {
            "body_encoding": "utf-8",
            "delivery_info": {"exchange": "", "routing_key": "crawler"},
            "delivery_tag": tag,
            "priority": 0,
        },
    }
    return message | changes


def pushed(message: dict[str, Any]) -> str:
    return json.dumps(message)
