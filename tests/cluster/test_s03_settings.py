"""S03: the settings of the design document on a running worker, and what they are for: a killed child's task runs
again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from refnet.adapters.celery_queue.application import Connections, checked, configuration
from refnet.demo.bundled import SEED
from refnet.domain.errors import ConfigurationError
from refnet.domain.workers import WORKERS
from refnet.entrypoints.celery.tasks import LONGEST
from tests.acceptance.command import Ended
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import ROOT, Lab, until
from tests.cluster.live_events import live_events
from tests.redis_server import running_redis

FETCH = "crawler.tasks.fetch_paper_metadata"
PAPER = "7eda0c4e99c68e4f3cb00a14b4513a1d74fdabb2"
ACTING = "tests.cluster.acting_tasks"

#: Section 3.1 of the design document.
DESIGN = {
    "task_serializer": "json",
    "accept_content": ["json"],
    "result_serializer": "json",
    "timezone": "UTC",
    "enable_utc": True,
    "worker_prefetch_multiplier": 1,
    "worker_max_tasks_per_child": 1000,
    "worker_disable_rate_limits": False,
    "task_soft_time_limit": 300,
    "task_time_limit": 600,
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
}
#: What belongs together with it.
TOGETHER = {
    "task_retry_on_worker_lost": True,
    "task_acks_on_failure": False,
    "task_acks_on_timeout": True,
    "broker_connection_max_retries": None,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "result_backend_max_retries": 1000,
    "worker_soft_shutdown_timeout": 7.0,
    "result_extended": True,
    "worker_send_task_events": True,
    "task_send_sent_event": True,
}
REDIS = {
    "priority_steps": list(range(11)),
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_keepalive": True,
}


def conf(lab: Lab) -> tuple[dict[str, Any], str]:
    """What `celery -A celery_app inspect conf` says of the one worker, and all that it prints."""

    def asked() -> Ended | None:
        found = lab.celery("inspect", "conf")
        return None if found.code == os.EX_UNAVAILABLE else found

    # The command waits for a second only, and a busy worker may need longer.
    ended = until(asked, what="the worker to answer")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    start, end = lines.index("    {"), lines.index("    }")
    settings: dict[str, Any] = json.loads("\n".join(lines[start : end + 1]))
    return settings, ended.out + ended.err


@pytest.mark.slow
def test_s03_inspect_conf_shows_the_settings_of_the_design_on_a_running_worker(make_lab: MakeLab) -> None:
    with running_redis(password="br0ker-s3cret") as server:
        lab = make_lab(server.url)
        worker = lab.worker("crawler")

        settings, printed = conf(lab)

        log = worker.text
        worker.kill()
    options = settings["broker_transport_options"]
    assert {name: settings.get(name) for name in DESIGN} == DESIGN
    assert {name: settings.get(name, "missing") for name in TOGETHER} == TOGETHER
    assert {name: options.get(name) for name in REDIS} == REDIS
    # A connection that answers nothing is noticed long before a task's time is up.
    assert all(
        0 < options[name] <= 30 for name in ("socket_timeout", "socket_connect_timeout", "health_check_interval")
    )
    # Redis gives a message to another worker after this time, even while its task runs or waits for its retry.
    assert options["visibility_timeout"] > max(kind.time_limit for kind in WORKERS) + LONGEST * 1.1
    assert settings["result_backend"].startswith("db+postgresql+psycopg://")
    password = urlsplit(lab.environment["DATABASE_URL"]).password
    assert password
    for secret in ("br0ker-s3cret", password):
        assert secret not in printed
        assert secret not in log


@pytest.mark.slow
def test_s03_the_same_settings_hold_on_rabbitmq(make_lab: MakeLab, rabbitmq_url: str) -> None:
    lab = make_lab(rabbitmq_url)
    lab.worker("crawler")

    settings, printed = conf(lab)

    assert {name: settings.get(name, "missing") for name in DESIGN | TOGETHER} == DESIGN | TOGETHER
    options = settings["broker_transport_options"]
    assert options["confirm_publish"] is True
    assert {"connect_timeout", "read_timeout", "write_timeout"} <= options.keys()
    assert 0 < settings["broker_heartbeat"] <= 30
    [broker] = re.findall(r"amqp://\S+", printed)
    assert broker.startswith("amqp://guest:********@")


@pytest.mark.parametrize("broker", ["redis://:secret@localhost/0", "amqp://user:secret@localhost//"])
def test_s03_celery_knows_every_setting_there_is(broker: str) -> None:
    settings = configuration(Connections(broker, "postgresql+psycopg://localhost/refnet"))

    assert checked(settings) == settings


@pytest.mark.parametrize("name", ["task_dead_letter_queue", "task_dead_letter_exchange", "task_ack_late"])
def test_s03_a_setting_that_celery_does_not_know_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"has no setting {name}"):
        checked({"task_acks_late": True, name: True})


@pytest.mark.slow
def test_s03_no_worker_starts_with_a_setting_that_celery_does_not_know(lab: Lab, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__", "corpus"))
    file = source / "refnet" / "adapters" / "celery_queue" / "application.py"
    misspelt = file.read_text().replace('"task_acks_late": True', '"task_ack_late": True')
    assert misspelt != file.read_text()
    file.write_text(misspelt)

    ended = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "refnet", "worker", "-Q", "crawler", "-c1"],
        cwd=tmp_path,
        env=lab.environment | {"PYTHONPATH": f"{source}{os.pathsep}{lab.environment.get('PYTHONPATH', '')}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ended.returncode != 0
    assert "has no setting task_ack_late" in ended.stderr.splitlines()[-1]
    assert "ready." not in ended.stdout + ended.stderr


@pytest.mark.slow
def test_s03_the_task_of_a_killed_child_runs_again(make_lab: MakeLab, broker_url: str) -> None:
    lab = make_lab(broker_url, latency=30.0, timeout=60.0, environment={"MAX_DEPTH": "0"})
    worker = lab.worker("crawler")

    with lab.app() as app, live_events(app) as events:
        sent = app.send_task(FETCH, [SEED])
        [(owner,)] = until(lambda: lab.query("SELECT owner FROM jobs WHERE state = 'running'"), 60, "a child at it")
        pid = int(owner.rpartition(":")[2])
        assert pid in worker.children()
        until(lambda: lab.stand_in.log, 60, "its request")
        lab.stand_in.switches = replace(lab.stand_in.switches, latency=0.0)
        os.kill(pid, signal.SIGKILL)

        assert app.AsyncResult(sent.id).get(timeout=90) == {"status": "success", "paper_id": PAPER}
        events.until("task-succeeded", sent.id)

    assert "retried" in events.kinds(sent.id)
    assert events.kinds(sent.id).count("started") >= 2
    assert pid not in worker.children()
    assert not worker.is_over
    assert lab.query("SELECT paper_id FROM papers WHERE fetched_at IS NOT NULL") == [(PAPER,)]
    assert not lab.query("SELECT 1 FROM jobs WHERE state <> 'done' AND stage = 'crawl'")


@pytest.mark.slow
def test_s03_a_task_that_kills_its_process_each_time_does_not_run_for_ever(lab: Lab, tmp_path: Path) -> None:
    worker = lab.worker("crawler", "-c1", app=ACTING)

    with lab.app() as app:
        sent = app.send_task("acting.poison", [str(tmp_path / "runs")], queue="crawler")
        until(lambda: lab.results("acting.poison") and app.AsyncResult(sent.id).state == "FAILURE", 90, "its end")
        # Nothing comes after it: the worker is at other work.
        assert app.send_task("acting.note", [str(tmp_path / "other"), "x"], queue="crawler").get(timeout=60)

    assert len((tmp_path / "runs").read_text().splitlines()) == 2
    assert "WorkerLostError" in lab.results("acting.poison")[0].result
    assert not worker.is_over
