"""Which sentences tell what a paper found, and what leads up to them."""

from __future__ import annotations

import pytest

from refnet.domain.documents import SectionKind
from refnet.domain.findings import evidence, lead_up, worth_telling
from refnet.domain.passages import Passage


def passage(text: str, kind: SectionKind = SectionKind.RESULTS, *, cites: bool = False, alone: bool = True) -> Passage:
    return Passage(text, text, 1, kind, 0, alone, cites)


@pytest.mark.parametrize(
    ("more", "less"),
    [
        ("We found that amber lamps drew 63% fewer moths.", "We found that amber lamps drew fewer moths."),
        (
            "We found that amber lamps drew fewer moths than others.",
            "Moths were counted at the lamps with better traps.",
        ),
        ("Our results show that lamps draw moths.", "To show how lamps draw moths, we counted them at a higher level."),
        ("Our results show that lamps draw moths.", "Previous work has shown that lamps draw moths."),
        ("琥珀色の街灯に集まる蛾は 63% 少ないことが分かった．", "蛾の数は街灯の下に置いた捕虫器の結果である．"),
    ],
)
def test_what_was_found_here_speaks_more_than_what_was_done_or_found_elsewhere(more: str, less: str) -> None:
    assert evidence(passage(more)) > evidence(passage(less)) > 0


@pytest.mark.parametrize(
    "text",
    [
        "We counted moths at lamps.",
        "In future work, we expect to find that lamps are better.",
        "蛾の数は捕虫器で数えた．",
    ],
)
def test_what_tells_of_no_finding_is_none(text: str) -> None:
    assert evidence(passage(text)) == 0


def test_findings_of_other_works_count_less_and_those_of_related_work_not_at_all() -> None:
    text = "Amber lamps were shown to be better than white lamps."
    assert evidence(passage(text, cites=True)) < evidence(passage(text))
    assert evidence(passage(text, SectionKind.METHODS)) < evidence(passage(text, SectionKind.CONCLUSION))
    assert evidence(passage(text, SectionKind.RELATED)) == 0
    assert evidence(passage(text, alone=False)) == 0


def test_what_says_too_little_beside_the_best_is_left_out_if_three_are_left() -> None:
    assert worth_telling([1.0, 0.9, 0.8, 0.1]) == [1.0, 0.9, 0.8, 0.0]
    assert worth_telling([1.0, 0.9, 0.1]) == [1.0, 0.9, 0.1]
    assert worth_telling([]) == []


@pytest.mark.parametrize(
    ("title", "kind", "says"),
    [
        ("Effect of the colour", SectionKind.OTHER, "Effect of the colour"),
        ("LED LAMPS AND MOTHS", SectionKind.RESULTS, "LED lamps and moths"),
        ("Results", SectionKind.RESULTS, "Result"),
        ("EXPERIMENTAL RESULTS", SectionKind.RESULTS, "Result"),
        ("", SectionKind.CONCLUSION, "Conclusion"),
        ("", SectionKind.OTHER, "Finding"),
        ("Effect of the", SectionKind.DISCUSSION, "Discussion"),
        ("x" * 80, SectionKind.DISCUSSION, "Discussion"),
        ("<script>alert(1)</script>", SectionKind.DISCUSSION, "Discussion"),
        ("[[../secret]]", SectionKind.OTHER, "Finding"),
    ],
)
def test_the_section_leads_up_to_a_finding(title: str, kind: SectionKind, says: str) -> None:
    assert lead_up(passage("Amber lamps are better.", kind), title, "en", {"led": "LED"}) == says


def test_a_limitation_is_called_one_and_japanese_is_led_up_to_in_japanese() -> None:
    assert (
        lead_up(passage("A limitation is the valley.", SectionKind.DISCUSSION), "Discussion", "en", {}) == "Limitation"
    )
    assert lead_up(passage("街灯の差は有意であった．"), "結果", "ja", {}) == "結果"
    assert lead_up(passage("街灯の差は有意であった．", SectionKind.OTHER), "色の効果", "ja", {}) == "色の効果"
