"""Celery's result backend on psycopg: one statement a result, in Celery's own table and encodings.

It is chosen by the URL of Celery's stock database backend, `db+postgresql+psycopg://…`, where the application's loader
has `override_backends = {"db": "refnet.adapters.celery_queue.results:DatabaseResults"}`.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any, Never

import psycopg
from celery import states
from celery.backends.base import BaseBackend
from celery.exceptions import BackendGetMetaError, ImproperlyConfigured, SecurityError
from psycopg.pq import TransactionStatus
from sqlalchemy.engine import URL

from refnet.adapters.celery_queue.keeper import Keeper
from refnet.adapters.database.engine import REFUSED, database_url, shown
from refnet.domain.errors import ConfigurationError, StoreUnavailable

_log = logging.getLogger(__name__)

#: Characters that the table's columns for names and ids take.
LONGEST_NAME = 155
LONGEST_STATUS = 50
#: What PostgreSQL's integer takes.
LARGEST = 2**31 - 1
#: Rows that one statement of a cleanup deletes, so that none comes near `statement_timeout`.
CHUNK = 10_000
#: Tries again before reading and deleting give up, with the default pauses some ten seconds; storing has the setting
#: `result_backend_max_retries`, for only what is not stored is lost.
READ_RETRIES = 10
#: Seconds that a worker's main thread waits for what it reads.
PATIENCE = 1.0

#: Whatever the URL says stands above these. A peer that vanished is noticed after 10 s, both ways: a task has often
#: waited as long for the ledger before.
CONNECTION: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "refnet results",
    "client_encoding": "utf8",
}
STATEMENT_TIMEOUT = "-c statement_timeout=30s"

#: Classes of SQLSTATE that pass: connection lost, conflict, out of resources, operator's intervention.
_PASSING = ("08", "40", "53", "57")
#: What every pickle that Celery ever wrote begins with.
_PICKLE = b"\x80"

# An existing row keeps its id, for `nextval` at each retry of a task would use up the integers. As Celery has it: a
# success stays, whatever another delivery of the task comes to, and stamps stay until there are others. When a task
# ended is told by the server's clock, by which results expire.
_STORE = b"""
INSERT INTO celery_taskmeta
    (id, task_id, status, result, date_done, traceback, children, name, args, kwargs, worker, retries, queue, stamps)
VALUES (
    coalesce((SELECT id FROM celery_taskmeta WHERE task_id = %(task_id)s), nextval('task_id_sequence')),
    %(task_id)s, %(status)s, %(result)b, CASE WHEN %(is_done)s THEN timezone('UTC', clock_timestamp()) END,
    %(traceback)s, %(children)b, %(name)s, %(args)b, %(kwargs)b, %(worker)s, %(retries)s, %(queue)s, %(stamps)b
)
ON CONFLICT (task_id) DO UPDATE SET
    status = excluded.status, result = excluded.result, date_done = excluded.date_done,
    traceback = excluded.traceback, children = excluded.children, name = excluded.name, args = excluded.args,
    kwargs = excluded.kwargs, worker = excluded.worker, retries = excluded.retries, queue = excluded.queue,
    stamps = coalesce(excluded.stamps, celery_taskmeta.stamps)
