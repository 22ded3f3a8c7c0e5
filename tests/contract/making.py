"""Short ways to say what a source answered, and what the ledger holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine, select

from refnet.adapters.database import ledger
from refnet.adapters.database.engine import reading, writing
from refnet.adapters.database.schema import jobs
from refnet.adapters.database.store import Store
from refnet.domain.crawl import Ask, Limits
from refnet.domain.crawls import CrawlSeed, crawl_key
from refnet.domain.jobs import Job, Stage, Wave
from refnet.domain.papers import Answer, Author, Direction, Listing, ListName, Page, Paper, Stub

LIMITS = Limits()
LEAF = Ask.DETAILS | Ask.REFERENCES
FULL = LEAF | Ask.CITATIONS | Ask.EXPAND
REFERENCES, CITATIONS = ListName.REFERENCES, ListName.CITATIONS

#: Rows of a list: ids, or stubs.
Rows = Iterable[str | Stub] | None


def listing(rows: Rows) -> Listing | None:
    if rows is None:
        return None
    return Listing(tuple(row if isinstance(row, Stub) else Stub(row, f"Title of {row}") for row in rows))


def answer(
    paper_id: str,
    references: Rows = None,
    citations: Rows = None,
    *,
    references_of: int | None = None,
    citations_of: int | None = None,
    **details: Any,
) -> Answer:
    """Counts are those of the lists unless given."""
    lists = listing(references), listing(citations)
    cites = references_of if references_of is not None or lists[0] is None else len(lists[0].rows)
    cited = citations_of if citations_of is not None or lists[1] is None else len(lists[1].rows)
    paper = Paper(
        paper_id,
        details.pop("title", f"Title of {paper_id}"),
        authors=(Author("Ada Lovelace", "1"),),
        citation_count=cited,
        reference_count=cites,
    )
    return Answer(paper_id, replace(paper, **details), *lists, cited, cites)


def stubs(count: int, prefix: str = "x") -> list[Stub]:
    return [Stub(f"{prefix}{number:04}", f"Title {number}") for number in range(count)]


def enqueue(store: Store, asks: Mapping[str, Ask], stage: Stage = Stage.CRAWL) -> None:
    with writing(store._engine) as connection:
        ledger.enqueue(connection, stage, asks, store._clock(connection))


def rows(engine: Engine, stage: Stage = Stage.CRAWL) -> dict[str, Any]:
    """The ledger, by paper id."""
    with reading(engine) as connection:
        found = connection.execute(select(jobs).where(jobs.c.stage == stage)).all()
        return {row.paper_id: row for row in found}


def claimed(store: Store, limits: Limits = LIMITS, **more: Any) -> Wave:
    wave = store.claim("me", limits, **more)
    assert wave is not None
    return wave


def open_crawl(
    store: Store,
    *seeds: str,
    depth: int = 1,
    limit: int = 200,
    direction: Direction = Direction.BOTH,
    refresh_days: float | None = None,
) -> int:
    named = [CrawlSeed(seed, seed, "") for seed in seeds]
    return store.open_crawl(crawl_key(seeds, direction), direction, depth, limit, named, refresh_days)


def work_off(store: Store, crawl_id: int, source: Mapping[str, Answer | None], limits: Limits = LIMITS) -> list[Wave]:
    """Crawl to the end, each answer being that of `source`, its lists only where they are asked for.

    A page is the whole list, as the answer has it. Returns the requests.
    """
    waves: list[Wave] = []
    for _ in range(1_000):
        wave = store.claim("me", limits, crawl_id=crawl_id)
        if wave is None:
            if not store.advance(crawl_id, limits):
                store.finish_crawl(crawl_id)
                return waves
            continue
        waves.append(wave)
        if wave.page is None:
            store.record_wave(wave, [as_asked(source.get(job.paper_id), wave.ask) for job in wave.jobs], limits)
        else:
            whole = source[wave.jobs[0].paper_id]
            assert whole is not None
            store.record_page(wave, Page(whole.listing(wave.page) or Listing()), limits)
    raise AssertionError("the crawl does not end")


def as_asked(whole: Answer | None, ask: Ask) -> Answer | None:
    if whole is None:
        return None
    return replace(
        whole,
        paper=whole.paper if Ask.DETAILS in ask else None,
        references=(whole.references or Listing()) if Ask.REFERENCES in ask else None,
        citations=(whole.citations or Listing()) if Ask.CITATIONS in ask else None,
        citation_count=whole.citation_count or 0,
        reference_count=whole.reference_count or 0,
    )


def job_of(wave: Wave) -> Job:
    (job,) = wave.jobs
    return job
