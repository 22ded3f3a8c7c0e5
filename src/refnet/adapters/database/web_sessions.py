"""Browsers that have signed in. As of keys, only a hash of what the cookie holds is kept."""

from __future__ import annotations

import hashlib
import secrets

from sqlalchemy import Engine, delete, insert, select

from refnet.adapters.database.clock import Clock
from refnet.adapters.database.engine import reading, writing
from refnet.adapters.database.schema import api_keys, web_sessions
from refnet.domain.permissions import ApiKey, Scope


class WebSessionTable:
    """The sessions' part of the store."""

    _engine: Engine
    _clock: Clock

    def open_session(self, key_id: int, seconds: float) -> str:
        """What the cookie of a new session holds. It may do what the key may, until that is revoked."""
        token = secrets.token_urlsafe(32)
        with writing(self._engine) as connection:
            now = self._clock(connection)
            connection.execute(delete(web_sessions).where(web_sessions.c.expires_at <= now))
            values = {"digest": _digest(token), "key_id": key_id, "created_at": now, "expires_at": now + seconds}
            connection.execute(insert(web_sessions).values(**values))
        return token

    def close_session(self, token: str) -> None:
        with writing(self._engine) as connection:
            connection.execute(delete(web_sessions).where(web_sessions.c.digest == _digest(token)))

    def key_of_session(self, token: str) -> ApiKey | None:
        """The key that a session was opened with; None for a session that is over, or whose key was revoked."""
        with reading(self._engine) as connection:
            query = (
                select(api_keys)
                .join(web_sessions, web_sessions.c.key_id == api_keys.c.id)
                .where(
                    web_sessions.c.digest == _digest(token),
                    web_sessions.c.expires_at > self._clock(connection),
                    api_keys.c.revoked_at.is_(None),
                )
            )
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        return ApiKey(row.id, row.name, Scope(row.scope), row.created_at, row.revoked_at, row.used_at)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
