"""The process beside `refnet serve` that does the crawls asked for, where there is no broker: `python -m
refnet.entrypoints.engine`.

A process of its own, so that the server answers while it works, and so that it ends as any command does: at once, with
the papers in hand given back. It says "ready" once it is the one at work, and ends when its stdin does, for then its
server is gone.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

from refnet.domain.errors import RefnetError, Stopped, TransientError
from refnet.entrypoints.cli.ending import end_by_signals, end_undisturbed
from refnet.entrypoints.cli.output import note
from refnet.entrypoints.exit_codes import DONE, exit_code

if TYPE_CHECKING:
    from refnet.pipeline.crawl_requests import RequestRunner

logger = logging.getLogger(__name__)

#: Said on stdout by one that is at work.
READY = "ready"
#: Seconds between two looks for what was asked for, and until what only waiting cures is tried again.
LOOK_EVERY, TRY_AGAIN = 0.3, 5.0


def main() -> int:
    """Work until the process is asked to end; the exit code."""
    from refnet.bootstrap import build
    from refnet.entrypoints.logs import configure
    from refnet.settings import load_settings

    end_by_signals(DONE)
    try:
        settings = load_settings()
        configure(settings, "serve.log")
        app = build(settings)
        try:
            with app.at_work(), app.serving(), app.request_runner(logger.info) as runner:
                threading.Thread(target=_end_with_server, name="end-with-server", daemon=True).start()
                for crawl_id in app.store.take_up_left():
                    logger.info("Crawl %d, which was interrupted, is gone on with.", crawl_id)
                print(READY, flush=True)
                _work(runner)
        finally:
            app.engine.dispose()
    except KeyboardInterrupt:
        return DONE
    except RefnetError as error:
        note(f"refnet: {error}")
        return exit_code(error)


def _work(runner: RequestRunner) -> NoReturn:
    told = ""
    while True:
        pause = LOOK_EVERY
        try:
            if runner.step():
                told = ""
                continue
        except (Stopped, TransientError) as error:
            if str(error) != told:
                logger.warning("%s It is tried again.", error)
            told, pause = str(error), TRY_AGAIN
        threading.Event().wait(pause)


def _end_with_server() -> None:
    """Nobody could stop it otherwise where the server was killed."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    code = main()
    end_undisturbed()
    sys.exit(code)
