"""The rate limit, by key and time of arrival, over all routes."""

from __future__ import annotations

from refnet.demo.switches import Switches


class Limiter:
    """Admits a request that comes `1 / rps` seconds, less the tolerance, after the last one admitted.

    A refused request does not put the next one off. Not safe for threads; the caller holds a lock, so that
    arrivals are judged in their order.
    """

    def __init__(self, switches: Switches) -> None:
        self._least = 0.0 if switches.rps is None else 1 / switches.rps - switches.tolerance
        self._last: dict[str | None, float] = {}
        self.breaches = 0

    def admit(self, key: str | None, arrived: float) -> bool:
        last = self._last.get(key)
        if self._least > 0 and last is not None and arrived - last < self._least:
            self.breaches += 1
            return False
        self._last[key] = arrived
        return True
