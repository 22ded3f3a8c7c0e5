"""Dead letters looked at as a whole, tried again, and forgotten."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from refnet.domain.dead_messages import DeadMessage, JobMessage, storable
from refnet.domain.errors import BrokerUnavailable, ConfigurationError, InvalidIdentifier
from refnet.domain.identifiers import parse_seed
from refnet.domain.jobs import DeadLetter

#: Kinds of reasons that are told apart; what is rarer is counted together.
MOST_KINDS = 20
#: What differs between reasons of one kind: names in quotation marks, ids, numbers.
_PARTICULAR = re.compile(r"“[^”]*”|'[^']*'|\S*[0-9]\S*")


class MessageStore(Protocol):
    """The part of the store that holds messages given up."""

    def taking_dead_message(self, identity: int) -> AbstractContextManager[DeadMessage | None]: ...


class KnownStore(Protocol):
    """The part of the store that knows papers by their identifiers."""

    def known(self, wanted: Iterable[str]) -> dict[str, str]: ...


class LetterStore(KnownStore, Protocol):
    """The part of the store that holds dead letters."""

    def dead_letters(self, crawl_id: int | None = None) -> list[DeadLetter]: ...

    def dead_messages(self) -> list[DeadMessage]: ...


class JobBroker(Protocol):
    """The broker as far as it holds messages about jobs. Every method raises BrokerUnavailable."""

    def job_messages(self) -> list[JobMessage]: ...

    def remove(self, digests: Collection[str]) -> int: ...


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


def settle_jobs(
    store: LetterStore, broker: JobBroker, jobs: Sequence[DeadLetter], settle: Callable[[list[int]], list[int]]
) -> tuple[list[int], str | None]:
    """Retry or purge dead jobs by `settle`, and take their messages out of the broker's dead letters.

    The ids of those that there were; and in words what kept the broker from being asked, None where nothing did. What
    it holds then is only for people to look at. Hints go whose job is no dead letter any more; of messages sent by hand
    those about these jobs, unless they are dead letters themselves.
    """
    if not jobs:
        return [], None
    why: str | None = None
    found: list[JobMessage] = []
    try:
        # Before: what fails once more from now on is another dead letter, with a message of its own.
        found = broker.job_messages()
    except BrokerUnavailable as error:
        why = str(error)
    settled = settle([job.id for job in jobs])
    # What is on its way to become a dead letter was recorded before it came to the broker's.
    still = {(job.stage, job.paper_id) for job in store.dead_letters()}
    gone = {(job.stage, job.paper_id) for job in jobs if job.id in settled}
    listed = {message.digest for message in store.dead_messages()}
    names = ledger_names(store, {each.paper for each in found})
    stale = [
        each.digest
        for each in found
        if each.digest not in listed
        and (each.stage, each.paper) not in still
        and (each.is_hint or any((each.stage, name) in gone for name in names[each.paper]))
    ]
    try:
        broker.remove(stale)
    except BrokerUnavailable as error:
        why = str(error)
    return settled, why


def ledger_names(store: KnownStore, texts: Collection[str]) -> dict[str, set[str]]:
    """The ids under which the ledger may have jobs about papers that somebody named so."""
    found = {text: {storable(text)} for text in texts}
    for names in found.values():
        with suppress(InvalidIdentifier):
            names |= {str(identifier) for identifier in parse_seed(next(iter(names))).identifiers[:1]}
    known = store.known({name for names in found.values() for name in names})
    return {text: names | {known[name] for name in names if name in known} for text, names in found.items()}


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
