"""What a dead letter says of the process that its job took with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from refnet.entrypoints.celery import orphans
from refnet.entrypoints.celery.child import Ends, how_it_ended
from tests.cluster.faults import lives
from tests.cluster.lab import until
from tests.servers import missing


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Worker exited prematurely: signal 11 (SIGSEGV) Job: 12.", "was killed by signal 11 (SIGSEGV)"),
        ("Worker exited prematurely: exitcode 1 Job: 12.", "ended with exit code 1"),
        ("Worker exited prematurely: exitcode 0.", "ended with exit code 0"),
        ("Worker exited prematurely: exitcode 155 Job: 3.", "ended with exit code 155"),
        (
            "Worker exited prematurely: signal 9 (SIGKILL) Job: 1.",
            "was killed by signal 9 (SIGKILL), as the system does where memory runs out,",
        ),
        ("Worker exited prematurely: signal 250 Job: 1.", "was killed by signal 250"),
        ("Something that celery never said before.", "died"),
    ],
)
def test_the_end_of_a_process_is_told_in_words(said: str, told: str) -> None:
    assert how_it_ended(said) == told


def test_who_waits_for_news_gets_those_that_came_before() -> None:
    ends = Ends()
    assert not ends.wait(0.0)
    ends.tell(7, "died")
    assert ends.wait(0.0)
    assert not ends.wait(0.0)
    assert ends.known() == {7: "died"}


def test_news_that_come_just_as_the_time_is_up_are_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            came = super().wait(timeout)
            self.set()
            return came

    monkeypatch.setattr(threading, "Event", Late)
    ends = Ends()
    assert not ends.wait(0.0)
    assert ends.wait(0.0)


SOLO = """
import os
from refnet.entrypoints.celery import child
group = os.getpgrp()
child.remember_main()
child.confine()
import resource
print(os.getpgrp() == group, resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY)
"""


def test_a_pool_within_the_main_process_confines_nothing() -> None:
    """Celery's `-P solo` sends `worker_process_init` in the process that sent `worker_init`."""
    told = subprocess.run([sys.executable, "-c", SOLO], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.split() == ["True", "True"]


ORPHAN = """
import os, subprocess, sys, threading
from refnet.entrypoints.celery import child, orphans
child.remember_main()
"""
#: Nobody reads any more what the watch is told.
NO_WATCH = """
reading, orphans._told = os.pipe()
os.close(reading)
"""
AT_WORK = """
if os.fork():
    sys.stdin.read(1)
    os._exit(0)
child.confine()
started = subprocess.Popen(["sleep", "600"])
print(os.getpid(), started.pid, flush=True)
threading.Event().wait()
"""


@pytest.mark.parametrize(
    ("fault", "killed_too"),
    [("", False), ("", True), (NO_WATCH, False)],
    ids=["alone", "with its main process", "and the watch is gone"],
)
def test_a_process_whose_main_process_is_gone_ends_with_all_that_it_started(fault: str, killed_too: bool) -> None:
    if sys.platform != "linux":
        missing("elsewhere there is no watch")
    words = [sys.executable, "-c", ORPHAN + fault + AT_WORK]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as main:
        assert main.stdout is not None
        pids = [int(pid) for pid in main.stdout.readline().split()]
        try:
            assert len(pids) == 2
            assert all(lives(pid) for pid in pids)
            main.kill()
            if killed_too:  # as the system does on Linux where Celery had asked it to
                os.kill(pids[0], signal.SIGKILL)
            until(lambda: not any(lives(pid) for pid in pids), 30, "them to end")
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


#: What `kill` would do, written down instead; of the first group nobody is left.
TOLD = """
kill() {
    echo "$*" >> "$LOG"
    case "$*" in *-1111*) return 1 ;; esac
}
"""


def test_the_watch_forgets_groups_that_are_over_whose_numbers_may_be_somebody_elses(tmp_path: Path) -> None:
    log = tmp_path / "log"
    words = ["/bin/sh", "-c", TOLD + orphans._WATCH]
    with subprocess.Popen(words, stdin=subprocess.PIPE, env={"LOG": str(log)}) as shell:
        assert shell.stdin is not None
        shell.stdin.write(b"1111\n2222\n3333\n")
    until(lambda: log.exists() and "KILL -- -3333" in log.read_text(), 30, "the watch to do its work")
    killed = [line for line in log.read_text().splitlines() if "KILL" in line]
    assert killed == ["-s KILL -- -2222", "-s KILL -- -3333"]


def test_the_end_of_a_process_is_forgotten_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = Ends()
    ends.tell(7, "died")
    ends.forget()
    assert ends.known() == {7: "died"}
    monkeypatch.setattr("refnet.entrypoints.celery.child._KEPT", -1.0)
    ends.forget()
    assert ends.known() == {}
