"""Numbers in words, English or Japanese: `twenty-five`, `three hundred`, `two-fold`, `三倍`, `五千件`.

Many words of numbers are also others (`one`, `十分`, `一般`), and of two things a text often speaks without counting them. So
there are those that a text may state, and the fewer that it certainly does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

_ENGLISH = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18,
    "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 10**6, "billion": 10**9}
#: Other ways to say a number; half is 50 %.
_OTHERWISE = {
    "twice": 2, "double": 2, "doubles": 2, "doubled": 2, "doubling": 2, "both": 2, "pair": 2, "couple": 2, "triple": 3,
    "triples": 3, "tripled": 3, "third": 3, "quarter": 4, "quadrupled": 4, "dozen": 12, "half": 50, "halves": 50, "halved": 50,
}  # fmt: skip
_DIGITS = {sign: value for value, sign in enumerate("〇一二三四五六七八九")} | {"両": 2, "半": 50}
_UNITS, _MYRIADS = {"十": 10, "百": 100, "千": 1_000}, {"万": 10**4, "億": 10**8}

_NAMES = "|".join(sorted((*_ENGLISH, *_SCALES), key=len, reverse=True))
_SAID = re.compile(
    rf"(?<!\d[\s-])\b((?:{_NAMES})(?:(?:\s+and)?[\s-]+(?:{_NAMES}))*)(-?fold\b|\s+times\b|\s+per\s?cent\b|\b)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[a-z]+|[一二両三四五六七八九十半百千万]")
_RUN = re.compile(r"[一二三四五六七八九十百千万億]+")
_COUNTED = re.compile(
    r"(?<![第数0-9.,一二三四五六七八九十百千万億])([一二三四五六七八九十百千万億]+)(倍|割(?!合)|パーセント|%|件|人|個|回|種類|年間|日間|時間|秒|分間|か月|ヶ月|点|枚|語|社|校|港|段階|層|つ)"
)
_THINGS = re.compile(
    r"\s(?!(?:percentage\s|per\s)?(?:points?|cent)\b|(?:on|in|at|to|of|for|by|with|from|and|or|than|is|are|was)\b)[a-z]",
    re.IGNORECASE,
)
#: A text speaks of fewer things without counting them; what is many times as much is always counted.
_FEWEST = 4


@dataclass(frozen=True, slots=True)
class Said:
    """A number in words; `percent` where it says so (`ten percent`, `三割`), `counts` where things or times follow."""

    value: Decimal
    percent: bool = False
    counts: bool = True


def certain(text: str) -> list[Said]:
    """The numbers that a text states in words, in their order, in width and signs as NFKC has them."""
    found = []
    for match in _SAID.finditer(text):
        words = _parts(match[1])
        value = _english(words)
        if value >= _FEWEST or (value > 1 and (match[2] or len(words) > 1)):
            percent = match[2].strip().lower() in ("percent", "per cent")
            found.append(Said(Decimal(value), percent, counts=bool(match[2]) or bool(_THINGS.match(text, match.end()))))
    for match in _COUNTED.finditer(text):
        value = _japanese(match[1])
        if match[2].startswith("割"):
            found.append(Said(Decimal(value * 10), percent=True))
        elif value >= _FEWEST or (value > 1 and match[2] == "倍"):
            found.append(Said(Decimal(value), percent=match[2] in ("%", "パーセント")))
    return found


def possible(text: str) -> set[Decimal]:
    """Every number that a text may state in words, the parts of longer ones among them."""
    plain = text.lower()
    found = set()
    for word in _WORD.findall(plain):
        value = _ENGLISH.get(word) or _SCALES.get(word) or _OTHERWISE.get(word)
        value = value or _DIGITS.get(word) or _UNITS.get(word) or _MYRIADS.get(word)
        if value:
            found.add(Decimal(value))
    found |= {Decimal(_english(_parts(match[1]))) for match in _SAID.finditer(plain)}
    found |= {Decimal(_japanese(run)) for run in _RUN.findall(plain)}
    return found | {said.value for said in certain(text)}


def _parts(said: str) -> list[str]:
    return [word for word in re.split(r"[\s-]+", said.lower()) if word != "and"]


def _english(words: list[str]) -> int:
    total = part = 0
    for word in words:
        scale = _SCALES.get(word)
        if scale is None:
            part += _ENGLISH[word]
        elif scale == 100:
            part = max(part, 1) * scale
        else:
            total, part = total + max(part, 1) * scale, 0
    return total + part


def _japanese(run: str) -> int:
    total = part = digit = 0
    for sign in run:
        if sign in _MYRIADS:
            total, part, digit = total + max(part + digit, 1) * _MYRIADS[sign], 0, 0
        elif sign in _UNITS:
            part, digit = part + max(digit, 1) * _UNITS[sign], 0
        else:
            digit = digit * 10 + _DIGITS[sign]
    return total + part + digit
