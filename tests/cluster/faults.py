"""Faults on purpose: workers killed and started again, and connections that fall silent."""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from refnet.domain.jobs import MOST_LOSSES
from tests.cluster.beside import Beside
from tests.cluster.lab import Lab, Worker
from tests.servers import missing, ticks


def lives(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (OSError, IndexError):
        return False


def holders(lab: Lab) -> list[int]:
    """The processes that hold jobs at present, by number."""
    rows = lab.query("SELECT DISTINCT owner FROM jobs WHERE state = 'running' AND owner IS NOT NULL ORDER BY owner")
    return [int(row.owner.rpartition(":")[2]) for row in rows]


def at_the_last(lab: Lab) -> set[int]:
    """The processes that hold a job which ran alone whenever it lost its process before, and is given up if it loses one
    more: as promised, for nobody can tell that the job itself was not the reason.
    """
    rows = lab.query("SELECT owner, losses FROM jobs WHERE state = 'running' AND owner IS NOT NULL AND share = 1")
    return {int(row.owner.rpartition(":")[2]) for row in rows if row.losses + 1 >= MOST_LOSSES}


class Supervisor(Beside):
    """Starts a worker again whenever it is over, as a service manager does, from `__enter__` to `__exit__`.

    `exits` are the codes with which workers ended: -9 after SIGKILL.
    """

    every = 0.1

    def __init__(self, starts: list[Callable[[], Worker]]) -> None:
        self._starts = starts
        self.workers: list[Worker] = []
        self.exits: list[int] = []

    def __enter__(self) -> Self:
        self.workers = [start() for start in self._starts]
        return super().__enter__()

    def turn(self) -> None:
        for number, worker in enumerate(self.workers):
            if worker.is_over:
                self.exits.append(worker.process.returncode)
                self.workers[number] = self._starts[number]()


@dataclass
class Killer:
    """Sends SIGKILL to a random child, or to a whole worker with its children; the same seed, the same order. Whoever is
    `at_the_last` is spared: a job that is given up because chance hit it three times is no fault.

    What was hit is counted: a run of which the kills missed shows nothing.
    """

    lab: Lab
    supervisor: Supervisor
    random: Random
    #: a worker's process that is stopped, and neither killed itself nor with its worker
    spared: int | None = None
    #: by process that was killed, when that was, on the monotonic clock
    died: dict[int, float] = field(default_factory=dict)
    children: int = 0
    workers: int = 0
    #: kills of processes that held jobs at that moment
    at_work: int = 0
    told: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return self.children + self.workers

    def kill(self) -> bool:
        """Kill something that lives, at work if there is such a thing; whether there was anything."""
        # A worker whose children die before the first is up gives up by itself (celery/worker/loops.py).
        alive = [one for one in self.supervisor.workers if not one.is_over and "ready." in one.text and one.children()]
        if not alive:
            return False
        held, last = set(holders(self.lab)), at_the_last(self.lab)
        if self.random.random() < 0.5:
            children = [pid for worker in alive for pid in worker.children() if lives(pid) and self._may(pid, last)]
            chosen = [pid for pid in children if pid in held] or children
            return bool(chosen) and self._kill(self.random.choice(chosen), held)
        alive = [worker for worker in alive if all(self._may(pid, last) for pid in worker.children())]
        if not alive:
            return False
        worker = self.random.choice(alive)
        children = worker.children()
        self.at_work += bool(held & set(children))
        self.workers += 1
        self.told.append(worker.name)
        self.died |= dict.fromkeys(children, time.monotonic())
        worker.kill()
        return True

    def _may(self, pid: int, last: set[int]) -> bool:
        return pid != self.spared and pid not in last

    def kill_who_works(self) -> bool:
        """Kill each process that holds jobs, if one does."""
        held = {pid for pid in holders(self.lab) if lives(pid)} - at_the_last(self.lab)
        killed = [self._kill(pid, held) for pid in sorted(held)]
        return any(killed)

    def _kill(self, pid: int, held: set[int]) -> bool:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        self.at_work += pid in held
        self.died[pid] = time.monotonic()
        self.children += 1
        self.told.append(f"child {pid}")
        return True


#: `ret #0`, the shortest socket filter there is: the kernel drops whatever arrives, without a word to the sender.
_DROP = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
_ATTACH, _DETACH = 26, 27  # SO_ATTACH_FILTER and SO_DETACH_FILTER of Linux
_LIBC = ctypes.CDLL(None, use_errno=True)


def _go_dark(one: socket.socket) -> None:
    """From now on nothing that is sent to this socket arrives, nor is acknowledged, keepalives and FIN included."""
    one.setsockopt(socket.SOL_SOCKET, _ATTACH, struct.pack("HP", 1, ctypes.addressof(_DROP)))


def _reset(one: socket.socket) -> None:
    """End a connection with RST, also while a thread reads from it: what the system calls connecting to nobody."""
    nobody = struct.pack("H14x", socket.AF_UNSPEC)
    if _LIBC.connect(one.fileno(), nobody, len(nobody)):
        raise OSError(ctypes.get_errno(), "connect")


class _Link:
    """A connection from a client, and the one to the server that belongs to it."""

    def __init__(self, client: socket.socket, server: socket.socket, proxy: Proxy) -> None:
        self._sockets = (client, server)
        self._proxy = proxy
        self.dark = False
        self._threads = [
            threading.Thread(target=self._pump, args=way, daemon=True) for way in ((client, server), (server, client))
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def is_open(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def go_dark(self) -> None:
        self.dark = True
        for one in self._sockets:
            _go_dark(one)

    def reset(self) -> None:
        for one in self._sockets:
            with suppress(OSError):
                _reset(one)

    def end(self) -> None:
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for one in self._sockets:
            one.close()

    def _pieces(self, chunk: bytes) -> Iterator[bytes]:
        pause = threading.Event()
        for at in range(0, len(chunk), size := self._proxy.slices or len(chunk)):
            if at and self._proxy.gap:
                pause.wait(self._proxy.gap)
            yield chunk[at : at + size]

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        line = _DelayLine(lambda chunk: self._pass_on(chunk, sink))
        try:
            while chunk := source.recv(65_536):
                if self.dark:
                    return
                line.put(chunk, self._proxy.latency)
        except OSError:
            pass
        finally:
            line.end()
        if not self.dark:
            for one in self._sockets:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _pass_on(self, chunk: bytes, sink: socket.socket) -> None:
        if self.dark:
            return
        with suppress(OSError):
            for piece in self._pieces(chunk):
                sink.sendall(piece)
                self._proxy.carried += len(piece)


class _DelayLine:
    """Hands on what is put into it in that order, each chunk so many seconds later: what was sent together arrives
    together, as over a long way. Without a delay nothing waits for a thread.
    """

    def __init__(self, hand_on: Callable[[bytes], None]) -> None:
        self._hand_on = hand_on
        self._chunks: queue.SimpleQueue[tuple[float, bytes] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, chunk: bytes, delay: float) -> None:
        if self._thread is None:
            if not delay:
                self._hand_on(chunk)
                return
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        self._chunks.put((time.monotonic() + delay, chunk))

    def end(self) -> None:
        """Wait until all is handed on."""
        if self._thread is not None:
            self._chunks.put(None)
            self._thread.join()

    def _run(self) -> None:
        pause = threading.Event()
        while (entry := self._chunks.get()) is not None:
            due, chunk = entry
            pause.wait(max(0.0, due - time.monotonic()))
            self._hand_on(chunk)


class Proxy:
    """A port of loopback behind which a server is, and which can lose connections as a firewall does: in silence.

    `latency` is in seconds, added to each way; `slices` are the bytes that are passed on at a time, 0 for all at once,
    with `gap` seconds between two.
    """

    def __init__(self, port: int) -> None:
        if not sys.platform.startswith("linux"):
            missing("connections can be silenced on Linux only")
        self._server = port
        self.latency = 0.0
        self.slices = 0
        self.gap = 0.0
        #: bytes passed on, both ways together
        self.carried = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._links: list[_Link] = []
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._accept, name="proxy", daemon=True)
        #: connections that were silenced
        self.silenced = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()
        for link in self._links:
            link.end()

    def through(self, url: str) -> str:
        """The URL of the server, changed to lead through here."""
        assert f"127.0.0.1:{self._server}" in url
        return url.replace(f"127.0.0.1:{self._server}", f"127.0.0.1:{self.port}")

    def cut(self) -> int:
        """Silence all connections there are; new ones pass. How many there were."""
        with self._guard:
            found = [link for link in self._links if link.is_open and not link.dark]
            for link in found:
                link.go_dark()
        self.silenced += len(found)
        return len(found)

    def reset(self) -> int:
        """End all connections there are with RST; new ones pass. How many there were."""
        with self._guard:
            found = [link for link in self._links if link.is_open and not link.dark]
        for link in found:
            link.reset()
        return len(found)

    @contextmanager
    def dark(self) -> Iterator[None]:
        """Silence all, and whoever tries to connect meanwhile hears nothing either."""
        _go_dark(self._listener)
        self.cut()
        try:
            yield
        finally:
            self._listener.setsockopt(socket.SOL_SOCKET, _DETACH, 0)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._server), timeout=10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = _Link(client, server, self)
            with self._guard:
                self._links.append(link)
            link.start()


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def pauses(seconds: float, over: Callable[[], bool]) -> bool:
    """Let that much time go by, unless `over` comes about before; whether it has."""
    return any(over() for _ in ticks(seconds)) or over()
