"""Keys as the database has them, remembered for a moment; and for longer for who only wants to see that it is away."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from typing import Protocol

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers

from refnet.domain.permissions import ApiKey
from refnet.entrypoints.web.problems import Problem
from refnet.entrypoints.web.security import Caller, bearer, session_cookie

#: Seconds for which a key that was found counts as valid: a revoked one ends within them.
FRESH = 2.0
#: Seconds for which it is remembered that a key was valid, or that there was none.
STALE = 900.0
_CACHED = 1_000
#: Keys that are looked for at a time, at the most, for addresses that have tried too many bad ones.
MOST_DOUBTED = 4
_LONGEST_TOKEN = 200


class Keys(Protocol):
    """The part of the store that knows keys."""

    def has_keys(self) -> bool: ...

    def key_of(self, token: str) -> ApiKey | None: ...

    def key_of_session(self, token: str) -> ApiKey | None: ...


class TooManyBadKeys(Problem):
    """Among so many bad keys this one is not even looked for."""

    def __init__(self) -> None:
        super().__init__(429, "Too many keys that are not valid.", headers={"Retry-After": "1"})


class KeyRing:
    """Its methods raise what the store raises, but for those that only remember.

    `doubted` is what comes from an address that has tried too many bad keys. It is looked for nevertheless, since behind a
    proxy it may be somebody else's who has a good one; but if it was not valid lately only a few at a time are, so that a
    flood of them keeps neither threads nor the database from others.
    """

    def __init__(self, store: Keys, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        #: keys, and until when they are fresh
        self._found: dict[tuple[str, str], tuple[ApiKey, float]] = {}
        self._lock = threading.Lock()
        #: how many of those are looked for
        self._doubted = 0
        #: whether there was a key, and until when that is fresh
        self._any: tuple[bool, float] | None = None

    async def any_made(self) -> bool:
        """Whether there was ever a key; then there is one for ever."""
        if self._any is not None and (self._any[0] or self._clock() < self._any[1]):
            return self._any[0]
        made = await run_in_threadpool(self._store.has_keys)
        self._any = (made, self._clock() + FRESH / 2)
        return made

    def had_none(self) -> bool:
        """Whether there was no key when it was last asked for, lately."""
        return self._any is not None and not self._any[0] and self._clock() < self._any[1] + STALE

    def knew(self, headers: Headers) -> ApiKey | None:
        """The key or session of a request, where it was valid lately."""
        token, session = bearer(headers), session_cookie(headers)
        places = [_place("key", token)] if token else [_place("session", session)] if session else []
        known = self._found.get(places[0]) if places else None
        return known[0] if known is not None and self._clock() < known[1] + STALE else None

    async def of_token(self, token: str, *, doubted: bool = False) -> ApiKey | None:
        """Raises TooManyBadKeys, where it is doubted."""
        return await self._look("key", token, self._store.key_of, doubted)

    async def of_session(self, token: str, *, doubted: bool = False) -> ApiKey | None:
        """Raises TooManyBadKeys, where it is doubted."""
        return await self._look("session", token, self._store.key_of_session, doubted)

    async def still_knows(self, caller: Caller, headers: Headers) -> bool:
        """Whether who was let in with these headers would be now, too."""
        if caller.key is None:
            return not await self.any_made()
        if caller.session is not None:
            return await self.of_session(caller.session) is not None
        return await self.of_token(bearer(headers) or "") is not None

    def forget_session(self, token: str) -> None:
        with self._lock:
            self._found.pop(_place("session", token), None)

    async def _look(self, kind: str, token: str, find: Callable[[str], ApiKey | None], doubted: bool) -> ApiKey | None:
        if len(token) > _LONGEST_TOKEN:
            return None
        place = _place(kind, token)
        known = self._found.get(place)
        if known is not None and self._clock() < known[1]:
            return known[0]
        doubted = doubted and (known is None or self._clock() >= known[1] + STALE)
        if doubted and self._doubted >= MOST_DOUBTED:
            raise TooManyBadKeys
        self._doubted += doubted
        try:
            key = await run_in_threadpool(find, token)
        finally:
            self._doubted -= doubted
        with self._lock:
            self._found.pop(place, None)
            if key is not None:
                if len(self._found) >= _CACHED:
                    self._found.clear()
                self._found[place] = (key, self._clock() + FRESH)
        return key


def _place(kind: str, token: str) -> tuple[str, str]:
    return kind, hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
