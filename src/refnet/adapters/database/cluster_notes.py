"""The notes' side of the store where many workers write them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from sqlalchemy import select, update

from refnet.adapters.database import ledger, reopening, stages, summaries, turns
from refnet.adapters.database.bulk import upsert
from refnet.adapters.database.engine import reading, writing
from refnet.adapters.database.lock import try_on_server
from refnet.adapters.database.schema import vault_notes, vaults
from refnet.adapters.database.store import Store
from refnet.domain.crawl import Ask
from refnet.domain.crawls import NotesDue
from refnet.domain.errors import LeaseLost
from refnet.domain.jobs import Wave
from refnet.domain.notes import Baseline, WrittenNote
from refnet.domain.summaries import Summary

#: What stands before and behind the name of a beginning, in front of the revision of a vault whose notes are being
#: written; no whole revision begins with it.
_UNFINISHED = "~"


class ClusterNotes(Store):
    """Implements what `VaultWorker` needs: summaries and notes by waves, and the vault as a whole by one at a time."""

    def record_summaries(self, wave: Wave, made: Mapping[str, Summary]) -> None:
        """Keep summaries and settle their jobs; papers whose lease was lost are dropped."""
        with writing(self._engine) as connection:
            now = self._clock(connection)
            asks = ledger.held(connection, wave)
            summaries.save(connection, {one: made[one] for one in made if one in asks}, now)
            # Somebody may have asked meanwhile that a paper be read.
            left = Ask.NOTHING if Ask.FULL_TEXT in wave.ask else Ask.FULL_TEXT
            ledger.settle(connection, wave, {one: ask & left for one, ask in asks.items()}, now)

    def save_own_summaries(self, made: Mapping[str, Summary], wave: Wave) -> None:
        """Keep summaries of papers that the wave goes on with.

        Raises LeaseLost when not all of them are its own any more: their new owner may have better ones.
        """
        with writing(self._engine) as connection:
            if not ledger.held(connection, wave).keys() >= made.keys():
                raise LeaseLost("The lease of these papers ran out, and they went to somebody else.")
            summaries.save(connection, made, self._clock(connection))

    def notes_due(self) -> list[NotesDue]:
        with reading(self._engine) as connection:
            return stages.notes_due(connection)

    def take_vaults_due(self, told_for: float) -> list[str]:
        """One paper each of the crawls whose notes are to be begun or ended, and nobody was told so in the last `told_for`
        seconds. They count as told from now on.
        """
        with writing(self._engine) as connection:
            return stages.take_notes_due(connection, self._clock(connection), told_for)

    def untell_vaults(self) -> None:
        """Nobody was told of them after all."""
        with writing(self._engine) as connection:
            stages.untell_notes_due(connection)

    def redirect(self, vault: str) -> list[tuple[int, str]]:
        """Let the notes that workers have next to write to other vaults go to this one; the ids of their crawls, and where
        they were to go. For a worker that knows that nobody writes there.
        """
        with reading(self._engine) as connection:
            if not reopening.bound_elsewhere(connection, vault):
                return []
        with writing(self._engine) as connection:
            return reopening.redirect(connection, vault, self._clock(connection))

    def noted_elsewhere(self, vault: str, paper_ids: Sequence[str]) -> dict[str, str]:
        """See `reopening.noted_elsewhere`."""
        with reading(self._engine) as connection:
            return reopening.noted_elsewhere(connection, vault, paper_ids)

    def begin_writing(
        self, crawl_ids: Sequence[int], vault: str, paper_ids: Sequence[str], revision: str, problems: Sequence[str]
    ) -> None:
        """Queue the notes of a vault, whose revision is `revision` when they are written."""
        with writing(self._engine) as connection:
            begun = f"{_UNFINISHED}{uuid.uuid4().hex}{_UNFINISHED}{revision}"
            # The vault before its crawls, as everybody locks them: else two wait for each other.
            connection.execute(
                update(vaults).where(vaults.c.path == vault).values(revision=begun, problems=list(problems))
            )
            stages.begin_writing(connection, crawl_ids, paper_ids, self._clock(connection))

    def deleted_notes(self, vault: str) -> set[str]:
        """Papers whose notes the reader deleted."""
        with reading(self._engine) as connection:
            query = select(vault_notes.c.paper_id).where(vault_notes.c.path == vault, vault_notes.c.deleted.is_(True))
            return set(connection.execute(query).scalars())

    def save_own_baselines(self, vault: str, baselines: Mapping[str, Baseline], wave: Wave) -> None:
        """Keep baselines of notes that the wave is about to write, or has written.

        Raises LeaseLost when not all of them are its own any more.
        """
        with writing(self._engine) as connection:
            if not ledger.held(connection, wave).keys() >= baselines.keys():
                raise LeaseLost("The lease of these notes ran out, and they went to somebody else.")
            self._save_baselines(connection, vault, baselines)

    def record_notes(self, wave: Wave, vault: str, written: Mapping[str, WrittenNote], begun: str | None) -> None:
        """Keep what became of notes, and settle their jobs.

        `begun` is the vault's `written_revision` before the contents of the notes were read. Where the vault was begun
        anew since, or a note asked for since its job was claimed, they may lack what is new, and are queued once more.
        """
        with writing(self._engine) as connection:
            now = self._clock(connection)
            asks = ledger.held(connection, wave)
            rows = [
                (vault, paper_id, "{}", False, note.problem, json.dumps(list(note.conflicts)))
                for paper_id, note in sorted(written.items())
                if paper_id in asks
            ]
            upsert(
                connection,
                vault_notes,
                ("path", "paper_id", "parts", "deleted", "problem", "conflicts"),
                rows,
                "(path, paper_id) DO UPDATE SET problem = excluded.problem, conflicts = excluded.conflicts",
            )
            # Read when the jobs are locked: who begins the vault anew has done so, or finds them done afterwards.
            present = connection.execute(select(vaults.c.revision).where(vaults.c.path == vault)).scalar()
            again = {one for one, ask in asks.items() if present != begun or Ask.MEANWHILE in ask}
            left = {one: Ask.DETAILS if one in again else Ask.NOTHING for one in asks}
            ledger.settle(connection, wave, left, now)

    def end_writing(self, vault: str, begun: str | None, problems: Sequence[str] = ()) -> list[int]:
        """The notes of a vault are written: end the crawls that waited for them. Returns their ids.

        `begun` is the vault's `written_revision` before it was looked whether they are. Where the vault was begun anew
        since, by who took the turn that the server has taken back from this process, nothing ends. A vault with a note
        that was left alone is looked at again the next time.
        """
        with writing(self._engine) as connection:
            row = connection.execute(select(vaults).where(vaults.c.path == vault).with_for_update()).one_or_none()
            if row is None or row.revision != begun:
                return []
            said = [*(row.problems or []), *problems]
            whole = (row.revision or "").rpartition(_UNFINISHED)[2]
            revision = "" if said or self._problems(connection, vault) else whole
            connection.execute(update(vaults).where(vaults.c.path == vault).values(revision=revision, problems=said))
            return stages.finish(connection, vault, self._clock(connection))

    def end_unchanged(self, vault: str, crawl_ids: Sequence[int]) -> list[int]:
        """End crawls to be named that need no note written. Returns their ids."""
        with writing(self._engine) as connection:
            # The vault before its crawls, as everybody locks them.
            connection.execute(select(vaults.c.path).where(vaults.c.path == vault).with_for_update())
            return stages.finish(connection, vault, self._clock(connection), crawl_ids)

    def note_problems(self, vault: str) -> list[str]:
        """In words for the user, the files of a vault that were left as they are."""
        with reading(self._engine) as connection:
            said = connection.execute(select(vaults.c.problems).where(vaults.c.path == vault)).scalar() or []
            return [*said, *self._problems(connection, vault)]

    def note_conflicts(self, vault: str) -> list[tuple[str, str]]:
        """Paper id and part where a reader's edit stands against something new."""
        with reading(self._engine) as connection:
            query = select(vault_notes.c.paper_id, vault_notes.c.conflicts).where(
                vault_notes.c.path == vault, vault_notes.c.conflicts.is_not(None), vault_notes.c.deleted.is_(False)
            )
            return sorted((row.paper_id, part) for row in connection.execute(query) for part in row.conflicts or ())

    def begin_turn(self, crawl_ids: Sequence[int], owner: str) -> dict[int, int]:
        """See `turns.begin`."""
        with writing(self._engine) as connection:
            return turns.begin(connection, crawl_ids, owner)

    def end_turn(self, owner: str) -> None:
        """The turn of this process came to a good end."""
        with writing(self._engine) as connection:
            turns.succeeded(connection, owner)

    def give_back_turn(self, owner: str) -> None:
        """The turn of this process does not count."""
        with writing(self._engine) as connection:
            turns.give_back(connection, [owner])

    def charge_turn(self, owner: str) -> None:
        """The turn of this process counts, and is not given back with what else the process holds."""
        with writing(self._engine) as connection:
            turns.charge(connection, owner)

    def fail_crawls(self, crawl_ids: Sequence[int], reason: str, traceback: str | None = None) -> None:
        """Give up crawls whose vault is seen to, with the reason."""
        with writing(self._engine) as connection:
            turns.fail(connection, crawl_ids, reason, traceback, self._clock(connection))

    @contextmanager
    def vault_turn(self, vault: str) -> Iterator[bool]:
        """Whether this process may see to a vault as a whole; one at a time can."""
        with try_on_server(self._engine, f"vault {vault}") as mine:
            yield mine
