"""The text of a paper, to look up in it what a language model quotes: word for word, or nearly so."""

from __future__ import annotations

import unicodedata
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from refnet.domain import inert
from refnet.domain.documents import Document, SectionKind, Sentence
from refnet.domain.faults import Fault
from refnet.domain.nearest import nearest_within, size, windows
from refnet.domain.quantities import Stated, quantities
from refnet.domain.subjects import is_cjk

#: Letters and digits of a quote, of which all or all but a tenth must stand in the text. Shorter ones say nothing, and
#: a longer one is no quote any more.
SHORTEST, SHORTEST_CJK, LONGEST = 20, 10, 1_000
SIMILARITY = 0.9
#: Places of one quote that are looked at, and characters of a word that a quote may begin or end in: real papers have few.
_PLACES, _WORD = 100, 60
#: Characters of one paper that quotes are held against sign by sign, some seconds of work; of a paper of usual length it is
#: never as much. What stands word for word is found all the same.
MOST_COMPARED = 10_000_000
#: Not the paper's own words.
FOREIGN = (SectionKind.REFERENCES, SectionKind.ACKNOWLEDGEMENTS)

#: Places where a keyword is looked at, most of which are in the middle of words where it is short.
_MOST_HITS = 10_000
_ENDINGS = ("", "s", "es")
_CLOSING, _OPENING = "%％.。!?！？)）]」』”’\"'", "(（[「『“‘\"'$€£¥<>≤≥~≈±+-−"


@dataclass(frozen=True, slots=True)
class Passage:
    """Words of a paper as they stand there, and the page on which they begin."""

    text: str
    page: int


class PaperText:
    """The text of a paper, to look quotes up in. `most_compared` is what may be spent on quotes that do not stand there word
    for word, in characters of the text.
    """

    def __init__(self, sentences: Sequence[Sentence], *, most_compared: int = MOST_COMPARED) -> None:
        self._text = " ".join(inert.clean(one.text) for one in sentences)
        self._folded, self._places = _fold(self._text)
        self._starts: list[int] = []
        self._pages = [one.page for one in sentences]
        self._names: set[str] | None = None
        self._stated: Stated | None = None
        self._left = most_compared
        at = 0
        for one in sentences:
            self._starts.append(at)
            at += len(inert.clean(one.text)) + 1

    @classmethod
    def of(cls, document: Document) -> PaperText:
        """Everything in the document that the paper says itself."""
        own = [one for section in document.sections if section.kind not in FOREIGN for one in section.sentences]
        return cls(own)

    def holds(self, text: str) -> bool:
        """Whether these words stand there, one after another, as whole words; the last may be a plural."""
        wanted = folded(text)
        if not wanted:
            return False
        start = self._folded.find(wanted)
        for _ in range(_MOST_HITS):
            if start < 0:
                return False
            first, last = self._places[start], self._places[start + len(wanted) - 1] + 1
            if any(self._text.startswith(end, last) and self._is_word(first, last + len(end)) for end in _ENDINGS):
                return True
            start = self._folded.find(wanted, start + 1)
        return False

    def _is_word(self, first: int, last: int) -> bool:
        """Whether no word goes on beyond the ends of this piece."""
        text = self._text
        if first and _same_word(text[first - 1], text[first]):
            return False
        behind = text[last : last + 1]
        if behind in (".", ",") and not text[last + 1 : last + 2].isdigit():
            return True  # the end of a sentence, not a point in a number
        return not behind or not _same_word(text[last - 1], behind)

    def names(self, name: str) -> bool:
        """Whether something of that name, with a number in it (`GPT-4`), is spoken of."""
        if self._names is None:
            self._names = {folded(one.name) for one in quantities(self._text) if one.name}
        return folded(name) in self._names

    def states_numbers_of(self, sentence: str) -> bool:
        """Whether every number of a sentence stands anywhere in the paper, alone or in a name."""
        if self._stated is None:
            self._stated = Stated(self._text)
        missing = self._stated.misses(sentence)
        return all((one.percent and self._stated.holds(one)) or (one.name and self.names(one.name)) for one in missing)

    def find(self, quote: str, page: int = 0) -> Passage | None:
        """Where a quote stands; where in several places, the one on `page`, else the first. None where it does not, or is
        too short or too long to be a quote, or where to look on would take too long.
        """
        found = self.look_up(quote, page)
        return None if isinstance(found, Fault) else found

    def look_up(self, quote: str, page: int = 0) -> Passage | Fault:
        """The same, with the reason where there is none."""
        wanted = folded(quote)
        shortest = SHORTEST_CJK if is_cjk(wanted) else SHORTEST
        if not shortest <= len(wanted) <= LONGEST:
            return Fault.NOT_FOUND
        found: Passage | None = None
        start = self._folded.find(wanted)
        for _ in range(_PLACES):
            if start < 0:
                break
            passage = self._passage(start, start + len(wanted))
            if passage.page == page:
                return passage
            found = found or passage
            start = self._folded.find(wanted, start + 1)
        return found if found is not None else self._nearly(wanted)

    def _nearly(self, wanted: str) -> Passage | Fault:
        most = int(len(wanted) * (1 - SIMILARITY))
        if not most:
            return Fault.NOT_FOUND
        spans = windows(wanted, self._folded, most)
        if size(spans) > self._left:
            return Fault.NOT_LOOKED_FOR
        self._left -= size(spans)
        span = nearest_within(spans, wanted, self._folded, most)
        return self._passage(*span) if span is not None else Fault.NOT_FOUND

    def _passage(self, start: int, end: int) -> Passage:
        first, last = self._places[start], self._places[end - 1] + 1
        text = self._text
        least, most = max(0, first - _WORD), min(len(text), last + _WORD)
        while first > least and _same_word(text[first - 1], text[first]):
            first -= 1
        while last < most and _same_word(text[last - 1], text[last]):
            last += 1
        while first > least and text[first - 1] in _OPENING:
            first -= 1
        if text[last : last + 2] in (" %", " ％"):
            last += 2
        while last < most and text[last] in _CLOSING:
            last += 1
        return Passage(text[first:last], self._pages[bisect_right(self._starts, first) - 1])


def folded(text: str) -> str:
    """Letters and digits alone, without case, width, accents and spaces: what two writings of one text have in common."""
    return _fold(text)[0]


_KEPT: dict[str, str] = {}


def _fold(text: str) -> tuple[str, array[int]]:
    """The folded text, and for each of its characters where it comes from."""
    signs: list[str] = []
    places = array("I")
    for at, sign in enumerate(text):
        kept = _KEPT.get(sign)
        if kept is None:
            decomposed = unicodedata.normalize("NFKD", sign).casefold()
            kept = _KEPT[sign] = "".join(one for one in decomposed if one.isalnum())
        for one in kept:
            signs.append(one)
            places.append(at)
    return "".join(signs), places


def _same_word(left: str, right: str) -> bool:
    """Whether a word or number goes on from one character to the next; Japanese has no words that one could see."""
    if is_cjk(left) or is_cjk(right):
        return False
    if left.isalnum() and right.isalnum():
        return True
    return (left.isdigit() and right in ".,") or (left in ".," and right.isdigit())
