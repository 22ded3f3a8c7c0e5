"""Whether what a language model says of a paper stands in the paper.

A finding is kept if its quote stands in the text, word for word or nearly so, and if the claim turns nothing round: the
quote states its numbers, and denies, rises or falls as the claim does. What is kept of the quote are the paper's own words
at that place, and their page, whatever the model wrote.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from refnet.domain.directions import reverses
from refnet.domain.faults import Fault
from refnet.domain.measures import mistaken
from refnet.domain.negation import denies
from refnet.domain.paper_text import PaperText
from refnet.domain.quantities import unsupported
from refnet.domain.sentences import split_sentences
from refnet.domain.subjects import is_cjk, subjects
from refnet.domain.summaries import Finding

#: Where another sentence surely begins: a stop behind a word that is no abbreviation, or behind a number, or before a word
#: that begins sentences; and `!` or `?` behind what is no name.
_NEXT_SENTENCE = re.compile(
    r"(?:[a-z]{6,}|\d\s?%|[\d)\]])\.\s+(?=[A-Z])|(?<![\w'’-])[a-z][a-z'’-]*[!?][\"”’)\]]*\s+(?=[A-Z])"
    r"|[a-z]{2}(?<!\bal)(?<!\bvs)(?<!\betc)\.\s+(?=(?:The|It|This|These|They|Its|We|Our|He|She|All|There)\b)"
    r"|(?:。|(?<=[ぁ-んァ-ヶ一-龠])．)(?=[^\s」』）)\]])"
)
#: What parts statements that could be sentences of their own, and the words that one has at the least.
_CLAUSE, _STATEMENT = re.compile(r"[;；]\s*"), 4
#: Things that a statement speaks of at the least where it is judged by them.
_SUBJECTS = 3
_QUOTED = re.compile(r"[“\"「『][^“”\"「」『』]{1,200}[”\"」』]")


@dataclass(frozen=True, slots=True)
class Verified:
    """The findings that stand up to the paper, and how many do not, by the reason."""

    findings: tuple[Finding, ...] = ()
    reasons: Mapping[Fault, int] = field(default_factory=dict)

    @property
    def dropped(self) -> int:
        return sum(self.reasons.values())


def verify(claimed: Iterable[Finding], text: PaperText) -> Verified:
    """Keep what the paper says. Two findings on the same words are one."""
    kept: dict[str, Finding] = {}
    dropped: Counter[Fault] = Counter()
    for one in claimed:
        passage = text.look_up(one.quote, one.page)
        if isinstance(passage, Fault):
            dropped[passage] += 1
        elif passage.text in kept:
            dropped[Fault.TWICE] += 1
        elif (fault := fault_of(passage.text, one.claim, text)) is not None:
            dropped[fault] += 1
        else:
            kept[passage.text] = Finding(one.claim, passage.text, passage.page)
    return Verified(tuple(kept.values()), dropped)


def fault_of(quote: str, claim: str, text: PaperText) -> Fault | None:
    """Why a quote cannot be what a claim rests on; None where the claim is one sentence, and the quote states its numbers,
    is negated and rises or falls as it does, and speaks of the same things.

    Numbers in names (`GPT-4`) may stand anywhere in the paper. Of a claim in another script than the quote's only the
    numbers and some words of direction can be compared.
    """
    if _NEXT_SENTENCE.search(_QUOTED.sub('""', claim)):  # a title may be a question
        return Fault.SEVERAL
    if any(not (one.name and text.names(one.name)) for one in unsupported(claim, quote)):
        return Fault.NUMBERS
    if mistaken(claim, quote):
        return Fault.NUMBERS
    one_script = is_cjk(claim) == is_cjk(quote)
    if one_script and denies(claim, quote):
        return Fault.NEGATED
    if reverses(claim, quote):
        return Fault.REVERSED
    if one_script and not all(subjects(one) & subjects(quote) for one in _statements(claim)):
        return Fault.UNRELATED
    return None


def _statements(claim: str) -> list[str]:
    """The claim, and what it says one by one; what is too short for a statement, such as a part of a name, is none, and what
    speaks of hardly anything is a remark on the rest.
    """
    parts = [one for clause in _CLAUSE.split(claim) for one in split_sentences(clause)]
    return [claim, *(one for one in parts if len(one.split()) >= _STATEMENT and len(subjects(one)) >= _SUBJECTS)]
