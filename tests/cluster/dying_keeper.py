"""The application with workers that die where a dead letter is recorded and the broker not yet told."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from refnet.adapters.celery_queue.dead_letters import DeadLetters
from refnet.celery import app
from refnet.entrypoints.celery.dead_letters import keeper

__all__ = ["app"]


def _and_die(act: Callable[..., Any]) -> Callable[..., Any]:
    def do(*args: Any) -> None:
        act(*args)
        os.kill(os.getpid(), signal.SIGKILL)

    return do


def _die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


# What a worker refuses is recorded, and then rejected; what was set aside undecoded, and then told to be recorded.
keeper.record = _and_die(keeper.record)
DeadLetters.recorded = _die  # type: ignore[method-assign,assignment]
