"""Messages that no worker could run, and tasks that failed outside the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from refnet.domain.jobs import Stage

#: Where what is no message at all is set aside on Redis: a list, whose items have no queue of their own.
UNDECODABLE = "dlq.raw"
#: Bytes of a message that are kept; a longer one stands in the list of dead letters without it.
MOST_KEPT = 65_536
#: Characters of its reason, of its traceback, and of the names that it gives itself.
_REASON, _TRACEBACK, _NAME = 2_000, 20_000, 200


@dataclass(frozen=True, slots=True)
class RefusedMessage:
    """A message as the worker that refused it tells of it.

    `digest` is the same whenever the same message comes again. `task` and `task_id` are what the message said of
    itself. `message` is what the broker had, None where that was too long to keep. `failed` says that the result of
    that task is FAILURE on its account, which keeps the task from running again.
    """

    digest: str
    queue: str
    task: str | None
    task_id: str | None
    reason: str
    traceback: str | None = None
    message: bytes | None = None
    failed: bool = False

    @classmethod
    def of(
        cls,
        digest: str,
        queue: str,
        reason: str,
        *,
        task: object = None,
        task_id: object = None,
        traceback: str | None = None,
        message: bytes | None = None,
        failed: bool = False,
    ) -> RefusedMessage:
        """The same of what a stranger wrote: any types, any length."""
        said = _line(reason, _REASON) or "It cannot be run."
        if message is not None and len(message) > MOST_KEPT:
            said = f"{said} (It is longer than {MOST_KEPT // 1024} kB and was not kept here.)"
            message = None
        return cls(
            digest,
            _line(queue, _NAME) or "",
            _line(task, _NAME),
            _line(task_id, _NAME),
            said,
            None if traceback is None else "\n".join(shown(line) for line in traceback[-_TRACEBACK:].split("\n")),
            message,
            failed,
        )


@dataclass(frozen=True, slots=True)
class DeadMessage:
    """A message given up. `times` is how often it came; `at`, when it last did, in seconds since the epoch.

    `is_kept` says that the database has what the broker had; a list of many leaves `message` out all the same.
    """

    id: int
    digest: str
    queue: str
    task: str | None
    task_id: str | None
    reason: str
    times: int
    at: float
    traceback: str | None = None
    message: bytes | None = None
    failed: bool = False
    is_kept: bool = False

    @property
    def is_raw(self) -> bool:
        """Whether it is no message, so that there is nothing to send again."""
        return self.queue == UNDECODABLE


@dataclass(frozen=True, slots=True)
class JobMessage:
    """A message in the broker's dead letters whose task does jobs of a stage.

    `paper` is as its sender named it. `is_hint` says that the ledger sent it, so that it is no dead letter by itself.
    """

    digest: str
    stage: Stage
    paper: str
    is_hint: bool


def shown(text: str) -> str:
    """Text in which whatever is not printed, or no database takes, is written out: a terminal obeys none of it."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def storable(text: str) -> str:
    """Text that a database takes: neither NUL nor half a surrogate."""
    return text.replace("\0", "�").encode(errors="replace").decode()


def _line(found: object, most: int) -> str | None:
    """Text and numbers only, on one line."""
    if not isinstance(found, str | int | float):
        return None
    return shown(" ".join(str(found)[:most].splitlines()))[:most]
