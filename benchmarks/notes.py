"""Notes written per second, beside writing the same bytes by temporary file and rename; and a rerun with nothing to do.

    python benchmarks/notes.py [--notes 10000] [--runs 5]

A database of synthetic papers, each with an abstract of some 150 words, a summary, 30 references (20 of them with notes)
and the citations that come of it, is written into an empty vault by refnet's own store and vault, from the first query to
the last row. Then the bytes that came of it are written into another folder on the same disk, each file beside its place
and moved over it, and nothing else. Both take turns, on a fresh database and a fresh folder each time. The rerun is that
of `refnet vault write` on the vault of the last turn.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median

from measuring import note, open_application, table
from sqlalchemy import insert
from synthetic import _WORDS

from refnet.adapters.database.engine import writing
from refnet.adapters.database.migrate import upgrade
from refnet.adapters.database.schema import citations, crawl_papers, crawls, lists, papers, summaries
from refnet.pipeline.generate import write_vault

GOAL_RATIO = 0.3
GOAL_RERUN = 3.0
_REFERENCES = 30
_LINKED = 20
_STUBS = 5_000


def fill(database: Path, notes: int) -> None:
    """A finished crawl of `notes` papers, put into the tables as a crawl would leave it."""
    chance = random.Random(7)
    ids = [f"{chance.getrandbits(160):040x}" for _ in range(notes + _STUBS)]
    collected, stubs = ids[:notes], ids[notes:]

    def words(least: int, most: int) -> str:
        return " ".join(chance.choices(_WORDS, k=chance.randint(least, most))).capitalize()

    rows = [
        {
            "paper_id": paper_id,
            "title": words(5, 12),
            "year": chance.randint(1990, 2026),
            "citation_count": chance.randint(0, 5_000),
            "reference_count": _REFERENCES,
            "venue": words(2, 5),
            "abstract": f"{words(100, 200)} (p < 0.05, 50% of a_b in $x$).",
            "authors": [[words(2, 2).title(), None] for _ in range(4)],
            "external_ids": {"DOI": f"10.1000/{paper_id[:8]}"},
            "pdf_url": f"https://example.org/{paper_id}.pdf",
            "fetched_at": 1.0,
        }
        for paper_id in collected
    ]
    edges = {
        (citing, cited)
        for citing in collected
        for cited in (*chance.sample(collected, _LINKED), *chance.sample(stubs, _REFERENCES - _LINKED))
        if citing != cited
    }
    application = open_application(f"sqlite:///{database}")
    upgrade(application.engine)
    with writing(application.engine) as connection:
        connection.execute(insert(papers), rows)
        connection.execute(insert(papers), [{"paper_id": one, "title": words(5, 12), "year": 2001} for one in stubs])
        connection.execute(insert(citations), [{"citing": a, "cited": b, "seen": 1} for a, b in sorted(edges)])
        texts = [{"paper_id": one, "basis": "abstract", "text": words(20, 40), "made_at": 1.0} for one in collected]
        connection.execute(insert(summaries), texts)
        whole = {"list": "references", "state": "complete", "have": _REFERENCES, "of": _REFERENCES, "fetched_at": 1.0}
        connection.execute(insert(lists), [whole | {"paper_id": one} for one in collected])
        crawl = {"id": 1, "key": "x", "direction": "both", "depth": 2, "limit": notes, "state": "finished"}
        connection.execute(insert(crawls), [crawl | {"created_at": 1.0, "updated_at": 1.0}])
        places = [
            {"crawl_id": 1, "paper_id": one, "depth": 2, "rank": at, "missing": False}
            for at, one in enumerate(collected)
        ]
        connection.execute(insert(crawl_papers), places)
    application.engine.dispose()


def write_notes(database: Path, vault: Path) -> float:
    """Seconds that refnet takes to bring a vault up to date."""
    application = open_application(f"sqlite:///{database}")
    folder = application.vault(vault)
    begun = time.perf_counter()
    application.store.add_to_vault(str(folder.path), 1, "en")
    report = write_vault(application.store, folder)
    seconds = time.perf_counter() - begun
    application.engine.dispose()
    assert report.notes
    assert not report.problems
    return seconds


def write_bytes(written: Path, folder: Path) -> float:
    """Seconds that the same files take, each written beside its place and moved over it."""
    held = [(path.name, path.read_bytes()) for path in sorted((written / "papers").iterdir())]
    folder.mkdir()
    begun = time.perf_counter()
    for name, content in held:
        temporary = folder / f".{name[:200]}.tmp"
        temporary.write_bytes(content)
        temporary.replace(folder / name)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--notes", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    ours, alone, reruns = [], [], []
    with tempfile.TemporaryDirectory() as made:
        work = Path(made)
        fill(work / "filled.sqlite", given.notes)
        for run in range(given.runs):
            database, vault = work / f"{run}.sqlite", work / f"vault-{run}"
            shutil.copy(work / "filled.sqlite", database)
            ours.append(write_notes(database, vault))
            alone.append(write_bytes(vault, work / f"bytes-{run}"))
            reruns.append(write_notes(database, vault))
            note(f"run {run + 1}: refnet {ours[-1]:.1f} s, bytes alone {alone[-1]:.1f} s, rerun {reruns[-1]:.2f} s")
            size = sum(path.stat().st_size for path in (vault / "papers").iterdir())
            shutil.rmtree(vault)
            shutil.rmtree(work / f"bytes-{run}")
            database.unlink()
    rate, bare = given.notes / median(ours), given.notes / median(alone)
    head = (
        "notes, mean size",
        "refnet, notes/s",
        "temporary file and rename, notes/s",
        f"ratio (goal ≥ {GOAL_RATIO})",
        f"rerun with nothing to do, s (goal ≤ {GOAL_RERUN:.0f})",
    )
    row = (
        f"{given.notes:,}, {size / given.notes / 1000:.1f} kB",
        f"{rate:,.0f}",
        f"{bare:,.0f}",
        f"{rate / bare:.2f}",
        f"{median(reruns):.2f}",
    )
    print(table(head, [row]))
    print(f"\nMedians of {given.runs} runs, the two taking turns.")


if __name__ == "__main__":
    main()
