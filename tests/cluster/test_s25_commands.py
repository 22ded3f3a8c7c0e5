"""S25: the commands of the design document, letter by letter."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from refnet.demo.bundled import SEED
from tests.acceptance.command import Ended
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import ROOT, Lab, until
from tests.cluster.one_lab import FETCH, OneLab, switch

pytestmark = pytest.mark.slow

PASSWORD = "not-for-any-eyes"
#: A paper that no other test asks for: while it is fetched, whoever asks for it again has to come back.
SLOW = "arXiv:1706.03762"
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def opened(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneLab]:
    with OneLab(postgres_url, tmp_path_factory.mktemp("commands"), PASSWORD) as one:
        yield one


@pytest.fixture
def lab(opened: OneLab) -> Iterator[Lab]:
    """On a Redis with a password, with one worker of all queues."""
    if not opened.is_open:
        opened.lab().worker(name="all")
    yield opened.lab()
    switch(opened.lab().stand_in)


def celery(lab: Lab, *words: str, app: str = "celery_app", folder: Path = ROOT) -> Ended:
    """The program `celery` itself, as it is typed."""
    done = subprocess.run(
        [Path(sys.executable).with_name("celery"), "-A", app, *words],
        cwd=folder,
        env=lab.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    ended = Ended(done.returncode, done.stdout, done.stderr, 0.0)
    assert PASSWORD not in ended.out + ended.err
    assert "Traceback" not in ended.out + ended.err
    return ended


def inspect(lab: Lab, what: str) -> Ended:
    """The answer of the worker. `celery inspect` waits a second for it, in which this machine may have stalled."""

    def answered() -> Ended | None:
        ended = celery(lab, "inspect", what)
        return None if ended.code == os.EX_UNAVAILABLE else ended

    found: Ended = until(answered, what="the worker to answer")
    return found


def ended_tasks(lab: Lab, task_id: str) -> list[Any]:
    """The task's row in the table of results, once it is its last."""
    return [row for row in lab.results() if row.task_id == task_id and row.status in ("SUCCESS", "FAILURE")]


def test_s25_inspect_active_shows_what_is_at_work(lab: Lab) -> None:
    assert "- empty -" in inspect(lab, "active").out
    switch(lab.stand_in, latency=10.0)
    sent = celery(lab, "call", FETCH, f'--args=["{SLOW}"]').out.strip()
    until(lambda: lab.stand_in.log, what="the task to be at work")  # which is later than that it was received

    ended = inspect(lab, "active")

    assert ended.code == 0
    assert "->  all@" in ended.out
    assert "1 node online." in ended.out
    assert sent in ended.out
    assert FETCH in ended.out


def test_s25_inspect_stats_shows_the_broker_and_the_pool_but_no_password(lab: Lab) -> None:
    ended = inspect(lab, "stats")

    assert ended.code == 0
    assert '"transport": "redis"' in ended.out
    assert '"max-concurrency": 2' in ended.out
    assert '"prefetch_count": 2' in ended.out


def test_s25_a_call_with_what_is_no_paper_prints_the_tasks_id_and_ends_as_failure_with_the_reason(lab: Lab) -> None:
    ended = celery(lab, "call", "crawler.tasks.fetch_paper_metadata", '--args=["paper123"]')

    assert ended.code == 0
    sent = ended.out.strip()
    assert ID.fullmatch(sent)
    [row] = until(lambda: ended_tasks(lab, sent), what="the result")
    assert row.status == "FAILURE"
    assert "“paper123” is no id that refnet knows" in lab.refnet.done("dead", "list").out


def test_s25_a_call_comes_before_what_a_crawl_has_queued(make_lab: MakeLab, broker_url: str) -> None:
    lab = make_lab(broker_url)
    with lab.app() as app:
        hints = [app.send_task(FETCH, ("paper123",), priority=9).id for _ in range(5)]
        called = celery(lab, "call", FETCH, '--args=["paper123"]').out.strip()
        checked = celery(lab, "call", "health_check").out.strip()

        lab.worker("crawler", "-c1")

        until(lambda: len(lab.results()) == 7, what="all seven")
    assert [row.task_id for row in lab.results()] == [called, checked, *hints]


@pytest.mark.parametrize(("app", "elsewhere"), [("celery_app", False), ("refnet", True)])
def test_s25_a_call_with_a_real_id_ends_as_success(lab: Lab, tmp_path: Path, app: str, elsewhere: bool) -> None:
    ended = celery(lab, "call", FETCH, f'--args=["{SEED}"]', app=app, folder=tmp_path if elsewhere else ROOT)

    sent = ended.out.strip()
    [row] = until(lambda: ended_tasks(lab, sent), what="the result")
    assert row.status == "SUCCESS"
    assert '"paper_id": "7eda0c4e99c68e4f3cb00a14b4513a1d74fdabb2"' in row.result
    assert celery(lab, "result", sent, app=app, folder=tmp_path if elsewhere else ROOT).out.startswith(
        "{'status': 'suc"
    )


def test_s25_events_can_be_dumped(lab: Lab) -> None:
    with running(lab, "events", "--dump") as (read, process):
        until(lambda: "heartbeat" in read() or process.poll() is not None, what="the first event")

        sent = celery(lab, "call", FETCH, f'--args=["{SEED}"]').out.strip()

        def told() -> str:
            """Of this task: what earlier ones have begun may end now."""
            return "\n".join(line for line in read().splitlines() if sent in line)

        until(lambda: "task succeeded" in told(), what="the last event of the task")
        for event in ("task received", "task started", "task succeeded"):
            assert event in told()


def test_s25_events_starts_its_screen_in_a_terminal(lab: Lab) -> None:
    with running(lab, "events", terminal="xterm") as (read, process):
        until(lambda: "all@" in read() or process.poll() is not None, what="the worker on the screen")

        assert process.poll() is None, read()[-2000:]
        assert "Info:" in read()


@contextmanager
def running(lab: Lab, *words: str, terminal: str = "") -> Iterator[tuple[Callable[[], str], subprocess.Popen[bytes]]]:
    """A command of Celery's in a terminal; what it has written so far, and its process. Ended as by Ctrl-C."""
    ours, its = pty.openpty()
    os.set_blocking(ours, False)
    seen = bytearray()

    def read() -> str:
        try:
            while more := os.read(ours, 65_536):
                seen.extend(more)
        except OSError:
            pass  # nothing more by now
        return seen.decode(errors="replace")

    environment = {**lab.environment, "TERM": terminal or "dumb", "LINES": "40", "COLUMNS": "120"}
    process = subprocess.Popen(
        [Path(sys.executable).with_name("celery"), "-A", "celery_app", *words],
        cwd=ROOT,
        env=environment,
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    try:
        yield read, process
        assert PASSWORD not in read()
        process.send_signal(signal.SIGINT)
        until(lambda: (read(), process.poll())[1] is not None, what="it to end")
        assert "Traceback" not in read()
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(ours)
