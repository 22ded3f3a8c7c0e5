"""Why what a language model says of a paper is left out, as clauses that fit behind a number."""

from __future__ import annotations

from enum import StrEnum

#: Of a sentence of the summary.
WRONG_NUMBERS = "in the summary, with a number that is not in the paper"
#: Of what is not even held against the paper.
UNREAD = "with an address, words of the prompt or no quote"


class Fault(StrEnum):
    """Of a finding that is held against the paper."""

    NOT_FOUND = "with a quote that is not in the paper"
    NOT_LOOKED_FOR = "whose quote would have taken too long to look for"
    NUMBERS = "with a number that is not in the quote"
    SEVERAL = "saying more than the one sentence which a quote can bear out"
    NEGATED = "denying what the quote says, or saying what it denies"
    REVERSED = "saying rise for fall, or fall for rise"
    UNRELATED = "about something else than the quote"
    TWICE = "on a quote that was there already"
