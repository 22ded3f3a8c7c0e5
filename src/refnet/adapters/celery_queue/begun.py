"""On Redis a message says whether its task was begun: before, the loss of its worker is no fault of its."""

from __future__ import annotations

from typing import Any

from celery.utils.log import get_logger
from celery.worker.state import reserved_requests

from refnet.adapters.celery_queue.queues import AWAY
from refnet.adapters.celery_queue.transport import Channel

_log = get_logger(__name__)


class Begun:
    """A task in the main process, as a class beside Celery's `Request`.

    What goes to a pool in which a process is free begins at once, and may kill the worker before anybody hears of it: it
    is marked before. What has to wait for a process is marked when one has taken it. Costs one call of Redis' a task.
    """

    message: Any
    _is_begun = False

    def handed_over(self, pool: Any) -> None:
        """The pool is about to get it."""
        if len(reserved_requests) <= (pool.num_processes or 1):  # itself included
            self._begin()

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        self._begin()
        super().on_accepted(pid, time_accepted)  # type: ignore[misc]

    def _begin(self) -> None:
        channel = self.message.channel
        if self._is_begun or not isinstance(channel, Channel):
            return
        self._is_begun = True
        try:
            channel.qos.begin(self.message.delivery_tag)
        except AWAY as error:
            _log.info("Redis does not answer (%s): should the worker be lost, its task counts as not begun.", error)
