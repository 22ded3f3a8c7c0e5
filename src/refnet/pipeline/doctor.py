"""What `refnet doctor` looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from refnet.domain.errors import RefnetError


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `found` says what is wrong and what to do, or what is right."""

    name: str
    ok: bool
    found: str

    def as_document(self) -> dict[str, Any]:
        return {"name": self.name, "ok": self.ok, "found": self.found}


#: A name, and what looks: it returns what it found, and raises a RefnetError that names the fault and the cure.
Probe = tuple[str, Callable[[], str]]


def examine(probes: Iterable[Probe]) -> list[Check]:
    """Try everything, also after a fault."""
    checks: list[Check] = []
    for name, look in probes:
        try:
            checks.append(Check(name, ok=True, found=look()))
        except RefnetError as error:
            checks.append(Check(name, ok=False, found=str(error)))
    return checks
