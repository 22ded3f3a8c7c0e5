"""Sessions of a PostgreSQL server whose client was stopped while they held locks that all others may wait for."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, text

from refnet.adapters.database.engine import reading
from refnet.adapters.database.lock import lock_number

#: Looks in a row at which a session has to stand still before it is ended. With five seconds between two, a statement
#: that is on its way has half a minute to arrive in whole; jobs are claimed again after a minute at the latest.
LOOKS = 6
#: A client in the middle of a round trip has sent statements, and not yet that it waits for their results. The server
#: ends those that stopped between two (`idle_in_transaction_session_timeout`), but within one it counts nothing. A turn
#: is held by an idle session, whose client asks something every few seconds: see `lock.turn_on_server`.
_STANDING = text("""
    SELECT pid, backend_start, state_change FROM pg_stat_activity AS session
    WHERE datname = current_database() AND usename = session_user AND pid <> pg_backend_pid()
    AND backend_type = 'client backend' AND wait_event = 'ClientRead' AND query NOT ILIKE 'copy%'
    AND (
        state = 'active' AND (
            backend_xid IS NOT NULL OR EXISTS (
                SELECT FROM pg_locks AS held
                WHERE held.pid = session.pid AND granted AND locktype = 'advisory'
            )
        )
        OR state = 'idle' AND EXISTS (
            SELECT FROM pg_locks AS held
            WHERE held.pid = session.pid AND granted AND locktype = 'advisory' AND objsubid = 1
            AND classid::bigint << 32 | objid::bigint = :turn
        )
    )
""")
_END = text("""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid = :pid AND backend_start = :backend_start AND state_change = :state_change
""")


class StalledSessions:
    """Ends sessions in which nothing moves, one within a round trip or one that has a turn; its transaction is undone.
    A client that goes on is told that it has lost its connection.
    """

    def __init__(self, engine: Engine, turn: str) -> None:
        self._engine = engine
        self._turn = lock_number(turn)
        #: at how many looks in a row a session stood still as it does
        self._looks: dict[Any, int] = {}

    def look(self) -> int:
        """Look once more, and end what stands still for too long; how many were ended. Raises what the store raises.

        It counts looks and not seconds: after a night in which the whole machine slept all sessions are old.
        """
        with reading(self._engine) as connection:
            standing = connection.execute(_STANDING, {"turn": self._turn}).all()
            self._looks = {session: self._looks.get(session, 0) + 1 for session in standing}
            stalled = [session for session, looks in self._looks.items() if looks > LOOKS]
            return sum(connection.execute(_END, session._asdict()).scalar() or False for session in stalled)
