"""What arrived and what became of it, for tests and benchmarks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One request to the Graph API; requests for `/__log` and the like are not logged."""

    arrived: float
    """Seconds on the monotonic clock, once the head of the request was read."""
    method: str
    route: str
    path: str
    """Decoded, after `/graph/v1`."""
    query: dict[str, str]
    ids: tuple[str, ...]
    """As asked, batch or path."""
    asked: tuple[str, ...]
    """The paperIds that they stand for, where they were looked up."""
    status: int
    """0 where nothing was sent."""
    rows: int
    bytes: int
    """Length of the body, whole or cut."""
    fault: str | None
    """The kind that was drawn, `own` for one of `fail_ids`, None for a true answer, errors included."""
    breach: bool
    """Refused by the limiter."""
    key: str | None

    @property
    def answered(self) -> bool:
        """Whether a whole true answer was sent."""
        return self.status == 200 and self.fault is None


def as_json(entries: Sequence[Entry]) -> list[dict[str, object]]:
    return [asdict(entry) for entry in entries]


def statistics(entries: Sequence[Entry]) -> dict[str, object]:
    """Totals over a log. `duplicates` counts papers that the same route and page had answered before."""
    routes: dict[str, Counter[str]] = {}
    answered: Counter[tuple[str, ...]] = Counter()
    for entry in entries:
        routes.setdefault(entry.route, Counter())[str(entry.status)] += 1
        if entry.answered:
            page = entry.query.get("offset", "0") if entry.route in {"citations", "references"} else ""
            answered.update((entry.route, page, paper) for paper in entry.asked)
    return {
        "requests": len(entries),
        "by_route": {route: dict(counts) for route, counts in sorted(routes.items())},
        "faults": dict(Counter(entry.fault for entry in entries if entry.fault)),
        "breaches": sum(entry.breach for entry in entries),
        "max_per_second": _most_within_a_second([entry.arrived for entry in entries]),
        "papers": len({paper for entry in entries if entry.answered for paper in entry.asked}),
        "duplicates": sum(count - 1 for count in answered.values()),
        "rows": sum(entry.rows for entry in entries),
        "bytes": sum(entry.bytes for entry in entries),
    }


def _most_within_a_second(arrivals: Sequence[float]) -> int:
    arrivals = sorted(arrivals)
    most = start = 0
    for end, arrived in enumerate(arrivals):
        while arrived - arrivals[start] >= 1.0:
            start += 1
        most = max(most, end - start + 1)
    return most
