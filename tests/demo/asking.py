"""Asking the stand-in as any program would, and small corpora to ask it about."""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from refnet.demo.graph import Corpus
from refnet.demo.server import StandIn


@dataclass(frozen=True)
class Got:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def get(stand_in: StandIn, path: str, key: str | None = None, **query: object) -> Got:
    return ask(stand_in, "GET", path, None, key, query)


def batch(stand_in: StandIn, ids: Sequence[object], fields: str | None = None, key: str | None = None) -> Got:
    query = {} if fields is None else {"fields": fields}
    return ask(stand_in, "POST", "/paper/batch", json.dumps({"ids": ids}), key, query)


def ask(
    stand_in: StandIn,
    method: str,
    path: str,
    body: str | None = None,
    key: str | None = None,
    query: Mapping[str, object] | None = None,
) -> Got:
    """One request on a connection of its own; `path` follows the base URL, or begins with `/__`."""
    base = urlsplit(stand_in.url)
    target = quote(path if path.startswith("/__") else base.path + path, safe="/:")
    if query:
        target += "?" + urlencode(query)
    connection = http.client.HTTPConnection(base.netloc, timeout=20)
    try:
        connection.request(method, target, body, {} if key is None else {"x-api-key": key})
        response = connection.getresponse()
        return Got(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()


def sha(name: str) -> str:
    """A paper id for a name."""
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()


def corpus(edges: Iterable[tuple[str | None, str | None]], **papers: Mapping[str, Any]) -> Corpus:
    """Papers by name, their title unless another is given; None is an end without an id."""
    pairs = list(edges)
    names = dict.fromkeys([*papers, *(name for pair in pairs for name in pair if name is not None)])
    rows = [{"paperId": sha(name), "title": name, **papers.get(name, {})} for name in names]
    return Corpus(rows, [_edge(citing, cited) for citing, cited in pairs])


def _edge(citing: str | None, cited: str | None) -> dict[str, Any]:
    edge: dict[str, Any] = {"citing": citing and sha(citing), "cited": cited and sha(cited)}
    if cited is None:
        edge["citedPaper"] = {"paperId": None, "title": "An unmatched reference", "year": 1950}
    if citing is None:
        edge["citingPaper"] = {"paperId": None, "title": "An unmatched citation"}
    return edge


def star(citers: int, centre: str = "centre") -> Corpus:
    """One paper cited by many."""
    return corpus([(f"{centre} citer {number}", centre) for number in range(citers)])
