"""Papers to read without a network, and a reader of them without a PDF."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from refnet.adapters.abstracts import AbstractSummarizer
from refnet.domain.documents import Document, DocumentSection, FoundPdf, NoFullText, SectionKind, Sentence
from refnet.domain.papers import Paper
from refnet.domain.summaries import FULL_TEXT, Provenance, Summary
from refnet.pipeline.full_texts import FullTexts

DOCUMENT = Document(
    4, 4, (DocumentSection(SectionKind.INTRODUCTION, "Introduction", (Sentence("We count stars.", 1),)),)
)


@dataclass
class Shelf:
    """Implements `PdfFinder` and `PdfReader`: what stands under a paper's id is what becomes of it, an exception is
    raised; each asked for is noted. Papers that stand nowhere are not open.
    """

    papers: Mapping[str, Document | NoFullText | Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def find(self, paper: Paper) -> FoundPdf | NoFullText:
        self.asked.append(paper.paper_id)
        there = self.papers.get(paper.paper_id, NoFullText.NOT_OPEN)
        if isinstance(there, Exception):
            raise there
        if there in (NoFullText.NOT_OPEN, NoFullText.NOT_A_PDF):
            return NoFullText(there)
        return FoundPdf(paper.paper_id, f"https://arxiv.org/pdf/{paper.paper_id}", "ab" * 32)

    def read(self, path: str) -> Document | NoFullText:
        there = self.papers[path]
        assert not isinstance(there, Exception)
        return there


@dataclass
class FirstSentence:
    """Implements `DocumentSummarizer` by the first sentence of the document; `troubles` are raised first, one a call."""

    model: str | None = None
    troubles: list[Exception] = field(default_factory=list)

    def summarize(self, paper: Paper, document: Document, found: FoundPdf, lang: str) -> Summary:
        del paper
        if self.troubles:
            raise self.troubles.pop(0)
        origin = Provenance(found.url, found.sha256, document.pages, document.pages_read, model=self.model)
        return Summary(document.sections[0].sentences[0].text, FULL_TEXT, lang=lang, provenance=origin)


def texts_of(shelf: Shelf | None = None, summarizer: FirstSentence | None = None) -> FullTexts:
    """Without a shelf no paper is open."""
    shelf = shelf or Shelf()
    return FullTexts(shelf, shelf, summarizer or FirstSentence(), FirstSentence(), AbstractSummarizer())
