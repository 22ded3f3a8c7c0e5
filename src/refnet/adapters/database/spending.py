"""What language models may cost and have cost, and their answers, over all processes on the database.

Before a call the most that it may cost is added to the day's sum, if the sum then stays within the cap; afterwards it is
replaced by what the call did cost, in the transaction that keeps the answer. A process that dies in between leaves the
most it may have spent in the sum. So the sum is never less than what was spent, and never more than the cap, save by what
a call may cost more than its most; the day is the database's (UTC), and no restart forgets it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, select, update

from refnet.adapters.database.bulk import upsert
from refnet.adapters.database.clock import Clock, database_time
from refnet.adapters.database.engine import reading, writing
from refnet.adapters.database.schema import model_answers, model_usage, spending
from refnet.domain.spending import CapReached, ModelUsage, Reservation, Spent, Use


class Spending:
    """The purse of the language models. `cap` is in US dollars a day."""

    def __init__(self, engine: Engine, cap: float, *, clock: Clock = database_time) -> None:
        self._engine = engine
        self._cap = cap
        self._clock = clock

    def answer(self, key: str) -> Any | None:
        """What was kept under that key."""
        with reading(self._engine) as connection:
            return connection.execute(
                select(model_answers.c.answer).where(model_answers.c.key == key)
            ).scalar_one_or_none()

    def reserve(self, usd: float) -> Reservation | CapReached:
        """Set money aside for a call; what costs nothing is never refused."""
        with writing(self._engine) as connection:
            day = day_of(self._clock(connection))
            if usd <= 0:
                return Reservation(day, 0.0)
            upsert(connection, spending, ("day", "usd"), [(day, 0.0)], "(day) DO NOTHING")
            # The row is locked, and its sum looked at again, before anything is added: several at once cannot pass the cap.
            added = connection.execute(
                update(spending)
                .where(spending.c.day == day, spending.c.usd + usd <= self._cap)
                .values(usd=spending.c.usd + usd)
                .returning(spending.c.usd)
            ).scalar_one_or_none()
            return Reservation(day, usd) if added is not None else CapReached(self._cap, spent_on(connection, day), usd)

    def settle(self, held: Reservation, use: Use, key: str | None = None, answer: Any = None) -> None:
        """Replace what was set aside by what the call did cost, and keep its answer, in one transaction. Without a key
        there is no answer that is worth keeping.
        """
        with writing(self._engine) as connection:
            self._change(connection, held, use.usd)
            columns = ("model", "calls", "tokens_in", "tokens_out", "usd")
            upsert(
                connection,
                model_usage,
                columns,
                [(use.model, 1, use.tokens_in, use.tokens_out, use.usd)],
                "(model) DO UPDATE SET "
                + ", ".join(f"{name} = model_usage.{name} + excluded.{name}" for name in columns[1:]),
            )
            if key is not None:
                row = (key, json.dumps(answer), use.usd, self._clock(connection))
                # Another process may have asked the same meanwhile.
                upsert(connection, model_answers, ("key", "answer", "usd", "made_at"), [row], "(key) DO NOTHING")

    def forget(self, key: str) -> None:
        """Keep that answer no longer; what it did cost stays spent."""
        with writing(self._engine) as connection:
            connection.execute(delete(model_answers).where(model_answers.c.key == key))

    def release(self, held: Reservation) -> None:
        """Give back what was set aside for a call that cost nothing."""
        with writing(self._engine) as connection:
            self._change(connection, held, 0.0)

    def spent_today(self) -> float:
        """US dollars spent or set aside today."""
        with reading(self._engine) as connection:
            return spent_on(connection, day_of(self._clock(connection)))

    def in_all(self) -> Spent:
        """What was asked and spent on all days. No midnight is between two such looks."""
        with reading(self._engine) as connection:
            calls = connection.execute(select(func.coalesce(func.sum(model_usage.c.calls), 0))).scalar_one()
            usd = connection.execute(select(func.coalesce(func.sum(spending.c.usd), 0.0))).scalar_one()
            return Spent(int(calls), float(usd))

    def usage(self) -> list[ModelUsage]:
        """The calls of each model in all, by name."""
        with reading(self._engine) as connection:
            return read_usage(connection)

    def _change(self, connection: Connection, held: Reservation, usd: float) -> None:
        if held.usd == usd:
            return
        upsert(connection, spending, ("day", "usd"), [(held.day, 0.0)], "(day) DO NOTHING")
        connection.execute(
            update(spending).where(spending.c.day == held.day).values(usd=spending.c.usd - held.usd + usd)
        )


def read_usage(connection: Connection) -> list[ModelUsage]:
    return [ModelUsage(*row) for row in connection.execute(select(model_usage).order_by(model_usage.c.model))]


def day_of(now: float) -> str:
    """The day (UTC) of a moment in seconds since the epoch, as 2026-01-31."""
    return datetime.fromtimestamp(now, UTC).date().isoformat()


def spent_on(connection: Connection, day: str) -> float:
    """US dollars spent or set aside on a day."""
    return float(
        connection.execute(
            select(func.coalesce(func.sum(spending.c.usd), 0.0)).where(spending.c.day == day)
        ).scalar_one()
    )
