"""What two texts have in common, as far as it can be told without reading them: letters, and what they speak of."""

from __future__ import annotations

import re
import unicodedata

_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_LATIN_WORD = re.compile(r"[a-z][a-z0-9]{2,}")
#: Words that any two sentences may share.
_COMMON = frozenset(
    re.findall(
        "[a-z]+",
        "the and for that this with are was were has have had from not but can than then they their its our which when where "
        "while more most less such also other into over between both only very some any all one two use used using show "
        "shows shown result results paper method methods model models data",
    )
)


def is_cjk(text: str) -> bool:
    """Whether Japanese or Chinese characters stand in it."""
    return bool(_CJK.search(text))


def subjects(text: str) -> set[str]:
    """What a text is about, as far as can be compared: stems of words, numbers, pairs of Japanese characters."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    words = {word[:5] for word in _LATIN_WORD.findall(plain) if word not in _COMMON}
    words |= set(re.findall(r"\d+(?:\.\d+)?", plain))
    signs = re.findall("[\u30a1-\u30fa\u30fc\u3400-\u9fff]+", plain)
    return words | {run[at : at + 2] for run in signs for at in range(len(run) - 1)}
