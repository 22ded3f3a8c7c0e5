"""What stands in a vault before it is written: which file is whose note, and which notes the reader renamed, moved or
deleted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from refnet.domain import inert, naming
from refnet.domain.baselines import undo_rename, was_written
from refnet.domain.errors import UnreadableDocument
from refnet.domain.frontmatter import BrokenNote, property_of
from refnet.domain.naming import NoteNames
from refnet.domain.note_parts import digest_value
from refnet.domain.notes import Baseline
from refnet.ports import NoteStore, Vault


@dataclass(slots=True)
class Standing:
    """The papers of a vault with their names and baselines, the names of the files that are there, and where else in the
    vault, by paper id, the notes are that the reader moved out of `papers/`.
    """

    ids: Sequence[str]
    names: dict[str, str]
    baselines: dict[str, Baseline]
    present: set[str]
    moved: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, store: NoteStore, vault: Vault) -> Standing:
        key = str(vault.path)
        ids, names, baselines, present = (
            store.vault_papers(key),
            store.note_names(key),
            store.baselines(key),
            vault.notes(),
        )
        # What was never written here may stand in another vault below this one.
        missing = {
            one: names[one]
            for one in ids
            if one in names and names[one] not in present and one in baselines
            if baselines[one].deleted or was_written(baselines[one])
        }
        return cls(ids, names, baselines, present, moved_notes(vault, missing, baselines))

    @property
    def deleted(self) -> tuple[str, ...]:
        """Papers whose notes the reader deleted."""
        return tuple(one for one in self.ids if one in self.baselines and self.baselines[one].deleted)

    @property
    def emptied(self) -> bool:
        """Whether none of the notes is in `papers/` that were written: then all are written anew, even those that stand
        in other folders. One that notes are only just being written to was not emptied.
        """
        return any(map(was_written, self.baselines.values())) and not any(
            self.names.get(paper_id) in self.present for paper_id in self.ids
        )

    def is_as_left(self) -> bool:
        """Whether each note is there, or known to be deleted; what is in the files is not looked at.

        Never with a note that was moved: it is told in each run, and may have been taken for deleted before it was found.
        """
        return not self.moved and all(
            paper_id in self.names
            and paper_id in self.baselines
            and (self.names[paper_id] in self.present) != self.baselines[paper_id].deleted
            for paper_id in self.ids
        )

    def name_all(self, store: NoteStore, vault: Vault, style: NoteNames) -> list[str]:
        """Give every paper its name: what the reader renamed its file to, else the one given before, else a new one.

        Returns problems, in words for the user.
        """
        key = str(vault.path)
        taken = set(store.taken_names())
        moved = self._renamed(vault)
        # Names are unique over all vaults: a reader may have chosen one that a paper of another vault has.
        problems = [f"{name}: the note of another paper has this name." for name in moved.values() if name in taken]
        moved = {paper_id: name for paper_id, name in moved.items() if name not in taken}
        if moved:
            renames = {self.names[paper_id]: name for paper_id, name in moved.items() if paper_id in self.names}
            self._follow(renames, store, vault)
            store.rename_notes(moved)
            given = store.note_names(key)
            lost = [name for paper_id, name in moved.items() if given.get(paper_id) != name]
            problems += [f"{name}: the note of another paper has this name." for name in lost]
        while new := naming.assign(store.unnamed(key), {*store.taken_names(), *self.present}, style):
            store.give_names(new)  # as far as who names another vault at the same time has left the names
        self.names |= store.note_names(key)
        self.moved = {one: where for one, where in self.moved.items() if self.names[one] not in self.present}
        if self.moved:
            problems.append(_told(self.moved, emptied=self.emptied))
            self.moved = {} if self.emptied else self.moved
        return problems

    def settle_deletions(self, store: NoteStore, vault: Vault) -> None:
        """Tell notes that the reader deleted from those that are back, and from a vault that was emptied as a whole."""
        changed: dict[str, Baseline] = {}
        emptied = self.emptied
        for paper_id in self.ids:
            baseline = self.baselines.get(paper_id)
            if baseline is None or emptied:
                # A row for each, so that the count of rows, which may be part of the store's revision, is settled here.
                changed[paper_id] = Baseline({})
                continue
            there = self.names[paper_id] in self.present or paper_id in self.moved
            deleted = not there and (baseline.deleted or was_written(baseline))
            if deleted != baseline.deleted:
                changed[paper_id] = replace(baseline, deleted=deleted)
        self.baselines |= changed
        if changed:
            store.save_baselines(str(vault.path), changed)

    def _renamed(self, vault: Vault) -> dict[str, str]:
        """New names, by paper id, of notes that are not found under theirs but under another, by their property `paper_id`."""
        missing = {inert.value(one): one for one in self.ids if self.names.get(one) not in self.present}
        moved: dict[str, str] = {}
        for name in sorted(self.present - set(self.names.values())) if missing else ():
            try:
                paper_id = missing.get(property_of(vault.read(name) or "", "paper_id") or "")
            except (UnreadableDocument, BrokenNote):
                continue  # nobody's note as far as we can tell
            if paper_id is not None:
                moved.setdefault(paper_id, name)
        return moved

    def _follow(self, renames: dict[str, str], store: NoteStore, vault: Vault) -> None:
        """Take for ours what Obsidian wrote into our lists when it followed the renaming of notes."""
        changed: dict[str, Baseline] = {}
        for paper_id, baseline in self.baselines.items() if renames else ():
            name = self.names.get(paper_id)
            if name is None or baseline.deleted:
                continue
            try:
                text = vault.read(renames.get(name, name)) or ""
            except UnreadableDocument:
                continue  # reported when its turn to be written comes
            parts = undo_rename(text, renames, baseline)
            if parts != baseline.parts:
                changed[paper_id] = Baseline(parts)
        self.baselines |= changed
        if changed:
            store.save_baselines(str(vault.path), changed)


def moved_notes(vault: Vault, missing: Mapping[str, str], baselines: Mapping[str, Baseline]) -> dict[str, str]:
    """Where in the vault notes are that are not in `papers/`, by paper id. `missing` are their names."""
    found: dict[str, str] = {}
    paper_of = {name: paper_id for paper_id, name in missing.items()}
    for name, where, text in vault.elsewhere(paper_of) if missing else ():
        paper_id = paper_of[name]
        try:
            holder = property_of(text, "paper_id") or ""
        except BrokenNote:
            continue  # nobody's note as far as we can tell
        baseline = baselines.get(paper_id, Baseline({}))
        # A paper that the source has merged into another still has its old id in the file, as we wrote it.
        if holder == inert.value(paper_id) or digest_value(holder) in baseline.parts.get("property:paper_id", ()):
            found.setdefault(paper_id, where)
    return found


def _told(moved: Mapping[str, str], *, emptied: bool) -> str:
    """One sentence for all of them, in the order of their places."""
    first, more = min(moved.values()), len(moved) - 1
    where, notes = (f"{first} and {more:,} more", "these notes") if more else (first, "the note")
    were, are, them = ("were", "are", "them") if more else ("was", "is", "it")
    if emptied:
        return f"{where}: papers/ held none of the notes, so {notes} {were} written there again. Remove one of the two."
    return (
        f"{where}: {notes} {were} moved out of papers/ and {are} no longer brought up to date; move {them} back to have "
        "that again."
    )
