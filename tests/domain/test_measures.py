"""Units, money, and parts of a whole: what a number of a claim may not change."""

from __future__ import annotations

import pytest

from refnet.domain.measures import mistaken


@pytest.mark.parametrize(
    ("claim", "quote"),
    [
        ("Decoding takes 12 s.", "Decoding takes 12 ms on one GPU."),
        ("処理は12秒で終わる。", "The step ends after 12 minutes."),
        ("The grant was €12 million.", "The grant was $12 million."),
        ("It needs 1,024 GB.", "It needs 1024 MB of memory."),
        ("It needs 16-GB cards.", "It needs cards of 16 MB."),
        ("40 of 12 patients recovered.", "12 of 40 patients recovered."),
        ("40 out of the 12 patients recovered.", "12 of 40 patients recovered."),
        ("The pass costs £12.", "The $12 month pass is sold out."),
        ("It rose 10-fold.", "It rose by 10 %."),
        ("速度は10倍になった。", "It is 10 % faster."),
        ("It is 5 miles away.", "It is 5 km away."),
        ("The wall is 6 feet high.", "The wall is 6 metres high."),
        ("At least 20 came.", "At most 20 came."),
        ("Recall was above 0.9.", "Recall was below .9 in May."),
        ("It never exceeds 5 mg.", "It exceeds 5 mg."),
        ("参加者は20歳以下であった。", "全員が20歳以上であった。"),
        ("Patients were 65 or older.", "Patients were 65 or younger."),
        ("It rose to 5 points.", "It rose by 5 points."),
    ],
)
def test_another_unit_or_the_whole_for_the_part_is_a_mistake(claim: str, quote: str) -> None:
    assert mistaken(claim, quote)


@pytest.mark.parametrize(
    ("claim", "quote"),
    [
        ("Decoding takes 12 seconds.", "Decoding takes 12 s on one GPU."),
        ("処理は12秒で終わる。", "The step ends after 12 seconds."),
        ("The grant was 12 million dollars.", "The grant was $12 million."),
        ("Decoding takes 12 s.", "Of 12 runs each took 12 ms."),  # one of them has no unit
        ("It was tried for 12 days.", "Runs of 12 h and of 12 days were tried."),
        ("12 of the 40 patients recovered.", "12 of 40 patients recovered."),
        ("12 of 12 recovered.", "12 of 12 recovered."),
        ("It has 12 heads.", "It has 12 layers and 12 heads."),
        ("It has 12m parameters.", "It has 12 million parameters."),
        ("1990年代以降、この手法は広く使われている。", "Since the 1990s the method has been widely used."),
        ("It costs £5m a year.", "It costs £5 million a year."),
        ("It takes 2 hours 30 minutes.", "It takes 2 h 30 m."),
        ("It costs $30K.", "It costs 30 thousand dollars."),
        ("The pass costs $12.", "The $12 month pass is sold out."),
        ("The clock runs at 300 Hz.", "The clock runs at 300 s−1."),
        ("More than 90 % agreed.", "Over 90 % agreed."),
        ("It never exceeds 5 mg.", "It is at most 5 mg."),
        ("No more than 20 came.", "At most 20 came."),
        ("It rose by up to 10 %.", "It rose by 5 to 10 %."),
        ("It rose to 5 points, by 3.", "From 2 it rose by 3 to 5 points."),
        # A bound, or what comes near to a number, is neither `by` nor `to`, nor is who does something.
        ("Our method reduces latency up to 12% on all benchmarks.", "Our method reduces latency by up to 12%."),
        ("The model's accuracy gain amounts to 5 points.", "The model improves the accuracy by 5 points."),
        ("Latency falls close to 30%.", "Latency falls by 30%, from 10 to 7 ms."),
        ("Error is 40% lower, by 12 baselines.", "Error fell by 40% relative to 12 baselines."),
        ("The task was given to 12 people.", "The work was done by 12 people."),
        ("The choice fell to 3 of the doctors.", "The dose was chosen by 3 of the doctors."),
        ("Speed rose, whereas it was shown to 3 doctors.", "Speed rose by 3 points."),
        ("5分割交差検証で評価した。", "The evaluation is by 5-fold cross-validation."),
        ("5分類の課題で評価した。", "It is evaluated on tasks of 5 hours."),
        ("The rate is 3.5 × 10-4.", "A rate of 3.5 % was not seen; it is 3.5 × 10-4."),
        ("Precision and recall are 90/85.", "Recall/precision of 85/90 were reached."),
    ],
)
def test_the_same_in_other_words_or_what_says_nothing_is_none(claim: str, quote: str) -> None:
    assert not mistaken(claim, quote)
