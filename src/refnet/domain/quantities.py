"""The numbers that a sentence states in digits, English or Japanese, however they are written; for words see
`number_words`.

`1,234`, `１２３４` and `1234` are one number, so are `30,000` and `3万`, `1.2 million` and `120万`, `.45` and `0.45`, `2万5千` and
`25,000`, `3割` and `30 %`. What cannot be told from the sentence alone (`7B` may be a size or a name) has several readings.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

from refnet.domain.multiples import unborne
from refnet.domain.number_words import certain, possible

# Only Latin letters make names with digits: in `精度93` the digits are a number by itself.
_NUMBER = re.compile(
    r"(?P<glued>(?<![A-Za-z0-9_])[A-Za-z][A-Za-z0-9_.]{0,30}-?)?"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|(?<![\w.)\]”’\"'])\.\d+)"
    r"(?P<scale>\s?(?:thousand|million|billion|trillion)\b|[kKMB](?![\w])|[百千万億兆]+(?:\d[\d,]*[百千万億兆]+)*(?:\d[\d,]*\d|\d)?)?"
    r"(?P<percent>\s?(?:%|percent\b|per cent\b|パーセント)|割(?![合りる])(?:(?P<tenth>\d)分)?)?",
    re.IGNORECASE,
)
_PERCENT = re.compile(r"%|per ?cent|パーセント|percentage|\d割", re.IGNORECASE)
#: Numbers between which this stands are of one kind: `from 10 to 12 %`.
_LISTED = re.compile(r"\s*(?:[-–—~〜/±,、・]|to|and|or|vs\.?|versus|から|と|, (?:and|or))\s*")
#: What is not counted but measured, where a number stands before it without its %: `an accuracy of 93.4`, `93.4 on ImageNet`,
#: `12 points`. Before any other word, or a Japanese sign, a number counts: `12 patients`, `12人`.
_NO_COUNT = re.compile(
    r"\s?[-‐]?(?:[^\s‐A-Za-z-\u30a1-\u30fa\u4e00-\u9fff]|$|(?:percentage )?points?\b|pp\b|percent|ポイント|パーセント|点|割"
    r"|(?:on|in|at|to|of|for|by|with|from|over|and|or|than|versus|vs|after|before|when|while|as|but|if|is|are|was|were|against"
    r"|accuracy|precision|recall|f1|bleu|rouge\S*|top|score|respectively|out|under|across|per|only|higher|lower|more|less"
    r"|better|worse|which|where|whereas|compared|during|among|between|using|the)\b"
    # What is written with two capitals, or one inside, names a measure: `76 mIoU`, `43 AP`.
    r"|(?-i:[a-z]*[A-Z][a-z]*[A-Z]|[a-z]+[A-Z]))",
    re.IGNORECASE,
)
_SCALES = {
    "thousand": 3, "k": 3, "million": 6, "m": 6, "billion": 9, "b": 9, "trillion": 12,
    "百": 2, "千": 3, "万": 4, "億": 8, "兆": 12,
}  # fmt: skip
#: Thousands parted by spaces, unless they are numbers by themselves.
_PARTED = re.compile(r"(?<![\d.,])\d{1,3}(?: \d{3}){1,5}(?![\d.,]*\d)")
#: From 万 on a scale counts all that stands before it, as far as the one before.
_MYRIAD = 4
#: Digits of a number that are read. Longer ones are no quantities, and would take long to compare.
_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in a sentence. `readings` are the values that it may have; `name` is the word that it is a part of, as in
    `GPT-4`, `F1` or `ResNet-50`, empty where it stands alone. `shared` says that it may be a `percent` by the % behind a
    number next to it, and `counts` that it can be none: that it counts things, or says how many times.
    """

    readings: frozenset[Decimal]
    percent: bool = False
    name: str = ""
    shared: bool = False
    counts: bool = False


def quantities(text: str) -> list[Quantity]:
    """Every number in digits, in the order of the text."""
    plain, found, begins = _plain(text), [], len(text)
    after: Quantity | None = None
    # From the end on, for a % may stand for those before it, too.
    for match in reversed(list(_NUMBER.finditer(plain))):
        percent = bool(match["percent"])
        value = Decimal(match["digits"].replace(",", "")[:_LONGEST])
        if match["tenth"]:
            value += Decimal(match["tenth"]) / 10
        if match["percent"] and match["percent"].startswith("割"):
            value *= 10
        listed = after is not None and (after.percent or after.shared) and _LISTED.fullmatch(plain, match.end(), begins)
        after = Quantity(
            _readings(value, match["scale"]),
            percent,
            f"{match['glued']}{match['digits']}" if match["glued"] else "",
            shared=not percent and bool(listed),
            counts=not percent and not listed and _is_count(plain, match),
        )
        begins = match.start()
        found.append(after)
    return found[::-1]


