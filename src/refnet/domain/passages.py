"""The passages of a paper that its summary can be made of, and what the place of each is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from refnet.domain.citations import Citations
from refnet.domain.documents import ASIDE, Document, DocumentSection, SectionKind
from refnet.domain.prose import is_prose, stands_alone
from refnet.domain.terms import is_english
from refnet.domain.wording import cites, is_japanese, plain, quoted

#: What a section of a kind is worth for saying what the paper is about; what is not here is not about its subject.
WORTH = {
    SectionKind.ABSTRACT: 1.5,
    SectionKind.INTRODUCTION: 1.0,
    SectionKind.RELATED: 0.3,
    SectionKind.METHODS: 0.6,
    SectionKind.RESULTS: 0.8,
    SectionKind.DISCUSSION: 0.9,
    SectionKind.CONCLUSION: 1.5,
    SectionKind.OTHER: 0.6,
}
#: Sentences that are looked at; a book of 350 pages has 6,000. Of more, the sections that promise most come first.
MOST_SENTENCES = 10_000


@dataclass(frozen=True, slots=True)
class Passage:
    """A sentence that can stand in a summary.

    `text` is how it reads there, `quote` the paper's own words, `section` the position of its section in the document.
    `alone` tells whether it makes sense away from its place, `cites` whether it names other works.
    """

    text: str
    quote: str
    page: int
    kind: SectionKind
    section: int
    alone: bool
    cites: bool


def passages(document: Document) -> list[Passage]:
    """In the order of the paper, and in its language: many a Japanese paper begins with an abstract in English, too. What it
    says twice is there once.
    """
    about = [(at, one) for at, one in enumerate(document.sections) if one.kind in WORTH and one.title != ASIDE]
    english = document.lang == "en" and is_english([one.text for _, section in about for one in section.sentences])
    # Chinese has no language of its own here, but no spaces either.
    unspaced = document.lang == "ja" or _is_unspaced(about)
    found: dict[str, Passage] = {}
    allowed = _allowed(about)
    citations = Citations.of(document)
    for number, section in about:
        for sentence in section.sentences[: allowed[number]]:
            text = plain(sentence.text, citations)
            if text is None or text in found or not is_prose(text, english=english):
                continue
            if is_japanese(text) != unspaced:
                continue
            found[text] = Passage(
                text,
                quoted(sentence.text),
                sentence.page,
                section.kind,
                number,
                stands_alone(text),
                cites(sentence.text, citations),
            )
    return list(found.values())


def _is_unspaced(about: Sequence[tuple[int, DocumentSection]]) -> bool:
    """Whether most of the letters stand in sentences that are written without spaces."""
    unspaced = spaced = 0
    for _, section in about:
        for sentence in section.sentences[:MOST_SENTENCES]:
            if is_japanese(sentence.text):
                unspaced += len(sentence.text)
            else:
                spaced += len(sentence.text)
    return unspaced > spaced


def _allowed(about: Sequence[tuple[int, DocumentSection]]) -> dict[int, int]:
    """How many sentences of each section are looked at."""
    left = MOST_SENTENCES
    allowed: dict[int, int] = {}
    for number, section in sorted(about, key=lambda one: -WORTH[one[1].kind]):
        allowed[number] = min(left, len(section.sentences))
        left -= allowed[number]
    return allowed
