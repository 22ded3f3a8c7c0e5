"""Every failure that refnet knows, as one tree.

RefnetError
├── TransientError            worth another try
│   ├── RateLimited           the source asked for fewer requests
│   │   └── KeyRefused        it refused the key, and is left alone by those who have the same
│   ├── SourceUnavailable     no answer, or none that can be used
│   ├── StoreUnavailable      the database is away or busy
│   ├── BrokerUnavailable     the broker is away or full
│   ├── TimeLimitReached      a task took longer than its worker allows
│   └── HeldElsewhere         another worker is at it
├── PermanentError            no further try will help
│   ├── PaperNotFound
│   ├── InvalidIdentifier
│   ├── InvalidResponse       an answer that is not what the source promises
│   ├── UnreadableDocument
│   ├── Forged                a message that nobody with a key sent as it is
│   ├── NotPermitted          a task that its sender has not the scope for
│   ├── RequestRefused        the source says that the request itself is wrong
│   │   ├── RequestTooLarge   the same papers may be asked for in smaller requests
│   │   └── NothingMatched    none of the identifiers asked for is known
├── CredentialsRejected       stops the source, not the job
├── LeaseLost                 somebody else owns the job now; drop the result
├── Cancelled                 whoever asked for a crawl stopped it
├── Stopped                   work ends midway, is kept and resumes
│   ├── StorageFull
│   └── OutageTooLong
├── Busy                      another process works on the same database
└── ConfigurationError        bad input or settings; nothing was changed

What is outside this tree is a bug: it is buried with its traceback, never retried, never swallowed.
"""

from __future__ import annotations


class RefnetError(Exception):
    """Something that refnet can say in one or two plain sentences."""


class TransientError(RefnetError):
    """Worth another try.

    `retry_after` is the number of seconds that the other side asked to be left alone, None if it did not say.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RateLimited(TransientError):
    """The source asked for fewer requests (429)."""


class KeyRefused(RateLimited):
    """The source refused the key, and is left alone for a while by those who have the same."""


class SourceUnavailable(TransientError):
    """The source gave no answer, or none that can be used.

    `reached` is False when no connection came about at all, which is how a missing network looks.
    `own_fault_possible` is True for the answers (500, 504) that a source also gives when one request alone is too
    much for it.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        reached: bool = True,
        own_fault_possible: bool = False,
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.reached = reached
        self.own_fault_possible = own_fault_possible


class StoreUnavailable(TransientError):
    """The database is away, restarting or locked."""


class BrokerUnavailable(TransientError):
    """The broker is away, restarting or full. What it should have been told waits in the ledger."""


class TimeLimitReached(TransientError):
    """A task took longer than its worker allows, and was stopped."""


class HeldElsewhere(TransientError):
    """Another worker is at the same job, or at what must come before it."""


class PermanentError(RefnetError):
    """No further try will help."""


class PaperNotFound(PermanentError):
    """No source knows the paper."""


class InvalidIdentifier(PermanentError):
    """The text names no paper."""


class InvalidResponse(PermanentError):
    """An answer that is not what the source promises."""


class UnreadableDocument(PermanentError):
    """A file that cannot be read as what it should be."""


class Forged(PermanentError):
    """Nobody who holds a key of this cluster sent the message as it is, or not lately."""


class NotPermitted(PermanentError):
    """Who sent a task, or began the work that it is part of, has not the scope that it needs."""


class RequestRefused(PermanentError):
    """The source says that the request itself is wrong."""


class RequestTooLarge(RequestRefused):
    """The answer would exceed what the source sends at once; smaller requests may pass."""


class NothingMatched(RequestRefused):
    """None of the identifiers of a request is known, or one of them spoilt the request."""


class CredentialsRejected(RefnetError):
    """The source refuses the key, or refuses this machine."""


class LeaseLost(RefnetError):
    """Somebody else owns the job now; the result must be dropped."""


class Cancelled(RefnetError):
    """Whoever asked for a crawl stopped it."""


class Stopped(RefnetError):
    """Work ends midway; what is collected is kept and the next run resumes."""


class StorageFull(Stopped):
    """No room left on a disk."""


class OutageTooLong(Stopped):
    """The source gave no answer for longer than a command waits."""


class Busy(RefnetError):
    """Another process works on the same database."""


class ConfigurationError(RefnetError):
    """Bad input or settings; nothing was changed."""
