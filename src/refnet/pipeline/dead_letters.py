"""Dead letters looked at as a whole, tried again, and forgotten."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from refnet.domain.dead_messages import DeadMessage
from refnet.domain.errors import BrokerUnavailable, ConfigurationError
from refnet.domain.jobs import DeadLetter

#: Kinds of reasons that are told apart; what is rarer is counted together.
MOST_KINDS = 20
#: What differs between reasons of one kind: names in quotation marks, ids, numbers.
_PARTICULAR = re.compile(r"“[^”]*”|'[^']*'|\S*[0-9]\S*")


class MessageStore(Protocol):
    """The part of the store that holds messages given up."""

    def taking_dead_message(self, identity: int) -> AbstractContextManager[DeadMessage | None]: ...


class MessageSender(Protocol):
    def send(self, queue: str, message: bytes, digest: str) -> None:
        """Take a message out of the broker's dead letters and put it into its queue.

        Raises BrokerUnavailable, and ConfigurationError for one that cannot be put there.
        """
        ...


class MessageBroker(Protocol):
    """The broker as far as dead letters go."""

    def resending(self, digests: Collection[str]) -> AbstractContextManager[MessageSender]: ...


@dataclass(frozen=True, slots=True)
class SentAgain:
    """The ids of messages sent, and in words why others were not."""

    ids: list[int] = field(default_factory=list)
    left: dict[int, str] = field(default_factory=dict)


def cannot_be_sent(message: DeadMessage) -> str | None:
    """In words, why a message cannot be sent again; None where it can."""
    if message.is_raw:
        return "it is no message, so there is nothing that a worker could run"
    if not message.is_kept:
        return "it was too long to keep"
    return None


def send_again(store: MessageStore, broker: MessageBroker, messages: Sequence[DeadMessage]) -> SentAgain:
    """Send messages to their queues as they were, and forget them as dead letters. `messages` may be without content.

    What is bad about them still is: a forged one is refused again. One that cannot be sent stays. Raises
    BrokerUnavailable; those before it are sent then.
    """
    left = {message.id: why for message in messages if (why := cannot_be_sent(message)) is not None}
    sendable = [message for message in messages if message.id not in left]
    done = SentAgain([], left)
    if not sendable:
        return done
    try:
        with broker.resending({message.digest for message in sendable}) as sender:
            for each in sendable:
                try:
                    if _send(store, sender, each.id):
                        done.ids.append(each.id)
                except ConfigurationError as error:
                    done.left[each.id] = str(error)
    except BrokerUnavailable as error:
        raise BrokerUnavailable(f"{error} {len(done.ids)} of {len(messages)} messages were sent again.") from error
    return done


def _send(store: MessageStore, sender: MessageSender, identity: int) -> bool:
    with store.taking_dead_message(identity) as message:
        if message is None:
            return False  # somebody else was faster
        if message.message is None:
            raise ConfigurationError("it was too long to keep")
        sender.send(message.queue, message.message, message.digest)
    return True


def kinds(letters: Iterable[DeadLetter | DeadMessage]) -> dict[str, int]:
    """How many dead letters there are of each kind of reason, the most frequent first."""
    counted = Counter(_kind(letter.reason) for letter in letters).most_common()
    most = dict(counted[:MOST_KINDS])
    if rest := sum(number for _, number in counted[MOST_KINDS:]):
        most["other reasons"] = rest
    return most


def _kind(reason: str) -> str:
    first = reason.partition("\n")[0].partition(". ")[0].rstrip(".")
    return _PARTICULAR.sub("…", first)[:100]
