"""How hosts are being treated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PaceState:
    """How a host is being treated: `blocked` seconds for which it is still left alone, after `failures` in a row."""

    host: str
    blocked: float
    failures: int
    successes: int
