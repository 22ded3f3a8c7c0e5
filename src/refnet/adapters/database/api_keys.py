"""Keys of the API. Of each only the SHA-256 is kept: whoever reads the database cannot use it.

A plain hash is enough, for a key is 256 random bits that nobody can guess or try through. It is looked up by its hash,
so that how long this takes says nothing of the key itself.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress

from sqlalchemy import Engine, Row, exists, insert, select, update

from refnet.adapters.database.clock import Clock
from refnet.adapters.database.engine import reading, writing
from refnet.adapters.database.schema import api_keys
from refnet.domain.errors import StorageFull, StoreUnavailable
from refnet.domain.permissions import ApiKey, Scope, checked_name

#: What a key begins with, so that it is recognised where it should not be; 43 characters follow.
PREFIX = "refnet_"
#: Seconds between two notes that a key was used.
NOTED_EVERY = 60.0
_LARGEST_ID = 2**31 - 1


class ApiKeyTable:
    """Implements the `KeyStore` port."""

    _engine: Engine
    _clock: Clock

    def make_key(self, scope: Scope, name: str = "") -> tuple[ApiKey, str]:
        """A new key, and the token that its owner shows; nobody can tell the token again.

        Raises ConfigurationError for a name that is too long.
        """
        name, token = checked_name(name), f"{PREFIX}{secrets.token_urlsafe(32)}"
        with writing(self._engine) as connection:
            now = self._clock(connection)
            values = {"name": name, "scope": scope.value, "digest": _digest(token), "created_at": now}
            made = connection.execute(insert(api_keys).values(values).returning(api_keys.c.id))
            return ApiKey(made.scalar_one(), name, scope, now), token

    def keys(self) -> list[ApiKey]:
        """All that were ever made, the oldest first."""
        with reading(self._engine) as connection:
            return [_key(row) for row in connection.execute(select(api_keys).order_by(api_keys.c.id))]

    def has_keys(self) -> bool:
        """Whether one was ever made. A revoked one counts: revoking the last must not open the door to everybody."""
        with reading(self._engine) as connection:
            return bool(connection.execute(select(exists(select(api_keys.c.id)))).scalar())

    def revoke_key(self, identity: int) -> bool:
        """Let a key count no more, from now on or from when it was first revoked; False where there is none."""
        if not 0 < identity <= _LARGEST_ID:
            return False  # which PostgreSQL would not even look for
        with writing(self._engine) as connection:
            found = connection.execute(select(api_keys).where(api_keys.c.id == identity)).one_or_none()
            revoked = update(api_keys).where(api_keys.c.id == identity, api_keys.c.revoked_at.is_(None))
            connection.execute(revoked.values(revoked_at=self._clock(connection)))
            return found is not None

    def key_of(self, token: str) -> ApiKey | None:
        """The key whose token this is; None for an unknown or revoked one. Notes now and then that it was used."""
        which = (api_keys.c.digest == _digest(token)) & api_keys.c.revoked_at.is_(None)
        with reading(self._engine) as connection:
            row = connection.execute(select(api_keys).where(which)).one_or_none()
            if row is None:
                return None
            key, now = _key(row), self._clock(connection)
        # One used in the future was used before the clock was set back.
        if key.used_at is None or not 0 <= now - key.used_at < NOTED_EVERY:
            # Whoever may come in need not wait until there is room to note it.
            with suppress(StorageFull, StoreUnavailable), writing(self._engine) as connection:
                connection.execute(update(api_keys).where(which).values(used_at=now))
        return key


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def _key(row: Row[tuple[object, ...]]) -> ApiKey:
    return ApiKey(row.id, row.name, Scope(row.scope), row.created_at, row.revoked_at, row.used_at)
