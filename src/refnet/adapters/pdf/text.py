"""Text as it was meant: hyphens of line ends resolved, Japanese joined, nothing in it that does not show."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from itertools import islice

from refnet.adapters.pdf.lines import JOINED

_CJK = r"\u3000-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef"
_KANA = re.compile(r"[\u3041-\u30fa\u30fc]")
_LETTER = re.compile(r"[^\W\d_]")
_SPACE_IN_CJK = re.compile(rf"(?<=[{_CJK}])[ \u3000]+(?=[{_CJK}])")
_IS_CJK = re.compile(rf"[{_CJK}]")
#: Letters hidden in code points that no font shows, a way to give orders to a model.
_TAGS = re.compile(r"[\U000e0000-\U000e0fff]")
#: Controls, zero widths, marks of direction, halves of pairs, what is no character, private use.
_UNSHOWN = re.compile(
    r"[\x00\x01\x03-\x08\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    r"\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufeff\uffff\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)
_HALF = re.compile(r"[\ud800-\udfff]")
_LIGATURE = re.compile(r"[\ufb00-\ufb06]")
#: What PDFium makes of the ligature `ff` of TeX's fonts where a file does not say what its signs mean.
_FF = re.compile(r"(?<=[a-zA-Z])\u21b5(?=[a-z])|(?<=\bo)\u21b5")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_BROKEN = re.compile(rf"([^\W_]+(?:-[^\W_]+)*){JOINED}(?=([^\W_]+))?|{JOINED}")
#: A share of kana that no other language has.
_JAPANESE_FROM = 0.1
#: Lines by which the language is judged.
_LINES_FOR_LANGUAGE = 5_000


def whole_letters(text: str) -> str:
    """Letters beyond the 16 bits, which PDFium may give in halves, put together."""
    if text.isascii() or not _HALF.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def hidden_letters(text: str) -> int:
    """How many characters of a text spell something in code points that never show."""
    return 0 if text.isascii() else len(_TAGS.findall(text))


def clean(text: str) -> str:
    """One line without what does not show, its spaces folded; the joined hyphen stays."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    text = text.replace("\ufffe", JOINED)
    text = _UNSHOWN.sub("", text)
    if _LIGATURE.search(text):
        text = _LIGATURE.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    text = _FF.sub("ff", text)
    return _SPACE_IN_CJK.sub("", " ".join(text.split()))


def vocabulary(texts: Iterable[str]) -> Counter[str]:
    """How often a paper has each word, in small letters."""
    return Counter(word for text in texts for word in _WORD.findall(text.lower()))


def resolve_hyphens(text: str, words: Counter[str]) -> str:
    """Put a hyphen, or nothing, where PDFium joined two lines.

    A hyphen where the paper writes the word with one more often than without, beside a figure, and before a capital letter
    unless the paper writes it without more often.
    """
    if JOINED not in text:
        return text

    def resolved(found: re.Match[str]) -> str:
        first, second = found[1] or "", found[2] or ""
        if not first:
            return ""
        if not second:
            return f"{first}-"
        keep = not first[-1].isalpha() or not second[0].isalpha()
        keep = keep or (_compound(first, second, words) if second[0].islower() else not _compact(first, second, words))
        return f"{first}-" if keep else first

    return _BROKEN.sub(resolved, text)


def _compound(first: str, second: str, words: Counter[str]) -> bool:
    first, second = first.lower(), second.lower()
    return words[f"{first}-{second}"] > words[first + second]


def _compact(first: str, second: str, words: Counter[str]) -> bool:
    first, second = first.lower(), second.lower()
    return words[first + second] > words[f"{first}-{second}"]


def join(text: str, following: str, words: Counter[str]) -> str:
    """The next line put behind a text."""
    if not text or not following:
        return text + following
    if _IS_CJK.match(text[-1]) and _IS_CJK.match(following[0]):
        return text + following
    if text[-1] in "-\u2010" and text[-2:-1].isalpha() and following[0].islower():
        first, second = _WORD.findall(text[-60:])[-1:], _WORD.match(following)
        if first and second:
            return (text if _compound(first[0], second[0], words) else text[:-1]) + following
    return f"{text} {following}"


def language(texts: Iterable[str]) -> str:
    """`ja` where kana are a good part of the letters, else `en`."""
    letters = kana = 0
    for text in islice(texts, _LINES_FOR_LANGUAGE):
        letters += len(_LETTER.findall(text))
        kana += len(_KANA.findall(text))
    return "ja" if kana > _JAPANESE_FROM * letters else "en"


def has_letters(text: str) -> bool:
    return _LETTER.search(text) is not None