WHERE celery_taskmeta.status IS DISTINCT FROM 'SUCCESS'
"""
_READ = b"""
SELECT status, date_done, traceback, name, worker, retries, queue, result, children, args, kwargs, stamps
FROM celery_taskmeta WHERE task_id = %(task_id)s
"""
_PLAIN = ("status", "date_done", "traceback", "name", "worker", "retries", "queue")
_ENCODED = ("result", "children", "args", "kwargs", "stamps")
_FORGET = b"DELETE FROM celery_taskmeta WHERE task_id = %(task_id)s"
# A task that has not ended has no such time, and one whose message is lost never gets one: it is the time at which the
# clean-up first meets its row as it is. Its next try takes that away again.
_DATE = b"""
UPDATE celery_taskmeta SET date_done = timezone('UTC', now())
WHERE date_done IS NULL AND id IN (SELECT id FROM celery_taskmeta WHERE date_done IS NULL LIMIT %(chunk)s)
"""
_EXPIRE = b"""
DELETE FROM celery_taskmeta WHERE id IN (
    SELECT id FROM celery_taskmeta
    WHERE date_done < timezone('UTC', now()) - make_interval(secs => %(seconds)s)
    ORDER BY date_done LIMIT %(chunk)s
)
"""


class DatabaseResults(BaseBackend):
    """Results of tasks in the table `celery_taskmeta`, which `refnet db upgrade` makes.

    Celery's stock database backend reads what this one writes, and the other way round; pickled rows alone are
    refused, with SecurityError: whoever can write the table could run code in its readers. Every thread of every
    process has a connection of its own, opened when it is first needed and again after a loss. While the database is
    away, storing is tried again as `result_backend_max_retries` and its companions say, unless
    `result_backend_always_retry` is set to False; then BackendStoreError. Reading gives up after `READ_RETRIES`, with
    BackendGetMetaError. ConfigurationError where the server refuses us or has no such table. Groups are not
    supported.
    """

    # As Celery's own: how long a look at many results pauses between two.
    subpolling_interval = 0.5

    always_retry: bool
    max_retries: float
    _aside: tuple[int, Keeper] | None = None

    def __init__(self, url: str | None = None, **options: Any) -> None:
        super().__init__(url=url, **options)
        if self.serializer != "json":
            raise ImproperlyConfigured(f"Results are kept as JSON; result_serializer is {self.serializer!r}.")
        self._address = _postgresql(url or "")
        self._threads = threading.local()
        if not self.app.conf.value_set_for("result_backend_always_retry"):
            self.always_retry = True  # as in Celery's own: the general default would lose results

    def keep_aside(self, keeper: Keeper) -> None:
        """From now on the main thread of this process leaves it to the keeper to wait for the database.

        For a worker's main process, whose loop must go on: there Celery stores what became of tasks whose process is
        gone. Storing is then begun in any case, and what goes wrong with it is logged; reading gives up after
        `PATIENCE`, with BackendGetMetaError.
        """
        self._aside = os.getpid(), keeper

    def as_uri(self, include_password: bool = False) -> str:
        return str(self.url) if include_password else shown(self._address)

    def exception_safe_to_retry(self, exc: BaseException) -> bool:
        if isinstance(exc, psycopg.errors.ReadOnlySqlTransaction):
            return True  # the server that was the primary: another connection may lead to the one that is
        if not isinstance(exc, (psycopg.OperationalError, psycopg.InterfaceError)):
            return False
        return exc.sqlstate is None or exc.sqlstate.startswith(_PASSING)

    def on_backend_retryable_error(self, exc: BaseException) -> None:  # noqa: ARG002 - Celery's signature
        self.close()

    def close(self) -> None:
        """Close the connection of this thread; it is opened again when it is needed."""
        held: _Held | None = getattr(self._threads, "held", None)
        self._threads.held = None
        if held is not None:
            held.close()

    def task_result_exists(self, task_id: str) -> bool:
        return self._ensure_retryable(self._read, task_id) is not None

    def has_ended(self, task_id: str) -> bool:
        """Whether there is a result for that id which no further run would change. Raises StoreUnavailable."""
        try:
            row = self._ensure_retryable(self._read, task_id, max_retries=2)
        except Exception as error:
            if not self.exception_safe_to_retry(error):
                raise
            raise StoreUnavailable(f"The database does not answer ({type(error).__name__}).") from error
        return row is not None and row["status"] in states.READY_STATES

    def cleanup(self) -> None:
        """Delete the results of tasks that ended, or last tried before a clean-up, longer than `result_expires` seconds
        ago; None or 0 keeps all.
        """
        if self.expires:
            for act in (self._date, self._expire):
                while self._ensure_retryable(act) == CHUNK:
                    pass

    def __reduce__(self, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        return super().__reduce__(args, {"url": self.url, "expires": self.expires} | (kwargs or {}))

    def _ensure_retryable(self, func: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if func != self._store_result:
            options.setdefault("max_retries", min(self.max_retries, READ_RETRIES))
        act = partial(super()._ensure_retryable, func, *args, **options)
        if self._aside is None or self._aside[0] != os.getpid() or not _in_main_thread():
            return act()
        keeper = self._aside[1]
        if func == self._store_result:
            keeper.soon(act).add_done_callback(_tell_of_loss)
            return None
        try:
            return keeper.soon(act, PATIENCE).result(0)
        except TimeoutError as error:
            raise BackendGetMetaError("The database did not answer at once.") from error

    def _store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Any = None,
        **_: Any,
    ) -> None:
        if not _is_key(task_id):
            # An error would be taken for the task's, or end the worker; and nobody sends such ids but by mistake.
            _log.error("The result of task %.200r is not kept: such an id does not fit the table.", task_id)
            return
        meta = self._get_result_meta(
            result=self._encoded(result),
            state=state,
            traceback=traceback,
            request=request,
            format_date=False,
            encode=True,
        )
        retries = meta.get("retries")
        self._execute(
            _STORE,
            {
                "task_id": task_id,
                "status": _text(state, LONGEST_STATUS),
                "result": meta["result"],
                "is_done": meta["date_done"] is not None,
                "traceback": _text(meta["traceback"]),
                "children": self._encoded(meta["children"]) if meta["children"] else None,
                "name": _text(meta.get("name"), LONGEST_NAME),
                "args": meta.get("args"),
                "kwargs": meta.get("kwargs"),
                "worker": _text(meta.get("worker"), LONGEST_NAME),
                "retries": min(retries, LARGEST) if isinstance(retries, int) else None,
                "queue": _text(meta.get("queue"), LONGEST_NAME),
                "stamps": self._stamps(meta),
            },
        )

    def _stamps(self, meta: Mapping[str, Any]) -> bytes | None:
        headers = meta.get("stamped_headers")
        if not headers:
            return None
        stamps = {header: meta[header] for header in headers if header in meta}
        return self._encoded({"stamped_headers": headers, "stamps": stamps})

    def _encoded(self, value: Any) -> bytes:
        return str(self.encode(value)).encode()

    def _get_task_meta_for(self, task_id: str) -> Any:
        row = self._read(task_id)
        if row is None:
            row = dict.fromkeys(_PLAIN + _ENCODED) | {"status": states.PENDING}
        for column in _ENCODED:
            row[column] = self._decoded(task_id, column, row[column])
        stamps = row.pop("stamps")
        if stamps is not None:
            # What a row says of itself stands above what a stamp of the same name does.
            row = stamps["stamps"] | {"stamped_headers": stamps["stamped_headers"]} | row
        return self.meta_from_decoded(row | {"task_id": task_id})

    def _decoded(self, task_id: str, column: str, payload: bytes | None) -> Any:
        if payload is not None and payload.startswith(_PICKLE):
            raise SecurityError(
                f"The column {column} of task {task_id} in {self.as_uri()} is pickled, which refnet never reads, for it "
                f"could hold a program. Delete the row: AsyncResult({task_id!r}).forget()"
            )
        return self.decode(payload)

    def _read(self, task_id: str) -> dict[str, Any] | None:
        row = self._execute(_READ, {"task_id": task_id}).fetchone() if _is_key(task_id) else None
        return None if row is None else dict(zip(_PLAIN + _ENCODED, row, strict=True))

    def _forget(self, task_id: str) -> None:
        if _is_key(task_id):
            self._execute(_FORGET, {"task_id": task_id})

    def _date(self) -> int:
        return self._execute(_DATE, {"chunk": CHUNK}).rowcount

    def _expire(self) -> int:
        return self._execute(_EXPIRE, {"seconds": float(self.expires), "chunk": CHUNK}).rowcount

    def _save_group(self, group_id: str, result: Any) -> Never:
        raise NotImplementedError("refnet's result backend keeps results of tasks, not of groups.")

    def _restore_group(self, group_id: str) -> Never:
        self._save_group(group_id, None)

    _delete_group = _restore_group

    def _execute(self, statement: bytes, values: Mapping[str, Any]) -> psycopg.Cursor[Any]:
        held = self._held()
        try:
            return held.connection.execute(statement, values, prepare=True)
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            raise ConfigurationError(
                f"The database {self.as_uri()} has no table for results of tasks. Run: refnet db upgrade"
            ) from error
        finally:
            # Besides losses: a time limit may strike between question and answer, and the next question would get
            # the wrong one.
            if held.connection.info.transaction_status != TransactionStatus.IDLE:
                self.close()

    def _held(self) -> _Held:
        held: _Held | None = getattr(self._threads, "held", None)
        if held is None or held.process != os.getpid():
            held = self._threads.held = _Held(self._connect())
        return held

    def _connect(self) -> psycopg.Connection[Any]:
        parameters = CONNECTION | _parameters(self._address)
        parameters["options"] = f"{STATEMENT_TIMEOUT} {parameters.get('options', '')}".strip()
        try:
            return psycopg.connect(**parameters, autocommit=True)
        except psycopg.OperationalError as error:
            if error.sqlstate is None and REFUSED.search(str(error)):
                raise ConfigurationError(f"The database server refuses {self.as_uri()}: {error}") from error
            raise


class _Held:
    """A connection and the process that opened it; closed with the thread that holds it, or with the process."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.process = os.getpid()
        self.close = weakref.finalize(self, _let_go, connection, self.process)


