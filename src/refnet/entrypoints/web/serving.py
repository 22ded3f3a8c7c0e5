"""The server as a process: it drains when it is asked to end, and keeps the one beside it alive that does the crawls."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from uvicorn.protocols.http import h11_impl

from refnet.entrypoints.engine import READY
from refnet.entrypoints.web.connections import Connection, most_waiting
from refnet.entrypoints.web.routing import Serving

logger = logging.getLogger(__name__)

#: Seconds for which answers that are on their way may take when the server is asked to end.
DRAIN = 7.0
#: Seconds for which the process beside it may take to give back its papers.
ENGINE_ENDS = 8.0
#: Seconds until a process that ended by itself is started again; doubled each time, up to the second.
RESTART, LONGEST_RESTART = 1.0, 60.0
#: Bytes of the headers of a request, and seconds that an idle connection is kept.
MOST_HEADERS, IDLE = 16_384, 15
#: The module of uvicorn's that reads requests, as its records name it.
_REQUESTS = h11_impl.__name__.rpartition(".")[2]
#: How much nicer the server is than the process beside it that does the crawls.
NICER = 10
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Server(uvicorn.Server):
    """uvicorn, which ends event streams at once when it drains, and ends with code 0."""

    def __init__(self, config: uvicorn.Config, serving: Serving) -> None:
        super().__init__(config)
        self._serving = serving

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn's own raises the signal once more at the end, and the process would not end well."""
        before = {number: signal.signal(number, self.handle_exit) for number in _ENDING}
        try:
            yield
        finally:
            for number in before:
                # What comes now disturbs nobody: the process is about to end.
                signal.signal(number, signal.SIG_IGN)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._serving.draining.set()
        super().handle_exit(sig, frame)


def _quieter(record: logging.LogRecord) -> bool:
    """What uvicorn says of requests that are none, or that want another protocol: anybody can make any number of them."""
    if record.levelno == logging.WARNING and record.module == _REQUESTS:
        record.levelno, record.levelname = logging.DEBUG, logging.getLevelName(logging.DEBUG)
        return logging.getLogger(record.name).isEnabledFor(logging.DEBUG)
    return True


def config(app: object, host: str, port: int) -> uvicorn.Config:
    logging.getLogger("uvicorn.error").addFilter(_quieter)
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        # What a client says of itself there is not believed.
        proxy_headers=False,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=int(DRAIN),
        h11_max_incomplete_event_size=MOST_HEADERS,
        http=Connection,
        backlog=most_waiting(),
        ws="none",
        lifespan="off",
    )


class EngineEnded(Exception):
    """The process that does the crawls could not begin; it said why itself. `code` is its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Engine:
    """The process that does the crawls, started again whenever it ends by itself."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._ending = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._watch = threading.Thread(target=self._keep, name="engine", daemon=True)

    def start(self) -> None:
        """Raises EngineEnded."""
        process = self._begin()
        if not _is_ready(process):
            raise EngineEnded(process.wait())
        self._process = process
        self._watch.start()
        threading.Thread(target=self._end_with_server, name="end-engine", daemon=True).start()
        # Answers must not hold up a crawl. On Linux a thread is nice by itself, and what it starts is as nice: a crawler
        # that the watch starts again is not. Elsewhere that one is as nice as its server.
        os.nice(NICER)

    def _end_with_server(self) -> None:
        """While the server drains, so that both take the same few seconds."""
        self._serving.draining.wait()
        self._ending.set()
        if self._process is not None:
            self._process.terminate()

    def end(self) -> None:
        """Let it give back its papers, and wait for it."""
        self._serving.draining.set()
        self._ending.set()
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(ENGINE_ENDS)
        except subprocess.TimeoutExpired:
            logger.warning("The process that does the crawls does not end, and is killed; it resumes what it was at.")
            process.kill()
            process.wait()
        self._watch.join(1.0)

    def _keep(self) -> None:
        pause = RESTART
        while not self._ending.is_set():
            process = self._process
            code = None if process is None else process.wait()
            if self._ending.is_set():
                return
            self._serving.crawler = "it ended by itself"
            logger.error("The process that does the crawls ended with code %s; it is started again.", code)
            if self._ending.wait(pause):
                return
            pause = min(2 * pause, LONGEST_RESTART)
            self._process = self._begin()
            if _is_ready(self._process):
                self._serving.crawler, pause = None, RESTART

    @staticmethod
    def _begin() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "refnet.entrypoints.engine"]
        # Its stdin ends when this process does, however that ends.
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _is_ready(process: subprocess.Popen[bytes]) -> bool:
    assert process.stdout is not None  # noqa: S101 - for the type checker
    return process.stdout.readline().strip() == READY.encode()
