"""Filling a request: which papers go into it together."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

from refnet.domain.crawl import Limits

#: Expected bytes of an answer: a row without lists, one row of references, one of citations. Source: recorded
#: answers, 2022 to 2026,
#: with the fields that the crawl asks for; rounded up.
ROW_BYTES, REFERENCE_BYTES, CITATION_BYTES = 3_500, 180, 220
#: References of a paper whose count is not known.
USUAL_REFERENCES = 45


@dataclass(frozen=True, slots=True)
class Load:
    """What a paper is expected to add to a request: rows of citations, and bytes of answer."""

    paper_id: str
    citations: int
    size: int


def pack(loads: Iterable[Load], limits: Limits) -> list[Load]:
    """Choose the papers of the next request so that the rest needs few requests, too.

    Several limits bind: ids, citations, bytes. Taking the heaviest first alone would leave the light ones over, whose
    number then binds. So each request takes its share of the ids, and each place goes to the heaviest paper that still
    leaves room for the lightest in the places after it. A paper too heavy for any request is chosen alone, when all
    others have gone.
    """
    ordered = sorted(loads, key=lambda load: (load.citations, load.paper_id))
    rest = [load for load in ordered if load.citations <= limits.citations and load.size <= limits.size]
    if not rest:
        return ordered[:1]
    requests = max(
        _ceil(len(rest), limits.ids),
        _ceil(sum(load.citations for load in rest), limits.citations),
        _ceil(sum(load.size for load in rest), limits.size),
    )
    places = _ceil(len(rest), requests)
    weights = [load.citations for load in rest]
    # The papers taken always lie above the lightest ones, for which room is kept; so these sums stay true while
    # places remain.
    lightest = [0, *accumulate(weights[:places])]
    chosen: list[Load] = []
    room, size = limits.citations, limits.size
    while len(chosen) < places and rest:
        after = min(places - len(chosen), len(rest)) - 1
        fits = bisect_right(weights, room - lightest[after])
        if fits <= after:
            # Not even the lightest fit into all places: fill what room there is from below.
            fits = min(bisect_right(weights, room), after + 1)
        if fits == 0:
            break
        load = rest[fits - 1]
        if load.size > size:
            # The long ones wait for another request; shorter ones may still fit.
            rest = [load for load in rest if load.size <= size]
            weights = [load.citations for load in rest]
            lightest = [0, *accumulate(weights[:places])]
            continue
        chosen.append(load)
        room -= load.citations
        size -= load.size
        del rest[fits - 1], weights[fits - 1]
        if fits <= after:
            lightest = [0, *accumulate(weights[:places])]
    return chosen


def _ceil(amount: int, by: int) -> int:
    return -(-amount // by)
