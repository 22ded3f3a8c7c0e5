"""What `refnet doctor` looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from refnet.domain.errors import ConfigurationError, RefnetError
from refnet.domain.workers import WorkerReport


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `found` says what is wrong and what to do, or what is right."""

    name: str
    ok: bool
    found: str

    def as_document(self) -> dict[str, Any]:
        return {"name": self.name, "ok": self.ok, "found": self.found}


@dataclass(frozen=True, slots=True)
class Probe:
    """What looks at one thing: it returns what it found, and raises a RefnetError that names the fault and the cure.

    Where `needs` names a probe that found a fault, there is nothing to look at.
    """

    name: str
    look: Callable[[], str]
    needs: str | None = None


def examine(probes: Iterable[Probe]) -> list[Check]:
    """Try everything, also after a fault."""
    checks: list[Check] = []
    bad: set[str | None] = set()
    for probe in probes:
        if probe.needs in bad:
            continue
        try:
            checks.append(Check(probe.name, ok=True, found=probe.look()))
        except RefnetError as error:
            checks.append(Check(probe.name, ok=False, found=str(error)))
            bad.add(probe.name)
    return checks


def look_at_workers(found: Iterable[WorkerReport]) -> str:
    """What workers said of themselves. Raises ConfigurationError with what is wrong with any of them."""
    workers = list(found)
    faults = [worker.fault for worker in workers if worker.fault is not None]
    if faults:
        raise ConfigurationError(" ".join(faults))
    return ", ".join(f"{worker.name} ({worker.running} of {worker.slots} at work)" for worker in workers)
