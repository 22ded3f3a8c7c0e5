"""Which sentences can stand in a summary, and how they read there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from refnet.domain.citations import Citations
from refnet.domain.documents import Document, DocumentSection, SectionKind, Sentence
from refnet.domain.prose import is_prose, stands_alone
from refnet.domain.wording import LONGEST, cites, plain, quoted
from tests.domain.made_up_papers import of_sentences


@pytest.mark.parametrize(
    ("sentence", "reads"),
    [
        (
            "Street lamps draw moths away from the many flowers (Flutter et al., 2011; Dusk and Wing, 2014).",
            "Street lamps draw moths away from the many flowers.",
        ),
        (
            "Street lamps draw moths [3, 4] away from the flowers there [5–7].",
            "Street lamps draw moths away from the flowers there.",
        ),
        (
            "However, we found that amber lamps draw far fewer moths.12",
            "We found that amber lamps draw far fewer moths.",
        ),
        (
            "Therefore, as expected, we found many more moths in both of the two valleys.",
            "We found many more moths in both of the two valleys.",
        ),
        (
            "As shown in Table 2, the moths of the valley prefer the lamps that are white.",
            "The moths of the valley prefer the lamps that are white.",
        ),
        (
            "The moths of the valley prefer the lamps that are white (see Figure 3).",
            "The moths of the valley prefer the lamps that are white.",
        ),
        (
            "The moths (n = 12) prefer lamps that are white, not amber.",
            "The moths (n = 12) prefer lamps that are white, not amber.",
        ),
        (
            "However, eLamps draw more moths than the lamps of others do.",
            "eLamps draw more moths than the lamps of others do.",
        ),
        (
            "But we found that amber lamps draw far fewer moths in both valleys.",
            "We found that amber lamps draw far fewer moths in both valleys.",
        ),
        (
            "So far no village has lamps that draw fewer moths than candles do.",
            "So far no village has lamps that draw fewer moths than candles do.",
        ),
        (
            "But for the amber lamps the villages would be without any moths.",
            "But for the amber lamps the villages would be without any moths.",
        ),
        (
            "We count papers,10 meaningful citations and the moths in them.",
            "We count papers, meaningful citations and the moths in them.",
        ),
        (
            "The survey was sent to twelve women,45 of whom had seen moths.",
            "The survey was sent to twelve women, 45 of whom had seen moths.",
        ),
        (
            "The moths were shown to patients,34 men and 20 women of the valley.",
            "The moths were shown to patients, 34 men and 20 women of the valley.",
        ),
        (
            "The moths were counted in one night (March 2023) and in the years of war (World War II, 1939-1945).",
            "The moths were counted in one night (March 2023) and in the years of war (World War II, 1939-1945).",
        ),
        (
            "Amber lamps draw fewer moths than white ones do (Table 1, p < 0.001).",
            "Amber lamps draw fewer moths than white ones do (p < 0.001).",
        ),
        (
            "Amber lamps draw fewer moths than white ones do (by 12 %, see Figure 3, left).",
            "Amber lamps draw fewer moths than white ones do (by 12 %).",
        ),
        (
            "The moths had an eta squared of .03 and an r = .45 in a program for .NET .",
            "The moths had an eta squared of .03 and an r = .45 in a program for .NET.",
        ),
        ("また，琥珀色の街灯に集まる蛾は少ないことが分かった [3]．", "琥珀色の街灯に集まる蛾は少ないことが分かった．"),
        (
            "琥珀色の街灯に集まる蛾は少ない（街灯，2014）ことが分かった．",
            "琥珀色の街灯に集まる蛾は少ないことが分かった．",
        ),
    ],
)
def test_citations_pointers_and_lead_ins_are_left_out(sentence: str, reads: str) -> None:
    assert plain(sentence) == reads


@pytest.mark.parametrize(
    "sentence",
    [
        "The villages rated their lamps on a scale [1, 5] before and after the summer.",
        "The numbers of moths were normalised to the interval [0, 1] before they were compared.",
        "The flags [0, 2] were set for the lamps of the villages in the valley.",
        "The moths were counted for a range of [3–7] nights in all of the villages.",
        "The median time was 12 months [10, 14] in the villages without any lamps.",
        "The lamps of the village draw the moths of the [15] that are drawn by none.",
    ],
)
def test_a_range_in_brackets_and_a_number_that_is_a_name_are_no_citation(sentence: str) -> None:
    numbered = Citations(highest=40)
    assert plain(sentence, numbered) == plain(sentence) == sentence
    assert not cites(sentence, numbered)


def paper(*sentences: str, references: str = "") -> Document:
    listed = (Sentence(references, 9),) if references else ()
    return replace(
        of_sentences(list(sentences)),
        sections=(
            *of_sentences(list(sentences)).sections,
            DocumentSection(SectionKind.REFERENCES, "References", listed),
        ),
    )


ENTRIES = ["Flutter, A.: Moths of the valley and their lamps. Journal of Moths, 2001."] * 12


@pytest.mark.parametrize("mark", ["[{}] ", "{}. ", "{} ", "({}) ", "［{}］", "{}．", "{})", "{}"])
def test_a_number_cites_only_as_high_as_the_references_are_numbered(mark: str) -> None:
    references = " ".join(mark.format(at) + entry for at, entry in enumerate(ENTRIES, 1))
    citations = Citations.of(paper("Nothing.", references=references))
    assert citations.highest == 12
    assert plain("Street lamps draw moths away from the flowers [12].", citations) == (
        "Street lamps draw moths away from the flowers."
    )
    kept = "Street lamps of the sizes [5, 10, 50] draw moths away from the flowers."
    assert plain(kept, citations) == kept


def test_no_number_cites_where_the_references_have_none_and_any_may_where_they_were_not_found() -> None:
    sentence = "Street lamps of the sizes [5, 10] draw moths away from the flowers."
    by_name = Citations.of(paper("Nothing.", references=" ".join(ENTRIES)))
    assert (by_name.highest, plain(sentence, by_name)) == (0, sentence)
    unknown = Citations.of(paper("Nothing."))
    assert (unknown.highest, plain(sentence, unknown)) == (None, sentence.replace(" [5, 10]", ""))


@pytest.mark.parametrize("mark", ["{}．", "{})", "［{}］", "{}）"])
def test_japanese_entries_are_numbered_too(mark: str) -> None:
    references = " ".join(
        mark.format(at) + "山田太郎：蛾と街灯の研究，蛾学会誌，Vol. 3, pp. 1–9（2001）" for at in range(1, 21)
    )
    assert Citations.of(paper("Nothing.", references=references)).highest == 20


@pytest.mark.parametrize("mark", ["{} - ", "#{} ", ""])
def test_numbers_cite_where_it_cannot_be_told_how_the_references_are_numbered(mark: str) -> None:
    references = " ".join(mark.format(at) + entry for at, entry in enumerate(ENTRIES, 1))
    sentence = "Street lamps draw moths away from the flowers [5, 10]."
    citations = Citations.of(paper(sentence, references=references))
    assert citations.highest is None
    assert plain(sentence, citations) == "Street lamps draw moths away from the flowers."


@pytest.mark.parametrize(
    "bracket",
    [
        "e.g., Figure 2",
        "see, e.g., Table 3",
        "cf. Section 3, left",
        "Brown and May 2011",
        "Flutter et al. 2010; May 2011",
        "Flutter 2001-2003",
    ],
)
def test_nothing_stays_of_a_bracket_of_pointers_or_works(bracket: str) -> None:
    assert plain(f"Street lamps draw moths away from the flowers there ({bracket}).") == (
        "Street lamps draw moths away from the flowers there."
    )


@pytest.mark.parametrize(
    ("bracket", "kept"),
    [
        ("Fall 2011", "Fall 2011"),
        ("May 2010; June 2011", "May 2010; June 2011"),
        ("e.g., Table 1, p < 0.001", "p < 0.001"),
        ("e.g., by night", "e.g., by night"),
    ],
)
def test_dates_values_and_words_in_brackets_stay(bracket: str, kept: str) -> None:
    assert plain(f"Street lamps draw moths away from the flowers there ({bracket}).") == (
        f"Street lamps draw moths away from the flowers there ({kept})."
    )


def test_a_number_in_brackets_is_a_name_before_words_that_have_such_names_elsewhere() -> None:
    named = "The state of the [15] representation is drawn by lamps."
    sentence = "The moths call for a state in the flavor [15] representation, not seen in lamps [7]."
    without = "The moths call for a state in the flavor [15] representation, not seen in lamps."
    assert plain(sentence, Citations.of(paper(named, named))) == without
    assert plain(sentence, Citations.of(paper(named))) == without.replace(" [15]", "")


@pytest.mark.parametrize(
    "sentence",
    [
        "We follow the method for the counting of moths that is given in [3] and [4].",
        "[3] shows that the moths in the valleys prefer lamps that are white.",
        "研究 [31] は街灯と蛾の関係を調べたものである．",
        "Too short to say much.",
        "Street lamps draw moths away from the many flowers" + " [1]" * 300 + ".",
        "Too long: " + "lamp " * LONGEST + ".",
    ],
)
def test_what_would_not_read_without_its_citation_or_is_too_short_or_long_is_left_out(sentence: str) -> None:
    assert plain(sentence) is None


def test_a_sentence_that_names_other_works_is_told() -> None:
    assert cites("Street lamps draw moths (Flutter et al., 2011).")
    assert cites("Street lamps draw moths (Dusk, 2014).")
    assert cites("Street lamps draw moths [4].")
    assert not cites("Street lamps draw moths (n = 12) in the years (2011) of the count.")


def test_a_quote_goes_without_the_number_of_a_footnote() -> None:
    assert quoted("We count moths.12") == "We count moths."
    assert quoted("We count moths (all of them).3") == "We count moths (all of them)."
    assert quoted("It grew by 3.5 and ends with 0.12") == "It grew by 3.5 and ends with 0.12"


GOOD = [
    "We study how the colour of street lamps changes the number of moths.",
    "Amber lamps drew far fewer moths than white lamps at all twelve sites.",
    "20 papers explicitly mention that the counting of moths is expensive.",
    "The difference was significant (p < 0.05) at eleven of the twelve sites.",
    "本論文では，街灯の色が蛾の数に与える影響を調べる．",
    "serverspec はサーバの状態をテストするフレームワークである．",
]


@pytest.mark.parametrize("sentence", GOOD)
def test_running_text_is_prose_that_stands_alone(sentence: str) -> None:
    assert is_prose(sentence)
    assert stands_alone(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Figure 2: The number of moths by the colour of the lamp in the village.",
        "Table 1 The number of moths by the colour of the lamp in the village.",
        "図 2 街灯の色と蛾の数の関係を示すグラフである．",
        "Sketch of the lamps that were fitted to the street lamps of the villages.",
        "and therefore the number of moths was smaller in all of the villages.",
        "The number of moths was smaller in all of the villages that we",
        "Department of Lamps, University of Nowhere, Valley Road, Village, Land.",
        "Let n = 12 and m = n + k be the numbers of the lamps of the villages.",
        "The model has x 1 y 2 z 3 a 4 b 5 in each of the rows q 6 r 7 s 8.",
        "The lamps are listed at https://example.org for the use of all readers.",
        "Permission to make digital or hard copies of all or part of this work is granted.",
        "We thank the villages for the lamps that they lent us over the two summers.",
        "The work of A. L. was supported by the foundation of the lamps of the valley.",
        "The lamps (of the villages in the valley were white for two of the summers.",
        "The lamps of the villages \ufffd were white for two of the summers we looked at.",
        "2 We fitted lamps to the street lamps of the villages for the two summers.",
        "3.1 The lamps of the villages were white for two of the summers we looked.",
        "Lamps and traps We fitted lamps to the street lamps of the twelve villages.",
        "The lamps of the villages were white and still. do not draw any of the moths here.",
        "The lamps of the villages are kept in the variable .lampList of the program.",
        "The lamps of the Journal of Moths and Lamps 39 villages were white for all.",
        "Straßenlampen ziehen Motten von den Blumen weg, welche sie sonst bestäuben.",
    ],
)
def test_captions_formulas_headings_fragments_and_publishers_lines_are_no_prose(sentence: str) -> None:
    assert not is_prose(sentence)


def test_other_languages_need_no_english_words() -> None:
    assert is_prose("Straßenlampen ziehen Motten von den Blumen weg, welche sie sonst bestäuben.", english=False)


@pytest.mark.parametrize(
    "sentence",
    [
        "This matters more than the colour of the lamps in the villages of the valley.",
        "It was smaller in the villages in which the lamps had been replaced before.",
        "In this case, the number of moths was smaller than in the years before it.",
        "For example, the number of moths was smaller than in the years before it.",
        "In the noiseless setting, they gave the conditions for the lamps to be found.",
        "The latter draw fewer moths than the lamps that were fitted in the first year.",
        "In Section 2 we describe the lamps that were used in the twelve villages.",
        "The rest of this paper is organized as the villages of the valley are in it.",
        "The lamps of the villages draw fewer moths, which Figure 3 and Table 2 show.",
        "We describe how the lamps were fitted to the street lamps of the villages.",
        "The lamps described above draw fewer moths than the lamps of the villages.",
        "Flutter et al. counted fewer moths at the amber lamps than at the white lamps.",
        "Moths were counted as Dusk (2014) did it in the villages of the other valley.",
        "But for the amber lamps the villages would be without any moths at all.",
        "Later ones draw fewer moths than the lamps that were fitted in the first year.",
        "The advantage is real only where the lamps of the villages are old.",
        "Among villages whose lamps were all fitted in the first year, it draws fewer moths.",
        "With a small number of lamps it is better than without any lamps.",
        "これにより，蛾の数が減少したことが分かった．",
        "本論文の構成は以下の通りである．",
        "図 2 に街灯の色ごとの蛾の数を示す．",
        "次節では街灯の色と蛾の数の関係を調べる．",
    ],
)
def test_what_leans_on_other_sentences_or_points_elsewhere_does_not_stand_alone(sentence: str) -> None:
    assert not stands_alone(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "This paper studies how the colour of street lamps changes the number of moths.",
        "In this paper, we measure how the colour of street lamps changes the moths.",
        "These results suggest that the colour of street lamps changes the moths.",
        "It is possible that the colour of street lamps changes the number of moths.",
        "So far no village has lamps that draw fewer moths than candles do.",
        "For villages with a small number of lamps, it is hard to draw the moths.",
        "With a small number of lamps it is hard to draw the moths of a village.",
        "The advantage of amber lamps is real only where the villages are old.",
        "本研究の目的は，街灯の色と蛾の数の関係を明らかにすることである．",
    ],
)
def test_what_only_seems_to_lean_stands_alone(sentence: str) -> None:
    assert stands_alone(sentence)
