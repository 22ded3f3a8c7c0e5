"""Words that say how many times as much: `twice`, `half`, `a third`, `dozens`, `倍増`. They count although no number stands there."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from itertools import permutations

#: How far a number may be from what a word says: 49 % is half, 2.1 times is twice.
_NEARLY = Decimal("0.06")
#: Numbers of a text up to which their ratios are looked at: of a whole paper some two have any.
_MOST = 30


@dataclass(frozen=True, slots=True)
class Multiple:
    """`pattern` finds the word; `values` are other ways to state it; `ratio` is that of two numbers that bear it out, or
    of more than that where `least`.
    """

    pattern: re.Pattern[str]
    values: tuple[Decimal, ...]
    ratio: Decimal
    least: bool = False


def _multiple(words: str, values: str, ratio: str, *, least: bool = False) -> Multiple:
    stated = tuple(Decimal(one) for one in values.split())
    return Multiple(re.compile(rf"(?<![a-z-])(?:{words})(?![a-z-])", re.IGNORECASE), stated, Decimal(ratio), least)


# Not `double strand`, `RDF triples`, `half precision`, `the second half`: these are names of things.
_MULTIPLES = (
    _multiple("twice|doubl(?:es|ed|ing)|倍増(?:し|す|さ)?", "2 100 200", "2"),
    _multiple("thrice|tripl(?:ed|ing)|trebl(?:es|ed|ing)", "3 200 300", "3"),
    _multiple("quadrupl(?:es|ed|ing)", "4 300 400", "4"),
    _multiple(
        r"(?<!first )(?<!second )(?<!other )(?<!upper )(?<!lower )(?<!latter )(?<!left )(?<!right )half"
        r"(?!\s+(?:precision|space|plane|life|lives|time|year|hour|a\s+(?:million|century|hour)))"
        "|(?<!two )halv(?:es|ed|ing)|半分|半減|半数",
        "2 50 0.5 1.5 2.5 3.5",
        "0.5",
    ),
    _multiple("(?:a|one)[ -]third(?= of| as|[.,;]|$)|三分の一", "33.3 66.7 0.333 0.667", "0.3333"),
    _multiple("two[ -]thirds|三分の二", "66.7 33.3 0.667 0.333", "0.6667"),
    _multiple("(?:a|one)[ -]quarter(?= of| as|[.,;]|$)|四分の一", "25 75 0.25 0.75", "0.25"),
    _multiple("three[ -]quarters|四分の三", "75 25 0.75 0.25", "0.75"),
    _multiple("orders? of magnitude", "10", "10", least=True),
    _multiple("dozens?", "12", "12", least=True),
)


def unborne(claim: str, stated: str, values: Collection[Decimal]) -> list[Decimal]:
    """What `claim` says in such words and a text does not: it has neither the word, nor a number that says so among its
    `values`, nor two whose ratio it is.
    """
    return [
        one.ratio
        for one in _MULTIPLES
        if one.pattern.search(claim) and not (one.pattern.search(stated) or _is_borne_out(one, values))
    ]


def _is_borne_out(one: Multiple, values: Collection[Decimal]) -> bool:
    if one.least and any(value >= min(one.values) for value in values):
        return True
    if any(abs(value - wanted) <= wanted * _NEARLY for value in values for wanted in one.values):
        return True
    pairs = permutations(values, 2) if len(values) <= _MOST else ()
    return any(
        below and (abs(above / below - one.ratio) <= one.ratio * _NEARLY or (one.least and above / below >= one.ratio))
        for above, below in pairs
    )