def _is_count(text: str, number: re.Match[str]) -> bool:
    """Whether a number counts what follows, and cannot be a percentage whose sign was left out, as one with a fraction can."""
    if "." in number["digits"] and not number["scale"]:
        return False
    return not _NO_COUNT.match(text, number.end())


def unsupported(claim: str, quote: str) -> list[Quantity]:
    """The numbers of `claim`, in digits or in words, that `quote` does not state. A share may stand as 93 % or 0.93; a number
    that is a part of a name is the caller's to look for, since the quote may speak of `our model`.
    """
    return Stated(quote).misses(claim)


class Stated:
    """The numbers that a text states."""

    def __init__(self, text: str) -> None:
        plain, found = _plain(text), quantities(text)
        self._text = plain
        parted = {Decimal(digits.replace(" ", "")) for digits in _PARTED.findall(plain)}
        self._values = {reading for one in found for reading in one.readings} | possible(plain) | parted
        self._shares = bool(_PERCENT.search(plain))
        self._percents = {reading for one in found if one.percent or one.shared for reading in one.readings}
        spelled = {said.value for said in certain(plain) if said.percent}
        self._percents |= spelled
        # What stands here only as a percentage counts nothing.
        self._bare = {reading for one in found if not one.percent for reading in one.readings}
        self._bare |= (possible(plain) - spelled) | parted

    def holds(self, one: Quantity) -> bool:
        """Whether it stands there at all, of a whole paper: a table has its % in the head."""
        every = one.readings | {reading / 100 for reading in one.readings}
        every |= {reading * 100 for reading in one.readings if reading < 1}
        return bool(every & self._values)

    def misses(self, claim: str) -> list[Quantity]:
        """See `unsupported`."""
        plain = _plain(claim)
        spelled = [
            Quantity(frozenset({said.value}), said.percent, counts=not said.percent and said.counts)
            for said in certain(plain)
        ]
        missing = [one for one in [*quantities(claim), *spelled] if not self._states(one)]
        return missing + [Quantity(frozenset({value})) for value in unborne(plain, self._text, self._values)]

    def _states(self, one: Quantity) -> bool:
        values, percents = self._values, self._percents
        if one.percent:
            held = one.readings & (percents or (values if self._shares else frozenset()))
            return bool(held) or any(reading / 100 in values for reading in one.readings)
        if one.counts:
            return bool(one.readings & self._bare)
        return bool(one.readings & values) or any(reading < 1 and reading * 100 in percents for reading in one.readings)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _readings(value: Decimal, scale: str | None) -> frozenset[Decimal]:
    if not scale:
        return frozenset({value})
    word = scale.strip().lower()
    if word not in _SCALES:
        return _japanese(value, word)
    scaled = value.scaleb(_SCALES[word])
    # `5 k` and `7B` may be names of things; a word or a Japanese sign is always a scale.
    return frozenset({scaled, value}) if word in ("k", "m", "b") else frozenset({scaled})


def _japanese(value: Decimal, rest: str) -> frozenset[Decimal]:
    """A number whose digits go on behind a scale: 2万5000, 1億2千万, 千億. Where the scales do not fall it is several."""
    total = part = Decimal(0)
    digits: Decimal | None = value
    last, several = None, set()
    for said in re.findall(r"[\d,]+|[百千万億兆]", rest):
        power = _SCALES.get(said)
        if power is None:
            digits = Decimal(said.replace(",", "")[:_LONGEST])
        elif power < _MYRIAD:
            part, digits = part + (digits if digits is not None else Decimal(1)).scaleb(power), None
        else:
            part = part + digits if digits is not None else part
            if last is not None and power >= last:
                several.add(total)
                total = Decimal(0)
            total, part, digits, last = total + part.scaleb(power), Decimal(0), None, power
    return frozenset({total + part + (digits or Decimal(0)), *several})
