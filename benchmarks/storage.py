"""Papers and citations stored per second, beside the driver's own `executemany`.

    python benchmarks/storage.py [--papers 10000] [--runs 5] [--database sqlite|postgresql]

A crawl of a synthetic graph runs through refnet's own runner and store, its answers made in memory. Then the driver
alone inserts the rows that came of it into the same tables, with the same indexes: each row once and in its final
state, with the transaction of the wave that first wrote it, in the order of its key. So the driver is spared what the
store has to do about rows met again, and all work on the ledger. Both take turns, on a fresh database each time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from measuring import ROOT, Silent, note, open_application, table
from sqlalchemy import Connection, select
from synthetic import SyntheticGraph, generate

from refnet.adapters.database.engine import reading, sqlite_file
from refnet.adapters.database.migrate import upgrade
from refnet.adapters.database.schema import citations, lists, papers, unmatched
from refnet.adapters.database.store import Store
from refnet.adapters.semantic_scholar_rows import read_paper
from refnet.domain.crawl import Ask, Limits, wanted
from refnet.domain.crawls import CrawlSeed, crawl_key
from refnet.domain.errors import TransientError
from refnet.domain.jobs import Wave
from refnet.domain.papers import Answer, Direction, Listing, ListName, Page, Paper, Stub
from refnet.pipeline.crawl import run_crawl
from refnet.pipeline.patience import Patience
from refnet.pipeline.runner import Runner
from refnet.ports import TitleMatch

sys.path.insert(0, str(ROOT))

TABLES = (papers, citations, unmatched, lists)
GOAL = 0.3
Row = tuple[Any, ...]


class GraphSource:
    """A `PaperSource` that answers from memory; seconds spent in it are counted, to be left out."""

    name = "synthetic"
    limits = Limits()

    def __init__(self, graph: SyntheticGraph) -> None:
        self._graph = graph
        self._stubs: dict[int, Stub] = {}
        self._papers: dict[int, Paper] = {}
        self.requests = 0
        self.seconds = 0.0

    def fetch(self, ids: Sequence[str], ask: Ask) -> list[Answer | None]:
        started = time.perf_counter()
        answers: list[Answer | None] = [self._answer(paper_id, ask) for paper_id in ids]
        self.requests += 1
        self.seconds += time.perf_counter() - started
        return answers

    def page(self, paper_id: str, name: ListName, offset: int) -> Page:
        rows = self._listing(self._index(paper_id), name).rows
        self.requests += 1
        return Page(Listing(rows[offset : offset + 1_000]), offset + 1_000 if offset + 1_000 < len(rows) else None)

    def match(self, title: str) -> TitleMatch | None:
        raise NotImplementedError(title)

    def _answer(self, paper_id: str, ask: Ask) -> Answer:
        index = self._index(paper_id)
        references, cited = self._graph.counts(index)
        return Answer(
            paper_id,
            self._paper(index, references, cited),
            self._listing(index, ListName.REFERENCES) if Ask.REFERENCES in ask else None,
            self._listing(index, ListName.CITATIONS) if Ask.CITATIONS in ask else None,
            cited,
            references,
        )

    def _index(self, paper_id: str) -> int:
        index = self._graph.resolve(paper_id)
        assert index is not None
        return index

    def _paper(self, index: int, references: int, cited: int) -> Paper:
        if index not in self._papers:
            row = dict(self._graph.row(index)) | {"referenceCount": references, "citationCount": cited}
            self._papers[index] = read_paper(row, row["paperId"])
        return self._papers[index]

    def _listing(self, index: int, name: ListName) -> Listing:
        graph = self._graph
        entries = graph.references(index) if name is ListName.REFERENCES else graph.citations(index)
        return Listing(tuple(self._stub(entry) for entry in entries))

    def _stub(self, index: int) -> Stub:
        if index not in self._stubs:
            row, (references, cited) = self._graph.row(index), self._graph.counts(index)
            self._stubs[index] = Stub(row["paperId"], row["title"], row["year"], cited, references)
        return self._stubs[index]


class NoPace:
    """A `Pace` that never waits."""

    def start(self) -> None: ...

    def succeeded(self) -> None: ...

    def failed(self, error: TransientError) -> None:
        raise error

    def successes(self) -> int:
        return 0


class WatchedStore(Store):
    """The store, with the seconds that it takes for answers, and which papers each answer was about."""

    seconds = 0.0
    waves: list[list[str]]

    def record_wave(self, wave: Wave, answers: Sequence[Answer | None], limits: Limits) -> None:
        started = time.perf_counter()
        super().record_wave(wave, answers, limits)
        self.seconds += time.perf_counter() - started
        self.waves.append(wave.paper_ids)


@dataclass
class Written:
    """What came of a crawl: rows by wave and table, as they stand at the end."""

    papers: int = 0
    citations: int = 0
    waves: list[dict[str, list[Row]]] = field(default_factory=list)


@dataclass
class Times:
    """Seconds of each run."""

    recording: list[float] = field(default_factory=list)
    crawling: list[float] = field(default_factory=list)
    driver: list[float] = field(default_factory=list)


def crawl(database: str, source: GraphSource, seeds: Sequence[str], limit: int, times: Times) -> WatchedStore:
    """Crawl from `seeds`, into an empty database."""
    application = open_application(database)
    upgrade(application.engine)
    store = WatchedStore(application.engine)
    store.waves = []
    source.seconds = 0.0
    ask = wanted(0, 2, Direction.BOTH)
    started = time.perf_counter()
    store.record_seeds(
        {seed: answer for seed, answer in zip(seeds, source.fetch(seeds, ask), strict=True) if answer},
        ask,
        source.limits,
    )
    crawl_id = store.open_crawl(
        crawl_key(seeds, Direction.BOTH), Direction.BOTH, 2, limit, [CrawlSeed(seed, seed, "") for seed in seeds]
    )
    runner = Runner(store, source, NoPace(), Patience(), owner="bench")
    run_crawl(crawl_id, store, source, runner, Silent())
    times.crawling.append(time.perf_counter() - started - source.seconds)
    times.recording.append(store.seconds)
    application.engine.dispose()
    return store


def read_written(database: str, waves: Sequence[Sequence[str]]) -> Written:
    """The rows of a finished crawl, each with the first wave that wrote it."""
    application = open_application(database)
    with reading(application.engine) as connection:
        rows = {table.name: [tuple(row) for row in _raw(connection, table)] for table in TABLES}
    application.engine.dispose()
    wave_of = {paper_id: number for number, ids in enumerate(waves) for paper_id in ids}
    last = len(waves)
    result = Written(sum(1 for row in rows["papers"] if row[-1]), len(rows["citations"]))
    result.waves = [{table.name: [] for table in TABLES} for _ in waves]
    seen: dict[str, int] = {}
    for row in sorted(rows["citations"]):
        # Seen in the references of the citing paper (1), the citations of the cited one (2), or both (3).
        ends = [end for end, bit in ((row[0], 1), (row[1], 2)) if row[2] & bit]
        first = min(wave_of.get(end, last) for end in ends)
        if first == last:
            first = 0
        result.waves[first]["citations"].append(row)
        for end in row[:2]:
            seen[end] = min(first, seen.get(end, last))
    for row in sorted(rows["papers"], key=lambda row: row[0]):
        first = min(seen.get(row[0], last), wave_of.get(row[0], last))
        result.waves[0 if first == last else first]["papers"].append(row)
    for name in ("lists", "unmatched"):
        for row in sorted(rows[name]):
            result.waves[wave_of.get(row[0], 0)][name].append(row)
    return result


def _raw(connection: Connection, what: Any) -> Iterator[Row]:
    """Rows as the driver gives and takes them, JSON as text."""
    if connection.dialect.name == "sqlite":
        yield from connection.exec_driver_sql(f'SELECT * FROM "{what.name}"')  # noqa: S608
        return
    import json

    for row in connection.execute(select(what)):
        yield tuple(json.dumps(cell, ensure_ascii=False) if isinstance(cell, dict | list) else cell for cell in row)


def insert_by_driver(database: str, written: Written) -> float:
    """Seconds that the driver takes for the same rows."""
    application = open_application(database)
    upgrade(application.engine)
    file = sqlite_file(application.engine.url)
    application.engine.dispose()
    if file is not None:
        import sqlite3

        connection: Any = sqlite3.connect(file)
        for setting in ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-32768"):
            connection.execute(f"PRAGMA {setting}")
        mark = "?"
    else:
        import psycopg

        connection = psycopg.connect(database.replace("postgresql+psycopg://", "postgresql://"))
        mark = "%s"
    statements = {
        table.name: f'INSERT INTO "{table.name}" VALUES ({", ".join([mark] * len(table.columns))})'  # noqa: S608
        for table in TABLES
    }
    cursor = connection.cursor()
    started = time.perf_counter()
    for wave in written.waves:
        for name, rows in wave.items():
            if rows:
                cursor.executemany(statements[name], rows)
        connection.commit()
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


@contextmanager
def sqlite_databases() -> Iterator[Callable[[], Any]]:
    """A function that gives a context with the URL of a new, empty database."""

    @contextmanager
    def fresh() -> Iterator[str]:
        with tempfile.TemporaryDirectory(prefix="refnet-bench-") as folder:
            yield f"sqlite:///{Path(folder) / 'bench.db'}"

    yield fresh


@contextmanager
def postgresql_databases() -> Iterator[Callable[[], Any]]:
    from tests.servers import fresh_database, postgres_binaries, running_postgres

    binaries = postgres_binaries()
    if binaries is None:
        raise SystemExit("no PostgreSQL on this machine and none among the test dependencies")
    with running_postgres(binaries) as server:
        yield lambda: fresh_database(server)


DATABASES = {"sqlite": sqlite_databases, "postgresql": postgresql_databases}


def measure(kind: str, source: GraphSource, seeds: Sequence[str], limit: int, runs: int) -> tuple[Written, Times]:
    times = Times()
    written = Written()
    with DATABASES[kind]() as fresh:
        for run in range(runs):
            with fresh() as database:
                store = crawl(database, source, seeds, limit, times)
                if not written.waves:
                    written = read_written(database, store.waves)
            with fresh() as database:
                times.driver.append(insert_by_driver(database, written))
            note(
                f"{kind} {run + 1}/{runs}: record_wave {times.recording[-1]:.2f} s, "
                f"crawl {times.crawling[-1]:.2f} s, executemany {times.driver[-1]:.2f} s"
            )
    return written, times


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--papers", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--database", choices=sorted(DATABASES), action="append")
    given = parser.parse_args()
    graph = generate("moderate")
    source = GraphSource(graph)
    seeds = graph.pick_seeds(3)
    rows = []
    for kind in given.database or DATABASES:
        written, times = measure(kind, source, seeds, given.papers, given.runs)
        amount = written.papers + written.citations
        recording, driver, crawling = median(times.recording), median(times.driver), median(times.crawling)
        rows.append(
            (
                kind,
                f"{written.papers:,} / {written.citations:,} in {len(written.waves)}",
                f"{amount / recording:,.0f}",
                f"{amount / driver:,.0f}",
                f"{driver / recording:.2f}",
                f"{driver / crawling:.2f}",
            )
        )
    head = (
        "database",
        "papers / citations in waves",
        "refnet, rows/s",
        "executemany, rows/s",
        f"ratio (goal ≥ {GOAL})",
        "ratio, ledger and admission included",
    )
    print(table(head, rows))
    print(f"\nMedians of {given.runs} runs, the two taking turns. Rows are collected papers and citations.")


if __name__ == "__main__":
    main()
