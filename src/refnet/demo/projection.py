"""Rows of an answer as the service encodes them: keys in a fixed order, the separators of `json.dumps`.

Encoded nested rows are kept per selection, since a crawl meets the same papers in many lists.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from refnet.demo.graph import Row
from refnet.demo.lists import Lists
from refnet.demo.selection import FIELD_ORDER, Selection

_KEPT = 96_000_000
"""Characters of encoded rows to keep; beyond that they are made anew each time."""
_ABSENT: Mapping[str, Any] = {
    "venue": "",
    "authors": [],
    "externalIds": {},
    "s2FieldsOfStudy": [],
    "isOpenAccess": False,
    "influentialCitationCount": 0,
    "openAccessPdf": {"url": "", "status": None, "license": None},
}
_EDGE_ABSENT: Mapping[str, Any] = {
    "contexts": [],
    "intents": [],
    "contextsWithIntent": [],
    "isInfluential": False,
}
_NOTICE = "is subject to the license of its author or owner; please go to the source."


class Projection:
    """Encodes papers and lists of one graph. Safe for many threads: a row encoded twice is the same row."""

    def __init__(self, lists: Lists, origin: str) -> None:
        """`origin` stands before links of the corpus that begin with `/`."""
        self._lists = lists
        self._origin = origin
        self._kept: dict[Selection, dict[int, str]] = {}
        self._room = _KEPT

    def paper(
        self,
        index: int,
        selection: Selection,
        citations: Sequence[int],
        references: Sequence[int] | None,
        **more: object,
    ) -> str:
        """A row at the top of an answer with its lists cut as given; `more` stands at its end."""
        values = self._values(index, selection, nested=False)
        abstract = {"abstract": values.pop("abstract")} if "abstract" in values else {}
        parts = [json.dumps(values)[1:-1]]
        if selection.citations is not None:
            parts.append(f'"citations": [{self.nested(citations, selection.citations)}]')
        if selection.references is not None:
            inner = "null" if references is None else f"[{self.nested(references, selection.references)}]"
            parts.append(f'"references": {inner}')
        if abstract or more:
            parts.append(json.dumps({**abstract, **more})[1:-1])
        return "{" + ", ".join(parts) + "}"

    def nested(self, entries: Sequence[int], selection: Selection) -> str:
        """The rows of a list, without its brackets."""
        kept = self._kept.setdefault(selection, {})
        rows = []
        for entry in entries:
            row = kept.get(entry)
            if row is None:
                row = self._nested_row(entry, selection)
                if self._room > 0:
                    self._room -= len(row) + 100
                    kept[entry] = row
            rows.append(row)
        return ", ".join(rows)

    def page_row(self, index: int, entry: int, selection: Selection, end: str) -> str:
        """One item of `/citations` (`end` is citingPaper) or `/references` (citedPaper) of a paper."""
        inner = f'"{end}": {self.nested([entry], _without_edge(selection))}'
        if not selection.edge:
            return "{" + inner + "}"
        citing, cited = (entry, index) if end == "citingPaper" else (index, entry)
        known = self._lists.graph.edge(citing, cited)
        values = {name: known.get(name, _EDGE_ABSENT[name]) for name in selection.edge}
        return "{" + json.dumps(values)[1:-1] + ", " + inner + "}"

    def citing_paper_info(self, index: int) -> dict[str, object]:
        """What stands beside the rows of `/references`."""
        row = self._lists.graph.row(index)
        return {
            "openAccessPdf": self._with_disclaimer(index, row),
            "title": row.get("title"),
            "authors": [_author(author, ("authorId", "name")) for author in row.get("authors") or ()],
        }

    def _nested_row(self, entry: int, selection: Selection) -> str:
        if entry >= 0:
            return json.dumps(self._values(entry, selection, nested=True))
        stub = self._lists.stub(entry)
        known: dict[str, object] = {name: stub.get(name) for name in ("title", "year")}
        known |= {"venue": stub.get("venue") or "", "authors": []}
        return json.dumps({name: known.get(name) for name in selection.fields})

    def _values(self, index: int, selection: Selection, *, nested: bool) -> dict[str, object]:
        row = self._lists.graph.row(index)
        fields = selection.fields
        licensed = "abstract" in fields or selection.references is not None
        values: dict[str, object] = {}
        # With an abstract or references come a title and a notice that nobody asked for (recorded in 2026).
        for name in _with(fields, "title", "openAccessPdf") if licensed else fields:
            values[name] = self._value(index, row, name, selection, nested)
        if licensed:
            values["openAccessPdf"] = self._with_disclaimer(index, row)
        return values

    def _value(self, index: int, row: Row, name: str, selection: Selection, nested: bool) -> object:
        match name:
            case "referenceCount":
                return self._lists.counts(index, row, nested=nested)[0]
            case "citationCount":
                return self._lists.counts(index, row, nested=nested)[1]
            case "corpusId":
                number = row.get("corpusId")
                # A number at the top, a text in a list since 2026.
                return str(number) if nested and number is not None else number
            case "url":
                return row.get("url") or self._home(index)
            case "authors":
                return [_author(author, selection.authors) for author in row.get("authors") or ()]
            case "externalIds":
                known = dict(row.get("externalIds") or {})
                if row.get("corpusId") is not None:
                    known["CorpusId"] = int(row["corpusId"])
                return known
            case "openAccessPdf" if (row.get(name) or {}).get("url"):
                return {**row[name], "url": self._link(row[name]["url"])}
            case _:
                return row[name] if name in row else _ABSENT.get(name)

    def _link(self, url: str | None) -> str | None:
        return f"{self._origin}{url}" if url and url.startswith("/") else url

    def _home(self, index: int) -> str:
        return f"https://www.semanticscholar.org/paper/{self._lists.graph.paper_id(index)}"

    def _with_disclaimer(self, index: int, row: Row) -> dict[str, object]:
        links: Mapping[str, Any] = row.get("openAccessPdf") or {}
        elided = "The following paper fields have been elided by the publisher: {'references'}. "
        ids = row.get("externalIds") or {}
        if "ArXiv" in ids:
            place = f"https://arxiv.org/abs/{ids['ArXiv']}"
        elif "DOI" in ids:
            place = f"https://doi.org/{ids['DOI']}"
        else:
            place = self._home(index)
        notice = elided if self._lists.elided(index) else ""
        return {
            "url": self._link(links.get("url")) or "",
            "status": links.get("status"),
            "license": links.get("license"),
            "disclaimer": f"Notice: {notice}Paper or abstract available at {place}, which {_NOTICE}",
        }


def _with(fields: tuple[str, ...], *more: str) -> tuple[str, ...]:
    wanted = {*fields, *more}
    return tuple(name for name in FIELD_ORDER if name in wanted)


def _without_edge(selection: Selection) -> Selection:
    return Selection(fields=selection.fields, authors=selection.authors) if selection.edge else selection


def _author(author: Mapping[str, Any], fields: tuple[str, ...]) -> dict[str, object]:
    return {name: author.get(name) for name in fields}
