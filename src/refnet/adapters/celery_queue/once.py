"""The class of all tasks: one that has ended does not run again."""

from __future__ import annotations

from typing import Any

from celery.exceptions import Ignore, Reject
from celery.utils.log import get_logger

from refnet.adapters.celery_queue.permission import PermittedTask
from refnet.adapters.celery_queue.signing import HINT
from refnet.domain.errors import StoreUnavailable

_log = get_logger(__name__)


class OnceTask(PermittedTask):
    """A task that runs until there is a final result for its id, and then no more, whoever sends the message again.

    A captured message may come a second time, and beat names its turns by ids. Redeliveries of what was lost on the
    way, and retries, have no final result yet, and run. Costs one look at the table of results; hints, which the
    ledger judges, are spared it.
    """

    abstract = True

    @property
    def is_hint(self) -> bool:
        """Whether the ledger sent this. Its header is signed as the whole message is."""
        headers: dict[str, object] | None = self.request.headers
        return HINT in (headers or {})

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        super().before_start(task_id, args, kwargs)
        if self.request.is_eager or self.is_hint:
            return
        try:
            ended = self.backend.has_ended(task_id)
        except StoreUnavailable as error:
            raise self.put_off(error) from error
        if ended:
            _log.info("Task %s[%s] has ended before, and does not run again", self.name, task_id)
            raise Ignore

    def put_off(self, error: StoreUnavailable) -> BaseException:
        """What to raise so that the task comes again when the database may be back."""
        again: BaseException = Reject(error, requeue=True)
        return again
