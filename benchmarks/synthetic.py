"""Citation graphs of 300,000 papers, grown by a copy model, for the stand-in to serve.

    python benchmarks/synthetic.py --kind hub-heavy            # grow, and print what came out
    python benchmarks/synthetic.py --kind moderate --serve     # … and serve it until interrupted

The two kinds are set so that the citation count of a random reference comes near to

    kind        mean    median   max      papers above 9,999
    moderate    106     36       6.9 k    none
    hub-heavy   3,458   41       73 k     31

which is what the request model in the project's notes rests on. Everything depends on the seed alone.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import threading
import time
from collections.abc import Sequence
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import numpy as np
from growth import MODELS, Indexes, Offsets, grow

from refnet.demo.graph import Row, breadth_first
from refnet.demo.server import StandIn
from refnet.demo.switches import Switches

_MULTIPLIER = 2654435761  # odd, hence invertible modulo 2**32: scatters indexes over ids
_INVERSE = pow(_MULTIPLIER, -1, 2**32)
_WORDS = re.findall(
    r"\w+",
    "adaptive analysis approach automatic bayesian benchmark cells citation clinical cluster cognitive complex "
    "control convex data deep design detection diffusion discrete distributed dynamic effects efficient energy "
    "estimation evaluation evidence experimental field flow framework functional gene graph growth human inference "
    "information interaction knowledge language large learning linear local logic machine memory method model "
    "molecular network neural nonlinear optimal parallel patterns phase policy prediction probabilistic process "
    "protein quantum random rapid representation response retrieval robust sample search semantic sequence signal "
    "social sparse spatial spectral stable statistical stochastic structure surface survey system temporal theory "
    "thermal topology transfer transport treatment uncertainty unsupervised variation vision wave",
)
_TEXT = " ".join(random.Random(0).choices(_WORDS, k=40_000))


class SyntheticGraph:
    """A graph for the stand-in; papers are indexed by age, oldest first."""

    def __init__(self, offsets: Offsets, cited: Indexes, seed: int) -> None:
        self._offsets = offsets
        self._cited = cited
        self._seed = seed
        papers = len(offsets) - 1
        citing = np.repeat(np.arange(papers, dtype=np.int32), np.diff(offsets))
        # Backwards and stable: within each paper the newest citing one comes first.
        order = np.argsort(cited[::-1], kind="stable")
        self._citing: Indexes = citing[::-1][order]
        self.citation_counts: Offsets = np.bincount(cited, minlength=papers).astype(np.int64)
        self._citing_offsets: Offsets = np.concatenate(([0], np.cumsum(self.citation_counts)))
        self.reference_counts: Offsets = np.diff(offsets)

    def __len__(self) -> int:
        return len(self.reference_counts)

    def resolve(self, identifier: str) -> int | None:
        number = re.fullmatch(r"corpusid:(\d{1,9})", identifier.lower())
        if number:
            index = int(number[1]) - 1
            return index if 0 <= index < len(self) else None
        if not re.fullmatch(r"[0-9a-f]{40}", identifier):
            return None
        index = int(identifier[:8], 16) * _INVERSE % 2**32
        return index if index < len(self) and self.paper_id(index) == identifier else None

    def paper_id(self, index: int) -> str:
        tail = hashlib.blake2b(f"{self._seed}:{index}".encode(), digest_size=16).hexdigest()
        return f"{int(index) * _MULTIPLIER % 2**32:08x}{tail}"

    def row(self, index: int) -> Row:
        draw = int(hashlib.blake2b(f"row:{index}".encode(), digest_size=8).hexdigest(), 16)
        day = self._day(index)
        row: dict[str, Any] = {
            "paperId": self.paper_id(index),
            "corpusId": index + 1,
            "title": f"{_text(draw, 70).capitalize()}: study {index}",
            "abstract": None if draw % 100 < 23 else _text(draw >> 8, 600 + draw % 1_200).capitalize() + ".",
            "year": day.year,
            "publicationDate": day.isoformat(),
            "venue": f"Journal of {_WORDS[draw % len(_WORDS)].capitalize()} Research",
            "authors": [
                {"authorId": str(draw % 2**31 + number), "name": f"A. Author{(draw >> number) % 9_999}"}
                for number in range(1 + draw % 6)
            ],
            "externalIds": {"DOI": f"10.5555/synthetic.{index}"} if draw % 100 < 97 else {},
        }
        if draw % 97 < 23:
            row["externalIds"]["ArXiv"] = f"{day:%y%m}.{index % 100_000:05d}"
        return row

    def references(self, index: int) -> Sequence[int]:
        entries: list[int] = self._cited[self._offsets[index] : self._offsets[index + 1]].tolist()
        return entries

    def citations(self, index: int) -> Sequence[int]:
        start, end = self._citing_offsets[index : index + 2]
        entries: list[int] = self._citing[start:end].tolist()
        return entries

    def counts(self, index: int) -> tuple[int, int]:
        return int(self.reference_counts[index]), int(self.citation_counts[index])

    def stub(self, number: int) -> Row:
        raise IndexError(number)

    def edge(self, citing: int, cited: int) -> Row:  # noqa: ARG002 -- none has contexts
        return {}

    def find_titles(self, query: str) -> Sequence[tuple[float, int]]:
        number = re.search(r"study (\d{1,9})$", query)
        return [(200.0, int(number[1]))] if number and int(number[1]) < len(self) else []

    @cached_property
    def statistics(self) -> dict[str, float]:
        """The citation count of a random reference, and what else the model is judged by."""
        met = self.citation_counts[self._cited]
        return {
            "papers": len(self),
            "edges": len(self._cited),
            "references, mean": round(float(self.reference_counts.mean()), 1),
            "count of a random reference, mean": round(float(met.mean())),
            "… median": float(np.median(met)),
            "… max": int(self.citation_counts.max()),
            "papers above 9,999": int((self.citation_counts > 9_999).sum()),
        }

    def pick_seeds(self, number: int, seed: int = 1) -> list[str]:
        """Ids of papers with 30–300 citations and 20–80 references."""
        fit = (self.citation_counts >= 30) & (self.citation_counts <= 300)
        fit &= (self.reference_counts >= 20) & (self.reference_counts <= 80)
        chosen = np.random.default_rng(seed).choice(np.flatnonzero(fit), number, replace=False)
        return [self.paper_id(int(index)) for index in chosen]

    def _day(self, index: int) -> date:
        """Later with the index, and ever more papers a year."""
        return date(1990, 1, 1) + timedelta(days=int(35 * 365.25 * (index / len(self)) ** 0.5))


def generate(kind: str, papers: int = 300_000, seed: int = 1) -> SyntheticGraph:
    """Grow a graph of one of the kinds of `MODELS`; a few seconds at the default size."""
    return SyntheticGraph(*grow(MODELS[kind], papers, seed), seed)


def _text(draw: int, length: int) -> str:
    start = draw % (len(_TEXT) - length - 40)
    return _TEXT[start : start + length].partition(" ")[2].rpartition(" ")[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kind", choices=sorted(MODELS), default="moderate")
    parser.add_argument("--papers", type=int, default=300_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=8, help="seeds of crawls to pick")
    parser.add_argument("--serve", action="store_true", help="serve until interrupted")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rps", type=float)
    given = parser.parse_args()
    started = time.perf_counter()
    graph = generate(given.kind, given.papers, given.seed)
    print(f"{given.kind}: grown in {time.perf_counter() - started:.1f} s")
    for name, value in graph.statistics.items():
        print(f"  {name:34} {value:>12,}")
    for seed in graph.pick_seeds(given.seeds, given.seed):
        index = graph.resolve(seed)
        assert index is not None
        references, citations = graph.counts(index)
        reach = sum(len(level) for level in breadth_first(graph, seed, 2))
        print(f"  seed {seed}: {references} references, {citations} citations, {reach:,} papers within depth 2")
    if given.serve:
        with StandIn(graph, Switches(rps=given.rps), port=given.port) as stand_in:
            print(stand_in.url, flush=True)
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                print("stopped")


if __name__ == "__main__":
    main()
