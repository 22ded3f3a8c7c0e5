"""What tells a hint of the ledger's from a task that somebody asks for by hand: a header that only refnet can make."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

HEADER = "refnet_hint"


def mark(key: bytes, task: str, task_id: str, paper_id: str) -> str:
    """HMAC-SHA256 over what the hint is about, so that a mark cannot be put on another message."""
    return hmac.new(key, f"{task}\n{task_id}\n{paper_id}".encode(), hashlib.sha256).hexdigest()


def is_marked(keys: Sequence[bytes], found: object, task: str, task_id: str, paper_id: str) -> bool:
    """Whether one of the keys made the mark; two are valid while they are changed."""
    if not isinstance(found, str) or not found.isascii():
        return False
    return any(hmac.compare_digest(mark(key, task, task_id, paper_id), found) for key in keys)
