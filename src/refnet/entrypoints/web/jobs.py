"""Jobs by stage and state, and dead letters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request

from refnet.domain.dead_messages import DeadMessage
from refnet.domain.jobs import DeadLetter, Stage
from refnet.domain.permissions import Scope
from refnet.domain.workers import TASKS
from refnet.entrypoints.web.models import DeadDocument, DeadPage, JobCount, JobPage, Retried
from refnet.entrypoints.web.paging import USUAL, Cursor, Limit, after, cursor_behind
from refnet.entrypoints.web.problems import Problem, responses
from refnet.entrypoints.web.routing import (
    API,
    COMMON,
    DECIMAL,
    LARGEST_ID,
    WITH_BODY,
    StoreOf,
    application_of,
    needs,
    not_found,
    offers,
)
from refnet.pipeline.dead_letters import cannot_be_sent, send_again

DeadId = Annotated[int, Path(ge=1, le=LARGEST_ID), DECIMAL]
router = APIRouter(prefix=API, responses=COMMON, tags=["jobs"], dependencies=[offers("application/json")])


@router.get("/jobs", operation_id="count_jobs", dependencies=[needs(Scope.READ)])
def count_jobs(store: StoreOf) -> JobPage:
    """How many jobs there are of each stage in each state. It is always one page."""
    counts = sorted(store.job_counts().items())
    items = [JobCount(stage=stage, state=state, count=count) for (stage, state), count in counts]
    return JobPage(items=items, next_cursor=None)


@router.get("/dead", operation_id="list_dead_letters", dependencies=[needs(Scope.READ)])
def list_dead_letters(store: StoreOf, limit: Limit = USUAL, cursor: Cursor = None) -> DeadPage:
    """Jobs that were given up, and messages that no worker could run, the oldest first."""
    letters = store.dead_page(after(cursor, int) or 0, limit + 1)
    more = cursor_behind(letters[limit - 1].id) if len(letters) > limit else None
    return DeadPage(items=[_document(letter) for letter in letters[:limit]], next_cursor=more)


@router.post(
    "/dead/{dead_id}/retry",
    status_code=202,
    operation_id="retry_dead_letter",
    dependencies=[needs(Scope.ADMIN)],
    responses={**responses(404, 409), **WITH_BODY},
)
def retry_dead_letter(dead_id: DeadId, request: Request, store: StoreOf) -> Retried:
    """Queue a job again with its attempts forgotten, or send a message again as it was."""
    letter = store.dead_letter(dead_id)
    if letter is None:
        raise not_found("dead letter", dead_id)
    if isinstance(letter, DeadMessage):
        return _send(request, letter)
    # Workers see to every job that is queued, and its crawls go on; one process only to crawls that are asked for.
    crawl_id = None if application_of(request).is_cluster else store.crawl_of_job(dead_id)
    queued = store.retry_dead([dead_id]) if crawl_id is None else store.ask_again(crawl_id, [dead_id])
    if not queued and store.dead_letter(dead_id) is not None:
        raise Problem(409, "Its paper is not collected: retry the crawl's own dead letter first.")
    return Retried(id=dead_id, queued_again=bool(queued))


def _send(request: Request, message: DeadMessage) -> Retried:
    application = application_of(request)
    why = cannot_be_sent(message)
    if why is None and not application.is_cluster:
        why = "there is no broker to send it to"
    if why is not None:
        raise Problem(409, f"It cannot be sent again: {why.rstrip('.')}.")
    with application.cluster() as cluster:
        tried = send_again(cluster.store, cluster.dead_letters, [message])
    for left in tried.left.values():
        raise Problem(409, f"It cannot be sent again: {left.rstrip('.')}.")
    return Retried(id=message.id, queued_again=bool(tried.ids))


def _document(letter: DeadLetter | DeadMessage) -> DeadDocument:
    at = datetime.fromtimestamp(letter.at, UTC)
    if isinstance(letter, DeadMessage):
        task, reason = letter.task, letter.reason
        return DeadDocument(id=letter.id, task=task, stage=None, paper_id=None, reason=reason, attempts=None, at=at)
    return DeadDocument(
        id=letter.id,
        task=TASKS[Stage(letter.stage)],
        stage=letter.stage,
        paper_id=letter.paper_id,
        reason=letter.reason,
        attempts=letter.attempts,
        at=at,
    )
