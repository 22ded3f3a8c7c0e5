"""The answers of each route to a request that was admitted.

Order of checks, as far as it is recorded: the id, the fields, other parameters, size, time-out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b

from refnet.demo.dates import within
from refnet.demo.faults import TIMED_OUT, Reply, own_fault
from refnet.demo.graph import Graph
from refnet.demo.identifiers import malformed
from refnet.demo.lists import Lists
from refnet.demo.projection import Projection
from refnet.demo.selection import Kind, Selection, UnknownFields, select
from refnet.demo.switches import Switches

Query = Mapping[str, str]

_END = 10_000
"""Pages reach no further than this: offset + limit stays below."""
_SEARCH_END = 1_000


class _Refusal(Exception):
    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.reply = Reply(status, json.dumps({"error": error}).encode() + b"\n")


class Answers:
    """Answers over one graph. Safe for many threads."""

    def __init__(self, graph: Graph, switches: Switches, origin: str) -> None:
        """`origin` stands before links of the graph that begin with `/`."""
        self.lists = Lists(graph, switches)
        self._graph = graph
        self._switches = switches
        self._projection = Projection(self.lists, origin)

    def answer(self, route: str, path: str, query: Query, body: bytes) -> Reply:
        """`route` is that of `route_of`; `path` follows `/graph/v1` and is decoded."""
        identifier = path.removeprefix("/paper/")
        try:
            match route:
                case "batch":
                    return self._batch(query, body)
                case "match":
                    return self._match(query)
                case "search":
                    return self._search(query)
                case "citations" | "references":
                    return self._page(identifier.removesuffix(f"/{route}"), route, query)
                case "paper":
                    return self._paper(identifier, query)
                case _:
                    raise _Refusal(404, "Not found")
        except _Refusal as refusal:
            return refusal.reply

    def _batch(self, query: Query, body: bytes) -> Reply:
        ids = _ids(body)
        if any(malformed(identifier) for identifier in ids):
            raise _Refusal(400, "No valid paper ids given")
        if len(ids) > self._switches.max_ids:
            raise _Refusal(400, f"Too many paper ids given: {len(ids)} > {self._switches.max_ids}")
        found = [self.lists.resolve(identifier) for identifier in ids]
        papers = [index for index in found if index is not None]
        if not papers:
            raise _Refusal(400, "No valid paper ids given")
        self._fail_on(papers)
        selection = _select(query)
        if selection.citations is not None and any(
            self._graph.counts(index)[1] > self._switches.timeout_citations for index in papers
        ):
            return self._asked(Reply(504, TIMED_OUT), papers)
        share = self._allocate(papers) if selection.citations is not None else {}
        rows, count = ["null"] * len(ids), 0
        for position, index in enumerate(found):
            if index is not None:
                rows[position], nested = self._paper_row(index, selection, share.get(index, 0))
                count += 1 + nested
        return self._asked(self._sized("[" + ", ".join(rows) + "]", count), papers)

    def _allocate(self, papers: Sequence[int]) -> dict[int, int]:
        """How many citations of each paper the batch holds: dealt out in another order than the caller's."""
        left, share = self._switches.max_citations, {}
        for index in sorted(set(papers), key=self._hash):
            share[index] = min(left, self._graph.counts(index)[1])
            left -= share[index]
        return share

    def _hash(self, index: int) -> bytes:
        return blake2b(self._graph.paper_id(index).encode()).digest()

    def _paper(self, identifier: str, query: Query) -> Reply:
        index = self._find(identifier)
        self._fail_on([index])
        selection = _select(query)
        row, nested = self._paper_row(index, selection, self._switches.max_nested, self._switches.max_nested)
        return self._asked(self._sized(row, 1 + nested), [index])

    def _paper_row(
        self, index: int, selection: Selection, citations_most: int, references_most: int | None = None
    ) -> tuple[str, int]:
        citations = self.lists.citations(index)[:citations_most] if selection.citations is not None else ()
        references = self.lists.references(index) if selection.references is not None else ()
        if references is not None:
            references = references[:references_most]
        row = self._projection.paper(index, selection, citations, references)
        return row, len(citations) + len(references or ())

    def _page(self, identifier: str, name: str, query: Query) -> Reply:
        index = self._find(identifier)
        self._fail_on([index])
        selection = _select(query, "page")
        offset, limit = _number(query, "offset", 0, 0, None), _number(query, "limit", 100, 1, 1_000)
        if offset + limit >= _END:
            raise _Refusal(400, f"offset + limit must be < {_END}")
        entries: Sequence[int] | None
        head = ""
        if name == "citations":
            end, entries = "citingPaper", self._dated(self.lists.citations(index), query)
        else:
            end, entries = "citedPaper", self.lists.references(index)
            head = f'"citingPaperInfo": {json.dumps(self._projection.citing_paper_info(index))}'
        if entries is None:
            return self._asked(self._sized('{"data": null, ' + head + "}", 0), [index])
        shown = entries[offset : offset + limit]
        rows = [self._projection.page_row(index, entry, selection, end) for entry in shown]
        parts = [f'"offset": {offset}', head, f'"data": [{", ".join(rows)}]']
        if offset + len(rows) < len(entries):
            parts.insert(2, f'"next": {offset + len(rows)}')
        text = "{" + ", ".join(part for part in parts if part) + "}"
        return self._asked(self._sized(text, len(rows)), [index])

    def _dated(self, entries: Sequence[int], query: Query) -> Sequence[int]:
        span = query.get("publicationDateOrYear")
        if not span:
            return entries
        # Citers without a full date are dropped, whatever the documentation says (probed).
        row = self._graph.row
        return [entry for entry in entries if entry >= 0 and within(row(entry).get("publicationDate"), span)]

    def _match(self, query: Query) -> Reply:
        selection = _select(query)
        found = self._find_titles(query)
        if not found:
            raise _Refusal(404, "Title match not found")
        score, index = found[0]
        row = self._projection.paper(index, selection, (), (), matchScore=score)
        return self._sized('{"data": [' + row + "]}", 1)

    def _search(self, query: Query) -> Reply:
        selection = _select(query)
        offset, limit = _number(query, "offset", 0, 0, None), _number(query, "limit", 100, 1, 100)
        found = self._find_titles(query)
        total = len(found)
        if not found and not offset:
            return self._sized(f'{{"total": 0, "offset": {offset}}}', 0)
        if offset + limit > _SEARCH_END or offset >= total:
            raise _Refusal(400, "Requested data for this limit and/or offset is not available")
        shown = found[offset : offset + limit]
        rows = [self._projection.paper(index, selection, (), ()) for _, index in shown]
        after = f'"next": {offset + len(rows)}, ' if offset + len(rows) < min(total, _SEARCH_END) else ""
        text = f'{{"total": {total}, "offset": {offset}, {after}"data": [{", ".join(rows)}]}}'
        return self._sized(text, len(rows))

    def _find_titles(self, query: Query) -> list[tuple[float, int]]:
        title = query.get("query", "").strip()
        if not title:
            raise _Refusal(400, "Missing required parameter: 'query'")
        return [pair for pair in self._graph.find_titles(title) if not self.lists.missing(pair[1])]

    def _find(self, identifier: str) -> int:
        index = self.lists.resolve(identifier)
        if index is None:
            raise _Refusal(404, f"Paper with id {identifier} not found")
        return index

    def _fail_on(self, papers: Sequence[int]) -> None:
        fatal = self._switches.fail_ids
        if fatal and any(self._graph.paper_id(index) in fatal for index in papers):
            refusal = _Refusal(self._switches.fail_status, "")
            refusal.reply = self._asked(own_fault(self._switches), papers)
            raise refusal

    def _asked(self, reply: Reply, papers: Sequence[int]) -> Reply:
        return replace(reply, asked=tuple(self._graph.paper_id(index) for index in papers))

    def _sized(self, text: str, rows: int) -> Reply:
        body = text.encode("ascii") + b"\n"
        if len(body) > self._switches.max_bytes:
            raise _Refusal(400, "Response would exceed maximum size....")
        return Reply(200, body, rows)


