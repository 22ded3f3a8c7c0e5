"""What a task needs a permission for, and whose work it is: checked in the worker, before the task runs.

A task sent without a claim is the operator's, who has the key that signs, and may do anything. Work that was begun
through the API keeps the scope of its key in the database, and whoever tells workers of it sends that along as a
claim. The header is signed like the rest of a message, so that nobody can change it on the way or leave it out. What a
task sends while it runs, its retries among it, has the task's own claim.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery import Task

from refnet.adapters.celery_queue.signing import HINT
from refnet.domain.errors import NotPermitted
from refnet.domain.permissions import Scope, why_refused

#: The header that says for whom a task is done: the name of a scope.
CLAIM = "refnet_claim"


class PermittedTask(Task):  # type: ignore[type-arg,unused-ignore]
    """A task that runs for those who have the scope that it needs.

    Each says so in its class, or as an argument of its decorator: `@app.task(needs=Scope.WRITE)`.
    """

    abstract = True
    #: For those that do not say it, Celery's own among them, which run other tasks without asking for theirs.
    needs: Scope = Scope.ADMIN

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Raises NotPermitted."""
        super().before_start(task_id, args, kwargs)
        headers: dict[str, Any] = self.request.headers or {}
        if CLAIM in headers and (why := why_refused(headers[CLAIM], self.needs)) is not None:
            raise NotPermitted(f"{why}: {self.name} was not run.")


def inherited(headers: Mapping[str, Any], running: Mapping[str, Any]) -> Mapping[str, Any]:
    """The headers of a task to be sent, with the claim of the one with the headers `running` that sends it.

    Hints are not its children: each has the claim of the crawl that it is about.
    """
    if CLAIM not in running or HINT in headers:
        return headers
    return {**headers, CLAIM: running[CLAIM]}
