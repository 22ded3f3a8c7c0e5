"""What was read of a paper's PDF: sentences with their pages, in sections."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class SectionKind(StrEnum):
    """What a section is about, by its heading."""

    ABSTRACT = "abstract"
    INTRODUCTION = "introduction"
    RELATED = "related"
    METHODS = "methods"
    RESULTS = "results"
    DISCUSSION = "discussion"
    CONCLUSION = "conclusion"
    #: a heading that says none of these, or text before the first heading
    OTHER = "other"
    APPENDIX = "appendix"
    ACKNOWLEDGEMENTS = "acknowledgements"
    REFERENCES = "references"


@dataclass(frozen=True, slots=True)
class Sentence:
    """`page` is the page of the file on which it begins, from 1."""

    text: str
    page: int


@dataclass(frozen=True, slots=True)
class DocumentSection:
    """`title` is the heading without its number, empty for the text before the first heading."""

    kind: SectionKind
    title: str
    sentences: tuple[Sentence, ...] = ()


#: The title of the section, behind all others and of kind OTHER, of what interrupts the prose: captions, cells of tables,
#: footnotes.
ASIDE = "Figures, tables and notes"


@dataclass(frozen=True, slots=True)
class Hidden:
    """Text that a reader of the page cannot see: it was left out of the document. `pages` are from 1, `kinds` say how it
    was hidden (`white`, `tiny`, `invisible`, `off the page`, `transparent`, `covered`).
    """

    characters: int = 0
    pages: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """The text of a PDF in reading order.

    `pages` is the file's number of pages, of which `pages_read` were read; of a long file the last ones were not looked
    at. Of those looked at, `damaged_pages` could not be loaded, and `picture_pages` are pictures without text; both are
    numbered from 1, and neither is counted as read. `keywords` are the authors' own. `lang` is `en` or `ja`, as most of
    the text is; any other language counts as `en`.
    """

    pages: int
    pages_read: int
    sections: tuple[DocumentSection, ...]
    keywords: tuple[str, ...] = ()
    lang: str = "en"
    hidden: Hidden = field(default_factory=Hidden)
    damaged_pages: tuple[int, ...] = ()
    picture_pages: tuple[int, ...] = ()

    @property
    def pages_seen(self) -> int:
        """Pages that were looked at, whatever they held."""
        return self.pages_read + len(self.damaged_pages) + len(self.picture_pages)

    def of(self, *kinds: SectionKind) -> list[Sentence]:
        """The sentences of the sections of these kinds, in reading order."""
        return [one for section in self.sections if section.kind in kinds for one in section.sentences]


class NoFullText(StrEnum):
    """Why there is no full text. The values are kept in the database; the note says them in its own words."""

    NOT_OPEN = "not open"
    #: it is open, but no place that has it answered
    NOT_REACHED = "not reached"
    NEEDS_PASSWORD = "needs a password"  # noqa: S105 - a reason
    #: pictures of pages, and no text that was recognised in them
    SCAN = "a scan"
    NO_TEXT = "no text"
    #: slides, a page of tables
    NO_PROSE = "hardly any prose"
    DAMAGED = "damaged"
    NOT_A_PDF = "not a PDF"
    TOO_LARGE = "too large"
    TOO_LONG = "too long to read"


@dataclass(frozen=True, slots=True)
class FoundPdf:
    """An open PDF in the cache: `url` is where it was got (without redirects followed), `sha256` of its bytes in hex."""

    path: str
    url: str
    sha256: str
