"""Claims that turn what their quote says round, and those that only say it in another way."""

from __future__ import annotations

import time

import pytest

from refnet.domain.directions import reverses

GROWS = "The delay of high water grows with the length of the entrance, by 3.5 minutes for every 100 metres."
BETTER = "Our retriever improves the accuracy on NQ from 41.2 to 44.5 points."
OUTPERFORMS = "DenseNet outperforms ResNet on CIFAR by 2.1 points."
HIGHER = "The recall of BERT is higher than that of GPT on long questions."
LESS = "Training with curriculum takes less memory on the same GPUs."
JAPANESE = "本手法は画像分類の精度を93.4％に向上させた。"
JAPANESE_MORE = "港の入口が長いほど潮の遅れは増加する。"
JAPANESE_HIGH = "BERTの再現率はGPTより高い。"


@pytest.mark.parametrize(
    ("claim", "quote"),
    [
        ("The delay of high water falls with the length of the entrance.", GROWS),
        ("The delay decreases with the length of the entrance, by 3.5 minutes for every 100 metres.", GROWS),
        ("The retriever worsens the accuracy on NQ.", BETTER),
        ("The retriever degrades the accuracy on NQ from 41.2 to 44.5.", BETTER),
        ("The accuracy on NQ is reduced by the retriever.", BETTER),
        ("DenseNet underperforms ResNet on CIFAR.", OUTPERFORMS),
        ("DenseNet is worse than ResNet on CIFAR.", OUTPERFORMS),
        ("The recall of BERT is lower than that of GPT on long questions.", HIGHER),
        ("Training with curriculum takes more memory on the GPUs.", LESS),
        ("画像分類の精度は93.4％に低下した。", JAPANESE),
        ("画像分類の精度が減少した。", JAPANESE),
        ("港の入口が長いほど潮の遅れは減少する。", JAPANESE_MORE),
        ("BERTの再現率はGPTより低い。", JAPANESE_HIGH),
        # In the other language, where both name the same kind of thing.
        ("潮の遅れは入口の長さとともに減少する。", GROWS),
        ("NQでの精度は低下した。", BETTER),
        ("The accuracy falls to 93.4 %.", JAPANESE),
    ],
)
def test_a_claim_that_says_the_other_direction_turns_its_quote_round(claim: str, quote: str) -> None:
    assert reverses(claim, quote)


@pytest.mark.parametrize(
    ("claim", "quote"),
    [
        ("The delay of high water increases with the length of the entrance.", GROWS),
        ("With longer entrances the delay rises by 3.5 minutes.", GROWS),
        ("Accuracy on NQ rises to 44.5 points.", BETTER),
        ("The accuracy on NQ is better.", BETTER),
        # Less of one thing is more of another.
        ("The method has a higher accuracy on ImageNet.", "The method reduces the error on ImageNet by 20 %."),
        ("誤りが減少する。", BETTER),
        ("精度が向上した。", "The error rate decreases."),
        ("Entrances of small harbours matter more in winter.", "The error decreases in small harbours."),
        ("Small harbours have more storms in winter.", "The number of ships in these harbours falls."),
        ("Deeper networks need higher learning rates.", "The number of parameters decreases with deeper networks."),
        # The other way round is the same.
        ("The recall of GPT is lower than that of BERT on long questions.", HIGHER),
        ("GPT has a lower recall on long questions.", HIGHER),
        ("ResNet underperforms DenseNet on CIFAR.", OUTPERFORMS),
        ("ResNet is worse than DenseNet on CIFAR.", OUTPERFORMS),
        ("GPTの再現率はBERTより低い。", JAPANESE_HIGH),
        # Both directions, and what is denied or prevented.
        ("The accuracy rises while the delay falls.", "The delay falls."),
        ("The delay falls.", "The delay grows at first and falls later."),
        ("The delay does not fall with the length of the entrance.", GROWS),
        ("The delay of high water grows.", "Dredging prevents the delay of high water from falling."),
        ("精度は低下しない。", JAPANESE),
        ("The accuracy increases.", "This prevents a decrease of the accuracy."),
        # Twice turned is not turned.
        ("Most of the patients died.", "Few of the patients survived."),
        ("Many of the patients survived.", "Few of the patients died."),
        # No directions at all.
        ("The lower bound of the delay is met.", "The delay of high water grows up to the bound."),
        ("Higher-order terms of the delay are kept.", "The delay falls with terms of this kind."),
        ("More than 40 harbours were measured.", "The fewer of the 40 harbours were measured."),
        ("The delay is 3.5 minutes.", GROWS),
        ("", ""),
    ],
)
def test_a_claim_that_says_the_same_in_another_way_does_not(claim: str, quote: str) -> None:
    assert not reverses(claim, quote)


@pytest.mark.parametrize("text", [GROWS, BETTER, OUTPERFORMS, HIGHER, LESS, JAPANESE, JAPANESE_MORE, JAPANESE_HIGH])
def test_no_sentence_turns_itself_round(text: str) -> None:
    assert not reverses(text, text)


@pytest.mark.parametrize("piece", ["more ", "than ", "than a ", "あ", "高", "rise ", "GPTより", "less\t"])
def test_no_text_takes_long_to_compare(piece: str) -> None:
    text = piece * (20_000 // len(piece))
    begun = time.process_time()
    reverses(text, GROWS)
    assert time.process_time() - begun < 2.0
