"""Dead letters that are no jobs: messages that workers refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

from refnet.adapters.database.schema import celery_taskmeta, dead_messages, jobs
from refnet.domain.dead_messages import DeadMessage, RefusedMessage
from refnet.domain.errors import ConfigurationError

#: Seconds from when a failed task became a dead letter for which its result may still be on its way. Later there may be
#: none because it has expired, or was forgotten by somebody who then could not send the message.
SETTLING = 60.0
#: What else says that a task has ended, for good.
_OVER = ("SUCCESS", "REVOKED")


def record(connection: Connection, refused: RefusedMessage, now: float) -> int:
    """Add a message to the dead letters, or count it where it is one already; its id."""
    told = {
        "reason": refused.reason,
        "traceback": refused.traceback,
        "at": now,
        # One that was refused may come again, and then run and fail; the failure has to be forgotten before a retry.
        "failed": or_(dead_messages.c.failed, literal(refused.failed)),
        "task_id": func.coalesce(dead_messages.c.task_id, refused.task_id),
    }
    again = (
        update(dead_messages)
        .where(dead_messages.c.digest == refused.digest)
        .values(times=dead_messages.c.times + 1, **told)
        .returning(dead_messages.c.id)
    )
    if (found := connection.execute(again).scalar()) is not None:
        return int(found)
    insert = insert_sqlite if connection.dialect.name == "sqlite" else insert_postgresql
    added = insert(dead_messages).values(
        id=_next_id(connection),
        digest=refused.digest,
        queue=refused.queue,
        task=refused.task,
        task_id=refused.task_id,
        message=refused.message,
        reason=refused.reason,
        traceback=refused.traceback,
        at=now,
        failed=refused.failed,
        times=1,
    )
    # Another worker may have met the same message meanwhile.
    added = added.on_conflict_do_update(index_elements=["digest"], set_={"times": dead_messages.c.times + 1, **told})
    return int(connection.execute(added.returning(dead_messages.c.id)).scalar_one())


def _next_id(connection: Connection) -> int:
    """An id that no job has, so that one id names one dead letter. On SQLite, which has no workers, only by and large."""
    if connection.dialect.name == "postgresql":
        return int(connection.execute(select(func.nextval(func.pg_get_serial_sequence("jobs", "id")))).scalar_one())
    highest = [select(func.max(table.c.id)).scalar_subquery() for table in (jobs, dead_messages)]
    return max(found or 0 for found in connection.execute(select(*highest)).one()) + 1


def find(connection: Connection, *, after: int = 0, most: int | None = None) -> list[DeadMessage]:
    """Those behind the id `after`, the oldest first, without what they hold: there may be many."""
    columns = [column for column in dead_messages.c if column.name not in ("message", "traceback")]
    is_kept = dead_messages.c.message.is_not(None).label("is_kept")
    query = select(*columns, is_kept).where(dead_messages.c.id > after).order_by(dead_messages.c.id).limit(most)
    return [_read(row) for row in connection.execute(query)]


def get(connection: Connection, identity: int, *, lock: bool = False) -> DeadMessage | None:
    """One with all that is kept of it; `lock` lets nobody else change it before the transaction ends."""
    query = select(dead_messages).where(dead_messages.c.id == identity)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _read(row)


def forget_failure(connection: Connection, message: DeadMessage, now: float) -> dict[str, Any] | None:
    """Forget that the message's task failed, so that it may run again; what was forgotten, if anything.

    Raises ConfigurationError while that is not stored yet: the worker records the dead letter first, and the failure,
    which it would store after the message was sent again, would keep that from running.
    """
    if not message.failed or message.task_id is None:
        return None
    its = celery_taskmeta.c.task_id == message.task_id
    failure = delete(celery_taskmeta).where(its, celery_taskmeta.c.status == "FAILURE").returning(celery_taskmeta)
    if (gone := connection.execute(failure).one_or_none()) is not None:
        return dict(gone._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    ended = connection.execute(select(celery_taskmeta.c.status).where(its)).scalar()
    if ended not in _OVER and message.at <= now < message.at + SETTLING:
        raise ConfigurationError(
            "Its worker is only just telling that it failed, or somebody else is sending it again. Try again in a minute"
        )
    return None


def remember_failure(connection: Connection, forgotten: dict[str, Any]) -> None:
    """Let a failure that was forgotten be known again, unless more is known by now."""
    insert = insert_sqlite if connection.dialect.name == "sqlite" else insert_postgresql
    connection.execute(insert(celery_taskmeta).values(**forgotten).on_conflict_do_nothing())


def purge(connection: Connection, ids: Sequence[int]) -> list[DeadMessage]:
    """Forget messages; those that were there."""
    gone = connection.execute(delete(dead_messages).where(dead_messages.c.id.in_(ids)).returning(dead_messages))
    return sorted((_read(row) for row in gone), key=lambda message: message.id)


def trim(connection: Connection, most: int, most_bytes: int) -> int:
    """Forget the oldest where there are more than `most`, or they hold more than `most_bytes`; how many went.

    Tasks that failed count by themselves, for they were signed: a flood of what was refused lets none of them go.
    """
    # PostgreSQL counts bytes without unpacking them, characters not.
    size = func.octet_length if connection.dialect.name == "postgresql" else func.length
    held = func.coalesce(size(dead_messages.c.message), 0) + func.coalesce(size(dead_messages.c.traceback), 0)
    sort, newest_first = dead_messages.c.failed, dead_messages.c.id.desc()
    ranked = select(
        dead_messages.c.id,
        func.row_number().over(partition_by=sort, order_by=newest_first).label("place"),
        func.sum(held).over(partition_by=sort, order_by=newest_first).label("bytes"),
    ).subquery()
    surplus = select(ranked.c.id).where(or_(ranked.c.place > most, ranked.c.bytes > most_bytes))
    return connection.execute(delete(dead_messages).where(dead_messages.c.id.in_(surplus))).rowcount


def refused_for(connection: Connection, reasons: Sequence[str]) -> tuple[int, str]:
    """How many there are with one of these reasons, and the queue of the last; it is empty where there are none."""
    those = select(dead_messages).where(dead_messages.c.reason.in_(reasons)).subquery()
    number = connection.execute(select(func.count()).select_from(those)).scalar_one()
    last = connection.execute(select(those.c.queue).order_by(those.c.id.desc()).limit(1)).scalar()
    return number, last or ""


def count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(dead_messages)).scalar_one()


def _read(row: Row[*tuple[Any, ...]]) -> DeadMessage:
    return DeadMessage(
        row.id,
        row.digest,
        row.queue,
        row.task,
        row.task_id,
        row.reason,
        row.times,
        row.at,
        getattr(row, "traceback", None),
        getattr(row, "message", None),
        row.failed,
        row.is_kept if hasattr(row, "is_kept") else row.message is not None,
    )
