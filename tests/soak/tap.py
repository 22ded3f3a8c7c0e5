"""A tap on the line between a worker and Redis, which strikes at the moment a message comes out."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self

from tests.cluster.lab import Worker

Way = Literal["forwarded", "withheld"]


class Trap:
    """Set for one message, whichever worker gets it: that worker is dead before it can do anything with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._marker: bytes | None = None
        self._way: Way = "withheld"
        #: when it last struck, on the monotonic clock
        self.struck_at: float | None = None
        self.struck = 0

    def set_for(self, marker: bytes, way: Way) -> None:
        """Strike at the next reply of Redis in which `marker` stands."""
        with self._lock:
            self._marker, self._way, self.struck_at = marker, way, None

    def springs(self, chunk: bytes) -> Way | None:
        with self._lock:
            if self._marker is None or self._marker not in chunk:
                return None
            self._marker = None
            return self._way

    def strike(self, worker: Worker, deliver: Callable[[], None], way: Way) -> None:
        # Stopped first, so that nothing is done with what arrives: it stands in the socket when the process is killed.
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGSTOP)
        if way == "forwarded":
            deliver()
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        self.struck += 1
        self.struck_at = time.monotonic()


class Tap:
    """A port of loopback that leads to Redis, for one worker."""

    def __init__(self, server_port: int, trap: Trap) -> None:
        self._server_port = server_port
        self._trap = trap
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.worker: Worker | None = None
        self._sockets: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, name="tap", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
            except OSError:
                return
            self._sockets += [client, server]
            threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, replies: bool) -> None:
        with suppress(OSError):
            while chunk := source.recv(65_536):
                way = self._trap.springs(chunk) if replies else None
                if way is not None and self.worker is not None:
                    whole = chunk
                    self._trap.strike(self.worker, lambda: sink.sendall(whole), way)  # noqa: B023 - called at once
                    break
                sink.sendall(chunk)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
