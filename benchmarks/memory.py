"""Peak memory of the main job, from the seeds to the last note, each in a process of its own on SQLite.

    python benchmarks/memory.py [--papers 50000] [--seeds 12] [--depth 2] [--only corpus|synthetic]

The recorded corpus is crawled where it lies beside the repository (`../shared/data/corpus`, or REFNET_SHARED). The
stand-in runs in another process, and so does this script, so that neither's memory is counted.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measuring import ROOT, Silent, corpus_stand_in, note, open_application, synthetic_stand_in, table

SEED = "649def34f8be52c8b66281af98ae884c09aef38b"
#: Megabytes.
CORPUS_GOAL, SYNTHETIC_GOAL = 250, 500


class Phases(Silent):
    """Progress that notes, at the beginning of each phase, the peak of those before."""

    def __init__(self) -> None:
        self.peaks: dict[str, float] = {}

    def show(self, phase: str, **figures: int) -> None:  # noqa: ARG002 - the port's signature
        if phase not in self.peaks:
            self.peaks[phase] = peak()


def peak() -> float:
    """Megabytes of memory that this process has held at the most."""
    status = Path("/proc/self/status")
    if status.exists():
        # Unlike ru_maxrss, this does not count the process that started us.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6


def work(url: str, seeds: Sequence[str], depth: int, limit: int) -> dict[str, float]:
    """Map from `seeds` in this process, and tell what it took."""
    from refnet.domain.seeds import Identifier, IdentifierKind, Seed
    from refnet.pipeline.map_papers import MapRequest

    phases = Phases()
    with tempfile.TemporaryDirectory(prefix="refnet-bench-") as folder:
        application = open_application(f"sqlite:///{Path(folder) / 'bench.db'}", url)
        named = [Seed(seed, (Identifier(IdentifierKind.PAPER_ID, seed),)) for seed in seeds]
        started = time.perf_counter()
        with application.at_work(), application.mapper(phases) as mapper:
            request = MapRequest(named, depth=depth, limit=limit)
            report = mapper.map(request, application.vault(Path(folder) / "vault"))
        return {
            "papers": report.papers,
            "notes": report.notes,
            "requests": sum(report.requests.values()),
            "seconds": time.perf_counter() - started,
            "crawl": phases.peaks["summarising"] if "summarising" in phases.peaks else phases.peaks["writing notes"],
            "whole": peak(),
        }


def in_child(url: str, seeds: Sequence[str], depth: int, limit: int) -> dict[str, Any]:
    task = json.dumps({"url": url, "seeds": seeds, "depth": depth, "limit": limit})
    done = subprocess.run(
        [sys.executable, __file__, "--work", task], check=True, stdout=subprocess.PIPE, text=True, env=os.environ
    )
    result: dict[str, Any] = json.loads(done.stdout)
    note(f"{result}")
    return result


def row(name: str, result: dict[str, Any], goal: int) -> tuple[str, ...]:
    return (
        name,
        f"{result['papers']:,}",
        f"{result['notes']:,}",
        f"{result['requests']:,}",
        f"{result['seconds']:,.0f}",
        f"{result['crawl']:,.0f}",
        f"{result['whole']:,.0f}",
        f"≤ {goal}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--papers", type=int, default=50_000)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--only", choices=["corpus", "synthetic"])
    parser.add_argument("--work", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        print(json.dumps(work(**json.loads(given.work))))
        return
    rows = []
    corpus = Path(os.environ.get("REFNET_SHARED") or ROOT.parent / "shared" / "data") / "corpus"
    if given.only != "synthetic" and corpus.is_dir():
        with corpus_stand_in(corpus) as url:
            rows.append(row("recorded corpus, depth 2", in_child(url, [SEED], 2, 5_000), CORPUS_GOAL))
    if given.only != "corpus":
        with synthetic_stand_in("moderate", given.seeds) as (url, seeds):
            result = in_child(url, seeds, given.depth, given.papers)
        rows.append(row(f"synthetic, {given.seeds} seeds, depth {given.depth}", result, SYNTHETIC_GOAL))
    print(
        table(("crawl", "papers", "notes", "requests", "s", "peak of the crawl, MB", "of the whole, MB", "goal"), rows)
    )
    print("\nOne run each, at a pace of 1,000 requests/s.")
    if not corpus.is_dir():
        print("The recorded corpus is not on this machine.")


if __name__ == "__main__":
    main()
