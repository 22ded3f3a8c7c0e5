"""Crawls that were asked for over the API, or beside a server at work: from the wish to the crawl that fulfils it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from refnet.domain.crawls import USUAL_FULL_TEXTS, CrawlSeed, CrawlStage, CrawlState
from refnet.domain.papers import Direction
from refnet.domain.seeds import Identifier, IdentifierKind, Seed, Unresolved


class RequestState(StrEnum):
    QUEUED = "queued"
    #: somebody is at it: resolving its seeds, or doing all of it where one process does the work
    RUNNING = "running"
    #: it has become a crawl, whose own state tells the rest
    STARTED = "started"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. `unresolved` are seeds that were refused when they were read; `vault` None leaves it to who
    does the work, `lang` None is the vault's own language. `full_texts` is how many papers are to be read, None for all.
    """

    seeds: Sequence[Seed]
    depth: int = 1
    limit: int = 200
    direction: Direction = Direction.BOTH
    refresh_days: float | None = None
    unresolved: Sequence[Unresolved] = ()
    vault: str | None = None
    lang: str | None = None
    full_texts: int | None = USUAL_FULL_TEXTS


@dataclass(frozen=True, slots=True)
class Found:
    """What the first `done` seeds of a wish turned out to be."""

    done: int = 0
    seeds: tuple[CrawlSeed, ...] = ()


@dataclass(frozen=True, slots=True)
class CrawlRequest:
    """A wish as it is kept. `fence` is a text that no other holder of it ever has; `report` is what `map` tells;
    `losses` are the workers that were lost at it, and the time limits that it came to, since a seed was last resolved.
    """

    id: int
    wish: Wish
    state: RequestState
    found: Found = field(default_factory=Found)
    crawl_id: int | None = None
    reason: str | None = None
    report: str | None = None
    fence: str | None = None
    progress: Mapping[str, Any] = field(default_factory=dict)
    losses: int = 0


@dataclass(frozen=True, slots=True)
class CrawlView:
    """A crawl as the API shows it, from the wish on.

    `crawl_id` is the crawl that it has become: another one where the same seeds were asked for before; None while it is
    none. `created_at` is seconds since the epoch, and so is `changed_at`: since then it is in its state.
    """

    id: int
    crawl_id: int | None
    state: CrawlState
    stage: CrawlStage | None
    direction: Direction
    depth: int
    limit: int
    created_at: float
    changed_at: float = 0.0
    reason: str | None = None
    unresolved: Sequence[Unresolved] = ()
    inputs: Sequence[str] = ()
    progress: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        return self.state in (CrawlState.FINISHED, CrawlState.FAILED, CrawlState.CANCELLED)


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A collected paper as the map shows it; `depth` is its distance from the nearest seed."""

    paper_id: str
    title: str | None
    year: int | None
    citation_count: int | None
    depth: int


def seed_document(seed: Seed) -> dict[str, Any]:
    """A seed as JSON holds it."""
    return {
        "input": seed.input,
        "identifiers": [[one.kind.value, one.value] for one in seed.identifiers],
        "title": seed.title,
        "year": seed.year,
        "family": seed.family,
        "citekey": seed.citekey,
    }


def seed_of(document: Mapping[str, Any]) -> Seed:
    identifiers = tuple(Identifier(IdentifierKind(kind), value) for kind, value in document["identifiers"])
    return Seed(**{**document, "identifiers": identifiers})
