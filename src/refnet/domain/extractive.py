"""The summary of a paper made of its own sentences, without a language model and without a network.

Sentences are taken by the rank that `sentence_ranking` gives them and set in the order of the paper; findings are taken
from the others. The same document always gives the same summary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from refnet.domain import findings, sentence_ranking
from refnet.domain.documents import Document, FoundPdf, NoFullText, SectionKind
from refnet.domain.keywords import choose_keywords
from refnet.domain.papers import Paper
from refnet.domain.passages import WORTH, Passage, passages
from refnet.domain.sentence_ranking import LARGEST_GRAPH, Vector
from refnet.domain.sentences import join_sentences, split_sentences
from refnet.domain.summaries import FULL_TEXT, NOTHING, Finding, Provenance, Summary
from refnet.domain.terms import terms
from refnet.domain.wording import plain

#: Sentences of a summary, and the signs at which it is long enough; Japanese says more with fewer.
FEWEST, MOST = 5, 8
LENGTH, LENGTH_JAPANESE = 900, 400
#: A paper with fewer passages than this is not summarised from its text.
LEAST = 3
#: What a sentence that leans on another is worth, where there are too few others.
_LEANING = 0.3
#: The share of terms in common from which on a sentence says what the abstract says.
_SAME = 0.8
_LONGEST_ABSTRACT = 10_000
#: What a finding is worth that the text tells already.
_TOLD = 0.6


@dataclass(frozen=True, slots=True)
class Ranked:
    """Passages in the order of the paper, with their vectors, and their ranks times what their places are worth."""

    passages: Sequence[Passage]
    vectors: Sequence[Vector]
    scores: Sequence[float]


class ExtractiveSummarizer:
    """Implements the `DocumentSummarizer` port.

    `from_record` makes the summary of a paper whose text has too little prose: slides, a page of tables, formulas. Such a
    summary says so; without one the text has what sentences there are.
    """

    def __init__(self, from_record: Callable[[Paper], Summary | None] = lambda _: None) -> None:
        self._from_record = from_record

    def summarize(self, paper: Paper, document: Document, found: FoundPdf, lang: str) -> Summary:  # noqa: ARG002 - the port's
        """In the language of the document, whatever `lang` is wished for."""
        every = passages(document)
        keywords = choose_keywords(document.keywords, [one.text for one in every], paper.title)
        if len(every) < LEAST and (instead := self._from_record(paper)):
            return replace(instead, keywords=keywords, why=NoFullText.NO_PROSE)
        if not every:
            return Summary("", NOTHING, keywords=keywords, lang=document.lang, why=NoFullText.NO_PROSE)
        ranked = rank(every)
        new = _new(ranked.passages, paper.abstract or "")
        taken = take(ranked, new, long_enough(document.lang))
        return Summary(
            text=join_sentences(ranked.passages[at].text for at in sorted(taken)),
            basis=FULL_TEXT,
            findings=_findings(ranked, taken, new, document),
            keywords=keywords,
            lang=document.lang,
            provenance=Provenance(
                pdf_url=found.url,
                pdf_sha256=found.sha256,
                pages=document.pages,
                pages_read=document.pages_read,
                hidden=document.hidden.characters,
                damaged_pages=len(document.damaged_pages),
                picture_pages=len(document.picture_pages),
            ),
        )


def rank(every: Sequence[Passage]) -> Ranked:
    """Of a book those passages that stand best and hold most of its vocabulary."""
    vectors = sentence_ranking.vectors([terms(one.text) for one in every])
    worth = [WORTH[one.kind] * (1.0 if one.alone else _LEANING) for one in every]
    if len(every) > LARGEST_GRAPH:
        kept = sentence_ranking.largest(sentence_ranking.near_the_middle(vectors, worth), LARGEST_GRAPH)
        every = [every[at] for at in kept]
        vectors = [vectors[at] for at in kept]
        worth = [worth[at] for at in kept]
    ranks = sentence_ranking.central(vectors, worth)
    return Ranked(every, vectors, [rank * place for rank, place in zip(ranks, worth, strict=True)])


def _new(every: Sequence[Passage], abstract: str) -> list[bool]:
    """For each passage whether it says what the abstract, which a reader has beside the summary, does not."""
    sentences = (plain(one) or one for one in split_sentences(abstract[:_LONGEST_ABSTRACT]))
    known = [held for one in sentences if (held := frozenset(terms(one)))]
    if not known:
        return [True] * len(every)
    return [one.kind is not SectionKind.ABSTRACT and not _is_among(frozenset(terms(one.text)), known) for one in every]


def _is_among(held: frozenset[str], known: Sequence[frozenset[str]]) -> bool:
    return any(len(held & one) >= _SAME * len(held | one) for one in known)


def long_enough(lang: str) -> Callable[[Sequence[Passage]], bool]:
    """Tells when a summary is long enough."""
    length = LENGTH_JAPANESE if lang == "ja" else LENGTH

    def enough(those: Sequence[Passage]) -> bool:
        return len(those) >= MOST or (len(those) >= FEWEST and sum(len(one.text) for one in those) >= length)

    return enough


def take(ranked: Ranked, new: Sequence[bool], enough: Callable[[Sequence[Passage]], bool]) -> list[int]:
    """Positions of the sentences of a text: new ones that stand alone, and others only where those are too few."""
    groups = [one.section for one in ranked.passages]
    best = [one.alone and is_new for one, is_new in zip(ranked.passages, new, strict=True)]
    for usable in (best, [one.alone for one in ranked.passages], [True] * len(new)):
        if sum(usable) >= FEWEST:
            break
    scores = [
        score * (0.5 if findings.looks_ahead(one.text) else 1.0) if use else 0.0
        for score, one, use in zip(ranked.scores, ranked.passages, usable, strict=True)
    ]
    return sentence_ranking.choose(
        scores, ranked.vectors, lambda taken: enough([ranked.passages[at] for at in taken]), groups
    )


def _findings(ranked: Ranked, taken: Sequence[int], new: Sequence[bool], document: Document) -> tuple[Finding, ...]:
    """Out of what is not in the abstract beside it, and what is in the text only where it says more than the rest does: in
    a short paper the text has most of what was found, and here its page is told.
    """
    scores = [
        findings.evidence(one) * (score / WORTH[one.kind]) ** 0.5 * (_TOLD if at in taken else 1.0)
        if is_new and not _is_front(document, one)
        else 0.0
        for at, (one, score, is_new) in enumerate(zip(ranked.passages, ranked.scores, new, strict=True))
    ]
    chosen = sentence_ranking.choose(
        findings.worth_telling(scores), ranked.vectors, lambda those: len(those) >= findings.MOST
    )
    capitals = _capitals(ranked.passages)
    return tuple(
        Finding(
            findings.lead_up(one, document.sections[one.section].title, document.lang, capitals), one.quote, one.page
        )
        for one in (ranked.passages[at] for at in sorted(chosen))
    )


def _is_front(document: Document, passage: Passage) -> bool:
    """Whether a passage stands before the first heading: who wrote the paper, and where it appeared."""
    section = document.sections[passage.section]
    return (
        passage.section == 0 and section.kind is SectionKind.OTHER and not section.title and len(document.sections) > 1
    )


def _capitals(every: Sequence[Passage]) -> dict[str, str]:
    """Words that are written with capitals inside (`AI`, `XML`), by how they read in small letters."""
    words = (word.strip("()[],.;:“”‘’'") for one in every for word in one.text.split())
    return {word.lower(): word for word in words if word[1:] != word[1:].lower()}
