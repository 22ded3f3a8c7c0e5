"""Where sentences end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.domain.sentences import join_sentences, split_sentences
from tests.domain.counting import lines_run


@pytest.mark.parametrize(
    "sentences",
    [
        ["One ends.", "Another begins.", "Does it? Yes."[:8], "Yes."],
        ["It grew by 3.5 mm in 0.4 s.", "Then it stopped."],
        ["As Smith et al. (2019) and Jones et al. [3] found, it grows.", "It does."],
        ["This follows Smith et al.", "The rest is new."],
        ["We use lamps, e.g. Amber ones, i.e. Those of Fig. 3 and Eqs. 4 and 5.", "They are bright."],
        ["Dr. A. B. Light and J.-P. Wing count moths, cf. Sec. 2, No. 5 and pp. 3 to 8.", "They sleep."],
        ["It is taken from class B.", "The class is large."],
        ["It holds in the U.S. Army and in the U.S.", "We do not know more."],
        ["He said “it ends here.”", "Then he left."],
        ['She said "it ends."', "He left (at once.)", "All left."],
        ["As was shown before.[12]", "However, it was not.12,13", "It is so (RNNs).2", "For each it is."],
        ["The terms x1 ... Xn are left out.", "And so on...", "The end."],
        ["Lower case follows. so it goes on.", "New."],
        ["One is glued.", "The other follows."],
        ["これは文である．", "これも文である。", "値は３．５である．", "本当か？", "はい。"],
        ["彼は「これは文だ。そうだ。」と述べた．", "次の文（例。これ）である。"],
        ["図 3.5 を見る.", "次の文である."],
        ["CFEngine[2] が登場した．", "Chef が登場した．"],
    ],
)
def test_sentences_that_are_joined_come_apart_again(sentences: list[str]) -> None:
    assert split_sentences(join_sentences(sentences)) == sentences


def test_sentences_that_stand_together_without_a_space_come_apart() -> None:
    assert split_sentences("It is supplied.As such it helps. See node.Js and v2.The.") == [
        "It is supplied.",
        "As such it helps.",
        "See node.Js and v2.The.",
    ]


def test_a_bracket_that_is_never_closed_does_not_hold_the_rest_together() -> None:
    text = "「閉じない括弧がある。" + "文である。" * 100
    assert len(split_sentences(text)) > 30


def test_white_space_is_folded_and_nothing_makes_nothing() -> None:
    assert split_sentences("  One\n ends.\t Two. ") == ["One ends.", "Two."]
    assert split_sentences(" \n ") == []


@given(st.text(alphabet='aAbZ.!?。．「」()[]"”12 ,e.g.al\n', max_size=200))
def test_nothing_is_lost_or_moved(text: str) -> None:
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())


@pytest.mark.parametrize(
    "piece", [". ", "a. ", "A. B. ", "「", "」", "。", "et al. ", "1.", '." ', "(", "[1, 2].", "x" * 40 + ". X"]
)
def test_the_work_grows_with_the_length_whatever_the_text_is(piece: str) -> None:
    once = lines_run(lambda: split_sentences(piece * 2_000))
    assert lines_run(lambda: split_sentences(piece * 4_000)) <= 2.1 * once + 100


def test_the_number_of_an_item_is_no_sentence_by_itself() -> None:
    assert split_sentences("1. Lamps are bright. Moths are many.") == ["1. Lamps are bright.", "Moths are many."]
