"""`refnet` as processes that are forked from one that has loaded it: for runs that need hundreds of commands."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.acceptance.command import TOO_LONG, Ended, Refnet, clean_environment
from tests.servers import ticks
from tests.soak.crashing import FOLDER

ROOT = Path(__file__).resolve().parents[2]


class Forked:
    """A command at work, as `tests.acceptance.command.Running` is."""

    def __init__(self, server: ForkingRefnet, pid: int) -> None:
        self.pid = pid
        self._server = server
        self._started = time.monotonic()
        self._ended: Ended | None = None

    @property
    def is_over(self) -> bool:
        return self._ended is not None or self._server.can_read()

    def wait(self) -> Ended:
        if self._ended is None:
            code = self._server.ended()
            out, err = (file.read_text(errors="replace") for file in (self._server.out, self._server.err))
            self._ended = Ended(code, out, err, time.monotonic() - self._started)
        return self._ended

    def kill(self) -> Ended:
        """SIGKILL, from which no process can save anything."""
        if not self.is_over:
            os.kill(self.pid, signal.SIGKILL)
        return self.wait()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Stopped for a while, in the middle of its work."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def until(self, come: Callable[[], bool], timeout: float = 300.0) -> bool:
        """Wait until something has come about; False where the command ended before."""
        for _ in ticks(timeout):
            if come():
                return True
            if self.is_over:
                return come()
        raise AssertionError(f"still waiting after {timeout:g} s")


class ForkingRefnet:
    """Commands, one at a time, each a process of its own; ends with the context.

    `points` is where crash points are armed and hits told (see `crashing`); None for code as it is.
    """

    def __init__(self, folder: Path, *, points: Path | None = None) -> None:
        self.out, self.err = folder / "out", folder / "err"
        self._folder = folder
        self._points = points
        self._at_work: int | None = None
        self._beside: ForkingRefnet | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True)
        more = {} if self._points is None else {FOLDER: str(self._points)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.forking_refnet"],
            cwd=ROOT,
            env=clean_environment(self._folder / "nowhere", **more),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._beside is not None:
            self._beside.__exit__(kind, error, trace)
        if self._at_work is not None:
            with suppress(ProcessLookupError):
                os.kill(self._at_work, signal.SIGKILL)
        self._process.kill()
        self._process.communicate()

    @property
    def beside(self) -> ForkingRefnet:
        """Another one, for a command that stays while others come and go."""
        if self._beside is None:
            self._beside = ForkingRefnet(self._folder / "beside", points=self._points).__enter__()
        return self._beside

    def start(self, refnet: Refnet, *words: str) -> Forked:
        """Start a command as `refnet.start(*words)` does; the one before must have been waited for."""
        order = {
            "words": words,
            "folder": str(refnet.folder),
            "environment": refnet.environment,
            "out": str(self.out),
            "err": str(self.err),
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._at_work = self.read()
        return Forked(self, self._at_work)

    def __call__(self, refnet: Refnet, *words: str) -> Ended:
        return self.start(refnet, *words).wait()

    def can_read(self, timeout: float = 0.0) -> bool:
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout], [], [], timeout)[0])

    def ended(self) -> int:
        """The exit code of the command at work, once it has ended."""
        code = self.read()
        self._at_work = None
        return code

    def _give_up(self) -> None:
        """End the command at work, and take its exit code: the next number to be read is the next command's."""
        if self._at_work is not None:
            at_work, self._at_work = self._at_work, None
            os.kill(at_work, signal.SIGKILL)
            self.read()

    def read(self) -> int:
        """The next number that the process tells."""
        assert self._process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            if not self.can_read(TOO_LONG):
                self._give_up()
                raise AssertionError(f"it has not ended after {TOO_LONG:g} s")
            if not (piece := self._process.stdout.read(1)):
                break
            line += piece
        return int(line)
