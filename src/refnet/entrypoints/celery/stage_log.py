"""What the stages say while they work, each under the name of its queue."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from celery import Task

from refnet.adapters.celery_queue.signing import JOB
from refnet.domain.about import now_about
from refnet.domain.workers import BY_STAGE

if TYPE_CHECKING:
    from refnet.domain.jobs import Stage


class StageLog(Task):  # type: ignore[type-arg,unused-ignore]
    """Logs begin and end of a task in the process that does it: loggers `crawler`, `summarizer` and `generator`.

    Lines in between, whoever writes them, name the task's paper and, as far as it is known, its job. A task whose
    process is lost, or was killed at its hard time limit, is told of by Celery's main process.
    """

    abstract = True
    stage: Stage

    @property
    def log(self) -> logging.Logger:
        return logging.getLogger(BY_STAGE[self.stage].queue)

    def before_start(self, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        named = _named(args, kwargs)
        headers: Mapping[str, Any] = self.request.headers or {}
        now_about(paper=named if isinstance(named, str) else None, job=headers.get(JOB))
        self.log.debug("Begins: %.200s", named)
        super().before_start(task_id, args, kwargs)

    def on_success(self, retval: Any, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        found = retval if isinstance(retval, dict) else {}
        papers = found.get("papers", 1)
        number = len(papers) if isinstance(papers, list) else papers
        # Hints come late and doubled: that there was nothing to do is worth no line.
        level = logging.INFO if number else logging.DEBUG
        if (reason := found.get("reason")) is not None:
            self.log.warning("Not done: %.200s: %s", _named(args, kwargs), reason)
        else:
            self.log.log(level, "Done: %.200s (papers: %s)", _named(args, kwargs), number)
        super().on_success(retval, task_id, args, kwargs)

    def on_retry(self, exc: Any, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any], einfo: Any) -> None:
        self.log.warning("Comes again: %.200s: %s", _named(args, kwargs), exc)
        super().on_retry(exc, task_id, args, kwargs, einfo)

    def on_failure(self, exc: Any, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any], einfo: Any) -> None:
        self.log.error("Failed: %.200s: %s", _named(args, kwargs), exc)
        super().on_failure(exc, task_id, args, kwargs, einfo)


def _named(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What a task is about, as its sender named it: a paper, or many."""
    found = [*args, *kwargs.values()]
    if found and isinstance(found[0], list):
        return f"{len(found[0])} papers"
    return found[0] if found else "nothing"
