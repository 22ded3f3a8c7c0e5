"""The store as the workers of a cluster need it, beside what one process needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine, func, select

from refnet.adapters.database import (
    claims,
    crawl_requests,
    dead,
    dead_messages,
    hints,
    ledger,
    record,
    reopening,
    stages,
    worker_rows,
)
from refnet.adapters.database import crawls as crawl_rows
from refnet.adapters.database.bulk import upsert
from refnet.adapters.database.clock import Clock, database_time, moment
from refnet.adapters.database.cluster_notes import ClusterNotes
from refnet.adapters.database.engine import reading, writing
from refnet.adapters.database.lock import shared_on_server, turn_on_server
from refnet.adapters.database.schema import crawl_papers, crawls, jobs, pace, vault_notes
from refnet.adapters.database.sessions import StalledSessions
from refnet.adapters.database.vaults import ask_language, name_vault, set_language
from refnet.domain.crawl import Ask, Limits
from refnet.domain.crawls import CrawlSeed, CrawlStage
from refnet.domain.dead_messages import DeadMessage, RefusedMessage
from refnet.domain.errors import RefnetError
from refnet.domain.jobs import DueJob, JobFate, JobState, Stage, Wave, choose_some
from refnet.domain.papers import Direction
from refnet.domain.permissions import Scope
from refnet.domain.workers import WorkerReport

#: The turn of whoever sweeps.
_SWEEP = "sweep"
_DEAD = (
    *("stage", "paper_id", "state", "ask", "offset", "attempts", "losses", "faults", "due_at", "updated_at"),
    "reason",
)


class ClusterStore(ClusterNotes):
    """Crawls that go through stages, hints, workers, and notes written by many processes at a time."""

    def __init__(self, engine: Engine, *, clock: Clock = database_time) -> None:
        super().__init__(engine, clock=clock)

    # Crawls

    def hand_over(
        self,
        key: str,
        direction: Direction,
        depth: int,
        limit: int,
        seeds: Sequence[CrawlSeed],
        refresh_days: float | None,
        *,
        vault: str | None,
        lang: str | None,
        limits: Limits,
        claim: Scope | None = None,
        full_texts: int | None = 0,
    ) -> int:
        """Make or extend a crawl that the workers do, and queue its first jobs; returns its id. The vault, or
        the one that workers write to, has the language `lang` from now on, where it is given. `claim` and `full_texts` are
        as in `open_crawl`.
        """
        with writing(self._engine) as connection:
            record.take_turns(connection)
            ask_language(connection, vault, lang)
            now = self._clock(connection)
            before = None if refresh_days is None else now - refresh_days * 86_400
            crawl_id = crawl_rows.open_crawl(
                connection, key, direction, depth, limit, seeds, now, before, claim, full_texts=full_texts
            )
            stages.hand_over(connection, crawl_id, vault, now)
            stages.advance(connection, crawl_id, limits.hub, now)
            return crawl_id

    def rewrite(self, crawl_id: int, vault: str | None) -> None:
        """Let the workers bring the notes of a crawl up to date; one that they are at gets there by itself."""
        with writing(self._engine) as connection:
            if not stages.is_at_work(connection, crawl_id):
                stages.hand_over(connection, crawl_id, vault, self._clock(connection), CrawlStage.SUMMARIZE)

    def translate(self, vault: str, lang: str) -> bool:
        """Have the workers put the notes of a vault into another language; whether that changes anything."""
        with writing(self._engine) as connection:
            if not set_language(connection, vault, lang):
                return False
            stages.write_again(connection, vault, self._clock(connection))
            return True

    def go_on(self, limits: Limits) -> list[CrawlStage]:
        """Queue what crawls need that have nothing left to do; the stages that they have come to."""
        with reading(self._engine) as connection:
            ready = stages.ready(connection)
        reached: list[CrawlStage] = []
        for crawl_id in ready:
            with writing(self._engine) as connection:
                record.take_turns(connection)
                stage = stages.advance(connection, crawl_id, limits.hub, self._clock(connection))
            if stage is not None:
                reached.append(stage)
        return reached

    def stage(self, crawl_id: int) -> CrawlStage | None:
        with reading(self._engine) as connection:
            found = connection.execute(select(crawls.c.stage).where(crawls.c.id == crawl_id)).scalar()
            return None if found is None else CrawlStage(found)

    def stage_counts(self, crawl_id: int, stage: Stage) -> tuple[int, int]:
        """Jobs of a stage of the papers of a crawl that are over, and all of them."""
        with reading(self._engine) as connection:
            return stages.counts(connection, crawl_id, stage)

    def vault_of(self, crawl_id: int) -> str | None:
        """Where the workers write the notes of a crawl; None while that is not settled."""
        with reading(self._engine) as connection:
            return connection.execute(select(crawls.c.vault).where(crawls.c.id == crawl_id)).scalar()

    def adopt(self, crawl_id: int, vault: str) -> None:
        """Let the notes of a crawl go to `vault`, where nobody said where."""
        with writing(self._engine) as connection:
            stages.adopt(connection, crawl_id, vault)

    def add_by_hand(self, paper_ids: Sequence[str], depth: int | None, max_depth: int, vault: str | None = None) -> int:
        """See `stages.add_by_hand`."""
        with writing(self._engine) as connection:
            record.take_turns(connection)
            now = self._clock(connection)
            return stages.add_by_hand(connection, paper_ids, depth, max_depth, vault, now)

    def is_missing(self, paper_id: str) -> bool:
        """Whether the source does not know a paper that was asked for by hand."""
        with reading(self._engine) as connection:
            query = (
                select(func.count())
                .select_from(crawl_papers)
                .join(crawls, crawls.c.id == crawl_papers.c.crawl_id)
                .where(
                    crawls.c.key == dead.MANUAL,
                    crawl_papers.c.paper_id == paper_id,
                    crawl_papers.c.missing.is_(True),
                )
            )
            return bool(connection.execute(query).scalar_one())

    def _retry_dead(self, connection: Connection, ids: Sequence[int] | None) -> list[int]:
        record.take_turns(connection)
        return reopening.retry_dead(connection, ids, self._clock(connection))

    # Jobs

    def enqueue(self, stage: Stage, paper_ids: Sequence[str], ask: Ask = Ask.DETAILS) -> None:
        """Queue jobs of a stage that asks no source."""
        with writing(self._engine) as connection:
            ledger.enqueue(connection, stage, dict.fromkeys(paper_ids, ask), self._clock(connection))

    def claim_some(self, stage: Stage, owner: str, most: int, *, lead: str | None = None, lease: float) -> Wave | None:
        """Claim at most `most` jobs of a stage that asks nobody; the paper `lead` is among them where it is due."""
        with writing(self._engine) as connection:
            now = moment(connection, self._clock)
            return ledger.claim(
                connection,
                owner,
                now,
                lambda due: choose_some(due, most, lead),
                stage=stage,
                lead=lead,
                lease=lease,
                look_at=most,
            )

    def fate(self, stage: Stage, paper_id: str) -> JobFate | None:
        """How it stands with a job; None where there is none."""
        with reading(self._engine) as connection:
            now = self._clock(connection)
            row = connection.execute(
                select(jobs).where(jobs.c.stage == stage, jobs.c.paper_id == paper_id)
            ).one_or_none()
            if row is None:
                return None
            return JobFate(JobState(row.state), max(0.0, row.due_at - now), row.reason, row.id)

    def revive(self, stage: Stage, paper_id: str) -> None:
        """Forget that a job was given up, for somebody asks for it again."""
        with writing(self._engine) as connection:
            dead.revive(connection, stage, paper_id, self._clock(connection))

    def has_note(self, paper_id: str) -> bool:
        """Whether a note of the paper was written to any vault."""
        with reading(self._engine) as connection:
            query = select(vault_notes.c.paper_id).where(vault_notes.c.paper_id == paper_id).limit(1)
            return connection.execute(query).first() is not None

    def bury_by_hand(self, stage: Stage, paper_id: str, reason: str) -> None:
        """Make a dead letter of what somebody asked for by hand and nobody can do."""
        with writing(self._engine) as connection:
            now = self._clock(connection)
            upsert(
                connection,
                jobs,
                _DEAD,
                [(stage, paper_id, JobState.DEAD, int(Ask.NOTHING), 0, 1, 0, 0, now, now, reason)],
                f"(stage, paper_id) DO UPDATE SET state = excluded.state, reason = excluded.reason, ask = excluded.ask, "
                f"updated_at = excluded.updated_at WHERE jobs.state <> '{JobState.RUNNING}'",
            )

    def free_expired(self, *, leases: bool = True) -> int:
        """Take back jobs and requests that nobody holds any more; without `leases` only what was held without one. Only for a process among
        workers: then nobody works alone.
        """
        with writing(self._engine) as connection:
            now = self._clock(connection)
            freed = ledger.free_unleased(connection, now)
            if leases:
                freed += ledger.free_expired(connection, now) + crawl_requests.free_expired(connection, now)
            return freed

    def free_owners(self, owners: Sequence[str], ended: str = "died") -> int:
        """Take back what these processes held, for they are gone; `ended` says how, as in `reason_of_loss`."""
        with writing(self._engine) as connection:
            return ledger.free_owners(connection, owners, self._clock(connection), ended)

    def owners(self) -> list[str]:
        """Who holds jobs at present."""
        with reading(self._engine) as connection:
            return worker_rows.owners(connection)

    # Messages

    def record_dead_message(self, refused: RefusedMessage) -> int:
        """Add a message to the dead letters, or count it where it is one already; its id."""
        with writing(self._engine) as connection:
            return dead_messages.record(connection, refused, self._clock(connection))

    def trim_dead_messages(self, most: int, most_bytes: int) -> int:
        """Forget the oldest of the messages where there are too many, of those refused and of those that failed."""
        with writing(self._engine) as connection:
            return dead_messages.trim(connection, most, most_bytes)

    @contextmanager
    def taking_dead_message(self, identity: int) -> Iterator[DeadMessage | None]:
        """A message that is no dead letter any more once the context has ended without an error; None for no such.

        The failure that would keep its task from running is forgotten already before, for the worker may be quick.
        Raises ConfigurationError where it is not stored yet.
        """
        forgotten = None
        with writing(self._engine) as connection:
            if (found := dead_messages.get(connection, identity)) is not None:
                forgotten = dead_messages.forget_failure(connection, found, self._clock(connection))
        try:
            with writing(self._engine) as connection:
                found = dead_messages.get(connection, identity, lock=True)
                yield found
                dead_messages.purge(connection, [identity])
        except BaseException:
            if forgotten is not None:
                with suppress(RefnetError), writing(self._engine) as connection:
                    dead_messages.remember_failure(connection, forgotten)
            raise

    # Hints

    def take_untold(self, stage: Stage, most: int, told_for: float) -> list[DueJob]:
        with writing(self._engine) as connection:
            return hints.take_untold(connection, stage, moment(connection, self._clock), most, told_for)

    def untell(self, found: Sequence[DueJob]) -> None:
        with writing(self._engine) as connection:
            hints.untell(connection, found)

    def claims(self, paper_ids: Sequence[str]) -> dict[str, str]:
        """Whose work these papers are, where it is not the operator's: the claim by paper."""
        with reading(self._engine) as connection:
            return claims.of_papers(connection, paper_ids)

    def refuse(self, stage: Stage, paper_id: str, reason: str, claim: str) -> None:
        """See `claims.refuse`."""
        with writing(self._engine) as connection:
            claims.refuse(connection, stage, paper_id, reason, claim, self._clock(connection))

    def due_counts(self) -> dict[Stage, int]:
        """Due jobs by stage, of those that have any."""
        with reading(self._engine) as connection:
            return hints.due_counts(connection, moment(connection, self._clock))

    def due_count(self, stage: Stage) -> int:
        with reading(self._engine) as connection:
            return hints.due_count(connection, stage, moment(connection, self._clock))

    def has_due(self, stage: Stage) -> bool:
        with reading(self._engine) as connection:
            return hints.has_due(connection, stage, moment(connection, self._clock))

    def oldest_due(self) -> dict[Stage, float]:
        with reading(self._engine) as connection:
            return hints.oldest_due(connection, self._clock(connection))

    def starts(self, host: str) -> int:
        """Requests to a host that were ever started."""
        with reading(self._engine) as connection:
            return connection.execute(select(pace.c.starts).where(pace.c.host == host)).scalar() or 0

    @contextmanager
    def sweeping(self) -> Iterator[bool]:
        """Whether this process may sweep; one at a time can."""
        with turn_on_server(self._engine, _SWEEP) as mine:
            yield mine

    def stalled_sessions(self) -> StalledSessions:
        """What ends the sessions of those who were stopped, also while they swept."""
        return StalledSessions(self._engine, _SWEEP)

    @contextmanager
    def among_workers(self) -> Iterator[Callable[[], None]]:
        """Be one of the processes that work on the database together; what is yielded raises when that is over.

        Raises Busy where one works alone.
        """
        with shared_on_server(self._engine) as still_among:
            yield still_among

    # Workers

    def report(self, worker: WorkerReport) -> None:
        with writing(self._engine) as connection:
            worker_rows.report(connection, worker, self._clock(connection))
            if worker.output_dir is not None:
                name_vault(connection, worker.output_dir)

    def forget_worker(self, name: str) -> None:
        with writing(self._engine) as connection:
            worker_rows.forget(connection, name)

    def forget_old_workers(self) -> None:
        with writing(self._engine) as connection:
            worker_rows.forget_old(connection, self._clock(connection))

    def workers(self) -> list[WorkerReport]:
        with reading(self._engine) as connection:
            return worker_rows.read(connection, self._clock(connection))
