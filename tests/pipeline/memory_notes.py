"""A note store in memory, for tests of what is written from it; the real ones are tested by their own suite."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from refnet.domain.notes import Baseline, Neighbour, NoteContent, NoteList
from refnet.domain.papers import ListState, Paper
from refnet.domain.summaries import Summary


@dataclass
class MemoryNotes:
    """`papers` are the collected papers of every vault, `cites` the pairs (citing, cited) among all papers known."""

    papers: dict[str, Paper] = field(default_factory=dict)
    cites: set[tuple[str, str]] = field(default_factory=set)
    summaries: dict[str, Summary] = field(default_factory=dict)
    seeds: set[str] = field(default_factory=set)
    withheld: set[str] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)
    changes: int = 0
    saved: dict[str, dict[str, Baseline]] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    #: how many notes were asked for
    rendered: int = 0
    #: called before each save of baselines; may raise, as a killed process would end there
    before_save: Iterator[None] | None = None

    def add(self, *papers: Paper) -> None:
        self.papers |= {paper.paper_id: paper for paper in papers}
        self.changes += 1

    def change(self, paper_id: str, **changes: object) -> None:
        self.add(replace(self.papers[paper_id], **changes))  # type: ignore[arg-type]

    def cite(self, citing: str, *cited: str) -> None:
        self.cites |= {(citing, one) for one in cited}
        self.changes += 1

    # The port

    def add_to_vault(self, vault: str, crawl_id: int) -> None:
        pass

    def vault_papers(self, vault: str) -> list[str]:
        del vault
        return sorted(self.papers)

    def note_contents(self, vault: str, paper_ids: Sequence[str], names: Mapping[str, str]) -> list[NoteContent]:
        del vault
        self.rendered += len(paper_ids)
        return [self._content(self.papers[paper_id], names) for paper_id in paper_ids]

    def note_names(self, vault: str) -> dict[str, str]:
        del vault
        return {paper_id: name for paper_id, name in self.names.items() if paper_id in self.papers}

    def unnamed(self, vault: str) -> Iterator[Paper]:
        del vault
        return (self.papers[paper_id] for paper_id in sorted(self.papers) if paper_id not in self.names)

    def give_names(self, names: Mapping[str, str]) -> None:
        self.names |= names
        assert len(set(self.names.values())) == len(self.names), "names are unique"

    rename_notes = give_names

    def taken_names(self) -> Iterable[str]:
        return list(self.names.values())

    def baselines(self, vault: str, paper_ids: Sequence[str] | None = None) -> dict[str, Baseline]:
        saved = self.saved.get(vault, {})
        return copy.deepcopy(saved if paper_ids is None else {one: saved[one] for one in paper_ids if one in saved})

    def save_baselines(self, vault: str, baselines: Mapping[str, Baseline]) -> None:
        if self.before_save is not None:
            next(self.before_save, None)
        self.saved.setdefault(vault, {}).update(copy.deepcopy(dict(baselines)))

    def revision(self, vault: str) -> str:
        saved = self.saved.get(vault, {})
        return f"{self.changes}-{len(saved)}-{sum(one.deleted for one in saved.values())}"

    def written_revision(self, vault: str) -> str | None:
        return self.written.get(vault)

    def mark_written(self, vault: str, revision: str) -> None:
        self.written[vault] = revision

    # What notes say

    def _content(self, paper: Paper, names: Mapping[str, str]) -> NoteContent:
        cited = [cited for citing, cited in self.cites if citing == paper.paper_id]
        citing = [citing for citing, cited in self.cites if cited == paper.paper_id]
        references = self._list(names, cited, ListState.COMPLETE, paper.reference_count)
        return NoteContent(
            paper=paper,
            name=names[paper.paper_id],
            summary=self.summaries.get(paper.paper_id),
            references=NoteList(of=paper.reference_count, state=ListState.WITHHELD)
            if paper.paper_id in self.withheld
            else references,
            citations=self._list(names, citing, None, paper.citation_count),
            depth=0 if paper.paper_id in self.seeds else 1,
        )

    def _list(self, names: Mapping[str, str], ids: Sequence[str], state: ListState | None, of: int | None) -> NoteList:
        rows = []
        for paper_id in ids:
            known = self.papers.get(paper_id)
            title = known.title if known else f"Stub {paper_id}"
            rows.append(Neighbour(paper_id, title, known.year if known else None, names.get(paper_id)))
        rows.sort(key=lambda row: (row.note is None, row.note or "", row.paper_id))
        return NoteList(tuple(rows), 0, of, state)
