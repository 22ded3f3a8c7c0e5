"""Keywords of a paper."""

from __future__ import annotations

import pytest

from refnet.domain.keywords import MOST, choose_keywords, frequent_phrases

ENGLISH = [
    "The literature graph of the moths is large.",
    "We build a literature graph for the street lamps.",
    "The street lamps of the literature graph are amber.",
    "A graph is made of the nodes, and the nodes are shown.",
    "XML is used for the nodes, and the XML is stored.",
    "The methods and the results of the approach are given in the paper.",
    "The methods and the results of the approach are given once more.",
]


def test_the_authors_own_come_first_and_are_enough_if_they_are_five() -> None:
    own = ("Moths", "Street lamps", "Light", "Valleys", "Villages")
    assert choose_keywords(own, ENGLISH) == own


def test_too_few_are_added_to_without_saying_one_twice() -> None:
    chosen = choose_keywords(("Street Lamp",), ENGLISH)
    assert chosen[0] == "Street Lamp"
    assert "street lamps" not in chosen
    assert "literature graph" in chosen


def test_there_are_never_too_many_nor_too_long_ones() -> None:
    own = ("x" * 1_000, "", " ; ", *(f"moth {at}" for at in range(5_000)))
    chosen = choose_keywords(own, ENGLISH)
    assert len(chosen) == MOST
    assert chosen[0] == "moth 0"


def test_a_phrase_comes_before_its_parts_and_what_says_nothing_is_none() -> None:
    found = frequent_phrases(ENGLISH)
    assert found[0] == "literature graph"
    assert "XML" in found
    assert not {"literature", "methods", "results", "approach", "paper", "shown"} & set(found)


def test_words_of_the_title_weigh_more() -> None:
    sentences = ["The moths and the lamps are there."] * 3
    assert frequent_phrases(sentences, "On Lamps")[0] == "lamps"
    assert frequent_phrases(sentences, "On Moths")[0] == "moths"


def test_japanese_phrases_are_found_without_a_dictionary() -> None:
    sentences = [
        "構成管理ツールはサーバの状態を扱う．",
        "特定の構成管理ツールに依存している．",
        "構成管理ツールと街灯の場合を述べる．",
        "街灯の場合は手法を用いる．",
    ]
    found = frequent_phrases(sentences)
    assert found[0] == "構成管理ツール"
    assert "街灯" in found
    assert not {"場合", "手法"} & set(found)


def test_function_words_of_other_languages_are_no_keywords() -> None:
    sentences = [f"Die Straßenlampe {at} ist eine Lampe und die Motten sind da." for at in range(20)]
    found = frequent_phrases(sentences)
    assert "Straßenlampe" in " ".join(found)
    assert not any({"ist", "die", "sind", "eine"} & set(one.lower().split()) for one in found)


@pytest.mark.parametrize("sentences", [[], ["."], ["moth"]])
def test_nothing_gives_nothing(sentences: list[str]) -> None:
    assert choose_keywords((), sentences) == ()
