"""Papers, and what a summarizer needs, for the tests of the language model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from refnet.adapters.language_model.ladder import Purse
from refnet.adapters.language_model.providers import LanguageModel, language_model
from refnet.adapters.language_model.summarizer import ModelSummarizer
from refnet.domain.documents import Document, DocumentSection, FoundPdf, Hidden, SectionKind, Sentence
from refnet.domain.papers import Paper
from refnet.domain.spending import CapReached, Reservation, Use
from refnet.domain.summaries import FULL_TEXT, Provenance, Summary
from tests.model_server import ModelServer

PAPER = Paper(paper_id="a" * 40, title="Tides in Small Harbours", year=2021)
FOUND = FoundPdf("/nowhere.pdf", "https://example.org/tides.pdf", "c0ffee" + "0" * 58)

ABSTRACT = (
    "We measure how tides move through forty small harbours.",
    "The delay of high water grows with the length of the entrance, by 3.5 minutes for every 100 metres.",
)
METHODS = ("Pressure gauges logged the water level every 30 seconds for 14 months.",)
RESULTS = (
    "In harbours with a narrow entrance the delay reached 47 minutes, and 12 % of the tidal range was lost.",
    "Dredging one entrance by 1.2 metres shortened the delay from 31 to 19 minutes.",
)
CONCLUSION = ("Entrances, and not the harbours behind them, decide when high water comes to small harbours.",)


def section(kind: SectionKind, page: int, *texts: str, title: str = "") -> DocumentSection:
    return DocumentSection(kind, title or kind.value.capitalize(), tuple(Sentence(text, page) for text in texts))


DOCUMENT = Document(
    pages=9,
    pages_read=9,
    sections=(
        section(SectionKind.ABSTRACT, 1, *ABSTRACT),
        section(SectionKind.METHODS, 3, *METHODS),
        section(SectionKind.RESULTS, 5, *RESULTS),
        section(SectionKind.CONCLUSION, 8, *CONCLUSION),
        section(SectionKind.REFERENCES, 9, "A. Other, Tides and their gauges, Journal of Water, 1999, pages 1 to 9."),
    ),
    keywords=("tides", "harbours"),
    hidden=Hidden(12, (2,), ("white",)),
)


def document_with(*texts: str, kind: SectionKind = SectionKind.RESULTS, title: str = "") -> Document:
    """The paper with more sentences in it."""
    more = section(kind, 6, *texts, title=title)
    return Document(9, 9, (*DOCUMENT.sections[:-1], more), keywords=DOCUMENT.keywords)


class Offline:
    """The offline summariser's part: a summary that is told from a model's at once."""

    TEXT = "Made without a model."

    def summarize(self, paper: Paper, document: Document, found: FoundPdf, lang: str) -> Summary:
        made = Provenance(found.url, found.sha256, document.pages, document.pages_read)
        return Summary(self.TEXT, FULL_TEXT, lang=document.lang, provenance=made)


@dataclass
class Pocket:
    """A purse in memory, for tests in which the database plays no part."""

    cap: float = 5.0
    spent: float = 0.0
    used: list[Use] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)

    def answer(self, key: str) -> Any | None:
        return self.answers.get(key)

    def reserve(self, usd: float) -> Reservation | CapReached:
        if self.spent + usd > self.cap:
            return CapReached(self.cap, self.spent, usd)
        self.spent += usd
        return Reservation("2026-01-31", usd)

    def settle(self, held: Reservation, use: Use, key: str | None = None, answer: Any = None) -> None:
        self.spent += use.usd - held.usd
        self.used.append(use)
        if key is not None:
            self.answers[key] = answer

    def forget(self, key: str) -> None:
        del self.answers[key]

    def release(self, held: Reservation) -> None:
        self.spent -= held.usd


#: A model that has a price wherever it is asked.
PRICED = "gpt-4o-mini"


def open_ai(
    server: ModelServer, model: str = "stand-in", key: str | None = None, timeout: float = 20.0
) -> LanguageModel:
    return language_model(model, openai_key=key, openai_url=server.url, timeout=timeout)


def anthropic(
    server: ModelServer, model: str = "claude-haiku-4-5", key: str = "key-of-the-tests", timeout: float = 20.0
) -> LanguageModel:
    return language_model(model, anthropic_key=key, timeout=timeout, anthropic_url=server.root)


PROVIDERS: dict[str, Callable[..., LanguageModel]] = {"openai": open_ai, "anthropic": anthropic}


def summarizer(model: LanguageModel, purse: Purse | None = None, **options: Any) -> ModelSummarizer:
    return ModelSummarizer(model, purse if purse is not None else Pocket(), Offline(), **options)
