"""Summaries without reading a PDF: the source's own one-liner, or the abstract's sentences."""

from __future__ import annotations

from collections.abc import Sequence

from refnet.domain.papers import Paper
from refnet.domain.prose import stands_alone
from refnet.domain.sentences import join_sentences, split_sentences
from refnet.domain.summaries import Summary

#: Sentences of an abstract that are taken: what a paper does stands first, what it finds last.
FIRST, LAST = 2, 2
#: Sentences more that are taken before the last ones, as long as those lean on what stands before.
MORE = 3
#: Stands where sentences were left out.
GAP = "[…]"


class AbstractSummarizer:
    """Implements the `Summarizer` port with what a paper's record holds:

    the tldr, else sentences of the abstract, unchanged, with a sign where some are left out.
    """

    def summarize(self, paper: Paper) -> Summary | None:
        if paper.tldr:
            return Summary(paper.tldr, "tldr")
        if not paper.abstract:
            return None
        sentences = split_sentences(paper.abstract)
        begin = _last_part(sentences)
        if begin > FIRST:
            sentences = [*sentences[:FIRST], GAP, *sentences[begin:]]
        text = join_sentences(sentences)
        return Summary(text, "abstract") if text else None


def _last_part(sentences: Sequence[str]) -> int:
    """Where the last sentences begin that are taken: with one that makes sense behind a gap, if there is one near."""
    begin = len(sentences) - LAST
    for at in range(begin, max(begin - MORE, FIRST) - 1, -1):
        if stands_alone(sentences[at]):
            return at
    return FIRST if begin - MORE <= FIRST else begin
