"""How the stand-in behaves where the real service may behave in several ways, or badly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FAULT_KINDS = (
    "429",
    "429-retry-after",
    "429-date",
    "500",
    "502",
    "503",
    "504",
    "cut-json",
    "cut-early",
    "html",
    "hang",
    "reset",
    "error-200",
    "wrong-id",
    "null-fields",
    "gzip-bomb",
)
"""`cut-json`: the Content-Length is that of the half body sent; `cut-early`: it is that of the whole body,
and the connection closes after half of it. `html`: 200 with a page. `hang`: silence, then the connection
closes. `reset`: the connection is reset. `error-200`: 200 with `{"error": …}`. `wrong-id`: the rows of a batch with
each other's ids. `null-fields`: rows of nulls. `gzip-bomb`: a packed body a thousand times as long unpacked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """The defaults are the recorded behaviour of the service, without a rate limit, latency or faults.

    A share is between 0 and 1. What a share picks depends on `seed` and the paper's id alone, or for `faults`
    on `seed` and the order of arrival.
    """

    rps: float | None = None
    """Requests per second and key, by arrival; None sets no limit."""
    tolerance: float = 0.001
    """Seconds by which an arrival may be early."""
    keys: frozenset[str] | None = None
    """Accepted keys; None accepts any."""
    keyless: bool = True
    """Whether a request without a key is served although `keys` is set."""
    retry_after: float | Literal["date"] | None = None
    """Retry-After of the limiter's 429: seconds, or a date two seconds away."""

    max_ids: int = 500
    max_citations: int = 9_999
    """Nested citations of one batch, over all its papers. More are left out without a word."""
    max_bytes: int = 10_000_000
    max_nested: int = 1_000
    """Length of a list nested in `GET /paper/{id}`."""
    timeout_citations: int = 100_000
    """A paper with more citations than this makes a batch that nests them end in 504."""
    timeout: float = 29.0
    """Seconds after which the gateway gives up with 504."""
    latency: float = 0.0
    """Seconds per request."""
    latency_per_row: float = 0.0
    """Seconds per paper row of the answer, nested rows included."""

    recorded_counts: bool = False
    """Give the counts of the corpus file instead of those of its edges, where it has them."""
    count_drift: int = 0
    """Counts are off by up to this many, otherwise in a nested row than at the top."""
    elided: frozenset[str] | float = 0.0
    """Papers whose references the publisher withholds: ids, or a share."""
    null_rows: float = 0.0
    """Share of rows without a paperId that is added to every reference list."""
    missing: frozenset[str] = frozenset()
    """Papers that stand in lists but are not found when asked for."""

    faults: float = 0.0
    """Share of the admitted requests that fail."""
    kinds: tuple[str, ...] = FAULT_KINDS
    seed: int = 1
    hang_seconds: float = 60.0
    fail_ids: frozenset[str] = frozenset()
    """Papers whose presence fails the whole request, always."""
    fail_status: Literal[500, 504] = 504

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in FAULT_KINDS]
        if unknown:
            raise ValueError(f"unknown kinds of fault: {', '.join(unknown)}")
        if self.faults and not self.kinds:
            raise ValueError("a share of faults needs at least one kind")
        if not 0.0 <= self.null_rows < 1.0:
            raise ValueError("null_rows is a share below 1")
