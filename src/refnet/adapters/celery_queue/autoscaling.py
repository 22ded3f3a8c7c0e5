"""Takes processes away from a worker's pool that has more of them than work."""

from __future__ import annotations

from typing import Any

from celery.utils.log import get_logger
from celery.worker.autoscale import Autoscaler as StockAutoscaler

_log = get_logger(__name__)


class Autoscaler(StockAutoscaler):  # type: ignore[misc,unused-ignore]
    """Tells a process to end once. For Celery's setting `worker_autoscaler`.

    Celery's chooses among all that are idle, one that it told the last time and that has not ended yet among them, and
    counts that one twice (billiard 4.3, `Pool.shrink`): on a busy machine processes stay for which there is no work.
    """

    def _shrink(self, n: int) -> None:
        if self._are_ending():
            _log.debug("Processes that were told to end have not ended yet; no more are told before the next look.")
        else:
            super()._shrink(n)

    def _are_ending(self) -> bool:
        processes: list[Any] = self.pool._pool._pool  # noqa: SLF001 - nobody else knows
        return any(getattr(process, "_controlled_termination", False) for process in processes)
