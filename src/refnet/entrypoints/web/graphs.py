"""The graph of a crawl as JSON, piece by piece: one of 50,000 papers is never in memory as a whole.

Each piece is a short look at the database, so that a slow reader holds nothing there. What comes in meanwhile may be
left out; no edge names a paper that is no node.
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Any, Protocol

from refnet.domain.requests import GraphNode

#: Papers at a time: as nodes, and those whose edges are looked up.
PAPERS = 500


class GraphStore(Protocol):
    def crawl_nodes(self, crawl_id: int, after: str, most: int) -> list[GraphNode]: ...

    def edges_from(self, crawl_id: int, citing: list[str]) -> list[tuple[str, str]]: ...


def graph_of(store: GraphStore, crawl_id: int | None) -> Iterator[str]:
    """The pieces; of no crawl those of an empty graph. The first look is made at once: it may raise what the store does."""
    first = [] if crawl_id is None else store.crawl_nodes(crawl_id, "", PAPERS)
    return _pieces(store, crawl_id, first)


def _pieces(store: GraphStore, crawl_id: int | None, nodes: list[GraphNode]) -> Iterator[str]:
    # Eight bytes a paper, not its id: many may read at once.
    shown = array("Q")
    yield '{"nodes": ['
    for page in _pages(nodes, lambda last: _more(store, crawl_id, last)):
        yield ("" if not shown else ", ") + _listed(_node(node) for node in page)
        shown.extend(_mark(node.paper_id) for node in page)
    yield '], "edges": ['
    shown = array("Q", sorted(shown))
    told = False
    for page in _pages(nodes, lambda last: _more(store, crawl_id, last)):
        citing = [node.paper_id for node in page if _is_in(shown, node.paper_id)]
        edges = [edge for edge in store.edges_from(crawl_id or 0, citing) if _is_in(shown, edge[1])]
        if edges:
            yield (", " if told else "") + _listed({"source": source, "target": target} for source, target in edges)
            told = True
    yield "]}"


def _more(store: GraphStore, crawl_id: int | None, last: str) -> list[GraphNode]:
    return [] if crawl_id is None else store.crawl_nodes(crawl_id, last, PAPERS)


def _pages(first: list[GraphNode], more: Callable[[str], list[GraphNode]]) -> Iterator[list[GraphNode]]:
    page = first
    while page:
        yield page
        page = more(page[-1].paper_id) if len(page) == PAPERS else []


def _listed(items: Iterable[dict[str, Any]]) -> str:
    return json.dumps(list(items))[1:-1]


def _node(node: GraphNode) -> dict[str, Any]:
    return {
        "id": node.paper_id,
        "title": node.title or "",
        "year": node.year,
        "citation_count": node.citation_count,
        "depth": node.depth,
    }


def _mark(paper_id: str) -> int:
    return int.from_bytes(blake2b(paper_id.encode(), digest_size=8).digest(), "big")


def _is_in(shown: array[int], paper_id: str) -> bool:
    mark = _mark(paper_id)
    place = bisect_left(shown, mark)
    return place < len(shown) and shown[place] == mark