def _let_go(connection: psycopg.Connection[Any], process: int) -> None:
    if process != os.getpid() and not connection.closed:
        # It was inherited over a fork: what closing says to the server must go nowhere, or the parent's session ends.
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, connection.fileno())
        os.close(nowhere)
    connection.close()


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _tell_of_loss(stored: Future[object]) -> None:
    if (error := stored.exception()) is not None:
        _log.error("The result of a task is lost: %s: %s", type(error).__name__, error)


def _postgresql(text: str) -> URL:
    url = database_url(text)
    if url.get_backend_name() != "postgresql":
        raise ConfigurationError("Results of tasks are kept in PostgreSQL. Set DATABASE_URL to postgresql://…")
    return url


def _parameters(url: URL) -> dict[str, Any]:
    """What psycopg connects with, as SQLAlchemy reads it from the URL, several hosts included."""
    dialect: Any = url.get_dialect()
    parameters: dict[str, Any] = dialect().create_connect_args(url)[1]
    return parameters


def _is_key(task_id: str) -> bool:
    return len(task_id) <= LONGEST_NAME and _text(task_id) == task_id


def _text(value: object, longest: int | None = None) -> str | None:
    """The value as PostgreSQL takes texts: no NUL, no lone surrogates (tracebacks name files), not too long."""
    if value is None:
        return None
    return str(value).replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")[:longest]
