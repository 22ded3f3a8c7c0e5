"""Notes from what is stored, into a vault that its reader may edit, at any time and any number of times.

The order of writes keeps a crash harmless. What refnet is about to write is announced in the database first (both digests, the old and
the new, count as ours), then the files are written, then the new digests alone are kept. A note whose file may never have stood is
thus never taken for one that the reader deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from refnet.domain import inert
from refnet.domain.baselines import Digests, pending
from refnet.domain.errors import UnreadableDocument
from refnet.domain.frontmatter import BrokenNote, property_of
from refnet.domain.index_text import NAME, Census, index_text
from refnet.domain.merge import Merged, merge
from refnet.domain.naming import NoteNames
from refnet.domain.note_parts import digest_value
from refnet.domain.note_text import FORMAT, Rendered, render, to_text
from refnet.domain.notes import Baseline, NoteContent
from refnet.pipeline.dry_run import UnwrittenStore, UnwrittenVault
from refnet.pipeline.standing import Standing
from refnet.ports import NoteStore, Vault

_CHUNK = 500
#: Raised when the same content is put into other words, so that existing vaults are rendered anew.
_WORDING = 3
INDEX = f"{NAME}.md"


@dataclass(frozen=True, slots=True)
class VaultReport:
    """What a vault holds now, and what was done to it.

    `notes` stand in the vault; `written` (None where workers wrote them) and `unchanged` are what became of them.
    `conflicts` are (paper id, part) where a reader's
    edit was kept although refnet has something new to say. `deleted` are the papers whose notes the reader deleted. `problems` name
    the files that were left as they are and say why, in words for the user.
    """

    notes: int
    written: int | None = 0
    unchanged: int = 0
    conflicts: tuple[tuple[str, str], ...] = ()
    deleted: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def write_vault(
    store: NoteStore,
    vault: Vault,
    *,
    lang: str = "en",
    style: str = NoteNames.AUTHOR_YEAR_TITLE,
    progress: Callable[[int, int], None] | None = None,
    dry_run: bool = False,
    copies: Mapping[str, str | None] | None = None,
) -> VaultReport:
    """Bring the notes of a vault up to date; what the reader changed stays. `progress` is called with notes done and notes in all.
    `copies` are papers whose PDF stays nowhere but, under that name, beside the index; None for one that has no PDF at all.

    Raises StorageFull, or ConfigurationError for a vault that cannot be written. A single note that cannot be read or written is
    reported as a problem, and looked at again the next time.
    """
    if dry_run:
        store, vault = UnwrittenStore(store), UnwrittenVault(vault)
        return write_vault(store, vault, lang=lang, style=style, progress=progress, copies=copies)
    standing, problems = settle(store, vault, lang=lang, style=style)
    if problems is None:
        count = len(standing.ids) - len(standing.deleted)
        return VaultReport(count, unchanged=count, deleted=standing.deleted)
    writing = NoteWriting(store, vault, lang, standing, copies=copies or {})
    writing.problems += [("", problem) for problem in problems]
    return writing.run(progress or _unseen)


def settle(
    store: NoteStore, vault: Vault, *, lang: str, style: str = NoteNames.AUTHOR_YEAR_TITLE
) -> tuple[Standing, list[str] | None]:
    """Find out what stands in a vault, and give its papers their names, before notes are written.

    Returns problems, in words for the user; None where nothing has changed since the last complete writing.
    """
    vault.prepare()
    standing = Standing.of(store, vault)
    key = str(vault.path)
    if (
        store.written_revision(key) == revision(store, vault, lang)
        and standing.is_as_left()
        and vault.read_own(INDEX) is not None
    ):
        return standing, None
    # From here on an interruption must not leave a vault that looks finished.
    store.mark_written(key, "")
    problems = standing.name_all(store, vault, NoteNames(style))
    standing.settle_deletions(store, vault)
    return standing, problems


def revision(store: NoteStore, vault: Vault, lang: str) -> str:
    """Notes change with what is stored, and with how refnet says it."""
    return f"{store.revision(str(vault.path))} {lang} {FORMAT}.{_WORDING}"


@dataclass(slots=True)
class _Draft:
    """A note on its way to its file."""

    content: NoteContent
    rendered: Rendered
    before: str | None
    merged: Merged
    baseline: Baseline

    @property
    def paper_id(self) -> str:
        return self.content.paper.paper_id

    def merged_with(self, text: str) -> Merged:
        return _merge(text, self.rendered, self.baseline)


@dataclass(slots=True)
class NoteWriting:
    """Notes on their way into a vault; `conflicts` and `problems` go by paper id, "" where it is not one paper's.

    `keep` saves baselines in place of the store, for a writer whose right to write may end. `copies` is as in `write_vault`.
    """

    store: NoteStore
    vault: Vault
    lang: str
    standing: Standing
    written: int = 0
    unchanged: int = 0
    conflicts: list[tuple[str, str]] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    keep: Callable[[Mapping[str, Baseline]], None] | None = None
    copies: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return str(self.vault.path)

    def run(self, progress: Callable[[int, int], None]) -> VaultReport:
        """Write all notes of the vault and its index."""
        # Taken before the contents are read: what is stored meanwhile is for the next time.
        at = revision(self.store, self.vault, self.lang)
        deleted = self.standing.deleted
        gone = set(deleted)
        todo = [paper_id for paper_id in self.standing.ids if paper_id not in gone]
        names = {paper_id: self.standing.names[paper_id] for paper_id in todo}
        census = Census(self.lang, deleted=len(deleted))
        for start in range(0, len(todo), _CHUNK):
            for done in self.write_some(todo[start : start + _CHUNK], names, census):
                progress(start + done, len(todo))
        self.write_index(census)
        if not self.problems:
            self.store.mark_written(self.key, at)
        told = tuple(problem for _, problem in self.problems)
        return VaultReport(len(todo), self.written, self.unchanged, tuple(self.conflicts), deleted, told)

    def write_some(self, ids: Sequence[str], names: Mapping[str, str], census: Census) -> Iterator[int]:
        """Write the notes of some papers; yields how many of them are done. `names` are all that can be linked to."""
        drafts: list[_Draft] = []
        for stored in self.store.note_contents(self.key, ids, names):
            content = self._with_copy(stored)
            census.add(content)
            draft = None if content.paper.paper_id in self.standing.moved else self._draft(content)
            if draft:
                drafts.append(draft)
        announced = {
            draft.paper_id: Baseline(pending(draft.baseline, draft.merged.digests))
            for draft in drafts
            if draft.merged.text != draft.before
        }
        if announced:
            self._keep(announced)
        final: dict[str, Baseline] = {}
        for done, draft in enumerate(drafts, start=len(ids) - len(drafts) + 1):
            digests = self._put(draft)
            if digests is not None and (draft.paper_id in announced or digests != draft.baseline.parts):
                final[draft.paper_id] = Baseline(digests)
            yield done
        if final:
            self._keep(final)

    def _with_copy(self, content: NoteContent) -> NoteContent:
        paper = content.paper
        if paper.paper_id not in self.copies:
            return content
        return replace(content, paper=replace(paper, pdf_url=None), pdf_copy=self.copies[paper.paper_id])

    def _keep(self, baselines: Mapping[str, Baseline]) -> None:
        if self.keep is not None:
            self.keep(baselines)
        else:
            self.store.save_baselines(self.key, baselines)

    def _draft(self, content: NoteContent) -> _Draft | None:
        paper_id = content.paper.paper_id
        baseline = self.standing.baselines[paper_id]
        try:
            before = self.vault.read(content.name)
            rendered = render(content, self.lang)
            if before is not None and before != to_text(rendered):
                holder = property_of(before, "paper_id")
                if not holder and not baseline.parts:
                    self.problems.append((paper_id, f"{content.name}: the file is not one of refnet's notes."))
                    return None
                # A paper that the source has merged into another still has its old id in the file, as we wrote it.
                ours = baseline.parts.get("property:paper_id", ())
                if holder and holder != inert.value(paper_id) and digest_value(holder) not in ours:
                    self.problems.append(
                        (paper_id, f"{content.name}: the file holds the note of another paper, {holder}.")
                    )
                    return None
        except BrokenNote as error:
            self.problems.append((paper_id, f"{content.name}: {error}."))
            return None
        except UnreadableDocument as error:
            self.problems.append((paper_id, f"{content.name}: {error}"))
            return None
        return _Draft(content, rendered, before, _merge(before, rendered, baseline), baseline)

    def _put(self, draft: _Draft) -> Digests | None:
        """Write a note if it changed; what to keep as its baseline, None if it was left alone."""
        name, merged, now = draft.content.name, draft.merged, draft.before
        try:
            if merged.problem is None and merged.text != now and now is not None:
                now = self.vault.read(name)
                if now is None:  # the reader deleted it in between
                    return None
                if now != draft.before:  # … or saved it
                    merged = draft.merged_with(now)
            if merged.problem is not None:
                self.problems.append((draft.paper_id, f"{name}: {merged.problem}."))
                return None
            if merged.text != now:
                self.vault.write(name, merged.text)
        except UnreadableDocument as error:
            self.problems.append((draft.paper_id, f"{name}: {error}"))
            return None
        if merged.text != now:
            self.written += 1
        else:
            self.unchanged += 1
        self.conflicts += [(draft.paper_id, part) for part in merged.kept]
        return merged.digests

    def write_index(self, census: Census) -> None:
        text = index_text(census)
        try:
            if self.vault.read_own(INDEX) != text:
                self.vault.write_own(INDEX, text)
        except UnreadableDocument as error:
            self.problems.append(("", f"{INDEX}: {error}"))


def _unseen(done: int, of: int) -> None:
    del done, of


def _merge(text: str | None, rendered: Rendered, baseline: Baseline) -> Merged:
    """An empty baseline is one of a note that was never written."""
    return merge(text, rendered, baseline if baseline.parts else None)
