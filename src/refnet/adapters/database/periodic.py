"""Which turns of the periodic tasks have been taken: a row for each task, held while its message is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import Connection, Engine, select, update

from refnet.adapters.database.bulk import upsert
from refnet.adapters.database.clock import Clock, database_time
from refnet.adapters.database.engine import reading, writing
from refnet.adapters.database.ledger import LONGEST_WAIT
from refnet.adapters.database.schema import periodic


class PeriodicTurns:
    """Turns on the table `periodic`. A turn is known by the instant when it fell due, in seconds since 1970.

    All times are the database's, so that processes whose clocks differ agree on what is due.
    """

    def __init__(self, engine: Engine, *, clock: Clock = database_time) -> None:
        self._engine = engine
        self._clock = clock

    def look(self, names: Iterable[str]) -> tuple[float, dict[str, float]]:
        """What time it is, and by task the last turn that was taken.

        A task never seen begins now: its first turn is the next.
        """
        with reading(self._engine) as connection:
            found = {row.name: row.slot / 1_000 for row in connection.execute(select(periodic))}
            now = self._clock(connection)
        new = sorted(set(names) - set(found))
        if new:
            with writing(self._engine) as connection:
                rows = [(name, _slot(now), now) for name in new]
                upsert(connection, periodic, ("name", "slot", "updated_at"), rows, "DO NOTHING")
        return now, dict.fromkeys(new, now) | found

    def take(self, name: str, due: Callable[[float, float], float | None], send: Callable[[float], None]) -> bool:
        """Take the turn that has come, if one has, and send its message before that is committed.

        `due` says which turn that is, if the first argument was the last one taken and the second is the time; `send`
        may be called again for a turn whose commit failed. False where another process is at this task's turn.
        """
        with writing(self._engine) as connection:
            row = select(periodic.c.slot).where(periodic.c.name == name).with_for_update(skip_locked=True)
            slot = connection.execute(row).scalar()
            if slot is None:
                return False
            now = self._clock(connection)
            if slot > _slot(now + LONGEST_WAIT):
                # Taken before the clock was set back: as for a task never seen.
                self._keep(connection, name, now, now)
                return True
            turn = due(slot / 1_000, now)
            if turn is not None and _slot(turn) > slot:
                self._keep(connection, name, turn, now)
                send(turn)
            return True

    def _keep(self, connection: Connection, name: str, turn: float, now: float) -> None:
        connection.execute(update(periodic).where(periodic.c.name == name).values(slot=_slot(turn), updated_at=now))


def _slot(turn: float) -> int:
    return round(turn * 1_000)
