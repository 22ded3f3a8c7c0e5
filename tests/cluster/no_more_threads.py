"""`--include tests.cluster.no_more_threads`: once it is ready, a worker's main process can start no thread any more.

As under a limit of processes (`pids.max`, `ulimit -u`), which binds no administrator; here a thread's stack is larger
than what is left of the address space.
"""

from __future__ import annotations

import logging
import resource
import threading
from pathlib import Path

from celery import signals

SAID = "No thread can be started any more."
_STACK, _LEFT = 1 << 30, 1 << 28


@signals.worker_ready.connect(weak=False)  # type: ignore[untyped-decorator,unused-ignore]
def start_none(**_: object) -> None:
    threading.stack_size(_STACK)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _LEFT, resource.RLIM_INFINITY))
    try:
        threading.Thread(target=int).start()
    except RuntimeError:
        logging.getLogger(__name__).warning(SAID)
