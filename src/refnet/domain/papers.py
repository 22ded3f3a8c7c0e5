"""Papers, the lists that join them, and what a source says about both."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ListName(StrEnum):
    """The two lists of a paper: what it cites, and what cites it."""

    REFERENCES = "references"
    CITATIONS = "citations"


class Direction(StrEnum):
    """Which lists a crawl follows."""

    BOTH = "both"
    REFERENCES = "references"
    CITATIONS = "citations"

    def follows(self, name: ListName) -> bool:
        return self is Direction.BOTH or self.value == name.value


class ListState(StrEnum):
    """How much of a list is held; a list never asked for has no state."""

    COMPLETE = "complete"
    #: shorter than its count, and not yet fetched by pages
    PARTIAL = "partial"
    #: shorter than its count, by pages, too
    SHORT = "short"
    #: of a hub, the newest citations only
    NEWEST = "newest"
    #: the publisher hides it
    WITHHELD = "withheld"


#: Bytes of a folded title at the most: no index of PostgreSQL takes much longer ones.
LONGEST_FOLDED = 2_000


def folded(text: str) -> str:
    """A title, or words of it, as they are searched: whatever their case, and the width of their letters."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return plain.encode(errors="ignore")[:LONGEST_FOLDED].decode(errors="ignore")


@dataclass(frozen=True, slots=True)
class Author:
    name: str
    author_id: str | None = None


@dataclass(frozen=True, slots=True)
class Stub:
    """One row of a list: a paper known by little more than its id.

    `paper_id` is None for an entry that the source could not match to a paper.
    """

    paper_id: str | None
    title: str | None = None
    year: int | None = None
    citation_count: int | None = None
    reference_count: int | None = None


@dataclass(frozen=True, slots=True)
class Paper:
    """The details of one paper.

    `paper_id` is Semantic Scholar's current id; `external_ids` holds the others by the names that Semantic Scholar
    uses
    (DOI, ArXiv, PubMed, PubMedCentral, ACL, MAG, CorpusId), all as text. `pdf_url` is an open PDF as the source names
    it, unverified.
    """

    paper_id: str
    title: str
    authors: tuple[Author, ...] = ()
    year: int | None = None
    venue: str | None = None
    abstract: str | None = None
    tldr: str | None = None
    external_ids: Mapping[str, str] = field(default_factory=dict)
    citation_count: int | None = None
    reference_count: int | None = None
    publication_date: str | None = None
    pdf_url: str | None = None
    url: str | None = None

    @property
    def doi(self) -> str | None:
        return self.external_ids.get("DOI")

    @property
    def arxiv_id(self) -> str | None:
        return self.external_ids.get("ArXiv")


@dataclass(frozen=True, slots=True)
class Listing:
    """A list as one answer gave it. `withheld` tells a hidden list from an empty one."""

    rows: tuple[Stub, ...] = ()
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a batch request said of one paper; a part that was not asked for is None.

    `paper_id` is the current id, which differs from the one asked for when the source has merged two papers.
    `citation_count` and `reference_count` are the counts of this very answer, to hold its lists against.
    """

    paper_id: str
    paper: Paper | None = None
    references: Listing | None = None
    citations: Listing | None = None
    citation_count: int | None = None
    reference_count: int | None = None

    def listing(self, name: ListName) -> Listing | None:
        return self.references if name is ListName.REFERENCES else self.citations

    def count(self, name: ListName) -> int | None:
        return self.reference_count if name is ListName.REFERENCES else self.citation_count


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; `next_offset` is None on the last one."""

    listing: Listing
    next_offset: int | None = None


def state_of(listing: Listing, of: int | None) -> ListState:
    """What a list given as a whole amounts to, held against the source's own count."""
    if listing.withheld:
        return ListState.WITHHELD
    return ListState.PARTIAL if is_short(len(listing.rows), of) else ListState.COMPLETE


def is_short(have: int, of: int | None) -> bool:
    """Whether a list lacks more than the drift between two of the source's own counts explains:

    more than max(2, 2 %).
    """
    return of is not None and of - have > max(2, of * 0.02)
