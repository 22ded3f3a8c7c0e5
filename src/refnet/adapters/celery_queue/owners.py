"""Who took which messages on Redis, and what becomes of those whose owner is lost: they come again within half a minute.

An owner is a worker's main process, under a name that is new at each start. The fetch writes it behind the tag of the
record, and a thread tells every few seconds that it lives. Where that stops, any other worker puts the messages back.
All times are Redis' own. Records without an owner wait for the visibility timeout, as all do with kombu's transport.
"""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_hex
from time import monotonic
from typing import Any

from kombu.log import get_logger

from refnet.adapters.celery_queue.scripts import BEAT, FORGET_OWNER, LOST, OWNED_BY, OWNERS, run
from refnet.adapters.celery_queue.unacked import Message

_log = get_logger(__name__)

#: Seconds between two signs of life of an owner.
BEAT_EVERY = 3.0
#: Seconds of silence after which an owner is lost: several beats, and two that waited for an answer in vain.
LOST_AFTER = 15.0
#: Seconds in which no owner at all was heard that are a break: Redis may have been away, or its clock have jumped, and
#: all owners seem lost. Must be shorter than `LOST_AFTER` by a beat and the time that a worker takes to be back.
BREAK = 8.0
#: Seconds after a break until anybody is lost again. By then whoever lives has been heard.
GRACE = 10.0
#: Seconds for which a lost owner's messages are one worker's to put back, and how many of these it spends on them.
CLAIMED, AT_ONCE = 5.0, 2.0
#: Since when owners are heard without a break.
SINCE = f"{OWNERS}.since"


def new_owner() -> str:
    """A name that nobody has had: short, for every record has it."""
    return token_hex(4)


def beat(channel: Any) -> None:
    """Tell that the channel's owner lives. Raises what the transport raises when Redis is away."""
    with channel.conn_or_acquire() as client:
        run(client, BEAT, [OWNERS, SINCE], channel.owner, int(BREAK * 1000))


def put_back_lost(channel: Any, give_up: Callable[[Message], bool]) -> int:
    """Put back what lost owners had, in the order in which it was taken; how many records there were.

    Takes `AT_ONCE` seconds at most; what is left then is the next caller's. `give_up` is as for `QoS.restore_lost`.
    Raises what that raises, and what the transport raises when Redis is away.
    """
    with channel.conn_or_acquire() as client:
        lost = dict(run(client, LOST, [OWNERS, SINCE], LOST_AFTER, GRACE, CLAIMED))
        if not lost:
            return 0
        # The set is theirs no more to change, and what stands in it all the time is found. Not by a script: there may
        # be many records of others, for which nobody else should have to wait.
        found = {
            (score, tag)
            for tag, score in client.zscan_iter(channel.unacked_index_key, count=1000)
            if tag.rpartition(OWNED_BY.encode())[2] in lost
        }
        until = monotonic() + AT_ONCE
        if found:
            _log.warning("Messages of workers that are lost come again: %d", len(found))
        for done, (_, tag) in enumerate(sorted(found, reverse=True)):  # each comes before those put back earlier
            if monotonic() > until:
                return done
            owner = tag.rpartition(OWNED_BY.encode())[2]
            channel.qos.restore_lost(tag, client, (owner, lost[owner]), give_up)
        for owner, score in lost.items():
            run(client, FORGET_OWNER, [OWNERS], owner, score)
    return len(found)
