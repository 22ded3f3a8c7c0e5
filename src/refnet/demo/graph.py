"""The citation graph that the stand-in serves: what it must offer, and a corpus of two files held in memory.

An entry of a list is the index of a paper, or, below zero, `~k` for the k-th stub: an item whose paper the
service does not know, of which it gives a title and sometimes a venue and a year.
"""

from __future__ import annotations

import gzip
import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from refnet.demo.identifiers import key_of, keys_of_row
from refnet.demo.matching import TitleIndex
from refnet.domain.errors import ConfigurationError

Row = Mapping[str, Any]
Direction = Literal["both", "references", "citations"]

_EDGE_FIELDS = ("contexts", "intents", "contextsWithIntent", "isInfluential")


class Graph(Protocol):
    """Papers by index, from 0. Read by many threads at once."""

    def __len__(self) -> int: ...

    def resolve(self, identifier: str) -> int | None:
        """The paper meant by an id of any documented form."""

    def paper_id(self, index: int) -> str: ...

    def row(self, index: int) -> Row:
        """The paper's fields in the service's names, without lists and counts unless recorded."""

    def references(self, index: int) -> Sequence[int]: ...

    def citations(self, index: int) -> Sequence[int]:
        """Newest first, stubs last."""

    def counts(self, index: int) -> tuple[int, int]:
        """Lengths of the two lists: references, citations."""

    def stub(self, number: int) -> Row: ...

    def edge(self, citing: int, cited: int) -> Row:
        """`contexts`, `intents` and the like of one edge, as far as known; either end may be a stub."""

    def find_titles(self, query: str) -> Sequence[tuple[float, int]]:
        """(score, index) of the papers with a similar title, best first."""


class Corpus:
    """A graph in the shape of `papers.jsonl` and `edges.jsonl`, held in memory."""

    def __init__(self, papers: Iterable[Row], edges: Iterable[Row]) -> None:
        """Raise ConfigurationError for a paper without an id of its own, or an edge to an unknown paper."""
        self._rows: list[Row] = list(papers)
        self._index: dict[str, int] = {}
        for index, row in enumerate(self._rows):
            if not row.get("paperId") or row["paperId"] in self._index:
                raise ConfigurationError(f"Paper {index + 1} of the corpus has no id of its own.")
            self._index[row["paperId"]] = index
        for index, row in enumerate(self._rows):
            for key in keys_of_row(row):
                self._index.setdefault(key, index)
        self._references = [array("i") for _ in self._rows]
        self._citations = [array("i") for _ in self._rows]
        self._stubs: list[Row] = []
        self._edges: dict[tuple[int, int], Row] = {}
        for edge in edges:
            self._add(edge)
        for index, entries in enumerate(self._citations):
            self._citations[index] = array("i", sorted(entries, key=self._age))
        self._titles: TitleIndex | None = None

    @classmethod
    def load(cls, papers: Path | str, edges: Path | str | None = None) -> Corpus:
        """Read a folder, or two files; either may be gzipped. Raise ConfigurationError where that fails."""
        if edges is not None:
            return cls(_lines(Path(papers)), _lines(Path(edges)))
        return cls(_lines(_file(Path(papers), "papers")), _lines(_file(Path(papers), "edges")))

    @classmethod
    def load_all(cls, folders: Iterable[Path]) -> Corpus:
        """Read several folders as one corpus: an edge may lead from one into another. Raise ConfigurationError."""
        files = [(_file(folder, "papers"), _file(folder, "edges")) for folder in folders]
        return cls(
            (row for papers, _ in files for row in _lines(papers)), (row for _, edges in files for row in _lines(edges))
        )

    def __len__(self) -> int:
        return len(self._rows)

    def resolve(self, identifier: str) -> int | None:
        key = key_of(identifier)
        return None if key is None else self._index.get(key)

    def paper_id(self, index: int) -> str:
        return str(self._rows[index]["paperId"])

    def row(self, index: int) -> Row:
        return self._rows[index]

    def references(self, index: int) -> Sequence[int]:
        return self._references[index]

    def citations(self, index: int) -> Sequence[int]:
        return self._citations[index]

    def counts(self, index: int) -> tuple[int, int]:
        return len(self._references[index]), len(self._citations[index])

    def stub(self, number: int) -> Row:
        return self._stubs[number]

    def edge(self, citing: int, cited: int) -> Row:
        return self._edges.get((citing, cited), {})

    def find_titles(self, query: str) -> Sequence[tuple[float, int]]:
        if self._titles is None:
            self._titles = TitleIndex(str(row.get("title") or "") for row in self._rows)
        return self._titles.find(query)

    def breadth_first(self, seed: str, depth: int, direction: Direction = "both") -> list[set[str]]:
        """What a crawl has to find: the ids that are new at each depth, the seed's at 0."""
        return breadth_first(self, seed, depth, direction)

    def _add(self, edge: Row) -> None:
        citing = self._end(edge, "citing", "citingPaper")
        cited = self._end(edge, "cited", "citedPaper")
        if citing >= 0:
            self._references[citing].append(cited)
        if cited >= 0:
            self._citations[cited].append(citing)
        known = {name: edge[name] for name in _EDGE_FIELDS if name in edge}
        if known:
            self._edges[citing, cited] = known

    def _end(self, edge: Row, name: str, stub: str) -> int:
        if edge.get(name) is None:
            self._stubs.append(edge.get(stub) or {})
            return ~(len(self._stubs) - 1)
        index = self._index.get(edge[name])
        if index is None or self._rows[index]["paperId"] != edge[name]:
            raise ConfigurationError(f"An edge names the paper {edge[name]}, which the corpus does not hold.")
        return index

    def _age(self, entry: int) -> tuple[bool, int, str, str]:
        """Sorts newest first; what has no year comes last, stubs after it."""
        if entry < 0:
            return True, 1, "", ""
        row = self._rows[entry]
        day = str(row.get("publicationDate") or "")
        backwards = "".join(chr(0x7F - ord(letter)) for letter in day) if day.isascii() else ""
        return False, -int(row.get("year") or 0), backwards or "\x7f", str(row["paperId"])


