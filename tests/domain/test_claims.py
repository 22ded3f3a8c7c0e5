"""Claims of a language model: what a quote says is kept, and what it does not say is dropped."""

from __future__ import annotations

import time

import pytest

from refnet.domain.clauses import clauses
from refnet.domain.faults import Fault
from refnet.domain.negation import denies
from refnet.domain.paper_text import PaperText
from refnet.domain.verification import fault_of
from tests.domain.claim_pairs import FALSE, FALSE_BUT_KEPT, TRUE, TRUE_BUT_DROPPED


def fault(claim: str, quote: str) -> Fault | None:
    return fault_of(quote, claim, PaperText([]))


@pytest.mark.parametrize(("claim", "quote"), TRUE)
def test_what_the_quote_says_is_kept(claim: str, quote: str) -> None:
    assert fault(claim, quote) is None


@pytest.mark.parametrize(("claim", "quote"), FALSE)
def test_what_the_quote_does_not_say_is_dropped(claim: str, quote: str) -> None:
    assert fault(claim, quote) is not None


def test_what_is_misjudged_is_known_and_little() -> None:
    assert [claim for claim, quote in TRUE_BUT_DROPPED if fault(claim, quote) is None] == []
    assert [claim for claim, quote in FALSE_BUT_KEPT if fault(claim, quote) is not None] == []
    assert 20 * len(TRUE_BUT_DROPPED) < len(TRUE)
    assert 8 * len(FALSE_BUT_KEPT) < len(FALSE)


@pytest.mark.parametrize(("claim", "quote"), [*TRUE, *FALSE, *TRUE_BUT_DROPPED, *FALSE_BUT_KEPT])
def test_every_quote_bears_itself_out(claim: str, quote: str) -> None:
    assert fault(quote, quote) is None


@pytest.mark.parametrize(
    ("sentence", "parts"),
    [
        ("Sleep improves recall but not precision.", ["Sleep improves recall", "but not precision."]),
        (
            "Sleep improves recall, and precision was not changed.",
            ["Sleep improves recall", "and precision was not changed."],
        ),
        ("Sleep improves recall and precision.", ["Sleep improves recall and precision."]),
        # One denial of several things.
        ("No link between sleep, age, and mood was found.", ["No link between sleep, age and mood was found."]),
        ("There was no gain in age, sleep, and mood.", ["There was no gain in age, sleep, and mood."]),
        ("The drug, and not the placebo, helps.", ["The drug helps."]),
        ("Although mood fell, recall rose.", ["Although mood fell, ", "recall rose."]),
        ("All but one of the patients slept.", ["All but one of the patients slept."]),
        ("精度は向上するが、時間は減らない。", ["精度は向上する", "時間は減らない。"]),
        ("本手法が、精度を向上させた。", ["本手法が、精度を向上させた。"]),
    ],
)
def test_a_sentence_is_parted_where_another_clause_surely_begins(sentence: str, parts: list[str]) -> None:
    assert clauses(sentence) == parts


@pytest.mark.parametrize(
    "text", ["まず、睡眠を調べた。", "睡眠の少ない人を調べた。", "Not only sleep was studied.", "No more than 9 slept."]
)
def test_what_only_looks_like_a_denial_is_none(text: str) -> None:
    assert not denies("睡眠の人を調べた。" if "睡眠" in text else "Sleep was studied; 9 slept.", text)


@pytest.mark.parametrize(
    "piece", ["no ", "neither ", "without it ", ", but ", "and a ", "が、", "ない", "eded", "with no ", " ", "\n", " ,"]
)
def test_no_text_takes_long_to_hold_against_another(piece: str) -> None:
    text = piece * (4_000 // len(piece))
    begun = time.process_time()
    denies(text, text)
    clauses(f"It helps{text}them.")
    assert time.process_time() - begun < 2.0
