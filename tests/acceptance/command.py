"""The command line as a user has it: a process of its own, with nothing in its environment but what is given."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from refnet.demo.faults import Faults
from refnet.demo.log import Entry
from refnet.demo.server import StandIn
from refnet.demo.switches import Switches

#: Seconds after which a command that should have ended long ago is killed, and its test fails.
TOO_LONG = 240.0


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def json(self) -> Any:
        """The one document on stdout; anything beside it is an error here."""
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The message that the command ended with."""
        lines = self.err.strip().splitlines()
        return lines[-1] if lines else ""


class Running:
    """A command at work. What a failed test leaves behind is ended by `end_all`."""

    _all: ClassVar[list[Running]] = []

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.started = time.monotonic()
        self._all.append(self)

    @classmethod
    def end_all(cls) -> None:
        while cls._all:
            process = cls._all.pop().process
            if process.returncode is None:
                process.kill()
                process.communicate()

    @property
    def is_over(self) -> bool:
        return self.process.poll() is not None

    def line(self) -> str:
        """The next line on stderr."""
        assert self.process.stderr is not None
        return self.process.stderr.readline()

    def kill(self) -> Ended:
        """SIGKILL, from which no process can save anything."""
        self.process.kill()
        return self.wait()

    def interrupt(self, by: signal.Signals = signal.SIGINT) -> Ended:
        """What Ctrl-C sends, or another request to end."""
        self.process.send_signal(by)
        return self.wait()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Stopped for a while, in the middle of its work."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def wait(self, timeout: float = TOO_LONG) -> Ended:
        try:
            out, err = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return Ended(self.process.returncode, out, err, time.monotonic() - self.started)

    def until(self, come: Callable[[], bool], timeout: float = 60.0) -> bool:
        """Wait until something has come about; False where the command ended before."""
        for _ in _ticks(timeout):
            if come():
                return True
            if self.is_over:
                return come()
        raise AssertionError(f"still waiting after {timeout:g} s")


@dataclass
class Refnet:
    """`refnet` in a folder, with a data directory and an environment of its own."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return Path(self.environment["REFNET_DATA_DIR"])

    @property
    def database(self) -> Path:
        return self.data / "refnet.db"

    def with_(self, **environment: str) -> Refnet:
        """The same with more variables set, or others."""
        return Refnet(self.folder, self.environment | environment)

    def without(self, *names: str) -> Refnet:
        return Refnet(self.folder, {name: value for name, value in self.environment.items() if name not in names})

    def start(self, *words: str | Path, before: list[str] | None = None) -> Running:
        """`before` are the words of a program that starts it."""
        process = subprocess.Popen(
            [*(before or []), sys.executable, "-m", "refnet", *map(str, words)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        return Running(process)

    def __call__(self, *words: str | Path) -> Ended:
        return self.start(*words).wait()

    def done(self, *words: str | Path) -> Ended:
        """The same for a command that has to end well."""
        ended = self(*words)
        assert ended.code == 0, f"{words} ended with {ended.code}:\n{ended.err}"
        return ended

    def map(self, *words: str | Path) -> dict[str, Any]:
        """The document that a map which has to end well prints."""
        document: dict[str, Any] = self.done("map", *words, "--json").json
        return document

    def exported(self, *words: str) -> tuple[list[str], list[tuple[str, str]]]:
        """Ids and edges, both sorted."""
        document = self.done("export", "json", *words).json
        papers = sorted(paper["paper_id"] for paper in document["papers"])
        return papers, sorted((edge["citing"], edge["cited"]) for edge in document["citations"])


def clean_environment(data: Path, **more: str) -> dict[str, str]:
    """What a process needs to run at all, and where this user's data are. Nothing is read that is not on this machine."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH", "TMPDIR") if name in os.environ}
    unread = {"REFNET_SUMMARIES": "0", "REFNET_PRIVATE_HOSTS_ONLY": "1"}
    return {**kept, "LANG": "C.UTF-8", "REFNET_DATA_DIR": str(data), **unread, **more}


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def stamps(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file with what a rewrite would change: time, inode, content."""
    return {
        name: ((folder / name).stat().st_mtime_ns, (folder / name).stat().st_ino, content)
        for name, content in tree(folder).items()
    }


def what_was_asked(entry: Entry) -> set[tuple[str, ...]]:
    """Each paper of a request together with what was asked of it."""
    question = (entry.route, entry.query.get("fields", ""), entry.query.get("offset", "0"))
    return {(*question, paper) for paper in entry.asked}


def asked_twice(entries: list[Entry]) -> set[tuple[str, ...]]:
    """What was asked although it had been answered before."""
    answered: set[tuple[str, ...]] = set()
    twice: set[tuple[str, ...]] = set()
    for entry in entries:
        twice |= what_was_asked(entry) & answered
        if entry.answered:
            answered |= what_was_asked(entry)
    return twice


def has_arrived(stand_in: StandIn, number: int) -> Callable[[], bool]:
    """Whether the stand-in has been asked so many times."""
    return lambda: len(stand_in.log) >= number


class _Beginning(Faults):
    """No request fails; something happens with the one of that number."""

    def __init__(self, switches: Switches, number: int, happens: Callable[[], None]) -> None:
        super().__init__(switches)
        self._number = number
        self._happens = happens

    def draw(self) -> None:
        self._drawn += 1
        if self._drawn == self._number:
            self._happens()


def as_request_comes(stand_in: StandIn, number: int, happens: Callable[[], None]) -> None:
    """Let something happen when the stand-in gets the request of that number, before it answers.

    Whoever waited for the request to be there, and then did it, might do it much too late.
    """
    stand_in._faults = _Beginning(stand_in.switches, number, happens)


def hold_from(stand_in: StandIn, number: int) -> None:
    """Answer the request of that number, and all after it, only when their asker is long gone; until `let_go`."""
    held = replace(stand_in.switches, latency=28.0)  # the gateway gives up after 29

    def hold() -> None:
        stand_in.switches = held

    as_request_comes(stand_in, number, hold)


def let_go(stand_in: StandIn) -> None:
    """Answer at once what is asked from now on."""
    stand_in.switches = replace(stand_in.switches, latency=0.0)


def stopped_at(stand_in: StandIn, number: int, refnet: Refnet, *words: str | Path) -> Running:
    """A command that was stopped as its request of that number came. It goes on after `held`."""
    started = threading.Event()

    def stop() -> None:
        started.wait()
        running.process.send_signal(signal.SIGSTOP)

    as_request_comes(stand_in, number, stop)
    running = refnet.start(*words)
    started.set()
    assert running.until(has_arrived(stand_in, number))
    return running


def _ticks(timeout: float) -> Iterator[None]:
    """Moments a few milliseconds apart, until the time is over."""
    end = time.monotonic() + timeout
    pause = threading.Event()
    while time.monotonic() < end:
        yield
        pause.wait(0.003)
