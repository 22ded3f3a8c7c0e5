"""Summaries without reading a PDF: the source's own one-liner, or the abstract's sentences."""

from __future__ import annotations

import re

from refnet.domain.notes import Summary
from refnet.domain.papers import Paper

#: Sentences of an abstract that are taken: what a paper does stands first, what it finds last.
FIRST, LAST = 2, 2
_END = re.compile(r"(?<=[.!?。！？])(?:\s+(?=[A-Z0-9\"“(\[])|(?<=[。！？]))")
#: Words before which a full stop ends no sentence.
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|et al|cf|vs|Fig|Figs|Eq|Eqs|Sec|Dr|Prof|No|St|approx|resp|ca|[A-Z])\.)$")


class AbstractSummarizer:
    """Implements the `Summarizer` port with what a paper's record holds:

    the tldr, else sentences of the abstract, unchanged.
    """

    def summarize(self, paper: Paper) -> Summary | None:
        if paper.tldr:
            return Summary(paper.tldr, "tldr")
        if not paper.abstract:
            return None
        sentences = split_sentences(paper.abstract)
        if len(sentences) > FIRST + LAST:
            sentences = [*sentences[:FIRST], *sentences[-LAST:]]
        text = " ".join(sentences)
        return Summary(text, "abstract") if text else None


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, English or Japanese, in order; white space is folded."""
    pieces = _END.split(" ".join(text.split()))
    sentences: list[str] = []
    for piece in pieces:
        if sentences and _ABBREVIATION.search(sentences[-1]):
            sentences[-1] = f"{sentences[-1]} {piece}"
        elif piece:
            sentences.append(piece)
    return sentences
