"""One child process that reads PDFs, as its parent sees it."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import select
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, cast

from refnet.adapters.pdf import limits

_CHUNK = 1 << 16
#: Starts with nothing of the user's: no environment, no site packages but the two named, no files of start-up code.
_COMMAND = "import sys; sys.path[len(sys.path):] = sys.argv[1:]; from refnet.adapters.pdf.child import main; main()"


class ChildDied(Exception):
    """The child ended, or closed its pipe, before it had answered."""


class TookTooLong(Exception):
    """The child did not answer in time, or the system ended it for the processor's time that it took."""


class Child:
    """A child and its two pipes; not for several threads at once.

    Whoever gets an exception from `ask` has to `kill` it: nobody knows what it would answer next.
    """

    def __init__(self) -> None:
        """Raises OSError where no process can be started."""
        self.asked = 0
        self.sandbox: tuple[str, ...] | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _COMMAND, *_roots()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd="/",
            env={},
            close_fds=True,
            start_new_session=True,  # Ctrl-C is for us, and what it might start can be killed with it
        )
        self._to, self._from = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)
        os.set_blocking(self._to.fileno(), False)
        os.set_blocking(self._from.fileno(), False)

    @property
    def pid(self) -> int:
        return self._process.pid

    def lives(self) -> bool:
        return self._process.poll() is None

    def ask(self, file: int, until: float) -> bytes:
        """The answer for an open file, at the latest at `until` of the monotonic clock.

        Raises ChildDied and TookTooLong; OSError where the file cannot be read.
        """
        size = os.fstat(file).st_size
        self._ready(until)
        self.asked += 1
        self._write(json.dumps({"size": size, "seconds": max(until - time.monotonic(), 0)}).encode() + b"\n", until)
        sent = 0
        while sent < size:
            chunk = os.pread(file, min(_CHUNK, size - sent), sent)
            if not chunk:
                raise ChildDied("the file became shorter while it was read")
            self._write(chunk, until)
            sent += len(chunk)
        return self._answer(until)

    def attempt(self, path: str, port: int, until: float) -> Mapping[str, str]:
        """What the system says to the child, locked down as for a paper, where it tries to open, connect, fork and kill,
        and to look at our limits.
        """
        self._ready(until)
        self._write(json.dumps({"path": path, "port": port, "pid": os.getpid()}).encode() + b"\n", until)
        found: dict[str, str] = json.loads(self._answer(until))
        return found

    def kill(self) -> None:
        """End it and what it may have started, and wait for that."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._close()
        self._process.wait()

    def end(self) -> None:
        """Let an idle child end: it does when its pipe is closed."""
        self._close()
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self.kill()

    def forget(self) -> None:
        """In a process forked from its parent: it is none of ours, and our copies of its pipes would keep it alive."""
        self._close()
        self._process.returncode = 0  # so that nobody waits for it, or warns that nobody did

    def _close(self) -> None:
        for pipe in (self._to, self._from):
            with contextlib.suppress(OSError):
                pipe.close()

    def _ready(self, until: float) -> None:
        if self.sandbox is None:
            self.sandbox = tuple(str(kind) for kind in json.loads(self._answer(until))["ready"])

    def _write(self, content: bytes, until: float) -> None:
        view = memoryview(content)
        while view:
            self._wait(self._to.fileno(), select.POLLOUT, until)
            try:
                view = view[os.write(self._to.fileno(), view) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._death() from error

    def _answer(self, until: float) -> bytes:
        length = int.from_bytes(self._read(4, until), "big")
        if length > limits.MOST_ANSWER:
            raise ChildDied("it announced more than an answer has")
        return self._read(length, until)

    def _read(self, length: int, until: float) -> bytes:
        held = bytearray()
        while len(held) < length:
            self._wait(self._from.fileno(), select.POLLIN, until)
            try:
                chunk = os.read(self._from.fileno(), min(_CHUNK, length - len(held)))
            except BlockingIOError:
                continue
            if not chunk:
                raise self._death()
            held += chunk
        return bytes(held)

    @staticmethod
    def _wait(pipe: int, event: int, until: float) -> None:
        poll = select.poll()
        poll.register(pipe, event)
        left = until - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise TookTooLong("it did not answer in time")

    def _death(self) -> Exception:
        """How it ended, which may take a moment from the end of its pipe."""
        try:
            status = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return ChildDied("it closed its pipe")
        if status == -signal.SIGXCPU:
            return TookTooLong("it took more of the processor than a paper may")
        return ChildDied(f"it ended with status {status}")


def open_file(path: str) -> int | None:
    """A descriptor for an ordinary file; None where it is none (a folder, a device, a pipe). Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    return None


def _roots() -> list[str]:
    """The folders in which the two packages stand that the child imports."""
    found = importlib.util.find_spec("pypdfium2_raw")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("pypdfium2 is not installed: install refnet again, with its dependencies")
    here = Path(__file__).resolve().parents[3]
    return [str(here), str(Path(found.origin).parent.parent)]
