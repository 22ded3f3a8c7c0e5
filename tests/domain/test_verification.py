"""What a paper bears out of what is said about it."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.domain.documents import Document, DocumentSection, SectionKind, Sentence
from refnet.domain.faults import Fault
from refnet.domain.paper_text import PaperText, folded
from refnet.domain.summaries import Finding
from refnet.domain.verification import fault_of, verify

PAPER = PaperText(
    [
        Sentence("We reach an accuracy of 93.4 % on ImageNet, which is 2.1 points better than before.", 1),
        Sentence("In 13.4 percent of all cases the utilization rose (p < 0.05) when users slept.", 2),
        Sentence("本手法は画像分類の精度を93.4％に向上させた。", 3),
        Sentence("We reach an accuracy of 93.4 % on ImageNet with GPT-4, too.", 4),
        Sentence("The naïve coﬁnite approach costs $1,200 a year.", 5),
    ]
)


def kept(claim: str, quote: str, page: int = 1) -> Finding | None:
    found = verify([Finding(claim, quote, page)], PAPER)
    assert len(found.findings) + found.dropped == 1
    return found.findings[0] if found.findings else None


@pytest.mark.parametrize(
    "quote",
    [
        "We reach an accuracy of 93.4 % on ImageNet, which is 2.1 points better than before.",
        "we reach an accuracy of 93.4% on imagenet which is 2.1 points better",
        "“We  reach\nan accuracy of ９３．４％ on ImageNet, which is 2.1 points…”",
        "We reached an accuracy of 93.4 % on ImageNet, which is 2.1 point better than before.",
    ],
)
def test_a_quote_that_stands_in_the_paper_is_kept_in_the_papers_own_words(quote: str) -> None:
    found = kept("The accuracy on ImageNet is 93.4 %.", quote)

    assert found is not None
    assert found.quote.startswith("We reach an accuracy of 93.4 % on ImageNet, which is 2.1 points")
    assert found.page == 1


def test_a_number_that_the_model_changed_within_a_quote_is_the_papers_again() -> None:
    found = PAPER.find("We reach an accuracy of 94.4 % on ImageNet, which is 2.1 points better than before.")

    assert found is not None
    assert "93.4 %" in found.text
    assert "94.4" not in found.text
    # So that a claim of the changed number is dropped.
    changed = "We reach an accuracy of 94.4 % on ImageNet, which is 2.1 points better than before."
    assert kept("The accuracy on ImageNet is 94.4 %.", changed) is None


def test_the_page_is_where_the_quote_stands_whatever_the_model_says() -> None:
    assert kept("The utilization rose.", "the utilization rose (p < 0.05) when users", 77) == Finding(
        "The utilization rose.", "the utilization rose (p < 0.05) when users", 2
    )


def test_of_several_places_the_named_page_is_taken_else_the_first() -> None:
    quote = "We reach an accuracy of 93.4 % on ImageNet"
    for named, page in ((4, 4), (1, 1), (9, 1)):
        passage = PAPER.find(quote, named)
        assert passage is not None
        assert passage.page == page


@pytest.mark.parametrize(
    ("claim", "quote"),
    [
        ("The accuracy is 95 %.", "We reach an accuracy of 93.4 % on ImageNet"),
        ("The accuracy is 93.4 %.", "We obtain the excellent accuracy of 93.4 % on CIFAR"),
        ("The accuracy is 4 %.", "93.4 % on ImageNet, which is 2.1 points"),
        ("精度は94.4％である。", "本手法は画像分類の精度を93.4％に向上させた"),
        ("Users are happy.", "happy users"),
        ("Users are happy.", ""),
        ("Users are happy.", "the"),
        ("Whales sing louder.", "We reach an accuracy of 93.4 % on ImageNet, which is 2.1 points better"),
        ("GPT-5 wins on ImageNet.", "We reach an accuracy of 93.4 % on ImageNet"),
        ("Anything on ImageNet.", "word " * 300),
        ("It is 93.4 % on ImageNet.", "We obtain a mean accuracy of 93.4 % on ImageNet, and that is 2.1 points worse"),
        ("F93 on ImageNet is better.", "We reach an accuracy of 93.4 % on ImageNet"),
    ],
)
def test_what_the_paper_does_not_say_is_dropped_and_counted(claim: str, quote: str) -> None:
    assert kept(claim, quote) is None


@pytest.mark.parametrize(
    ("claim", "quote"),
    [
        ("ImageNetで93.4％の精度に達した。", "We reach an accuracy of 93.4 % on ImageNet"),
        ("The accuracy rises to 93.4 %.", "本手法は画像分類の精度を93.4％に向上させた"),
        ("画像分類の精度は９３．４％になった。", "本手法は画像分類の精度を93.4%に 向上 させた"),
        ("GPT-4 reaches it on ImageNet.", "We reach an accuracy of 93.4 % on ImageNet"),
        ("The approach costs 1200 dollars.", "The naive cofinite approach costs $1200 a year"),
    ],
)
def test_claims_may_be_in_another_language_and_name_what_the_paper_names(claim: str, quote: str) -> None:
    assert kept(claim, quote) is not None


def test_a_quote_ends_with_the_word_or_number_and_the_sign_that_belongs_to_it() -> None:
    for quote, shown in (
        ("3.4 percent of all cases the utilizat", "13.4 percent of all cases the utilization"),
        ("reach an accuracy of 93.4", "reach an accuracy of 93.4 %"),
        ("200 a year the naive", None),
        ("cofinite approach costs 1,200", "coﬁnite approach costs $1,200"),
    ):
        passage = PAPER.find(quote)
        assert (passage.text if passage else None) == shown


def test_a_passage_may_go_over_the_end_of_a_page() -> None:
    passage = PAPER.find("2.1 points better than before. In 13.4 percent of all cases")

    assert passage is not None
    assert passage.page == 1


def test_two_findings_on_the_same_words_are_one() -> None:
    quote = "the utilization rose (p < 0.05) when users slept"
    found = verify([Finding("Utilization rose.", quote, 2), Finding("Users slept.", quote, 2)], PAPER)

    assert [one.claim for one in found.findings] == ["Utilization rose."]
    assert found.dropped == 1


def test_what_stands_in_the_references_is_not_what_the_paper_says() -> None:
    line = "Smith, A study of very large whales and their songs, 2019."
    for kind, stands in ((SectionKind.REFERENCES, False), (SectionKind.RESULTS, True)):
        document = Document(1, 1, (DocumentSection(kind, "", (Sentence(line, 1),)),))
        assert PaperText.of(document).holds("A study of very large whales") is stands


@pytest.mark.parametrize(
    ("claim", "quote", "fault"),
    [
        ("The utilization rose.", "a passage that does not stand in this paper at all", Fault.NOT_FOUND),
        ("The accuracy is 95 %.", "We reach an accuracy of 93.4 % on ImageNet", Fault.NUMBERS),
        ("Twenty networks reach an accuracy.", "We reach an accuracy of 93.4 % on ImageNet", Fault.NUMBERS),
        ("We do not reach an accuracy of 93.4 %.", "We reach an accuracy of 93.4 % on ImageNet", Fault.NEGATED),
        ("精度は93.4％に向上しない。", "本手法は画像分類の精度を93.4％に向上させた", Fault.NEGATED),
        ("The utilization fell when users slept.", "the utilization rose (p < 0.05) when users slept", Fault.REVERSED),
        ("画像分類の精度は93.4％に低下した。", "本手法は画像分類の精度を93.4％に向上させた", Fault.REVERSED),
        ("Whales sing louder.", "We reach an accuracy of 93.4 % on ImageNet", Fault.UNRELATED),
        (
            "We reach an accuracy of 93.4 %. ImageNet has since been retracted.",
            "We reach an accuracy of 93.4 % on ImageNet",
            Fault.SEVERAL,
        ),
    ],
)
def test_each_finding_is_dropped_for_a_reason_of_its_own(claim: str, quote: str, fault: Fault) -> None:
    assert verify([Finding(claim, quote, 1)], PAPER).reasons == {fault: 1}


def test_a_claim_that_denies_what_its_quote_denies_is_kept() -> None:
    paper = PaperText([Sentence("The delay of high water does not depend on the depth of the harbour.", 1)])
    claim = "The delay never depends on the depth of the harbour."

    assert len(verify([Finding(claim, "does not depend on the depth of the harbour", 1)], paper).findings) == 1


def test_quotes_that_are_not_in_a_book_of_three_million_signs_take_seconds_and_not_minutes() -> None:
    choice = random.Random(1)
    words = ["".join(choice.choices("etaoinshrdlucmfw", k=choice.randint(2, 9))) for _ in range(5_000)]
    kanji = [chr(0x4E00 + 7 * at) for at in range(1_000)]

    def english() -> str:
        return " ".join(choice.choices(words, k=18))

    def japanese() -> str:
        return "".join(choice.choices(kanji, k=60))

    for said in (english, japanese):
        sentences = [Sentence(said(), 1 + at // 30) for at in range(3_000_000 // len(said()))]
        paper = PaperText(sentences)
        absent = [Finding("A claim.", said() + said(), 1) for _ in range(20)]
        near = [
            Finding(one.text, one.text.replace(one.text[7:9], "xy", 1), one.page)
            for one in (sentences[5], sentences[-5])
        ]
        begun = time.process_time()
        found = verify([*absent, *near], paper)
        assert time.process_time() - begun < 8.0
        assert found.reasons == {Fault.NOT_FOUND: 20}
        assert [one.page for one in found.findings] == [1, sentences[-5].page]


def test_a_search_that_would_take_too_long_is_left_and_counted_and_what_stands_word_for_word_is_found() -> None:
    own = "The delay of high water grows with the length of the entrance."
    # Every part of it is nearly the quote.
    paper = PaperText([Sentence("ab" * 20_000, 1), Sentence(own, 2)], most_compared=100_000)
    absent = [Finding("A claim.", "ab" * 40 + f"{at}x" * 3 + "ab" * 40, 1) for at in range(5)]
    found = verify([*absent, Finding("The delay grows.", own, 2)], paper)

    assert found.reasons == {Fault.UNRELATED: 2, Fault.NOT_LOOKED_FOR: 3}
    assert [one.claim for one in found.findings] == ["The delay grows."]


def test_an_empty_paper_bears_nothing_out() -> None:
    assert verify([Finding("A claim.", "a quote that is long enough to be one", 1)], PaperText([])).dropped == 1


@given(st.text(max_size=40))
def test_folding_leaves_letters_and_digits(text: str) -> None:
    assert folded(text) == "" or folded(text).isalnum()
    assert folded(folded(text)) == folded(text)


@pytest.mark.parametrize(
    "text", ["a" * 100_000, "ab" * 50_000, "1." * 50_000, "a " * 50_000, "(" * 100_000, "あ" * 100_000]
)
def test_no_text_takes_long_to_look_quotes_up_in(text: str) -> None:
    paper = PaperText([Sentence(text, 1)])
    shuffled = list(text[:500])
    random.Random(1).shuffle(shuffled)
    begun = time.process_time()
    for quote in (text[:400], "".join(shuffled), "b" * 400, "xyz" * 100):
        paper.find(quote, 2)
    assert time.process_time() - begun < 5.0


@pytest.mark.parametrize(
    "claim",
    [
        "On ImageNet we reach an accuracy with max. 512 tokens, e.g. on BERT.",
        "ImageNet accuracy is 93.4 % (Fig. 3) in J. Am. Chem. Soc. Reviews.",
        "ImageNet, Jeopardy! Questions and Yahoo! Answers have an accuracy.",
    ],
)
def test_a_stop_behind_an_abbreviation_is_no_end_of_a_claim(claim: str) -> None:
    quote = "We reach an accuracy of 93.4 % on ImageNet with 512 tokens, as Figure 3 shows"
    assert verify([Finding(claim, quote, 1)], PaperText([Sentence(quote, 1)])).reasons == {}


@pytest.mark.parametrize(
    ("sentence", "stands"),
    [
        ("The accuracy is 93.4 %, 2.1 points better, at a cost of 1,200 dollars.", True),
        ("GPT-4 is compared.", True),
        ("精度は93.4％である。", True),
        ("Nothing is counted.", True),
        ("The accuracy rises to 99.9 %.", False),
        ("GPT-5 is compared.", False),
        ("Twenty networks are compared.", False),
    ],
)
def test_the_numbers_of_a_sentence_stand_anywhere_in_the_paper_or_not(sentence: str, stands: bool) -> None:
    assert PAPER.states_numbers_of(sentence) is stands


# ---------------------------------------------------------------- keywords


def test_a_short_keyword_is_found_behind_many_words_that_hold_its_letters() -> None:
    sentence = "We train models on main domains and again explain available training to obtain gains."
    text = PaperText([*(Sentence(sentence, 1) for _ in range(50)), Sentence("AI is useful.", 2)])

    assert text.holds("AI")


@pytest.mark.parametrize(
    ("word", "stands"),
    [
        ("placeholder", True),
        ("laceholder", False),
        ("GAN", False),
        ("AI", False),
        ("large language model", True),
        ("language model", True),
        ("word 2", True),
        ("学習", True),
        ("mode", False),
        ("", False),
    ],
)
def test_a_paper_holds_words_as_whole_words_or_in_the_plural(word: str, stands: bool) -> None:
    text = PaperText(
        [
            Sentence(
                "An ACE inhibitor began in organs with placeholders and large language models, Word 2. 深層学習を用いる。",
                1,
            )
        ]
    )

    assert text.holds(word) is stands


# ---------------------------------------------------------------- claims that say something else


@pytest.mark.parametrize(
    ("claim", "fault"),
    [
        ("The stopping rule is fast. It cures cancer in all patients.", Fault.SEVERAL),
        ("The rule reads fewer passages! All earlier studies of accuracy are false!", Fault.SEVERAL),
        ("The stopping rule reads fewer passages; the authors admit fraud in earlier work.", Fault.UNRELATED),
        ("The stopping rule reads fewer passages; the accuracy of the reader stays.", None),
        ("The stopping rule reads fewer passages; this is the best result.", None),
        ('The stopping rule of "Are we done? A study" keeps the accuracy.', None),
        ("The rule fails to keep the accuracy of the reader.", Fault.NEGATED),
        ("The rule not only reads fewer passages but keeps the accuracy, too.", None),
    ],
)
def test_each_statement_of_a_claim_is_held_against_the_quote(claim: str, fault: Fault | None) -> None:
    quote = "The stopping rule reads fewer passages and keeps the accuracy of the reader."

    assert fault_of(quote, claim, PaperText([])) is fault


@pytest.mark.parametrize(
    ("claim", "quote", "fault"),
    [
        ("The vaccine is ineffective in adults.", "The vaccine is effective in adults.", Fault.NEGATED),
        ("The vaccine is effective in adults.", "The vaccine is ineffective in adults.", Fault.NEGATED),
        ("The vaccine is not ineffective in adults.", "The vaccine is effective in adults.", None),
        ("The formation needs information.", "Information on the formation is needed.", None),
        ("Augmentation improved the accuracy.", "Augmentation proved to improve the accuracy.", None),
        ("Pretraining improves accuracy.", "Pretraining proves helpful for accuracy.", None),
        ("Immigration raises wages in cities.", "We find that migration raises wages in cities.", None),
        ("It beats supervised baselines.", "The unsupervised encoder beats baselines with labels.", None),
        ("The estimates are unreliable.", "The estimates are reliable in all cities.", Fault.NEGATED),
        ("Decoding takes 12 s.", "Decoding takes 12 ms on one GPU.", Fault.NUMBERS),
        ("事前学習は正解率を下げた。", "Pretraining raises the accuracy of the reader.", Fault.REVERSED),
        ("事前学習は正解率を上げた。", "Pretraining raises the accuracy of the reader.", None),
        ("以上が精度の結果である。", "The accuracy falls without dates.", None),
        (
            "The error rose from 12% to 8%.",
            "The error fell from 12% to 8% after pretraining on more data.",
            Fault.REVERSED,
        ),
    ],
)
def test_a_claim_is_negated_and_rises_as_its_quote_does(claim: str, quote: str, fault: Fault | None) -> None:
    assert fault_of(quote, claim, PaperText([])) is fault
