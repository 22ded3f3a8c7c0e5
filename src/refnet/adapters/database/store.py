"""The store: every question and change that the pipeline has for the database, each in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Engine, func, select

from refnet.adapters.database import crawls as crawl_rows
from refnet.adapters.database import dead, ledger, record, turns
from refnet.adapters.database.api_keys import ApiKeyTable
from refnet.adapters.database.bulk import upsert
from refnet.adapters.database.clock import Clock, database_time, moment
from refnet.adapters.database.crawl_requests import CrawlRequestTable
from refnet.adapters.database.crawl_views import CrawlViews
from refnet.adapters.database.dead_letters import DeadLetters
from refnet.adapters.database.engine import reading, writing
from refnet.adapters.database.identities import Identities
from refnet.adapters.database.notes import NoteTables
from refnet.adapters.database.paper_lists import PaperLists
from refnet.adapters.database.schema import (
    crawl_papers,
    crawls,
    identifiers,
    jobs,
    pace,
)
from refnet.adapters.database.summaries import Summaries
from refnet.adapters.database.vaults import ask_language
from refnet.adapters.database.web_sessions import WebSessionTable
from refnet.domain import outcome
from refnet.domain.crawl import Ask, Candidate, Limits
from refnet.domain.crawls import Crawl, CrawlSeed, Incomplete
from refnet.domain.jobs import Wave, choose
from refnet.domain.outcome import Outcome
from refnet.domain.paces import PaceState
from refnet.domain.papers import Answer, Direction, Listing, Page
from refnet.domain.permissions import Scope


class Store(
    NoteTables,
    Summaries,
    ApiKeyTable,
    CrawlRequestTable,
    CrawlViews,
    DeadLetters,
    Identities,
    PaperLists,
    WebSessionTable,
):
    """The crawl's side of the database; the notes' side is in `NoteTables`, the API's in the others.

    Every method raises StoreUnavailable, StorageFull or ConfigurationError for the database's own troubles.
    """

    def __init__(self, engine: Engine, *, clock: Clock = database_time) -> None:
        super().__init__(engine, clock)

    # Seeds

    def record_seeds(self, answers: Mapping[str, Answer], ask: Ask, limits: Limits) -> None:
        """Store what was found for identifiers, before it is known which crawl the papers will be in."""
        with writing(self._engine) as connection:
            record.take_turns(connection)
            now = self._clock(connection)
            capped = outcome.overflowed(list(answers.values()), limits)
            kept = [
                (answer, outcome.of_answer(answer, ask, ask, capped=capped, limits=limits))
                for _, answer in sorted(answers.items())
            ]
            self._write(connection, kept, now)
            # An identifier without a prefix is a paper's id.
            ids = {text: answer for text, answer in answers.items() if ":" not in text}
            record.merge_papers(connection, {text: ids[text] for text in ids if ids[text].paper_id != text})
            self._remember(connection, {text: answer.paper_id for text, answer in answers.items()})

    def remember(self, found: Mapping[str, str]) -> None:
        """Note which paper an identifier names."""
        with writing(self._engine) as connection:
            self._remember(connection, found)

    # Crawls

    def open_crawl(
        self,
        key: str,
        direction: Direction,
        depth: int,
        limit: int,
        seeds: Sequence[CrawlSeed],
        refresh_days: float | None = None,
        *,
        claim: Scope | None = None,
        vault: str | None = None,
        lang: str | None = None,
        full_texts: int | None = 0,
    ) -> int:
        """Make a crawl, or extend the one with the same key, and return its id.

        `claim` is the scope of the key that it is made with, None where the operator makes it. `vault` is for whoever goes
        on with it, and has the language `lang` from now on, where it is given; `full_texts` is how many papers are to be
        read, None for all.
        """
        with writing(self._engine) as connection:
            now = self._clock(connection)
            before = None if refresh_days is None else now - refresh_days * 86_400
            if vault is not None:
                ask_language(connection, vault, lang)
            crawl_id = crawl_rows.open_crawl(
                connection, key, direction, depth, limit, seeds, now, before, claim, full_texts=full_texts
            )
            if vault is not None:
                crawl_rows.keep_place(connection, crawl_id, vault)
            return crawl_id

    def finish_crawl(self, crawl_id: int) -> None:
        """Call a crawl finished that this process does alone, whose notes are written."""
        with writing(self._engine) as connection:
            crawl_rows.finish(connection, crawl_id, self._clock(connection))

    def fail_crawl(self, crawl_id: int, reason: str, traceback: str) -> None:
        """Give up a crawl that this process does alone."""
        with writing(self._engine) as connection:
            turns.fail_alone(connection, crawl_id, reason, traceback, self._clock(connection))

    def advance(self, crawl_id: int, limits: Limits) -> bool:
        """Queue what the crawl needs next; False when nothing is left to do."""
        with writing(self._engine) as connection:
            return crawl_rows.advance(connection, crawl_id, limits.hub, self._clock(connection))

    def tidy(self) -> None:
        """Let the database count what came in, so that it plans its queries well."""
        with writing(self._engine) as connection:
            sqlite = connection.dialect.name == "sqlite"
            connection.exec_driver_sql("PRAGMA optimize=0x10002" if sqlite else "ANALYZE")

    def crawl(self, crawl_id: int) -> Crawl:
        with reading(self._engine) as connection:
            return crawl_rows.find(connection, crawl_id)

    def crawls(self) -> list[Crawl]:
        """All crawls, the latest first."""
        with reading(self._engine) as connection:
            ids = connection.execute(select(crawls.c.id).order_by(crawls.c.id.desc())).scalars()
            return [crawl_rows.find(connection, crawl_id) for crawl_id in ids]

    def seeds(self, crawl_id: int) -> list[CrawlSeed]:
        with reading(self._engine) as connection:
            return crawl_rows.stored_seeds(connection, crawl_id)

    def incomplete(self, crawl_id: int) -> list[Incomplete]:
        with reading(self._engine) as connection:
            return crawl_rows.incomplete(connection, crawl_id)

    def tally(self, crawl_id: int) -> tuple[int, int]:
        """Papers admitted to a crawl so far, and those of them whose details are stored."""
        with reading(self._engine) as connection:
            return crawl_rows.tally(connection, crawl_id)

    def collected(self, crawl_id: int) -> list[str]:
        """Ids of the collected papers of a crawl, sorted."""
        with reading(self._engine) as connection:
            return sorted(connection.execute(crawl_rows.collected_ids(crawl_id)).scalars().all())

    def seed_neighbours(self, paper_ids: Sequence[str], direction: Direction) -> list[Candidate]:
        """Papers next to these in the lists held, for an estimate before a crawl exists."""
        with reading(self._engine) as connection:
            return crawl_rows.neighbours(connection, paper_ids, direction)

    def edges(self, crawl_id: int) -> list[tuple[str, str]]:
        """Citing and cited paper of every edge whose ends are both collected by the crawl, sorted."""
        with reading(self._engine) as connection:
            return crawl_rows.edges(connection, crawl_id)

    def missing(self, crawl_id: int) -> list[str]:
        """Papers that were admitted but that the source does not know, by id."""
        with reading(self._engine) as connection:
            query = select(crawl_papers.c.paper_id).where(
                crawl_papers.c.crawl_id == crawl_id, crawl_papers.c.missing.is_(True)
            )
            return sorted(connection.execute(query).scalars())

    # Jobs

    def free_all(self) -> int:
        with writing(self._engine) as connection:
            return ledger.free_all(connection, self._clock(connection))

    def give_back(self, owners: Sequence[str]) -> int:
        """Take back what these processes held, uncharged: they were asked to end."""
        with writing(self._engine) as connection:
            turns.give_back(connection, owners)
            return ledger.give_back(connection, owners, self._clock(connection))

    def claim(
        self,
        owner: str,
        limits: Limits,
        *,
        crawl_id: int | None = None,
        lease: float | None = None,
        lead: str | None = None,
    ) -> Wave | None:
        """Claim the jobs of the next request; see `ledger.claim`."""
        with writing(self._engine) as connection:
            now = moment(connection, self._clock)
            return ledger.claim(
                connection,
                owner,
                now,
                lambda due: choose(due, limits, lead),
                crawl_id=crawl_id,
                lead=lead,
                lease=lease,
            )

    def crawl_of(self, paper_ids: Sequence[str]) -> int | None:
        """The latest crawl that one of these papers is in."""
        with reading(self._engine) as connection:
            query = select(func.max(crawl_papers.c.crawl_id)).where(crawl_papers.c.paper_id.in_(paper_ids))
            return connection.execute(query).scalar()

    def renew(self, wave: Wave, lease: float) -> None:
        with writing(self._engine) as connection:
            ledger.renew(connection, wave, moment(connection, self._clock), lease)

    def next_due(self, crawl_id: int) -> float | None:
        """Seconds until a queued job of the crawl falls due, None when there is none."""
        with reading(self._engine) as connection:
            return ledger.next_due(connection, crawl_id, self._clock(connection))

    def record_wave(self, wave: Wave, answers: Sequence[Answer | None], limits: Limits) -> None:
        """Store the answers of a batch request and settle its jobs, in one transaction.

        Papers whose lease was lost are dropped.
        """
        with writing(self._engine) as connection:
            record.take_turns(connection)
            now = self._clock(connection)
            asks = ledger.held(connection, wave)
            capped = outcome.overflowed(list(answers), limits)
            remaining: dict[str, Ask] = {}
            kept: list[tuple[Answer, Outcome]] = []
            renamed: dict[str, Answer] = {}
            unknown: list[str] = []
            for job, answer in zip(wave.jobs, answers, strict=True):
                if job.paper_id not in asks:
                    continue
                if answer is None:
                    unknown.append(job.paper_id)
                    remaining[job.paper_id] = Ask.NOTHING
                    continue
                result = outcome.of_answer(answer, asks[job.paper_id], wave.ask, capped=capped, limits=limits)
                kept.append((answer, result))
                if answer.paper_id != job.paper_id:
                    # What is left to ask is queued under the paper's present id when the crawl advances.
                    renamed[job.paper_id] = answer
                    remaining[job.paper_id] = Ask.NOTHING
                else:
                    remaining[job.paper_id] = result.remaining
            self._write(connection, kept, now)
            record.merge_papers(connection, renamed)
            record.mark_unknown(connection, unknown, wave.ask, now)
            ledger.settle(connection, wave, remaining, now)
            if unknown:
                dead.bury_unknown(connection, unknown, now)

    def record_page(self, wave: Wave, page: Page | None, limits: Limits) -> None:
        """Store one page of a list and settle its job; None where the source does not know the paper any more."""
        job = wave.jobs[0]
        name = wave.page
        if name is None:
            raise ValueError("not a wave of a page")
        with writing(self._engine) as connection:
            record.take_turns(connection)
            now = self._clock(connection)
            asks = ledger.held(connection, wave)
            if job.paper_id not in asks:
                return
            if page is not None:
                record.write_lists(connection, [(job.paper_id, name, page.listing)], record.merged_ids(connection))
            have = record.rows_held(connection, job.paper_id, name)
            count = record.count_of(connection, job.paper_id, name)
            state, remaining, offset = outcome.of_page(
                page or Page(Listing()), name, asks[job.paper_id], have=have, count=count, limits=limits
            )
            if state is not None:
                record.write_states(connection, [(job.paper_id, name, state, have, count)], now)
            ledger.settle(connection, wave, {job.paper_id: remaining}, now, offset=offset)

    def replace_asks(self, wave: Wave, ask: Ask) -> None:
        """Let a wave's jobs ask for something else instead, for a paper whose lists are too large for a batch."""
        with writing(self._engine) as connection:
            held = ledger.held(connection, wave)
            ledger.settle(connection, wave, dict.fromkeys(held, ask), self._clock(connection))

    def release(
        self,
        wave: Wave,
        *,
        due_in: float = 0.0,
        share: int | None = None,
        faulted_at: int | None = None,
        charged: bool = False,
        lost: bool = False,
        reason: str | None = None,
        hinted: bool = False,
    ) -> None:
        """Give a wave's jobs back to the queue; see `ledger.release`."""
        with writing(self._engine) as connection:
            now = moment(connection, self._clock)
            ledger.release(
                connection,
                wave,
                now,
                due_in=due_in,
                share=share,
                faulted_at=faulted_at,
                charged=charged,
                lost=lost,
                reason=reason,
                hinted=hinted,
            )

    def bury(self, wave: Wave, reason: str, traceback: str | None = None) -> None:
        with writing(self._engine) as connection:
            ledger.bury(connection, wave, reason, traceback, moment(connection, self._clock))

    def paces(self) -> list[PaceState]:
        with reading(self._engine) as connection:
            now = self._clock(connection)
            rows = connection.execute(select(pace).order_by(pace.c.host)).all()
            until = {row.host: max(row.blocked_until, row.refused_until or 0.0) for row in rows}
            return [PaceState(row.host, max(0.0, until[row.host] - now), row.failures, row.successes) for row in rows]

    def job_counts(self) -> dict[tuple[str, str], int]:
        """Number of jobs by stage and state."""
        with reading(self._engine) as connection:
            query = select(jobs.c.stage, jobs.c.state, func.count()).group_by(jobs.c.stage, jobs.c.state)
            return {(stage, state): count for stage, state, count in connection.execute(query)}

    # Inside a transaction

    def _write(self, connection: Connection, kept: Sequence[tuple[Answer, Outcome]], now: float) -> None:
        listings, states = [], []
        for answer, result in kept:
            for name, state in result.states.items():
                listing = answer.listing(name)
                if listing is None:
                    continue
                listings.append((answer.paper_id, name, listing))
                states.append((answer.paper_id, name, state, len(listing.rows), answer.count(name)))
        record.write_details(connection, [answer.paper for answer, _ in kept if answer.paper is not None], now)
        record.write_lists(connection, listings, record.merged_ids(connection))
        record.write_states(connection, states, now)

    def _remember(self, connection: Connection, found: Mapping[str, str]) -> None:
        upsert(
            connection,
            identifiers,
            ("identifier", "paper_id"),
            sorted(found.items()),
            "(identifier) DO UPDATE SET paper_id = excluded.paper_id",
        )