def _never(_: int) -> bool:
    return False


def breadth_first(
    graph: Graph,
    seed: str,
    depth: int,
    direction: Direction = "both",
    *,
    withheld: Callable[[int], bool] = _never,
    absent: Callable[[int], bool] = _never,
) -> list[set[str]]:
    """The ids that are new at each depth, `depth + 1` sets.

    `withheld` says whose references cannot be seen, `absent` which papers cannot be asked for. Raise KeyError
    for an unknown seed.
    """
    start = graph.resolve(seed)
    if start is None:
        raise KeyError(seed)
    seen, level, levels = {start}, [start], [{graph.paper_id(start)}]
    for _ in range(depth):
        found: list[int] = []
        for index in level:
            lists: list[Sequence[int]] = []
            if direction != "citations" and not withheld(index):
                lists.append(graph.references(index))
            if direction != "references":
                lists.append(graph.citations(index))
            for entries in lists:
                for entry in entries:
                    if entry >= 0 and entry not in seen and not absent(entry):
                        seen.add(entry)
                        found.append(entry)
        levels.append({graph.paper_id(index) for index in found})
        level = found
    return levels


def _file(folder: Path, stem: str) -> Path:
    for name in (f"{stem}.jsonl", f"{stem}.jsonl.gz"):
        if (folder / name).is_file():
            return folder / name
    raise ConfigurationError(f"The folder {folder} holds neither {stem}.jsonl nor {stem}.jsonl.gz.")


def _lines(path: Path) -> Iterator[Row]:
    try:
        zipped = path.suffix == ".gz"
        with gzip.open(path, "rt", encoding="utf-8") if zipped else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ConfigurationError(f"Line {number} of {path} is not an object.")
                yield row
    except (OSError, EOFError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ConfigurationError(f"The corpus file {path} cannot be read: {error}.") from error
