"""Progress for those whom nobody watches."""

from __future__ import annotations


class Silent:
    """Implements the port `Progress`."""

    def show(self, phase: str, **figures: int) -> None: ...

    def waiting(self, seconds: float, why: str) -> None: ...

    def say(self, line: str) -> None: ...
