"""What a reader or a program may take for an address in what a model says."""

from __future__ import annotations

import time

import pytest

from refnet.adapters.language_model.addresses import names_a_place


@pytest.mark.parametrize(
    "address",
    [
        "http://evil.example/x", "https://evil.example", "obsidian://new?name=x", "file:/etc/passwd", "//evil.example/x",
        "javascript:alert(1)", "mailto:a", "tel:+1234", "www.evil.example", "WWW.EVIL.EXAMPLE", "evil.example",
        "evil.example/path?x=1", "a.b.evil.com", "evil.co.uk", "EVIL.COM", "t.co/x", "evil.rs/x", "evil.py:8080", "пример.рф/x",
        "日本語.jp", "xn--bcher-kva.xn--p1ai", "127.0.0.1/x", "10.0.0.7:8000", "somebody@evil.example", "a.b+c@evil.in",
        "ｅｖｉｌ．ｅｘａｍｐｌｅ", "evil。com", "evil．com/x", "[evil.example](x)", "<evil.example>",
    ],
)  # fmt: skip
@pytest.mark.parametrize("sentence", ["Look at {} now.", "See ({}), please.", "{}", "詳細は{}を見よ。", "It is on {}."])
def test_an_address_is_one_with_or_without_a_scheme(address: str, sentence: str) -> None:
    assert names_a_place(sentence.format(address))


@pytest.mark.parametrize(
    "sentence",
    [
        "The delay grows by 3.5 minutes for every 100 metres, i.e. more than before (cf. Fig. 2).",
        "We reach mAP@0.5 of 0.93 and recall@10 of 0.8, e.g. with ResNet-50.",
        "It is written in Node.js and ASP.NET, and trained by train.py with config.md.",
        "Ratios of and/or, km/h and 3.5/2 are compared, et al. say.",
        "It ends here.In the next sentence a space is missing.",
        "It ends here.It goes on.No space stands between them.",
        "The U.S. has version 1.2.3.4 of it, as T. Smith et al. and the Ph.D. thesis say.",
        "本手法は精度を93.4％に向上させた。また、2.1倍速い。",
        "The data: 14 months; the result: no change.",
        "The default of model.fit and np.mean is taken.",
    ],
)
def test_an_ordinary_sentence_is_none(sentence: str) -> None:
    assert not names_a_place(sentence)


@pytest.mark.parametrize("piece", ["a.", "a@", "a.b/", "1.", "x" * 50 + ".", "a:", "www", "1.1.1.1", "ab.cd", "。"])
def test_no_text_takes_long_to_look_through(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    begun = time.process_time()
    names_a_place(text)
    assert time.process_time() - begun < 1.0
