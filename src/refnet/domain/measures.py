"""What numbers in a sentence measure: their units, money, whether they are the least or the most, and which is a part of which.

Told only where both sentences say it: `12 s` is not `12 ms`, `10-fold` not `10 %`, `€12 million` not `$12 million`, `at least
5` not `at most 5`, `by 5` not `to 5`, and `40 of 12` not `12 of 40`. A number without a unit says nothing about one, and a unit
that is not listed here is not compared.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping

from refnet.domain.clauses import clauses

#: Each unit by how it is written; in those of one letter the case counts. `m` may be millions or minutes, and `K` thousands.
_UNITS: Mapping[str, str] = {
    "second": "s|secs?|seconds?|秒",
    "millisecond": "ms|msecs?|milliseconds?|ミリ秒",
    "microsecond": "µs|μs|us|microseconds?|マイクロ秒",
    "nanosecond": "ns|nanoseconds?|ナノ秒",
    "minute": "min|mins|minutes?|分(?![の割類野散布岐子析])",
    "hour": "h|hrs?|hours?|時間",
    "day": "days?|日",
    "week": "weeks?|週間?",
    "month": "months?|(?:か|ヶ|カ|ケ|箇)月",
    "year": "years?|年(?!代)",
    "byte": "bytes?|バイト",
    "kilobyte": "kB|KB|KiB|kilobytes?",
    "megabyte": "MB|MiB|megabytes?",
    "gigabyte": "GB|GiB|gigabytes?",
    "terabyte": "TB|TiB|terabytes?",
    "nanometre": "nm|nanomet(?:er|re)s?",
    "micrometre": "µm|μm|um|micromet(?:er|re)s?",
    "millimetre": "mm|millimet(?:er|re)s?",
    "centimetre": "cm|centimet(?:er|re)s?|センチ(?:メートル)?",
    "metre": "met(?:er|re)s?|メートル",
    "kilometre": "km|kilomet(?:er|re)s?|キロメートル",
    "inch": "inch(?:es)?|インチ",
    "foot": "f(?:ee|oo)t|ft|フィート",
    "mile": "miles?|マイル",
    "microgram": "µg|μg|ug|micrograms?",
    "milligram": "mg|milligrams?",
    "gram": "g|grams?",
    "kilogram": "kg|kilograms?",
    "hertz": "Hz|hertz",
    "kilohertz": "kHz",
    "megahertz": "MHz",
    "gigahertz": "GHz",
    "kelvin": "kelvins?",
    "celsius": "°C|℃|degrees? Celsius",
    "fahrenheit": "°F|℉|degrees? Fahrenheit",
    "dollar": "dollars?|USD|ドル",
    "euro": "euros?|EUR|ユーロ",
    "pound": "GBP",
    "yen": "yen|JPY|円",
    "percent": "%|percent|per cent|パーセント",
    "times": r"-?fold|times|[x×](?!\s?\d)|倍",
}
_MONEY = {"$": "dollar", "€": "euro", "£": "pound", "¥": "yen"}
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
_SCALE = r"(?:\s?(?:thousand|million|billion|trillion)\b|[千百万億兆]{1,2})?"
_MEASURED = re.compile(
    rf"(?P<money>[$€£¥])?\s?(?<![A-Za-z0-9_.,])(?P<number>{_NUMBER}){_SCALE}[ -]?(?:"
    + "|".join(f"(?P<{name}>{written})" for name, written in _UNITS.items())
    + r")?(?![A-Za-z0-9])(?!\s?(?:\^|[-−–]\s?\d))"
)
#: `the 1990s` are no seconds.
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")
#: Whether a number is the least (`at least`, `more than`) or the most; a denial before it turns this round.
_LEAST = r"at least|(?:more|greater|higher|longer|larger) than|a minimum of|above|exceed(?:s|ed|ing)?|[>≥]=?"
_MOST = r"at most|(?:less|fewer|lower|shorter|smaller) than|a maximum of|up to|below|[<≤]=?"
_BOUND = re.compile(
    rf"(?P<denied>\b(?:not?|never)\s(?:\w+\s)?|n[’']t\s(?:\w+\s)?)?(?:(?P<least>{_LEAST})|(?P<most>{_MOST}))\s?[$€£¥]?\s?(?P<number>{_NUMBER})",
    re.IGNORECASE,
)
_BOUND_BEHIND = re.compile(
    rf"(?<![A-Za-z0-9_.,])(?P<number>{_NUMBER})"
    r"(?:(?P<least>\s(?:\w+\s)?(?:or|and)\s(?:more|above|older|over|longer|higher)\b|[^\s\d、。]{0,3}(?:以上|超|を上回|を超え))"
    r"|(?P<most>\s(?:\w+\s)?(?:or|and)\s(?:less|fewer|below|younger|under|shorter|lower)\b|[^\s\d、。]{0,3}(?:以下|未満|以内|を下回)))"
    r"(?P<denied>ら?ない|ることはない)?",
    re.IGNORECASE,
)
#: Whether something changes by a number, or to it; in `by 5 to 10 points` the second may be both. It does so only behind a verb
#: of change in its clause, and `up to 5` or `close to 5` is neither.
_CHANGING = re.compile(
    r"\b(?:increas|decreas|reduc|improv|chang|declin|diminish|grow|grew|rais|ris(?:e|ing)|rose|fell|fall|drop|lower|gain|climb|jump"
    r"|shr[aiu]nk|shift|expand|extend|shorten|lengthen|worsen|degrad|deteriorat|boost|accelerat|slow|speed|outperform|surpass"
    r"|exceed|went\b|goes\b|cuts?\b|lost\b|los(?:e|ing)\b|brought\b|brings?\b)",
    re.IGNORECASE,
)
_CHANGE = re.compile(
    r"\b(?<!\bup\s)(?<!\bclose\s)(?<!\bequal\s)(?<!\bequivalent\s)(?<!\bamounts\s)(?<!\bamounted\s)(?<!\bamounting\s)"
    r"(?<!\bcomes\s)(?<!\bcame\s)(?<!\bdue\s)(?<!\baccording\s)(?<!\brelative\s)(?<!\bcompared\s)(?<!\bsimilar\s)(?<!\bthanks\s)"
    rf"(?:(?P<by>by)|to)\s(?:(?:about|approximately|around|nearly|almost|roughly|over|only|just|up to)\s)?"
    rf"(?P<number>{_NUMBER})(?:\s?%?\s?(?:to|-|–|and|or)\s?(?P<until>{_NUMBER}))?(?![\d/])",
)
_PART = re.compile(rf"(?<![A-Za-z0-9_.,])({_NUMBER})\s?(?:out )?of\s?(?:the |all )?({_NUMBER})(?![\w])")


def mistaken(claim: str, quote: str) -> bool:
    """Whether a number of the claim stands in the quote with other units only, as the least for the most, as what something
    rises by for what it rises to, or a part as the whole, and the other way round.
    """
    claimed, quoted = _measured(claim), _measured(quote)
    for number, units in claimed.items():
        theirs = quoted.get(number, set())
        if theirs and None not in theirs and any(unit is not None and unit not in theirs for unit in units):
            return True
    for read in (_bounds, _changes):
        told = read(quote)
        if any(told.get(number, ours) != ours for number, ours in read(claim).items()):
            return True
    parts = set(_parts(quote))
    return any((whole, part) in parts and (part, whole) not in parts for part, whole in _parts(claim) if part != whole)


def _measured(text: str) -> dict[str, set[str | None]]:
    """The units with which each number stands, None for a place without one."""
    found: defaultdict[str, set[str | None]] = defaultdict(set)
    for match in _MEASURED.finditer(unicodedata.normalize("NFKC", text)):
        unit = next((name for name in _UNITS if match[name]), None)
        if unit == "second" and _YEAR.fullmatch(match["number"]):
            unit = None
        found[_bare(match["number"])].add(_MONEY.get(match["money"] or "") or unit)
    return found


def _bounds(text: str) -> dict[str, bool]:
    """Whether a number is the least or the most; those that are both or neither are left out."""
    found: defaultdict[str, set[bool]] = defaultdict(set)
    plain = unicodedata.normalize("NFKC", text)
    for pattern in (_BOUND, _BOUND_BEHIND):
        for match in pattern.finditer(plain):
            found[_bare(match["number"])].add(bool(match["least"]) != bool(match["denied"]))
    return _of_one_kind(found)


def _changes(text: str) -> dict[str, bool]:
    """Whether something changes by a number or to it; those that are both or neither are left out."""
    found: defaultdict[str, set[bool]] = defaultdict(set)
    for clause in clauses(unicodedata.normalize("NFKC", text)):
        changing = _CHANGING.search(clause)
        for match in _CHANGE.finditer(clause, changing.end()) if changing else ():
            found[_bare(match["number"])].add(bool(match["by"]))
            if match["until"]:
                found[_bare(match["until"])] |= {True, False}
    return _of_one_kind(found)


def _of_one_kind(found: Mapping[str, set[bool]]) -> dict[str, bool]:
    return {number: next(iter(said)) for number, said in found.items() if len(said) == 1}


def _parts(text: str) -> Iterable[tuple[str, str]]:
    return [(_bare(part), _bare(whole)) for part, whole in _PART.findall(unicodedata.normalize("NFKC", text))]


def _bare(number: str) -> str:
    return ("0" if number.startswith(".") else "") + number.replace(",", "")
