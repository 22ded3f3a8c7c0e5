"""How a worker's end is brought about when what leads to it fails."""

from __future__ import annotations

import subprocess
import sys

STUCK = """
import os, signal, threading
from types import SimpleNamespace
from celery.concurrency.prefork import TaskPool
from refnet.entrypoints.celery import draining
draining.AT_LAST = 0.5
conf = SimpleNamespace(worker_soft_shutdown_timeout="no number")
pool = TaskPool(1)  # never started, so that it has no processes
worker = SimpleNamespace(pool=pool, app=SimpleNamespace(conf=conf), consumer=None)
draining.Draining(worker).start(worker)
os.kill(os.getpid(), signal.SIGTERM)
for _ in range(600):
    threading.Event().wait(0.1)
"""


def test_a_worker_ends_at_last_whatever_fails_on_the_way() -> None:
    ended = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 1, ended.stderr
    assert "did not come to its end" in ended.stderr
    assert "no number" in ended.stderr
