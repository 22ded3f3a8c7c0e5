"""The rules of a crawl: what is asked of a paper, and which papers come first."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

from refnet.domain.papers import Direction, ListName, ListState
from refnet.domain.priority import calculate_priority


class Ask(IntFlag):
    """What a job still has to ask of the source.

    DETAILS, REFERENCES and CITATIONS go into batch requests; the PAGE flags are lists to be fetched by pages instead.
    EXPAND marks a paper whose lists will be followed, so that a short one is fetched once more; ASKED_AGAIN one whose
    citations were lost
    to the source's cap on a whole request and were put into a second request. FULL_TEXT is for the summarizer: the
    paper's PDF is to be read. MEANWHILE is for the generator: the note was asked for again while its job ran, and may lack
    what is new.
    """

    NOTHING = 0
    DETAILS = 1
    REFERENCES = 2
    CITATIONS = 4
    PAGE_REFERENCES = 8
    PAGE_CITATIONS = 16
    EXPAND = 32
    ASKED_AGAIN = 64
    FULL_TEXT = 128
    MEANWHILE = 256

    @property
    def batch(self) -> Ask:
        return self & (Ask.DETAILS | Ask.REFERENCES | Ask.CITATIONS)

    @property
    def pages(self) -> Ask:
        return self & (Ask.PAGE_REFERENCES | Ask.PAGE_CITATIONS)

    @property
    def open(self) -> Ask:
        """What is left to request; flags that only describe are left out."""
        return self.batch | self.pages

    @property
    def next_list(self) -> ListName | None:
        """The list whose page is to be requested next; None where no list is left to pages."""
        return next((name for name, (_, paged) in FLAGS.items() if paged in self), None)


#: By list: the flag for a batch request, and the one for pages.
FLAGS = {
    ListName.REFERENCES: (Ask.REFERENCES, Ask.PAGE_REFERENCES),
    ListName.CITATIONS: (Ask.CITATIONS, Ask.PAGE_CITATIONS),
}


def wanted(depth: int, crawl_depth: int, direction: Direction) -> Ask:
    """What a paper at `depth` is asked for: citations only where they will be followed, references always.

    References join the collected papers among themselves (A cites B stands in A's references), which makes citations
    of the papers
    at the last depth needless.
    """
    ask = Ask.DETAILS | Ask.REFERENCES
    if depth < crawl_depth:
        ask |= Ask.EXPAND
        if direction is not Direction.REFERENCES:
            ask |= Ask.CITATIONS
    return ask


def needs(
    want: Ask,
    *,
    fetched: bool,
    references: ListState | None,
    citations: ListState | None,
    citation_count: int | None,
    hub: int,
) -> Ask:
    """What is still to be requested of a paper, given what is held of it; the state of a list never asked for is
    None.

    A short list is fetched once more, by pages, where it will be followed; a hub's citations are fetched by pages at
    once.
    """
    ask = Ask.NOTHING
    if Ask.DETAILS in want and not fetched:
        ask |= Ask.DETAILS
    for name, state in ((ListName.REFERENCES, references), (ListName.CITATIONS, citations)):
        nested, paged = FLAGS[name]
        if nested not in want:
            continue
        if state is None:
            is_hub = name is ListName.CITATIONS and (citation_count or 0) > hub
            ask |= paged if is_hub else nested
        elif state is ListState.PARTIAL and Ask.EXPAND in want:
            ask |= paged
    return ask | (want & Ask.EXPAND) if ask else Ask.NOTHING


@dataclass(frozen=True, slots=True)
class Candidate:
    """A paper found next to collected ones.

    `links` counts the collected papers nearer the seeds that it is joined to.
    """

    paper_id: str
    links: int
    citation_count: int | None = None
    year: int | None = None


def best_first(candidate: Candidate) -> tuple[int, int, int, int, str]:
    """Sort key within one depth: links, priority, citation count, year (none last), paper id."""
    return (
        -candidate.links,
        -calculate_priority(candidate.citation_count, candidate.year),
        -(candidate.citation_count or 0),
        -(candidate.year if candidate.year is not None else -1),
        candidate.paper_id,
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """What one batch request of a source can carry.

    `ids` identifiers, `citations` rows of citation lists in all, `size` bytes of answer. A paper with more than `hub`
    citations is
    never put into a batch with its citations: its newest `newest` are paged, `page` rows at a time.
    """

    ids: int = 500
    citations: int = 9_500
    size: int = 9_000_000
    hub: int = 9_500
    page: int = 1_000
    newest: int = 1_000
