"""S08 and S01: the commands of deploy/Procfile, as processes, on real Redis and PostgreSQL, do a crawl that is posted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from refnet.demo.bundled import SEED, bundled_corpus
from tests.cluster.lab import ROOT, Lab, until
from tests.deploy.deployment import procfile
from tests.servers import free_port

pytestmark = pytest.mark.slow


class Processes:
    """What a runner of Procfiles starts: each line as it is, beside a port for what would take a fixed one."""

    def __init__(self, lab: Lab) -> None:
        self.port, self.flower = free_port(), free_port()
        self._environment = lab.environment | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "FLOWER_PORT": str(self.flower),
            "FLOWER_BASIC_AUTH": "you:a-password-of-the-test",
        }
        self._logs = lab.refnet.folder
        self._stack = ExitStack()
        self.started: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        for name, words in procfile().items():
            more = ["--port", str(self.port)] if name == "api" else []
            log = self._stack.enter_context((self._logs / f"{name}.log").open("wb"))
            self.started[name] = subprocess.Popen(
                [*words, *more],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def log(self, name: str) -> str:
        return (self._logs / f"{name}.log").read_text(errors="replace")

    def stop(self, *names: str) -> dict[str, int]:
        """SIGTERM to each main process; the exit codes."""
        for name in names:
            self.started[name].send_signal(signal.SIGTERM)
        return {name: self.started[name].wait(60) for name in names}

    def end(self) -> None:
        for process in self.started.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
        self._stack.close()

    def asked(self, path: str, document: object = None) -> tuple[int, Any, str]:
        """Status, document and place of an answer of the interface."""
        data = None if document is None else json.dumps(document).encode()
        request = Request(f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"})
        with urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, json.load(answer), answer.headers.get("Location", "")

    def answers(self, port: int, path: str) -> int | None:
        """The status of an answer, None without one."""
        try:
            with urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
                status: int = answer.status
                return status
        except HTTPError as error:
            return error.code
        except OSError:
            return None


@pytest.fixture
def processes(lab: Lab) -> Iterator[Processes]:
    found = Processes(lab)
    try:
        found.start()
        yield found
    finally:
        found.end()


def test_s08_the_processes_of_the_procfile_do_a_crawl_that_is_posted_and_end_in_order(
    lab: Lab, processes: Processes
) -> None:
    until(lambda: processes.answers(processes.port, "/ready") == 200, 120.0, "the interface to be ready")
    until(lambda: len([each for each in lab.store.workers() if each.lives]) == 3, 120.0, "three workers")

    status, begun, place = processes.asked("/api/v1/crawls", {"seeds": [SEED], "depth": 1})

    assert status == 202
    kinds: list[str] = []
    with urlopen(f"http://127.0.0.1:{processes.port}{place}/events", timeout=120) as events:
        kinds.extend(line.decode().strip() for line in events if line.startswith(b"event:"))
    assert len(kinds) >= 2, "it ends with the crawl"
    found = processes.asked(place)[1]
    assert (found["id"], found["state"]) == (begun["id"], "finished")
    expected = 1 + len(bundled_corpus().breadth_first(SEED, 1)[1])
    assert len(list((lab.vault / "papers").glob("*.md"))) == expected

    # Nothing before this waits for Flower, which may take longer to start than the crawl to end.
    until(lambda: processes.answers(processes.flower, "/") == 401, 120.0, "Flower to ask for its password")
    assert lab.refnet("doctor").code == 0, lab.refnet("doctor").out
    assert processes.stop("api", "crawler", "summarizer", "generator") == dict.fromkeys(
        ("api", "crawler", "summarizer", "generator"), 0
    )
    assert lab.store.workers() == []
    assert all(process.poll() is None for name, process in processes.started.items() if name in ("beat", "flower"))
