"""A store and a vault that can be looked at and are never changed, to find out what a command would write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from refnet.domain.notes import Baseline, NoteContent
from refnet.domain.papers import Paper
from refnet.ports import NoteStore, Vault


@dataclass(slots=True)
class UnwrittenStore:
    """Implements `NoteStore` on another one; names are kept for the time being, everything else is dropped."""

    _store: NoteStore
    _names: dict[str, str] = field(default_factory=dict)

    def add_to_vault(self, vault: str, crawl_id: int) -> None:
        pass

    def vault_papers(self, vault: str) -> list[str]:
        return self._store.vault_papers(vault)

    def note_contents(self, vault: str, paper_ids: Sequence[str], names: Mapping[str, str]) -> list[NoteContent]:
        return self._store.note_contents(vault, paper_ids, names)

    def note_names(self, vault: str) -> dict[str, str]:
        return self._store.note_names(vault) | self._names

    def unnamed(self, vault: str) -> Iterator[Paper]:
        return (paper for paper in self._store.unnamed(vault) if paper.paper_id not in self._names)

    def give_names(self, names: Mapping[str, str]) -> None:
        self._names |= names

    def rename_notes(self, names: Mapping[str, str]) -> None:
        self._names |= names

    def taken_names(self) -> Iterable[str]:
        return [*self._store.taken_names(), *self._names.values()]

    def baselines(self, vault: str, paper_ids: Sequence[str] | None = None) -> dict[str, Baseline]:
        return self._store.baselines(vault, paper_ids)

    def save_baselines(self, vault: str, baselines: Mapping[str, Baseline]) -> None:
        pass

    def revision(self, vault: str) -> str:
        return self._store.revision(vault)

    def written_revision(self, vault: str) -> str | None:
        return self._store.written_revision(vault)

    def mark_written(self, vault: str, revision: str) -> None:
        pass


@dataclass(slots=True)
class UnwrittenVault:
    """Implements `Vault` on another one; nothing is made or written."""

    _vault: Vault

    @property
    def path(self) -> Path:
        return self._vault.path

    def prepare(self, *, tidy: bool = True) -> None:
        pass

    def notes(self) -> set[str]:
        return self._vault.notes()

    def elsewhere(self, names: Iterable[str]) -> Iterator[tuple[str, str, str]]:
        return self._vault.elsewhere(names)

    def read(self, name: str) -> str | None:
        return self._vault.read(name)

    def write(self, name: str, text: str) -> None:
        pass

    def read_own(self, relative: str) -> str | None:
        return self._vault.read_own(relative)

    def write_own(self, relative: str, text: str) -> None:
        pass
