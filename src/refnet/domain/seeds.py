"""What a user names as the start of a crawl, before any source was asked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class IdentifierKind(StrEnum):
    """The kinds of id that Semantic Scholar's Graph API takes; the value is its prefix there."""

    PAPER_ID = ""
    CORPUS_ID = "CorpusId"
    DOI = "DOI"
    ARXIV = "ARXIV"
    MAG = "MAG"
    ACL = "ACL"
    PMID = "PMID"
    PMCID = "PMCID"
    URL = "URL"


@dataclass(frozen=True, slots=True)
class Identifier:
    kind: IdentifierKind
    value: str

    def __str__(self) -> str:
        """The form in which the Graph API takes it."""
        return f"{self.kind.value}:{self.value}" if self.kind.value else self.value


@dataclass(frozen=True, slots=True)
class Seed:
    """One paper as the user named it.

    `input` is what the user wrote, or `file.bib: key` for an entry of a file. `identifiers` are tried in their order, then `title`
    is looked up and the answer held against `title`, `year` and `family` (the first author's family name) where given.
    """

    input: str
    identifiers: tuple[Identifier, ...] = ()
    title: str | None = None
    year: int | None = None
    family: str | None = None
    citekey: str | None = None


#: A paper that is sure to be known, by either: whoever wonders whether a source is well asks for it.
KNOWN = Seed(
    "arXiv:1706.03762", (Identifier(IdentifierKind.ARXIV, "1706.03762"),), "Attention Is All You Need", 2017, "Vaswani"
)


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A seed that names no paper, and why, in words for the user."""

    input: str
    why: str
