"""The schedule of the periodic tasks, kept in the database: any number of beats send each turn once."""

from __future__ import annotations

import logging
import uuid
from functools import cached_property, partial
from typing import Any

from amqp.exceptions import AMQPError
from celery import beat as stock
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from sqlalchemy import Engine

from refnet.adapters.celery_queue.due_times import latest_due, next_due
from refnet.adapters.database.engine import database_url, open_engine
from refnet.adapters.database.ledger import LONGEST_WAIT
from refnet.adapters.database.migrate import open_at_head
from refnet.adapters.database.periodic import PeriodicTurns
from refnet.domain.errors import ConfigurationError, RefnetError

_log = logging.getLogger(__name__)

#: Seconds until the next look where broker or database do not answer, and where another beat is at a turn.
AWAY, HELD = 1.0, 0.2
#: What a periodic task's message is known by is made from this, its name and its turn.
_TURNS = uuid.UUID("6a1f4c5e-5f0f-4d0c-9b53-6f2f2f6c1e57")


class Scheduler(stock.Scheduler):
    """Sends a turn of an entry only with the turn itself, in one transaction: UPDATE, publish, commit.

    Of several beats one gets it. One that dies after it has published sends again when it is back, or another does,
    with the same id, by which workers know the message. Turns missed while broker, database or all beats were away
    are made up for by one. Nothing is kept on a disk, and this machine's clock is not asked.

    For the setting `beat_scheduler`. Ends beat with exit code 2 where the database has not the tables of this version.
    """

    _trouble: str | None = None

    def setup_schedule(self) -> None:
        super().setup_schedule()
        # Celery's own entries clear results that have expired. Its plain scheduler adds them, and drops them again
        # when it merges the configured ones (celery 5.7.0, not reported upstream).
        self.install_default_entries(self.schedule)
        try:
            open_at_head(self._engine)
        except ConfigurationError as error:
            _log.critical("%s", error)
            self._engine.dispose()
            raise SystemExit(2) from error
        except RefnetError as error:
            self._tell(str(error))

    def tick(self, **_options: Any) -> float:
        """Send what is due. Returns the seconds until the next look."""
        try:
            wait = self._send_due()
        except (RefnetError, stock.SchedulingError, OperationalError, AMQPError, RedisError, OSError) as error:
            self._tell(str(error).strip().partition("\n")[0] or type(error).__name__)
            return AWAY
        self._tell(None)
        return min(wait, float(self.max_interval))

    def close(self) -> None:
        super().close()
        self._engine.dispose()

    def _send_due(self) -> float:
        now, taken = self._turns.look(self.schedule)
        wait = float(self.max_interval)
        failed: stock.SchedulingError | None = None
        for entry in list(self.schedule.values()):
            last = taken[entry.name]
            # One far in the future was taken before the clock was set back, and is seen to with the others.
            if last > now + LONGEST_WAIT or latest_due(entry.schedule, last, now) is not None:
                try:
                    wait = min(wait, 0.0 if self._take(entry) else HELD)
                except stock.SchedulingError as error:
                    # It may be this entry's own: those after it have their turns all the same.
                    failed = failed or error
            wait = min(wait, next_due(entry.schedule, now) - now)
        if failed is not None:
            raise failed
        return max(wait, 0.01)

    def _take(self, entry: Any) -> bool:
        # Connected before the row is locked, and anew each time: a turn comes seldom, and connections go stale.
        with self.app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0.2)
            producer = self.Producer(connection, auto_declare=False)
            return self._turns.take(
                entry.name, partial(latest_due, entry.schedule), lambda turn: self._send(entry, turn, producer)
            )

    def _send(self, entry: Any, turn: float, producer: Any) -> None:
        task_id = turn_id(entry.name, turn)
        _log.info("Sending %s (%s), due at %.3f, as %s", entry.name, entry.task, turn, task_id)
        named = self.Entry(**dict(entry, options={**entry.options, "task_id": task_id}))
        self.apply_async(named, producer=producer, advance=False)

    def _tell(self, trouble: str | None) -> None:
        """Log what is the matter once, not each second."""
        if trouble != self._trouble:
            if trouble is None:
                _log.info("Broker and database answer again.")
            else:
                _log.warning("%s Beat goes on, and tries again.", trouble)
            self._trouble = trouble

    @cached_property
    def _engine(self) -> Engine:
        return open_engine(database_url(self.app.conf.result_backend.removeprefix("db+")))

    @cached_property
    def _turns(self) -> PeriodicTurns:
        return PeriodicTurns(self._engine)


def turn_id(name: str, turn: float) -> str:
    """The id of the message that a periodic task's turn is sent as: the same, whoever sends it and however often."""
    return str(uuid.uuid5(_TURNS, f"{name} {round(turn * 1_000)}"))
