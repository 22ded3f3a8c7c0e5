"""Requests of a crawl of depth 2, beside the least that its waves allow, and beside other clients.

    python benchmarks/requests.py [--seeds 5] [--limit 1000 --limit 10000] [--kind moderate] [--sample 50]

refnet really crawls synthetic graphs of 300,000 papers, served by the stand-in in another process. The bound counts,
for each depth, max(⌈ids / 500⌉, ⌈citations of the non-hubs to be expanded / 9,999⌉, ⌈bytes answered / 10 MB⌉), and one
request for each hub: what a client could do that knows every count beforehand and may fill each answer to the brim.

The client `semanticscholar` asks for the same papers one by one, with its defaults: `get_paper` with references, and of
a paper to be expanded also `get_paper_citations` to the end, of a hub to the newest 1,000. It runs for a sample; what
the others would take is reckoned by the rule that the sample has to confirm, 1 + ⌈citations / 100⌉.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from measuring import Silent, note, open_application, synthetic_stand_in, table
from sqlalchemy import select

from refnet.adapters.database.engine import reading
from refnet.adapters.database.schema import crawl_papers, papers
from refnet.bootstrap import Application
from refnet.domain.crawl import Limits, wanted
from refnet.domain.crawls import crawl_key
from refnet.domain.papers import Direction
from refnet.domain.seeds import Identifier, IdentifierKind, Seed
from refnet.pipeline.crawl import run_crawl
from refnet.pipeline.patience import Patience
from refnet.pipeline.runner import Runner
from refnet.pipeline.seeds import SeedResolver

DEPTH = 2
GOAL = 1.25
HUB, NEWEST = Limits().hub, Limits().newest
FIELDS = ["title", "abstract", "year", "authors", "externalIds", "citationCount", "referenceCount"]
FIELDS += ["references.paperId", "references.title"]


@dataclass(frozen=True)
class Wave:
    """What the papers at one depth had to be asked for, and what it took. `citations` are those of non-hubs."""

    ids: int
    citations: int
    hubs: int
    bytes: int
    requests: int

    @property
    def bound(self) -> int:
        return max(_ceil(self.ids, 500), _ceil(self.citations, 9_999), _ceil(self.bytes, 10_000_000)) + self.hubs


@dataclass(frozen=True)
class Measured:
    waves: tuple[Wave, ...]
    #: (paper id, citations, expanded?) of every paper collected
    papers: tuple[tuple[str, int, bool], ...]

    @property
    def requests(self) -> int:
        return sum(wave.requests for wave in self.waves)

    @property
    def bound(self) -> int:
        return sum(wave.bound for wave in self.waves)

    @property
    def one_by_one(self) -> int:
        return sum(pages(citations, expanded) for _, citations, expanded in self.papers)


def pages(citations: int, expanded: bool) -> int:
    """Requests of the client `semanticscholar` for one paper."""
    if not expanded:
        return 1
    return 1 + max(1, _ceil(NEWEST if citations > HUB else citations, 100))


def crawl(application: Application, seeds: Sequence[str], depth: int, limit: int) -> tuple[int, int]:
    """Crawl from papers by id as `refnet map` does, without summaries and notes; the crawl's id, and requests."""
    with application.at_work():
        source, store, patience = application.source(Silent()), application.store, Patience()
        named = [Seed(seed, (Identifier(IdentifierKind.PAPER_ID, seed),)) for seed in seeds]
        found = SeedResolver(source, store, patience, Silent()).resolve(named, wanted(0, depth, Direction.BOTH)).seeds
        assert len(found) == len(seeds)
        key = crawl_key((seed.paper_id for seed in found), Direction.BOTH)
        crawl_id = store.open_crawl(key, Direction.BOTH, depth, limit, found)
        runner = Runner(store, source, application.pace(Silent()), patience, owner="bench")
        run_crawl(crawl_id, store, source, runner, Silent())
        source.close()
        return crawl_id, source.requests


def measure(url: str, seed: str, limit: int) -> Measured:
    _inspect(url, "reset", post=True)
    with tempfile.TemporaryDirectory(prefix="refnet-bench-") as folder:
        application = open_application(f"sqlite:///{Path(folder) / 'bench.db'}", url)
        crawl_id, requests = crawl(application, [seed], DEPTH, limit)
        with reading(application.engine) as connection:
            query = (
                select(crawl_papers.c.paper_id, crawl_papers.c.depth, papers.c.citation_count)
                .join(papers, papers.c.paper_id == crawl_papers.c.paper_id)
                .where(crawl_papers.c.crawl_id == crawl_id)
                .order_by(crawl_papers.c.depth, crawl_papers.c.rank)
            )
            rows = [(row.paper_id, row.depth, row.citation_count) for row in connection.execute(query)]
        application.engine.dispose()
    log = _inspect(url, "log")
    assert len(log) == requests, "the stand-in saw other requests"
    depth_of = {paper_id: depth for paper_id, depth, _ in rows}
    taken, answered = Counter[int](), Counter[int]()
    for entry in log:
        depth = depth_of[entry["asked"][0]]
        taken[depth] += 1
        answered[depth] += entry["bytes"] if entry["route"] == "batch" else 0
    waves = []
    for depth in range(DEPTH + 1):
        counts = [count for _, at, count in rows if at == depth]
        expanded = counts if depth < DEPTH else []
        light = sum(count for count in expanded if count <= HUB)
        hubs = sum(count > HUB for count in expanded)
        waves.append(Wave(len(counts), light, hubs, answered[depth], taken[depth]))
    return Measured(tuple(waves), tuple((paper_id, count, depth < DEPTH) for paper_id, depth, count in rows))


