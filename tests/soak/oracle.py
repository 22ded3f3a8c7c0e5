"""Whether a disturbed run came to the same end as one that nothing disturbed. Every complaint is a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import yaml

from tests.acceptance.command import stamps, tree
from tests.cluster.chaos import most_within
from tests.cluster.lab import Lab
from tests.cluster.watching import at_rest
from tests.soak.history import forged, history
from tests.soak.source import Source

#: The stretch of time, in seconds, in which requests are counted.
SECOND = 1.0
#: Complaints of one kind that are told one by one.
_MOST = 3


@dataclass(frozen=True)
class Undisturbed:
    """What a run without faults leaves behind."""

    paper_ids: frozenset[str]
    vault: Mapping[str, bytes]
    #: requests to the source that it took
    requests: int


@dataclass(frozen=True)
class Oracle:
    """Holds a lab against an undisturbed run. `poison` are the papers that have to be dead; `rate` is a
    second's, None where another measure holds.
    """

    lab: Lab
    source: Source
    expected: Undisturbed
    rate: int | None
    words: tuple[str, ...]
    poison: frozenset[str] = frozenset()

    def complaints(self, *, rerun: bool = True) -> list[str]:
        """All there is to say against it; nothing where all is well. A rerun is made only where all else is."""
        found = [*self._ledger(), *self._vault(), *self._strays(), *self._rate(), *at_rest(self.lab)]
        return found or ([*self._rerun()] if rerun else [])

    @property
    def most(self) -> int:
        """Requests within a second, at the most."""
        return most_within(self.source.log, SECOND)

    def lost(self) -> int:
        """Expected papers without a note."""
        return len(self.expected.paper_ids - self.poison - {*_notes(self.lab.vault)})

    def doubled(self) -> int:
        """Notes beyond one a paper."""
        return sum(times - 1 for times in _notes(self.lab.vault).values())

    def _ledger(self) -> Iterator[str]:
        expected = self.expected.paper_ids
        rows = self.lab.query("SELECT stage, paper_id, state FROM jobs")
        for stage in ("crawl", "generate"):
            known = {row.paper_id for row in rows if row.stage == stage}
            # The seed's job is not there: `refnet map` asks for it itself.
            yield from _some(f"no {stage} job for", expected - known - self.poison - {self.words[0]})
            yield from _some(f"a {stage} job nobody expects for", known - expected)
        collected = {row.paper_id for row in self.lab.query("SELECT paper_id FROM papers WHERE fetched_at IS NOT NULL")}
        yield from _some("not collected:", expected - collected - self.poison)
        yield from _some("not over:", {f"{r.stage} {r.paper_id}" for r in rows if r.state not in ("done", "dead")})
        dead = {row.paper_id for row in rows if row.state == "dead"}
        yield from _some("dead and no poison:", dead - self.poison)
        yield from _some("poison and not dead:", self.poison - dead)
        wrong = forged(history(self.lab))
        yield from _some("changed by who did not hold it:", {f"{w.stage} {w.paper_id} {w.old}→{w.new}" for w in wrong})

    def _vault(self) -> Iterator[str]:
        notes = _notes(self.lab.vault)
        yield from _some("no note of", self.expected.paper_ids - self.poison - notes.keys())
        yield from _some("more than one note of", {paper for paper, times in notes.items() if times > 1})
        mine = tree(self.lab.vault)
        yield from _some("missing in the vault:", self.expected.vault.keys() - mine.keys())
        yield from _some("stray in the vault:", mine.keys() - self.expected.vault.keys())
        both = mine.keys() & self.expected.vault.keys()
        yield from _some("differs from the undisturbed run:", {n for n in both if mine[n] != self.expected.vault[n]})

    def _strays(self) -> Iterator[str]:
        folder = self.lab.refnet.folder
        yield from _some("left behind:", {str(path.relative_to(folder)) for path in folder.rglob("*.tmp")})

    def _rate(self) -> Iterator[str]:
        if self.rate is not None and self.most > self.rate:
            arrivals = sorted(entry.arrived for entry in self.source.log)
            gaps = sorted(after - before for before, after in pairwise(arrivals))
            yield f"{self.most} requests within a second, of {self.rate}; {', '.join(f'{g:.3f}' for g in gaps[:_MOST])} s apart"

    def _rerun(self) -> Iterator[str]:
        before, asked = stamps(self.lab.vault), self.source.requests
        ended = self.lab.refnet("map", *self.words, "--json")
        if ended.code != 0:
            yield f"the rerun ended with {ended.code}: {ended.error}"
            return
        if more := self.source.requests - asked:
            yield f"the rerun made {more} requests"
        after = stamps(self.lab.vault)
        yield from _some(
            "changed by the rerun:", {n for n in before.keys() | after.keys() if before.get(n) != after.get(n)}
        )


def _notes(vault: Path) -> Counter[str]:
    """How many notes each paper has. One that does not parse is nobody's."""
    found: Counter[str] = Counter()
    for file in (vault / "papers").glob("*.md"):
        parts = file.read_text(encoding="utf-8").split("---\n", 2)
        properties = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0] else None
        found[str((properties or {}).get("paper_id"))] += 1
    return found


def _some(what: str, which: set[str] | frozenset[str]) -> Iterator[str]:
    if which:
        shown = ", ".join(sorted(which)[:_MOST])
        yield f"{what} {shown}" + (f" and {len(which) - _MOST} more" if len(which) > _MOST else "")
