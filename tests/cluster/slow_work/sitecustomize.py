"""Makes the work of a worker's children slow: with this folder on PYTHONPATH, whichever command starts the worker.

SLOW_SUMMARIES are seconds for each wave of summaries, SLOW_NOTES for each note that is written. Python loads one module
of this name, so the one of tests/guard is loaded from here.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
from pathlib import Path

runpy.run_path(str(Path(__file__).parents[2] / "guard" / "sitecustomize.py"))

if "worker" in sys.argv and "celery" in sys.orig_argv:
    from celery import signals

    @signals.worker_process_init.connect(weak=False)  # type: ignore[untyped-decorator,unused-ignore]
    def slow_down(**_: object) -> None:
        from refnet.adapters.vault import FolderVault
        from refnet.domain.jobs import Wave
        from refnet.entrypoints.celery import process
        from refnet.pipeline.lease import Lease

        summaries, notes = (float(os.environ.get(name, "0")) for name in ("SLOW_SUMMARIES", "SLOW_NOTES"))
        pause = threading.Event()

        class SlowVault(FolderVault):
            def write(self, name: str, text: str) -> None:
                super().write(name, text)
                pause.wait(notes)

        worker = process.worker()
        inner = worker.summarizer._work

        def work(wave: Wave, lease: Lease) -> None:
            pause.wait(summaries)
            inner(wave, lease)

        worker.summarizer._work = work
        worker.vault.vault = SlowVault(worker.vault.vault.path)