def check_rule(url: str, measured: Measured, sample: int) -> tuple[int, int, int]:
    """Let `semanticscholar` fetch some papers; how many, its requests, and those that the rule says."""
    from semanticscholar import SemanticScholar

    client = SemanticScholar(api_url=url.removesuffix("/graph/v1"))
    expanded = [paper for paper in measured.papers if paper[2]]
    leaves = [paper for paper in measured.papers if not paper[2]]
    chosen = [*_spread(expanded, sample // 2), *_spread(leaves, sample - sample // 2)]
    _inspect(url, "reset", post=True)
    for paper_id, citations, is_expanded in chosen:
        client.get_paper(paper_id, fields=FIELDS)
        if is_expanded:
            most = NEWEST if citations > HUB else citations
            rows = client.get_paper_citations(paper_id, fields=["paperId", "title", "year", "citationCount"])
            assert len(list(itertools.islice(rows, most))) == min(most, citations)
    requests = len(_inspect(url, "log"))
    return len(chosen), requests, sum(pages(citations, is_expanded) for _, citations, is_expanded in chosen)


def _spread(rows: Sequence[tuple[str, int, bool]], number: int) -> Iterator[tuple[str, int, bool]]:
    """Some of the rows, evenly over their citations, the least and the most among them."""
    ordered = sorted(rows, key=lambda row: row[1])
    number = min(number, len(ordered))
    yield from (ordered[place * (len(ordered) - 1) // max(1, number - 1)] for place in range(number))


def _inspect(url: str, what: str, *, post: bool = False) -> Any:
    request = urllib.request.Request(  # noqa: S310 - our own stand-in
        url.removesuffix("/graph/v1") + f"/__{what}", data=b"" if post else None
    )
    with urllib.request.urlopen(request) as response:  # noqa: S310
        return json.load(response)


def _ceil(amount: int, by: int) -> int:
    return -(-amount // by)


def _range(values: Sequence[float]) -> str:
    least, most = min(values), max(values)
    return f"{least:,}" if least == most else f"{mean(values):,.1f} ({least:,}–{most:,})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kind", action="append", choices=["moderate", "hub-heavy"])
    parser.add_argument("--limit", type=int, action="append")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sample", type=int, default=50)
    given = parser.parse_args()
    totals: list[tuple[str, ...]] = []
    details: list[tuple[str, ...]] = []
    told: list[str] = []
    for kind in given.kind or ("moderate", "hub-heavy"):
        with synthetic_stand_in(kind, given.seeds) as (url, seeds):
            measured: list[Measured] = []
            for limit in given.limit or (1_000, 10_000):
                measured = []
                for seed in seeds:
                    last = measure(url, seed, limit)
                    measured.append(last)
                    note(
                        f"{kind} {limit} {seed[:8]}: {len(last.papers)} papers, {last.requests} of {last.bound} requests"
                    )
                totals.append(_total(kind, limit, measured))
                details += _waves(kind, limit, measured)
            number, requests, rule = check_rule(url, measured[-1], given.sample)
            told.append(f"{kind}: {number} papers took `semanticscholar` {requests:,} requests, by the rule {rule:,}.")
    head = ("graph", "limit", "papers", "refnet", "bound", f"ratio (goal ≤ {GOAL})", "worst", "`semanticscholar`")
    print(table((*head, "three per paper"), totals))
    print(f"\nMeans over {given.seeds} seeds, in brackets the range; the ratio is that of the sums.\n")
    print(table(("by depth", "ids", "citations of non-hubs", "hubs", "MB", "refnet", "bound"), details))
    print("\nSums over the seeds. " + " ".join(told))


def _total(kind: str, limit: int, measured: Sequence[Measured]) -> tuple[str, ...]:
    requests, bounds = [one.requests for one in measured], [one.bound for one in measured]
    return (
        kind,
        f"{limit:,}",
        _range([len(one.papers) for one in measured]),
        _range(requests),
        _range(bounds),
        f"{sum(requests) / sum(bounds):.2f}",
        f"{max(one.requests / one.bound for one in measured):.2f}",
        _range([one.one_by_one for one in measured]),
        _range([3 * len(one.papers) for one in measured]),
    )


def _waves(kind: str, limit: int, measured: Sequence[Measured]) -> Iterator[tuple[str, ...]]:
    for depth in range(DEPTH + 1):
        waves = [one.waves[depth] for one in measured]
        yield (
            f"{kind} {limit:,}, depth {depth}",
            f"{sum(wave.ids for wave in waves):,}",
            f"{sum(wave.citations for wave in waves):,}",
            f"{sum(wave.hubs for wave in waves):,}",
            f"{sum(wave.bytes for wave in waves) / 1e6:,.1f}",
            f"{sum(wave.requests for wave in waves):,}",
            f"{sum(wave.bound for wave in waves):,}",
        )


if __name__ == "__main__":
    main()
