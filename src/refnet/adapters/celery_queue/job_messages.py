"""Messages in the broker's dead letters that were about a job of the ledger."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from kombu.utils.json import loads

from refnet.adapters.celery_queue import envelopes
from refnet.adapters.celery_queue.resending import digest_of_item, digest_of_message, looked_at
from refnet.adapters.celery_queue.signing import HINT
from refnet.adapters.celery_queue.transport import Channel
from refnet.domain.dead_messages import JobMessage
from refnet.domain.workers import DEAD_LETTERS, STAGES

#: Characters of what somebody named a paper by.
_LONGEST = 500


def paper_of(args: Any, kwargs: Any) -> str | None:
    """The paper that a task of a stage is about, as its sender named it; None where it names none."""
    if isinstance(args, list | tuple) and args:
        return str(args[0])[:_LONGEST]
    if isinstance(kwargs, dict) and "paper_id" in kwargs:
        return str(kwargs["paper_id"])[:_LONGEST]
    return None


def job_messages(channel: Any, most: int) -> Iterator[JobMessage]:
    """Those in `dlq`; on RabbitMQ among the oldest `most`."""
    if isinstance(channel, Channel):
        with channel.conn_or_acquire() as client:
            for item in client.lrange(DEAD_LETTERS, 0, -1):
                yield from _read(digest_of_item(item), partial(loads, item))
        return
    for message in looked_at(channel, most):
        yield from _read(digest_of_message(message), partial(envelopes.envelope_of, message))


def _read(digest: str | None, opened: Callable[[], Any]) -> Iterator[JobMessage]:
    try:
        envelope = opened()
        headers = envelope["headers"]
        stage, (args, kwargs) = STAGES[headers["task"]], json.loads(envelopes.body_of(envelope))[:2]
        paper = paper_of(args, kwargs)
    except Exception:  # noqa: BLE001 - anybody may push anything into a list
        return
    if digest is not None and paper is not None:
        yield JobMessage(digest, stage, paper, HINT in headers)
