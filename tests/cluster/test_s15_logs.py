"""S15: the logs of a cluster at work: one file of all processes, with what they are about, and no secret in it."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from refnet.demo.bundled import SEED
from refnet.domain.jobs import MOST_NAMED
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import Lab, until
from tests.cluster.one_lab import FETCH
from tests.redis_server import running_redis

pytestmark = pytest.mark.slow

STAGES = {"crawler", "summarizer", "generator"}
KEYS = ("canary-signing-key-of-today", "canary-signing-key-of-tomorrow")
API_KEY = "canary-of-semantic-scholar"
BROKER_PASSWORD = "canary-br0ker-w0rd"


def lines(file: Path) -> list[dict[str, Any]]:
    """Every line, each of which has to be one JSON object without a control character."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        assert line.isprintable()
        document = json.loads(line)
        assert isinstance(document, dict)
        found.append(document)
    return found


def work(lab: Lab, level: str) -> None:
    """A crawl by three workers and a beat, a paper that is not there, and a message that cannot be run."""
    for queue in sorted(STAGES):
        lab.worker(queue, "--loglevel", level)
    beat = lab._start(["-m", "celery", "-A", "refnet", "beat", "--loglevel", level, "--pidfile="], "beat", wait=False)
    beat.until_logs("beat: Starting")
    lab.refnet.map(SEED, "--depth", "1")
    with lab.app() as app:
        app.send_task(FETCH, ("0" * 40,)).get(timeout=60, propagate=False)
        app.send_task("a.task\r\n2026 - crawler - INFO - forged \x1b[2J\u2028", (), queue="crawler")
    until(lambda: "cannot run" in lab.workers[0].text, what="the message to be refused")


def _all_in(file: Path, told: set[str]) -> bool:
    return told <= set(file.read_text(encoding="utf-8").splitlines())


def test_s15_all_processes_of_a_cluster_write_one_log_and_say_what_they_are_about(
    make_lab: MakeLab, redis_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "logs"
    lab = make_lab(redis_url, environment={"REFNET_LOG_DIR": str(folder), "REFNET_LOG_FORMAT": "json"})
    work(lab, "info")
    # Written to stderr first.
    until(lambda: "cannot run" in (folder / "celery.log").read_text(), what="the same in the file")

    found = lines(folder / "celery.log")
    for queue in STAGES:
        own = [line for line in found if line["logger"] == queue]
        assert own, f"nothing from {queue}"
        assert all({"task_id", "paper", "process"} <= set(line) for line in own)
    jobs = {str(row.id): (row.stage, row.paper_id) for row in lab.query("SELECT id, stage, paper_id FROM jobs")}
    for queue, stage in (("crawler", "crawl"), ("summarizer", "summarize"), ("generator", "generate")):
        done = [line for line in found if line["logger"] == queue and line["message"].startswith("Done: ")]
        assert done
        for line in done:
            named = [jobs[one] for one in line["job"].split(",")]
            assert {of for of, _ in named} == {stage}
            assert line["message"].endswith(f" (papers: {line.get('jobs', 1)})")
            assert line["paper"] in [paper for _, paper in named] or int(line["jobs"]) > len(named) == MOST_NAMED
    (failed,) = [line for line in found if line["logger"] == "crawler" and line["level"] == "ERROR"]
    assert failed["paper"] == "0" * 40
    assert jobs[failed["job"]] == ("crawl", "0" * 40), "sent by hand, it has a job, too"
    assert "knows no paper" in failed["message"]
    assert any(line["logger"].startswith("celery.beat") for line in found)
    assert len({line["pid"] for line in found}) >= 7, "main processes, their children and beat"
    (forged,) = [line for line in found if "cannot run" in line["message"]]
    assert "forged" in forged["message"]
    assert all(line["logger"] != "crawler" or "forged" not in line["message"] for line in found)
    # The same on stderr, of each its own.
    for worker in lab.workers:
        told = {line for line in worker.text.splitlines() if line.startswith("{")}
        assert told
        until(partial(_all_in, folder / "celery.log", told), what="all of it in the file")  # written a moment later


def test_s15_at_debug_nothing_that_is_logged_holds_a_secret(make_lab: MakeLab, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    with running_redis(password=BROKER_PASSWORD) as server:
        lab = make_lab(
            server.url,
            environment={
                "REFNET_LOG_DIR": str(folder),
                "REFNET_SIGNING_KEYS": ",".join(KEYS),
                "SEMANTIC_SCHOLAR_API_KEY": API_KEY,
            },
        )
        work(lab, "debug")
        server.restart()  # what is said of a lost broker, too
        until(lambda: all("Connected to" in one.text.rpartition("rror")[2] for one in lab.workers[:3]), what="them")
        for command in (["status", "--debug"], ["doctor"], ["map", "nonsense", "--debug"]):
            lab.refnet.with_(REFNET_LOG_LEVEL="DEBUG")(*command)
        for worker in lab.workers:
            worker.kill()

    password = urlsplit(lab.environment["DATABASE_URL"]).password
    assert password
    told = "".join(file.read_text() for file in [*folder.iterdir(), *(worker.log for worker in lab.workers)])
    assert "Traceback" in told
    begun = [line for line in told.splitlines() if " - Begins: " in line]
    assert any(re.search(r" job=\d+", line) for line in begun), "what is sent for a job names it from the first"
    held = [line for line in told.splitlines() if " - Holds the jobs " in line]
    assert held, "what is said while jobs are held"
    for kind in ("task_id", "paper", "claim", "job"):
        assert all(re.search(rf" \[.*\b{kind}=\w", line) for line in held), f"names the {kind}"
    for secret in (*KEYS, API_KEY, BROKER_PASSWORD, password, unquote(password)):
        assert secret not in told
    for line in (folder / "celery.log").read_text().splitlines():
        assert line.isprintable()


#: `refnet worker summarizer`, without the level that the lab types behind it.
UNTYPED = "import sys; sys.argv = sys.argv[:3]; from refnet.entrypoints.cli import main; main()"


def test_s15_the_level_that_somebody_types_goes_before_the_variable(make_lab: MakeLab, redis_url: str) -> None:
    lab = make_lab(redis_url, environment={"REFNET_LOG_LEVEL": "ERROR"})
    typed = lab.worker("crawler", "--loglevel", "info")
    untyped = lab._start(["-c", UNTYPED, "worker", "summarizer"], "untyped", wait=False)
    until(lambda: len(lab.store.workers()) == 2, what="both to be at work")

    assert " - INFO - " in typed.text
    assert " - INFO - " not in untyped.text
