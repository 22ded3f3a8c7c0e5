"""Crawls as a whole: what was asked for, how far it is, what came short."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from refnet.domain.papers import Direction, ListName, ListState

#: A crawl fails after so many processes in a row that died while they saw to its vault. More than a job's three: in a
#: large vault it takes seconds, cannot be halved to see whose fault it is, and kills from outside may hit it by chance.
MOST_LOST_TURNS = 10
#: Papers of a crawl that are summarised from their full text where nobody says how many.
USUAL_FULL_TEXTS = 20


class CrawlState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


class CrawlStage(StrEnum):
    """What a crawl of a cluster is at: collecting, summarising, naming its notes, writing them."""

    CRAWL = "crawl"
    SUMMARIZE = "summarize"
    NAME = "name"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class NotesDue:
    """A crawl whose notes a worker has to see to: its papers are to be named, or all its notes are written.

    `vault` None leaves it to the worker where they go.
    """

    crawl_id: int
    stage: CrawlStage
    vault: str | None


@dataclass(frozen=True, slots=True)
class CrawlSeed:
    """A seed whose paper is known. `input` is as the user wrote it."""

    paper_id: str
    input: str
    title: str
    citekey: str | None = None


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A list that was asked for and came short; `why` is for the user."""

    paper_id: str
    list: ListName
    have: int
    of: int | None
    why: str


@dataclass(frozen=True, slots=True)
class Crawl:
    """A crawl as stored. Counts: `members` admitted papers, `collected` those whose details are stored, `seen` all
    papers known by id
    that the lists of collected ones name, `missing` those that the source does not know.
    Where it failed, `reason` says why, and `traceback` is there for bugs."""

    id: int
    direction: Direction
    depth: int
    limit: int
    state: CrawlState
    members: int = 0
    collected: int = 0
    citations: int = 0
    missing: int = 0
    dead: int = 0
    reason: str | None = None
    traceback: str | None = None


def crawl_key(seeds: Iterable[str], direction: Direction) -> str:
    """What makes two crawls the same: the same seeds, in any order, and the same direction."""
    text = "\n".join([direction.value, *sorted(set(seeds))])
    return hashlib.sha256(text.encode()).hexdigest()


def why_incomplete(state: ListState, have: int, of: int | None) -> str:
    """In words, why a list is not all there."""
    if state is ListState.WITHHELD:
        return "hidden by the publisher"
    if state is ListState.NEWEST:
        return (
            f"only the {have:,} newest of {of:,} are taken: they are the newest, not the weightiest"
            if of
            else "only the newest are taken"
        )
    if state is ListState.PARTIAL:
        return (
            f"Semantic Scholar gave {have:,} of {of:,} at once; this paper lies at the last depth, where a list is not followed"
            if of
            else "given in part"
        )
    return f"Semantic Scholar gives {have:,} of {of:,}, by pages, too" if of else "given in part"
