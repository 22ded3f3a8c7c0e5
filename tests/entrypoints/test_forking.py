"""A process of the pool may be forked while another thread of the main process is in the middle of something."""

from __future__ import annotations

import subprocess
import sys

#: A thread holds the lock of a property that every connection has; the process forked meanwhile reads that property.
FORK = """
import os, signal, threading
from kombu import Connection
from refnet.entrypoints.celery.forking import renew_locks

renew_locks()
lock = vars(Connection)["connection_errors"].lock
held = threading.Event()

def hold():
    with lock:
        held.set()
        threading.Event().wait()

threading.Thread(target=hold, daemon=True).start()
held.wait()
pid = os.fork()
if pid == 0:
    signal.alarm(10)
    Connection("memory://").connection_errors
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_a_forked_process_waits_for_no_lock_of_a_thread_that_it_has_not() -> None:
    ended = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "7\n"
