"""Summaries without reading a PDF."""

from __future__ import annotations

import pytest

from refnet.adapters.abstracts import AbstractSummarizer
from refnet.domain.papers import Paper
from refnet.domain.summaries import Summary

ALONE = [f"Street lamps of the village {name} draw moths away from the flowers." for name in "ABCDEFGH"]
LEANING = "It is twice as large where the lamps are white and not amber."


def summary_of(*sentences: str) -> str:
    made = AbstractSummarizer().summarize(Paper("p1", "A title", abstract=" ".join(sentences)))
    assert made is not None
    assert made.basis == "abstract"
    return made.text


def test_a_short_abstract_is_its_own_summary() -> None:
    assert summary_of(*ALONE[:4]) == " ".join(ALONE[:4])


def test_a_sign_stands_where_sentences_of_an_abstract_are_left_out() -> None:
    assert summary_of(*ALONE) == " ".join([*ALONE[:2], "[…]", *ALONE[-2:]])


def test_a_sentence_behind_the_gap_that_leans_on_those_before_brings_them_along() -> None:
    assert summary_of(*ALONE[:6], LEANING, ALONE[6]) == " ".join([*ALONE[:2], "[…]", ALONE[5], LEANING, ALONE[6]])
    assert summary_of(*ALONE[:5], LEANING, LEANING, ALONE[6]) == " ".join(
        [*ALONE[:2], "[…]", ALONE[4], LEANING, LEANING, ALONE[6]]
    )


def test_no_sentence_is_left_out_where_those_behind_lean_on_all_of_them() -> None:
    whole = [*ALONE[:2], LEANING, LEANING, LEANING, ALONE[6]]
    assert summary_of(*whole) == " ".join(whole)


def test_an_abstract_that_leans_all_through_does_not_come_whole() -> None:
    assert summary_of(*ALONE[:3], *[LEANING] * 9) == " ".join([*ALONE[:2], "[…]", LEANING, LEANING])


@pytest.mark.parametrize(
    ("paper", "made"), [(Paper("p", "T"), None), (Paper("p", "T", tldr="S.", abstract="A."), "S.")]
)
def test_the_tldr_comes_first_and_nothing_gives_nothing(paper: Paper, made: str | None) -> None:
    assert AbstractSummarizer().summarize(paper) == (None if made is None else Summary(made, "tldr"))
