"""The lists and counts of a graph as the switches show them."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from refnet.demo.graph import Graph, Row
from refnet.demo.switches import Switches

_ADDED = -(2**30)
"""Entries at or below this are null rows that a switch added, not stubs of the graph."""


def share(*parts: object) -> float:
    """A number in [0, 1) that depends on the parts alone."""
    digest = blake2b("\0".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


class Lists:
    """What the service tells of a paper's lists; the graph itself is left as it is."""

    def __init__(self, graph: Graph, switches: Switches) -> None:
        self.graph = graph
        self._switches = switches

    def resolve(self, identifier: str) -> int | None:
        index = self.graph.resolve(identifier)
        return None if index is None or self.missing(index) else index

    def missing(self, index: int) -> bool:
        return bool(self._switches.missing) and self.graph.paper_id(index) in self._switches.missing

    def elided(self, index: int) -> bool:
        elided = self._switches.elided
        if isinstance(elided, frozenset):
            return self.graph.paper_id(index) in elided
        return elided > 0.0 and share(self._switches.seed, "elided", self.graph.paper_id(index)) < elided

    def references(self, index: int) -> Sequence[int] | None:
        """None where the publisher withholds them."""
        if self.elided(index):
            return None
        entries = self.graph.references(index)
        added = self._added(index, len(entries))
        return [*entries, *(_ADDED - number for number in range(added))] if added else entries

    def citations(self, index: int) -> Sequence[int]:
        return self.graph.citations(index)

    def stub(self, entry: int) -> Row:
        if entry <= _ADDED:
            return {"title": f"Unmatched work number {_ADDED - entry + 1}"}
        return self.graph.stub(~entry)

    def counts(self, index: int, row: Row, *, nested: bool) -> tuple[int, int]:
        """(referenceCount, citationCount)."""
        references, citations = self.graph.counts(index)
        references += self._added(index, references)
        if self._switches.recorded_counts:
            references = _recorded(row.get("referenceCount"), references)
            citations = _recorded(row.get("citationCount"), citations)
        if self._switches.count_drift:
            references += self._drift(index, "references", nested)
            citations += self._drift(index, "citations", nested)
        return max(0, references), max(0, citations)

    def _added(self, index: int, length: int) -> int:
        rate = self._switches.null_rows
        if not rate or not length:
            return 0
        rounding = share(self._switches.seed, "null", self.graph.paper_id(index))
        return int(length * rate / (1 - rate) + rounding)

    def _drift(self, index: int, name: str, nested: bool) -> int:
        reach = self._switches.count_drift
        drawn = share(self._switches.seed, "drift", name, nested, self.graph.paper_id(index))
        return int(drawn * (2 * reach + 1)) - reach


def _recorded(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise
