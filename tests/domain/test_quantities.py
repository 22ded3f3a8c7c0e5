"""Numbers in sentences."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.domain.quantities import quantities, unsupported


@pytest.mark.parametrize(
    ("claim", "quote"),
    [
        ("It has 1,234,567 rows.", "a table of 1234567 rows"),
        ("It has 1234 rows.", "a table of 1,234 rows"),
        ("精度は９３．４％である。", "an accuracy of 93.4 %"),
        ("精度は93.4パーセントである。", "an accuracy of 93.4 percent"),
        ("3万枚の画像を使う。", "We use 30,000 images."),
        ("120万件を調べた。", "1.2 million records were examined"),
        ("1.5億円", "150 million yen"),
        ("300百万円", "300 million yen"),
        ("A share of 0.93.", "a share of 93 %"),
        ("A share of 93 %.", "a share of 0.93"),
        ("It rises by 5 %.", "it rises by 5 percentage points"),
        ("3 datasets are used.", "We use three datasets."),
        ("It achieves 76.3 mIoU.", "it achieves 76.3% mIoU"),
        ("It achieves 76 mIoU.", "it achieves 76% mIoU"),
        ("It obtains 43 AP on COCO.", "we obtain 43% AP on COCO"),
        ("A median of 88.5 exact match.", "88.5% exact match"),
        ("2つの手法を比べた。", "We compare two methods."),
        ("It has 7B parameters.", "a model of 7 billion parameters"),
        ("3-5 points", "between 3 and 5 points"),
        ("Twenty harbours are compared.", "We compare 20 harbours."),
        ("Twenty-five harbours are compared.", "25 harbours"),
        ("Three hundred and five cases", "305 cases"),
        ("It is two-fold.", "it doubled"),
        ("It is twofold.", "a factor of 2"),
        ("It is three times as fast.", "a speed-up of 3"),
        ("速度は三倍になった。", "it is 3 times as fast"),
        ("五百件を調べた。", "500 records"),
        ("三割が失われた。", "30 % was lost"),
        ("1.2 million records", "1,200,000 records"),
        ("120万件", "1,200,000 records"),
        ("Errors fell by half.", "errors fell by 50 %"),
        ("It doubles the accuracy.", "the accuracy is twice as high"),
        ("誤りは半減した。", "errors fell by 50 %"),
        ("It is an order of magnitude faster.", "it is 10 times as fast"),
        ("A dozen harbours are compared.", "12 harbours"),
        # What is spoken of without being counted.
        ("Half of the participants agreed.", "12 of 24 participants agreed"),
        ("About half agreed.", "49.8% agreed"),
        ("It halves memory.", "it reduces memory by a factor of two"),
        ("It is twice as fast.", "it is 2.1x faster"),
        ("It doubles the score.", "the score rises from 10 to 20"),
        ("It doubles the score.", "an increase of 100 %"),
        ("It is two orders of magnitude faster.", "it is 100x faster"),
        ("Dozens of languages are covered.", "more than 40 languages"),
        ("It took one and a half times as long.", "1.5x as long"),
        ("A double-blind study of the half-life of RDF triples in half precision", "nor here"),
        ("It is the third stage, and the second half-time.", "nor here"),
        ("The two models differ in one way.", "BERT and GPT differ"),
        ("三つの港", "the harbours A, B and C"),
        ("十分な精度に一般に達する。", "enough"),
        ("The tension of attention often heightens.", "nor here"),
        ("r = 0.45, p < .001", "r = .45 and p < 0.001"),
        ("25,000人", "2万5000人"),
        ("2万5千人", "25,000 people"),
        ("予算は1億2千3百万円である。", "123 million yen"),
        ("30 % agreed", "3割が賛成した"),
        ("3割5分が賛成した", "35 % agreed"),
        ("It rises from 10 to 12 %.", "it rises from 10 % to 12 %"),
        ("It rises from 10 % to 12 %.", "it rises from 10 to 12 %"),
        ("It reaches 93.4 on ImageNet.", "93.4 % on ImageNet"),
        ("1,200 rows", "1 200 rows"),
        ("Two thirds agreed.", "200 of 300 agreed"),
        ("A third of them agreed.", "33 % agreed"),
        ("Ten percent agreed.", "10 % agreed"),
        ("No number at all.", "nor here"),
        ("In [1,2] and 2019.", "as said in [1, 2] of 2019"),
    ],
)
def test_a_number_is_supported_however_it_is_written(claim: str, quote: str) -> None:
    assert unsupported(claim, quote) == []


@pytest.mark.parametrize(
    ("claim", "quote"),
    [
        ("93.5 %", "93.4 %"),
        ("It has 1,235 rows.", "1,234 rows"),
        ("95 % of all people", "95 people"),
        ("精度は９３．５％である。", "an accuracy of 93.4 %"),
        ("30万枚の画像", "30,000 images"),
        ("12 million", "1.2 million"),
        ("4 points", "93.4 points"),
        ("93 points", "93.4 points"),
        ("1234 rows", "12345 rows"),
        ("5 datasets", "three datasets"),
        ("It took 47 minutes.", "it took long"),
        ("GPT-4 wins", "our model wins"),
        ("Twenty harbours are compared.", "We compare 30 harbours."),
        ("Twenty-five harbours are compared.", "We compare twenty harbours."),
        ("It is two-fold.", "it rises"),
        ("It is two times as fast.", "it is three times as fast"),
        ("速度は三倍になった。", "it is twice as fast"),
        ("五百件を調べた。", "400 records"),
        ("三割が失われた。", "40 % was lost"),
        ("It works twice as well as anything else.", "it works well"),
        ("So half of all errors vanish.", "errors fell from 10 to 9"),
        ("This tripled the accuracy.", "the accuracy rose to 93 points"),
        ("It is an order of magnitude faster.", "it is faster"),
        ("精度は倍増した。", "the accuracy rises"),
        ("Dozens of languages are covered.", "3 languages"),
        ("誤りは半減した。", "errors fell"),
        ("12 patients", "12 % of the patients"),
        ("1.5 million patients", "1.5 % of the patients"),
        ("12 Japanese", "12 % of the Japanese"),
        ("Twelve patients died.", "12 % of the patients died"),
        ("30人が正解した。", "30%が正解した"),
        ("It rose tenfold.", "it rose by 10 %"),
        ("45 points", "r = .45"),
        ("5000人", "2万5000人"),
        ("2千万円", "1億2千万円"),
        ("3 % agreed", "3割が賛成した"),
        ("A third of them agreed.", "50 % agreed"),
    ],
)
def test_a_number_that_the_quote_does_not_state_is_named(claim: str, quote: str) -> None:
    assert len(unsupported(claim, quote)) == 1


def test_a_number_in_a_name_is_told_from_an_amount() -> None:
    assert [one.name for one in quantities("GPT-4 and F1 of ResNet-50 reach 93.4, 精度93")] == [
        "GPT-4",
        "F1",
        "ResNet-50",
        "",
        "",
    ]


@given(st.text(alphabet="0123456789,.%-GPTk万億千百 million９％二十倍割twenty-fold", max_size=60))
def test_every_text_supports_itself(text: str) -> None:
    assert unsupported(text, text) == []


@pytest.mark.parametrize(
    "piece", ["1", "1,", "a", "a-", "1,000", "a.", "百", "9 %", "1 ", "hundred ", "一", "two-", "三万"]
)
def test_the_time_grows_no_faster_than_the_text(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    begun = time.process_time()
    quantities(text)
    unsupported(text[:2_000], text[:2_000])
    assert time.process_time() - begun < 2.0
