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


#: A thread is in the middle of a line that the log takes slowly; the process forked meanwhile has something to log, too.
LOG = """
import logging, os, signal, threading
from refnet.entrypoints.celery.forking import hold_logs

hold_logs()
reading, writing = os.pipe()
file = os.fdopen(writing, "w")
logging.basicConfig(stream=file, format="%(message)s", level="INFO")

def read():
    begun.set()
    while not os.read(reading, 1 << 16).endswith(b"end\\n"):
        pass

def tell():
    logging.info("%s", "x" * (1 << 20) + "end")

begun = threading.Event()
told = threading.Thread(target=tell, daemon=True)
told.start()
os.read(reading, 1)
# The line is longer than the pipe, so that nobody can be past it before this begins.
threading.Thread(target=read, daemon=True).start()
begun.wait()
pid = os.fork()
if pid == 0:
    signal.alarm(10)
    os.dup2(os.open(os.devnull, os.O_WRONLY), writing)
    logging.info("end")
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_a_forked_process_may_write_into_the_log_that_a_thread_was_writing_into() -> None:
    ended = subprocess.run([sys.executable, "-c", LOG], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "7\n"


#: One thread is giving free what it held while it forked, when another, which wants to fork too, has begun to hold.
FORKS = """
import logging, os, signal, threading
from refnet.entrypoints.celery.forking import hold_logs

class First(logging.Handler):
    def acquire(self):
        super().acquire()
        if threading.current_thread() is one and not two.ident:
            two.start()
    def release(self):
        super().release()
        if threading.current_thread() is one:
            holds.wait(2)

class Second(logging.Handler):
    def acquire(self):
        super().acquire()
        if threading.current_thread() is two:
            holds.set()
            freed.wait(5)

def fork():
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    freed.set()
    codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

holds, freed, codes = threading.Event(), threading.Event(), []
del logging._handlerList[:]  # what Python itself has: the first of all is to be one of these
handlers = First(), Second()
one, two = (threading.Thread(target=fork) for _ in range(2))
hold_logs()
signal.alarm(30)
one.start()
one.join()
two.join()
for handler in handlers:
    handler.acquire()
print(codes)
"""


def test_two_threads_that_fork_at_once_do_not_give_free_what_the_other_holds() -> None:
    ended = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "[7, 7]\n", "")