def route_of(method: str, path: str) -> str:
    """The name of a request's route, `unknown` where it has none."""
    if method == "POST" and path == "/paper/batch":
        return "batch"
    if method != "GET" or not path.startswith("/paper/"):
        return "unknown"
    if path in {"/paper/search/match", "/paper/search"}:
        return path.rpartition("/")[2]
    name = path.rpartition("/")[2]
    return name if name in {"citations", "references"} else "paper"


def _ids(body: bytes) -> list[str]:
    try:
        sent = json.loads(body)
    except ValueError:
        raise _Refusal(400, "Could not decode the request's JSON body") from None
    ids = sent.get("ids") if isinstance(sent, dict) else None
    if not isinstance(ids, list):
        raise _Refusal(400, "No valid paper ids given")
    return ids


def _select(query: Query, kind: Kind = "paper") -> Selection:
    try:
        return select(query.get("fields"), kind)
    except UnknownFields as unknown:
        raise _Refusal(400, f"Unrecognized or unsupported fields: [{', '.join(unknown.fields)}]") from None


def _number(query: Query, name: str, default: int, least: int, most: int | None) -> int:
    text = query.get(name)
    if text is None:
        return default
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
    if number < least or (most is not None and number > most):
        raise _Refusal(400, f"Unacceptable query params: [{name}={text}]")
    return number
