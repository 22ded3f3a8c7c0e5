"""Notes written by many workers: one at a time sees to a vault as a whole, all write notes."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from refnet.domain.baselines import was_written
from refnet.domain.crawls import CrawlStage, NotesDue
from refnet.domain.errors import HeldElsewhere, PermanentError
from refnet.domain.index_text import Census
from refnet.domain.jobs import Wave
from refnet.domain.notes import Baseline, WrittenNote
from refnet.pipeline.generate import NoteWriting, revision, settle
from refnet.pipeline.lease import Lease
from refnet.pipeline.standing import Standing, moved_notes
from refnet.pipeline.turns import Turns, TurnStore
from refnet.ports import NoteStore, Vault

logger = logging.getLogger(__name__)

#: Contents of notes looked at together for the index.
_CHUNK = 500


class SharedNoteStore(NoteStore, TurnStore, Protocol):
    """The part of the store that workers write one vault together with."""

    def vault_turn(self, vault: str) -> AbstractContextManager[bool]: ...

    def notes_due(self) -> list[NotesDue]: ...

    def adopt(self, crawl_id: int, vault: str) -> None: ...

    def redirect(self, vault: str) -> list[tuple[int, str]]: ...

    def noted_elsewhere(self, vault: str, paper_ids: Sequence[str]) -> dict[str, str]: ...

    def begin_writing(
        self, crawl_ids: Sequence[int], vault: str, paper_ids: Sequence[str], revision: str, problems: Sequence[str]
    ) -> None: ...

    def end_writing(self, vault: str, begun: str | None, problems: Sequence[str] = ()) -> list[int]: ...

    def end_unchanged(self, vault: str, crawl_ids: Sequence[int]) -> list[int]: ...

    def deleted_notes(self, vault: str) -> set[str]: ...

    def save_own_baselines(self, vault: str, baselines: Mapping[str, Baseline], wave: Wave) -> None: ...

    def record_notes(self, wave: Wave, vault: str, written: Mapping[str, WrittenNote], begun: str | None) -> None: ...

    def vault_language(self, vault: str) -> str: ...


@dataclass(slots=True)
class VaultWorker:
    """Writes notes to one vault, together with others that do the same."""

    store: SharedNoteStore
    vault: Vault
    style: str
    turns: Turns

    @property
    def key(self) -> str:
        return str(self.vault.path)

    def see_to_vault(self) -> bool:
        """Begin and end what the crawls of this vault wait for; whether there was any of it.

        Another worker that is at it already does it all. What is raised has decided about the crawls: see `Turns`.
        """
        if not self._due():
            return False
        with self.store.vault_turn(self.key) as mine:
            if not mine:
                return False
            # Each time once more: what was due may be done by now, and what was begun just now has notes to be written,
            # before which no crawl of the vault ends.
            for stage, see_to in ((CrawlStage.NAME, self._begin), (CrawlStage.WRITE, self._end)):
                # Before it is looked what is written: the server may take the turn back, and another begin the vault anew.
                begun = self.store.written_revision(self.key)
                due = [due.crawl_id for due in self._due() if due.stage is stage]
                if due:
                    with self.turns.over(due) as left:
                        see_to(left, begun)
        return True

    def take_over(self) -> None:
        """Have the notes of this vault's that are to be written next to folders where no worker writes; the log tells of
        it. For who knows that all workers write to this vault.
        """
        for crawl_id, old in self.store.redirect(self.key):
            logger.warning(
                "No generator worker writes to %s, where the notes of crawl %d were to go. They go to %s, where all of "
                "them write. Notes that are in the old folder already stay there.",
                old,
                crawl_id,
                self.key,
            )

    def _due(self) -> list[NotesDue]:
        return [due for due in self.store.notes_due() if due.vault in (None, self.key)]

    def name(self, crawl_id: int) -> None:
        """Count a crawl among those of the vault and give its papers their names, for a note that is wanted now.

        Raises HeldElsewhere while another worker sees to the vault.
        """
        with self.store.vault_turn(self.key) as mine:
            if not mine:
                raise HeldElsewhere("Another worker sees to the vault.", retry_after=2.0)
            self.store.add_to_vault(self.key, crawl_id)
            lang = self.store.vault_language(self.key)
            settle(self.store, self.vault, lang=lang, style=self.style)

    def write(self, wave: Wave, lease: Lease) -> None:
        """Write the notes of a wave, as long as its lease holds, and settle its jobs.

        Raises PermanentError, before anything is written, where the note of one belongs to another vault alone.
        """
        self.vault.prepare(tidy=False)
        # Before anything is read: should the vault be begun anew meanwhile, these notes are written once more.
        begun = self.store.written_revision(self.key)
        linked = self._linked()
        ids = [paper_id for paper_id in wave.paper_ids if paper_id in linked]
        self._refuse_those_of_others(set(wave.paper_ids).difference(linked))
        baselines = self._baselines(ids)
        gone, moved = self._missing(linked, baselines)
        if gone:
            self.store.save_own_baselines(self.key, gone, wave)
            linked = {one: name for one, name in linked.items() if one not in gone}
            ids = [paper_id for paper_id in ids if paper_id not in gone]

        def keep(baselines: Mapping[str, Baseline]) -> None:
            self.store.save_own_baselines(self.key, baselines, wave)
            lease.check()

        standing = Standing(ids, linked, baselines, set(), moved)
        lang = self.store.vault_language(self.key)
        writing = NoteWriting(self.store, self.vault, lang, standing, keep=keep)
        for _ in writing.write_some(ids, linked, Census(lang)):
            lease.check()
        problems, conflicts = dict(writing.problems), writing.conflicts
        self.store.record_notes(
            wave,
            self.key,
            {
                paper_id: WrittenNote(problems.get(paper_id), tuple(part for one, part in conflicts if one == paper_id))
                for paper_id in ids
            },
            begun,
        )

    def _refuse_those_of_others(self, unlinked: Collection[str]) -> None:
        """Others without a note here are papers whose notes the reader deleted, or that were merged into another."""
        others = self.store.noted_elsewhere(self.key, sorted(unlinked)) if unlinked else {}
        for paper_id, place in others.items():
            raise PermanentError(
                f"The note of {paper_id} belongs to {place}, and the generator workers write to {self.key}. To have the "
                "notes of its crawl there instead, retry this job; else start the generator workers with the other folder "
                "as their OUTPUT_DIR first."
            )

    def _begin(self, ids: Sequence[int], begun: str | None) -> None:
        """Name the papers of crawls, all together: what stands in the vault is looked at once."""
        del begun  # a vault that two begin is begun twice, and all its notes are written after the second time
        if not ids:
            return
        for crawl_id in ids:
            self.store.adopt(crawl_id, self.key)
            self.store.add_to_vault(self.key, crawl_id)
        lang = self.store.vault_language(self.key)
        standing, problems = settle(self.store, self.vault, lang=lang, style=self.style)
        if problems is None:
            self.store.end_unchanged(self.key, ids)
            return
        gone = {*standing.deleted, *standing.moved}
        todo = [paper_id for paper_id in standing.ids if paper_id not in gone]
        # Taken before the contents are read: what is stored meanwhile is for the next time.
        at = revision(self.store, self.vault, lang)
        self.store.begin_writing(ids, self.key, todo, at, problems)

    def _end(self, ids: Sequence[int], begun: str | None) -> None:
        if not ids:
            return
        self.vault.prepare()
        lang = self.store.vault_language(self.key)
        linked = self._linked()
        deleted = self.store.deleted_notes(self.key)
        papers = [paper_id for paper_id in self.store.vault_papers(self.key) if paper_id in linked]
        census = Census(lang, deleted=len(deleted))
        for start in range(0, len(papers), _CHUNK):
            for content in self.store.note_contents(self.key, papers[start : start + _CHUNK], linked):
                census.add(content)
        if self.store.written_revision(self.key) != begun:
            return  # whoever began the vault anew writes the index
        writing = NoteWriting(self.store, self.vault, lang, Standing(papers, linked, {}, set()))
        writing.write_index(census)
        self.store.end_writing(self.key, begun, [problem for _, problem in writing.problems])

    def _linked(self) -> dict[str, str]:
        """The names of the notes that can be linked to: those that the reader has not deleted."""
        gone = self.store.deleted_notes(self.key)
        return {one: name for one, name in self.store.note_names(self.key).items() if one not in gone}

    def _missing(
        self, linked: Mapping[str, str], baselines: Mapping[str, Baseline]
    ) -> tuple[dict[str, Baseline], dict[str, str]]:
        """Notes that the reader deleted since the vault was last seen to, none where not one of refnet's notes is left,
        for then all are written anew; and where those are that were moved out of `papers/`.
        """
        present = self.vault.notes()
        missing = {
            one: linked[one] for one, held in baselines.items() if linked[one] not in present and was_written(held)
        }
        if not missing or present.isdisjoint(linked.values()):
            return {}, {}
        moved = moved_notes(self.vault, missing, baselines)
        return {one: replace(baselines[one], deleted=True) for one in missing if one not in moved}, moved

    def _baselines(self, ids: Sequence[str]) -> dict[str, Baseline]:
        found = self.store.baselines(self.key, ids)
        return {paper_id: found.get(paper_id, Baseline({})) for paper_id in ids}
