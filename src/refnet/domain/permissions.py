"""Who may do what: scopes, the keys that have them, and the claims by which work shows whose it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from refnet.domain.errors import ConfigurationError

#: Characters of a key's name.
LONGEST_NAME = 100


class Scope(StrEnum):
    """What a key permits; each includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def allows(self, needed: Scope) -> bool:
        return _RANK[self] >= _RANK[needed]


_RANK = {scope: rank for rank, scope in enumerate(Scope)}


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of the API as it is kept: not the key itself. Times are seconds since the epoch; None for never.

    `used_at` is written at most once a minute.
    """

    id: int
    name: str
    scope: Scope
    created_at: float
    revoked_at: float | None = None
    used_at: float | None = None


def checked_name(name: str) -> str:
    """The name without spaces around it. Raises ConfigurationError for one that cannot stand in a line of a list."""
    name = name.strip()
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise ConfigurationError(f"The name of a key is at most {LONGEST_NAME} printable characters on one line.")
    return name


def why_refused(claim: object, needed: Scope) -> str | None:
    """In words, why whoever claims this may not do what needs a scope; None where they may. `claim` may be anything."""
    try:
        scope = Scope(claim)  # type: ignore[arg-type]
    except ValueError:
        return f"Its claim {str(claim)[:40]!r} is no scope"
    return None if scope.allows(needed) else f"Its claim is '{scope}', and it needs '{needed}'"


def widest(claims: Iterable[str | None]) -> str | None:
    """Of several claims to the same work the one that permits the most: None, the operator's, above all.

    What is no scope permits nothing. Raises ValueError for no claims at all.
    """
    return max(claims, key=_width)


def _width(claim: str | None) -> int:
    if claim is None:
        return len(_RANK)
    return _RANK[Scope(claim)] if claim in _RANK else -1
