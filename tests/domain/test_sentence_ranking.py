"""Which sentences are central, and which of those are taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.domain.sentence_ranking import (
    LARGEST_GRAPH,
    MOST_OF_GROUP,
    central,
    choose,
    cosine,
    largest,
    near_the_middle,
    vectors,
)
from refnet.domain.terms import stem, terms
from tests.domain.counting import lines_run

SENTENCES = [
    "moth lamp amber village".split(),  # noqa: SIM905 - words of a sentence
    "moth lamp white village".split(),  # noqa: SIM905
    "moth lamp amber white".split(),  # noqa: SIM905
    "tax law court".split(),  # noqa: SIM905
]


def test_terms_of_both_languages() -> None:
    assert terms("The moths' countries and lamp’s e-lights; it has 12 XMLs.") == [
        "moth",
        "country",
        "lamp",
        "e-light",
        "xml",
    ]
    assert terms("構成管理ツールの街灯テスト XML") == ["構成", "成管", "管理", "ツール", "街灯", "テスト", "xml"]
    assert [stem(one) for one in ("queries", "boxes", "glass", "bus", "lamps", "is")] == [
        "query",
        "boxe",
        "glass",
        "bus",
        "lamp",
        "is",
    ]


def test_what_resembles_much_is_central_and_what_resembles_nothing_is_not() -> None:
    ranks = central(vectors(SENTENCES), [1.0] * 4)
    assert ranks[3] == min(ranks)
    assert max(ranks[:3]) > 2 * ranks[3]


def test_a_better_place_raises_the_rank() -> None:
    alike = vectors([["moth", "lamp"]] * 3)
    ranks = central(alike, [1.0, 3.0, 1.0])
    assert ranks[1] == max(ranks)
    assert ranks[0] == ranks[2]


@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from("abcdefg"), max_size=6), st.floats(0.1, 2)),
        min_size=1,
        max_size=20,
    )
)
def test_ranks_are_one_on_average(drawn: list[tuple[list[str], float]]) -> None:
    ranks = central(vectors([one for one, _ in drawn]), [prior for _, prior in drawn])
    assert sum(ranks) == pytest.approx(len(drawn))
    assert min(ranks) >= 0


def test_nothing_has_no_ranks() -> None:
    assert central([], []) == []
    assert central(vectors([["moth"]]), [0.0]) == [0.0]


def test_what_says_the_same_is_taken_later() -> None:
    found = vectors([["moth", "lamp"], ["moth", "lamp"], ["tax", "law"]])
    assert cosine(found[0], found[1]) == pytest.approx(1)
    assert choose([1.0, 0.99, 0.6], found, lambda taken: len(taken) == 2) == [0, 2]


def test_without_a_score_nothing_is_taken() -> None:
    assert choose([0.0, 0.5, 0.0], vectors([["a"], ["b"], ["c"]]), lambda taken: len(taken) == 3) == [1]
    assert choose([], [], lambda taken: False) == []


def test_no_group_takes_all_the_room_while_there_are_others() -> None:
    found = vectors([[str(at)] for at in range(10)])
    groups = [1] * 8 + [2] * 2
    taken = choose([1.0] * 8 + [0.1] * 2, found, lambda taken: len(taken) == 7, groups)
    assert sum(groups[at] == 2 for at in taken) == 2
    assert [groups[at] for at in taken[:MOST_OF_GROUP]] == [1] * MOST_OF_GROUP
    assert len(taken) == 7


def test_the_largest_are_told_in_their_order_and_of_equals_the_first() -> None:
    assert largest([1.0, 3.0, 2.0, 3.0, 2.0], 3) == [1, 2, 3]


def test_a_rank_by_the_middle_takes_one_look_at_each_sentence() -> None:
    many = vectors([["moth", "lamp", str(at % 50)] for at in range(LARGEST_GRAPH)])
    once = lines_run(lambda: near_the_middle(many, [1.0] * len(many)))
    assert lines_run(lambda: near_the_middle(many * 3, [1.0] * len(many) * 3)) <= 3.1 * once
    assert near_the_middle(vectors(SENTENCES), [1.0] * 4)[3] < near_the_middle(vectors(SENTENCES), [1.0] * 4)[0]
