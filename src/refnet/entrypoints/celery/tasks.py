"""The Celery tasks. Each is one hint of the ledger's, or what somebody asks for by hand."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from celery import Celery
from celery.exceptions import Reject, SoftTimeLimitExceeded
from celery.utils.time import get_exponential_backoff_interval

from refnet.adapters.celery_queue.once import OnceTask
from refnet.adapters.celery_queue.permission import CLAIM
from refnet.domain.about import also_about
from refnet.domain.dead_messages import DeadMessage
from refnet.domain.errors import (
    ConfigurationError,
    HeldElsewhere,
    LeaseLost,
    NotPermitted,
    RefnetError,
    Stopped,
    StoreUnavailable,
    TransientError,
)
from refnet.domain.jobs import MOST_ATTEMPTS, MOST_TRIES, DeadLetter, Stage
from refnet.domain.permissions import Scope
from refnet.domain.workers import BY_STAGE
from refnet.entrypoints.celery import dead_letters, process
from refnet.entrypoints.celery.application import app
from refnet.entrypoints.celery.stage_log import StageLog
from refnet.entrypoints.celery.watch import install

__all__ = ["app"]

install(app)

logger = logging.getLogger(__name__)

#: Longest wait between two tries, in seconds.
LONGEST = 600
#: The header that counts the tries of a message, of which Celery counts only those that an attempt was charged for.
TRIES = "refnet_tries"
#: Papers that one call may name; the arguments of a task are one message.
MOST_BY_HAND = 100_000
#: Dead letters that are logged one by one.
MOST_LOGGED = 20


class StageTask(StageLog, OnceTask):
    """A task of a stage: its limits are those of the worker table, whichever worker runs it."""

    abstract = True
    Request = dead_letters.REQUEST
    needs = Scope.WRITE
    stage: Stage
    #: Said in one line of the log; anything else is a bug, with its traceback.
    throws = (RefnetError,)
    #: Seconds before a retry that nobody has a better figure for; doubled each time, jittered. Source: the design
    #: document, section 4.
    retry_backoff_max = LONGEST
    #: Seconds until a task whose process was killed runs again; Celery's own three minutes would keep its sender waiting.
    default_retry_delay = 5

    def again(self, error: RefnetError, due_in: float = 0.0, *, counted: bool) -> BaseException:
        """What to raise so that the task runs again: it shows as RETRY, and the ledger says when it is due.

        Whether an attempt is charged is the ledger's, too: an outage counts nowhere.
        """
        headers: dict[str, Any] = dict(self.request.headers or {})
        tries = headers[TRIES] = _tries(headers) + 1
        wait: float = due_in or get_exponential_backoff_interval(1, tries, LONGEST, full_jitter=True)
        countdown = min(float(LONGEST), max(wait, 0.5) * random.uniform(1.0, 1.1))
        # What Celery counts on for the next try.
        self.request.retries -= 0 if counted else 1
        try:
            retry: BaseException = self.retry(
                exc=error, countdown=countdown, max_retries=None, throw=False, headers=headers
            )
        except Reject as refused:
            # The broker did not take it; the message that this task came from is still there.
            retry = Reject(refused.reason, requeue=True)
        finally:
            self.request.retries += 0 if counted else 1
        return retry

    def put_off(self, error: StoreUnavailable) -> BaseException:
        return self.again(error, counted=False)

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        try:
            super().before_start(task_id, args, kwargs)
        except NotPermitted as error:
            if self.is_hint and (named := [*args, *kwargs.values()]):
                self._give_up(str(named[0]), str(error), str((self.request.headers or {}).get(CLAIM)))
            raise

    def _give_up(self, paper_id: str, why: str, claim: str) -> None:
        """What a hint is about is given up, with the reason: it would only be told of again."""
        try:
            process.cluster().store.refuse(self.stage, paper_id, why, claim)
        except StoreUnavailable as away:
            raise self.put_off(away) from away


class CrawlerTask(StageTask):
    """Collects papers: ten attempts of its own, since three lose papers where one request in three fails."""

    abstract = True
    stage = Stage.CRAWL
    max_retries = MOST_ATTEMPTS


class OfflineTask(StageTask):
    """Works on what is collected: once, and three times more."""

    abstract = True
    max_retries = MOST_TRIES - 1


class SummarizerTask(OfflineTask):
    abstract = True
    stage = Stage.SUMMARIZE


class GeneratorTask(OfflineTask):
    abstract = True
    stage = Stage.GENERATE


def _task(celery: Celery, base: type[StageTask], name: str) -> Callable[[Callable[..., Any]], Any]:
    kind = BY_STAGE[base.stage]
    made: Callable[[Callable[..., Any]], Any] = celery.task(
        bind=True, base=base, name=name, soft_time_limit=kind.soft_time_limit, time_limit=kind.time_limit
    )
    return made


@_task(app, CrawlerTask, "crawler.tasks.fetch_paper_metadata")
def fetch_paper_metadata(self: CrawlerTask, paper_id: str, depth: int = 0) -> dict[str, Any]:
    """Fetch a paper and what is due beside it; by hand, expand it while `depth` is less than MAX_DEPTH."""
    if self.is_hint:
        return _work(self, paper_id)
    return _by_hand(self, lambda: {"paper_id": process.worker().fetch(paper_id, _depth(depth), anew=_anew(self))})


@_task(app, CrawlerTask, "crawler.tasks.batch_process_papers")
def batch_process_papers(self: CrawlerTask, paper_ids: list[str], depth: int | None = None) -> dict[str, Any]:
    """Queue many papers, each once; they are expanded only where a depth is given."""
    given: object = paper_ids
    if not isinstance(given, list) or len(given) > MOST_BY_HAND:
        raise RefnetError(f"paper_ids has to be a list of at most {MOST_BY_HAND:,} ids.")

    def run() -> dict[str, Any]:
        found, refused = process.worker().fetch_all(paper_ids, None if depth is None else _depth(depth))
        return {"papers": found, "refused": refused}

    return _by_hand(self, run)


@_task(app, SummarizerTask, "summarizer.tasks.summarize_pdf")
def summarize_pdf(self: SummarizerTask, paper_id: str) -> dict[str, Any]:
    """Summarise a collected paper, and what is due beside it."""
    if self.is_hint:
        return _work(self, paper_id)
    return _by_hand(self, lambda: {"paper_id": process.worker().summarize(paper_id, anew=_anew(self))})


@_task(app, GeneratorTask, "generator.tasks.generate_markdown")
def generate_markdown(self: GeneratorTask, paper_id: str) -> dict[str, Any]:
    """Write the note of a collected paper, and what is due beside it."""
    if self.is_hint:
        return _work(self, paper_id)

    def run() -> dict[str, Any]:
        found, note = process.worker().generate(paper_id, anew=_anew(self))
        return {"paper_id": found, "note": note}

    return _by_hand(self, run)


@app.task(bind=True, name="health_check", needs=Scope.READ, ignore_result=False)
def health_check(self: Any) -> dict[str, Any]:
    """Shows that work is taken: who took it, and when."""
    return {
        "status": "healthy",
        "timestamp": datetime.now(UTC).isoformat(),
        "worker": self.request.hostname,
    }


@app.task(name="process_failed_tasks", needs=Scope.ADMIN)
def process_failed_tasks(requeue: bool = False, messages: bool = False) -> dict[str, Any]:
    """Log the dead letters and count them by kind. `requeue` queues dead jobs again, `messages` sends messages again."""
    from refnet.pipeline.dead_letters import SentAgain, kinds, send_again, settle_jobs

    cluster = process.cluster()
    store = cluster.store
    jobs, refused = store.dead_letters(), store.dead_messages()
    letters: list[DeadLetter | DeadMessage] = [*jobs, *refused]
    for job in jobs[:MOST_LOGGED]:
        logger.warning("Dead letter %d: %s of %s: %s", job.id, job.stage, job.paper_id, job.reason)
    for message in refused[: max(0, MOST_LOGGED - len(jobs))]:
        logger.warning(
            "Dead letter %d: message for %r in %s: %s", message.id, message.task, message.queue, message.reason
        )
    if len(letters) > MOST_LOGGED:
        logger.warning("and %d more dead letters", len(letters) - MOST_LOGGED)
    if letters:
        logger.error("There are %d dead letters. See: refnet dead list", len(letters))
    requeued: list[int] = []
    if requeue:
        requeued, why = settle_jobs(store, cluster.dead_letters, jobs, store.retry_dead)
        if why is not None:
            logger.warning("%s In the broker's queue dlq the messages of jobs stay.", why)
    tried = send_again(store, cluster.dead_letters, refused) if messages else SentAgain()
    for identity, why in list(tried.left.items())[:MOST_LOGGED]:
        logger.warning("Dead letter %d was not sent again: %s", identity, why)
    return {
        "status": "success",
        "dead": len(letters),
        "jobs": len(jobs),
        "messages": len(refused),
        "kinds": kinds(letters),
        "requeued": len(requeued),
        "sent": len(tried.ids),
        "not_sent": len(tried.left),
    }


def _work(task: StageTask, paper_id: str) -> dict[str, Any]:
    """Do what a hint says is due. Nothing may be: the hint was doubled, late, or another worker was faster."""
    try:
        fates = process.worker().work(task.stage, paper_id)
    except SoftTimeLimitExceeded as error:
        raise task.again(RefnetError("It took longer than its worker allows."), counted=True) from error
    except TransientError as error:
        raise task.again(error, counted=False) from error
    except (ConfigurationError, Stopped) as error:
        # A vault that cannot be written, a full disk: the sweep tells of it again, until somebody has mended it.
        logger.warning("%s", error)
        return {"status": "waiting", "paper_id": paper_id, "reason": str(error)}
    if not fates:
        return {"status": "success", "paper_id": paper_id, "papers": 0}
    last = fates[-1]
    # What is told of the task's end is about what it did; or about what went wrong, which comes last.
    jobs = [] if last.error is not None else [job for fate in fates[:-1] for job in fate.wave.jobs]
    also_about(**replace(last.wave, jobs=(*last.wave.jobs, *jobs)).named)
    papers = sum(len(fate.wave.jobs) for fate in fates if fate.error is None)
    if last.buried and last.error is not None:
        raise last.error
    if isinstance(last.error, LeaseLost):
        return {"status": "success", "paper_id": paper_id, "papers": papers, "reason": str(last.error)}
    if last.error is not None:
        raise task.again(last.error, last.due_in, counted=last.charged)
    return {"status": "success", "paper_id": paper_id, "papers": papers}


def _by_hand(task: StageTask, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"status": "success", **run()}
    except SoftTimeLimitExceeded as error:
        raise task.again(RefnetError("It took longer than its worker allows."), counted=True) from error
    except HeldElsewhere as error:
        raise task.again(error, error.retry_after or 0.0, counted=False) from error
    except (TransientError, Stopped) as error:
        raise task.again(error, counted=False) from error


def _anew(task: StageTask) -> bool:
    """Whether somebody asks just now: a task that comes again may have killed its process three times meanwhile."""
    return not task.request.retries and not _tries(task.request.headers or {})


def _tries(headers: dict[str, Any]) -> int:
    found = headers.get(TRIES)
    return found if isinstance(found, int) and 0 <= found < 1_000_000 else 0


def _depth(depth: object) -> int:
    if isinstance(depth, bool) or not isinstance(depth, int) or not 0 <= depth <= 1_000:
        raise RefnetError(f"depth has to be a number from 0, not {str(depth)[:50]!r}.")
    return depth
