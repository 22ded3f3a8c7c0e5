"""Where sentences end, in English and in Japanese.

A full stop is no end inside a number, after an initial or an abbreviation, or before a small letter. Some abbreviations
may end a sentence, too (`et al.`, `etc.`, `U.S.`): there it is one if the next word is one that sentences begin with,
the orthographic rule of Kiss and Strunk (Computational Linguistics 32, 2006) with a list in place of their counts. In
Japanese 。 and ． end a sentence, but not inside 「」 or （）.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from refnet.domain.terms import words

#: A mark with what closes after it, and the number of a note or citation set behind it (`shown.12 However`).
_MARK = re.compile(
    r"(?P<mark>\.{1,6}|[!?]{1,6})(?P<close>[\"'”’»)\]]{0,3})(?P<note>\[\d{1,3}(?:[,–-] ?\d{1,3}){0,5}\]"
    r"|\d{1,3}(?:[,–-]\d{1,3}){0,5})?(?=\s|$)"
    r"|(?<=[\u3040-\u30ff\u3400-\u9fff])(?P<ascii>\.)(?![\d.])"
    r"|(?<=[a-z]{4})(?P<glued>\.)(?=[A-Z][a-z]{0,12}[ ,])"
    r"|(?P<wide>[。！？]|(?<![0-9０-９])．|．(?![0-9０-９]))"
    r"|(?P<open>[「『（])|(?P<shut>[」』）])"
)
_BEGINS = re.compile(r"[\"'“‘«(\[]{0,3}(?:[^\W\d_a-zß-öø-ÿ]|\d)|[•▪■–-] ")
_WORD = re.compile(r"\S+\Z")
_NEXT_WORD = re.compile(r"\W{0,3}(\w{1,20})")
#: Behind these never.
_NEVER = words(
    """
    e.g i.e cf vs viz fig figs eq eqs eqn eqns sec secs sect ref refs tab tabs chap app thm def lem prop alg obs
    approx resp ca dr prof mr mrs ms st incl esp al(
    """
)
#: Behind these not before a number.
_BEFORE_NUMBER = words(
    """
    no nos pp p vol vols art ch v ver ed eds jan feb mar apr jun jul aug sep sept oct nov dec
    """
)
#: Behind these only before a word that sentences begin with.
_SOMETIMES = words(
    """
    al etc inc ltd co corp dept univ jr sr u.s u.k u.n e.u a.m p.m ph.d i.i.d w.r.t s.t a.k.a
    """
)
_BEGINNERS = words(
    """
    the this these that those there we our it its they their in on for to from with by at as an if when while where
    which however therefore thus hence then although since because moreover furthermore finally also both each all
    such some most many no not one two here given let other several another after before during unlike similarly next
    """
)
_INITIAL = re.compile(r"(?:\b|-)[A-Z](?:\.-?[A-Z]){0,3}\Z")
_ENUMERATOR = re.compile(r"[(\[]?(?:\d{1,2}|[a-z]|[ivx]{1,4})[)\]]?\.?\Z")
#: A bracket that is not closed within so many characters is taken for a slip.
_LONGEST_BRACKET = 300
_JAPANESE_END = "。！？．」』）"


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, English or Japanese, in order; white space is folded, and nothing is lost."""
    text = " ".join(text.split())
    sentences: list[str] = []
    begin = 0
    opened: list[int] = []
    for found in _MARK.finditer(text):
        if found["open"]:
            opened.append(found.start())
        elif found["shut"]:
            if opened:
                opened.pop()
        elif found["mark"]:
            if _ends(text, found, begin):
                opened.clear()
                begin = _take(text, begin, found.end(), sentences)
        elif found["glued"]:
            following = _NEXT_WORD.match(text, found.end())
            if following and following[1].lower() in _BEGINNERS:
                begin = _take(text, begin, found.end(), sentences)
        elif not opened or found.start() - opened[-1] > _LONGEST_BRACKET:
            opened.clear()
            begin = _take(text, begin, found.end(), sentences)
    _take(text, begin, len(text), sentences)
    return sentences


def join_sentences(sentences: Iterable[str]) -> str:
    """Sentences as a text: with a space between them, but none behind a Japanese one."""
    joined = ""
    for sentence in sentences:
        joined += sentence if not joined or joined[-1] in _JAPANESE_END else f" {sentence}"
    return joined


def _take(text: str, begin: int, end: int, sentences: list[str]) -> int:
    """Where the next sentence begins."""
    if sentence := text[begin:end].strip():
        sentences.append(sentence)
    return end


def _ends(text: str, found: re.Match[str], begin: int) -> bool:
    """Whether a mark before white space ends the sentence that begins at `begin`."""
    start, end = found.start(), found.end()
    if end == len(text):
        return True
    if not _BEGINS.match(text, end + 1):
        return False
    if found["mark"] != ".":
        # `x1 ... xn` leaves something out, `and so on...` ends.
        return found["mark"][0] != "." or text[start - 1 : start].isalnum()
    before = _WORD.search(text, max(begin, start - 30), start)
    if before is None:
        return False
    word = before[0].lstrip("(\"'“‘[")
    if found["note"] and not (word[-1] == ")" or word[-3:].isalpha()):
        return False  # a number with a point in it
    if found["close"]:
        return True
    if _ENUMERATOR.fullmatch(text, begin, start):
        return False
    return not _abbreviates(word, text, end)


def _abbreviates(word: str, text: str, end: int) -> bool:
    folded = word.lower()
    if folded in _NEVER:
        return True
    if folded in _BEFORE_NUMBER:
        return text[end + 1 : end + 2].isdigit()
    if folded in _SOMETIMES or _INITIAL.search(word):
        following = _NEXT_WORD.match(text, end + 1)
        return text[end + 1] in "([" or following is None or following[1].lower() not in _BEGINNERS
    return False
