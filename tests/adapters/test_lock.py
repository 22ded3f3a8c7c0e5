from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from refnet.adapters.database.engine import database_url, open_engine
from refnet.adapters.database.lock import one_at_work, one_on_server
from refnet.domain.errors import Busy, ConfigurationError, StorageFull, StoreUnavailable
from tests.adapters.disks import fill, mounts_a_disk, small_disk

HOLD = """
import sys, time
from pathlib import Path
from refnet.adapters.database.engine import database_url, open_engine
from refnet.adapters.database.lock import one_at_work, one_on_server

where = sys.argv[1]
with one_on_server(open_engine(database_url(where))) if ":" in where else one_at_work(Path(where)):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(where: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, where], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_refused_and_told_who_is_at_work(tmp_path: Path) -> None:
    database = tmp_path / "refnet.db"
    with holder(str(database)) as other:
        with pytest.raises(Busy, match=rf"Process {other.pid} is at work on {database}"), one_at_work(database):
            pass
        other.send_signal(signal.SIGKILL)
        other.wait()
        with one_at_work(database):
            assert (tmp_path / "refnet.db.lock").read_text() == f"{os.getpid()}\n"


def test_the_lock_is_free_again_when_the_work_is_done(tmp_path: Path) -> None:
    database = tmp_path / "refnet.db"
    with pytest.raises(ZeroDivisionError), one_at_work(database):
        raise ZeroDivisionError
    with holder(str(database)):
        pass


def test_two_databases_in_one_folder_have_locks_of_their_own(tmp_path: Path) -> None:
    with one_at_work(tmp_path / "a.db"), one_at_work(tmp_path / "b.db"):
        pass


def test_the_same_process_does_not_work_twice_on_one_database(tmp_path: Path) -> None:
    with one_at_work(tmp_path / "a.db"), pytest.raises(Busy), one_at_work(tmp_path / "a.db"):
        pass


def test_a_longer_number_left_by_another_process_does_not_shine_through(tmp_path: Path) -> None:
    (tmp_path / "a.db.lock").write_text("99999999999999\n")
    with one_at_work(tmp_path / "a.db"):
        assert (tmp_path / "a.db.lock").read_text() == f"{os.getpid()}\n"


def test_a_lock_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.db.lock").mkdir()
    with (
        pytest.raises(ConfigurationError, match=rf"The lock {tmp_path}/a\.db\.lock cannot be made"),
        one_at_work(tmp_path / "a.db"),
    ):
        pass


@mounts_a_disk
def test_a_full_disk_is_told_from_a_closed_folder(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        fill(disk)
        with pytest.raises(StorageFull, match="No room is left"), one_at_work(disk / "a.db"):
            pass


def test_on_a_server_a_second_process_is_refused_until_the_first_is_gone(postgres_database: str) -> None:
    url = database_url(postgres_database)
    engine = open_engine(url)
    with holder(postgres_database) as other:
        with pytest.raises(Busy, match="Another refnet is at work on") as caught, one_on_server(engine):
            pass
        assert (url.password or "?") not in str(caught.value)
        other.send_signal(signal.SIGKILL)
        other.wait()
        until_free(postgres_database)
    with one_on_server(engine), pytest.raises(Busy), one_on_server(engine):
        pass
    with one_on_server(engine):
        pass
    engine.dispose()


def until_free(url: str) -> None:
    """Return once the server has noticed that the other process is gone; it does so by itself."""
    engine = open_engine(database_url(url))
    for _ in range(200):
        try:
            with one_on_server(engine):
                break
        except Busy:
            subprocess.run([sys.executable, "-c", "pass"], check=True)
    else:
        raise AssertionError("the lock of a killed process stays")
    engine.dispose()


def test_a_server_that_is_down_is_unavailable_not_busy() -> None:
    with pytest.raises(StoreUnavailable), one_on_server(open_engine(database_url("postgresql://u@127.0.0.1:1/d"))):
        pass
