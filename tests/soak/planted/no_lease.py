"""A worker without leases: what a killed process held is never taken back."""

from __future__ import annotations

from refnet.adapters.database import ledger
from refnet.entrypoints.celery.tasks import app

__all__ = ["app"]


def _none(*_: object) -> int:
    """Nobody's lease has run out, and nobody is gone."""
    return 0


ledger.free_expired = _none  # type: ignore[assignment]
ledger.free_owners = _none  # type: ignore[assignment]
