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
        "We expect that the accuracy improves by 4.2 points.",
        "Thus, we hypothesize that amber lamps are better than white lamps.",
        "実験により有効性を確認する予定である．",
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


@pytest.mark.parametrize(
    ("text", "lang", "says"),
    [
        ("A limitation is the valley.", "en", "Limitation"),
        ("The main limitation was that lamps were fewer than moths.", "en", "Limitation"),
        ("The limitations of this study show in smaller valleys.", "en", "Limitation"),
        ("Limitations of our method are lower speed and higher cost.", "en", "Limitation"),
        ("Among our limitations, lower light had the largest effect.", "en", "Limitation"),
        ("The accuracy is limited by the size of our sample.", "en", "Limitation"),
        ("Our analysis was limited to two valleys, with fewer moths.", "en", "Limitation"),
        ("But the law and its effect were not limited to that 2 percent.", "en", "Discussion"),
        ("Its main limitation is the quadratic cost, which our lamps cut by 50%.", "en", "Discussion"),
        ("The main limitation is the quadratic cost, which our lamps reduce by 50%.", "en", "Discussion"),
        ("One limitation is that earlier lamps need labels; ours outperform them by 12%.", "en", "Discussion"),
        ("Our limitations analysis shows that amber lamps draw fewer moths.", "en", "Discussion"),
        ("Our method is not limited to English and outperforms the baseline by 4.2 points.", "en", "Discussion"),
        ("Our evaluation is not limited to moths and shows fewer beetles.", "en", "Discussion"),
        ("The accuracy was not limited by the size of our sample.", "en", "Discussion"),
        ("The effect was limited to amber lamps.", "en", "Discussion"),
        ("The improvement is limited by the wind.", "en", "Discussion"),
        ("Amber lamps overcome the limitations of our white lamps.", "en", "Discussion"),
        ("We show that the limitation is removed by amber lamps.", "en", "Discussion"),
        ("We found no limitations of this kind in amber lamps.", "en", "Discussion"),
        ("Previous work had limitations that lower the accuracy.", "en", "Discussion"),
        ("With amber lamps our limitation is no longer the speed.", "en", "Discussion"),
        ("The size of the valley was not a limitation of our study.", "en", "Discussion"),
        ("本研究の限界は，谷が少ないことである．", "ja", "限界"),
        ("本手法には精度の限界がある。", "ja", "限界"),
        ("風の影響が少ない谷での調査は今後の課題である．", "ja", "限界"),
        ("従来手法と比べた効果の確認が今後の課題として挙げられる．", "ja", "限界"),
        ("精度は高いが，速度に課題が残る．", "ja", "限界"),
        ("本手法により，従来の課題を解決し，認識精度が12.3%向上した．", "ja", "考察"),
        ("提案した課題推薦は学習者の成績を有意に改善した。", "ja", "考察"),
        ("限界耐力は従来工法に比べて15%向上した．", "ja", "考察"),
        ("本手法の限界耐力は従来工法に比べて15%向上した．", "ja", "考察"),
        ("5分類の課題で精度が高いことを示した。", "ja", "考察"),
        ("本手法は従来手法の限界を超える精度を示した．", "ja", "考察"),
        ("本手法の限界は見られなかった．", "ja", "考察"),
        ("本手法の限界は琥珀色の街灯で克服された．", "ja", "考察"),
        ("工夫により，本手法の限界を超える精度が得られた．", "ja", "考察"),
        ("本研究の結果は従来手法の限界が低いことを示した．", "ja", "考察"),
        ("前報で今後の課題とした速度の問題を解決した．", "ja", "考察"),
    ],
)
def test_only_a_limitation_of_the_paper_itself_is_called_one(text: str, lang: str, says: str) -> None:
    assert lead_up(passage(text, SectionKind.DISCUSSION), "", lang, {}) == says


def test_japanese_is_led_up_to_in_japanese() -> None:
    assert lead_up(passage("街灯の差は有意であった．"), "結果", "ja", {}) == "結果"
    assert lead_up(passage("街灯の差は有意であった．", SectionKind.OTHER), "色の効果", "ja", {}) == "色の効果"
