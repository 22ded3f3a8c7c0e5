"""A PostgreSQL that a soak may stop and start again, on one port."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import _run, _unprivileged, missing, postgres_binaries, running_postgres


class PostgresServer:
    """One of the tests' own servers, with its switch in hand."""

    def __init__(self, url: str) -> None:
        import psycopg

        self.url = url
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            row = connection.execute("SHOW data_directory").fetchone()
        assert row is not None
        self._data = Path(row[0])
        # The programs may be copies, made where the server's user can run them: ask which ones it was started with.
        self._binaries = Path(shlex.split((self._data / "postmaster.opts").read_text())[0]).parent
        self._options = shlex.join(shlex.split((self._data / "postmaster.opts").read_text())[1:])

    @property
    def log(self) -> Path:
        return self._data.parent / "log"

    def restart_at_once(self) -> None:
        """`pg_ctl -m immediate restart`: every session is cut off, and recovery begins as after a crash."""
        self._control("-m", "immediate", "restart")

    def stop_at_once(self) -> None:
        self._control("-m", "immediate", "stop")

    def start(self) -> None:
        self._control("-o", self._options, "start")

    def _control(self, *words: str) -> None:
        folder = self._data.parent
        logged = ("-l", str(folder / "log"), "-t", "60", "-w")
        _run(self._binaries, folder, _unprivileged(), ["pg_ctl", "-D", str(self._data), *logged, *words])


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """A server of the test's own. It has to be up at the end."""
    binaries = postgres_binaries()
    if binaries is None:
        missing("no PostgreSQL on this machine and none among the test dependencies")
    with running_postgres(binaries) as url:
        yield PostgresServer(url)
