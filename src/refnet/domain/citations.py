"""What cites another work in a sentence: a number in brackets, or names with a year.

A number in brackets may be something else: an interval, the points of a scale, the name of a thing. It cites only where the
list of references is numbered that high, and where the words around it do not say what else it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

from refnet.domain.documents import Document, SectionKind
from refnet.domain.terms import STOPWORDS, stem

_NUMBERED = r"\[\d{1,3}(?: ?[,;–-] ?\d{1,3}){0,15}\]"
_BY_NUMBER = re.compile(rf" ?(?:{_NUMBERED}){{1,12}}")
_NUMBER = re.compile(r"\d+")
_FOLLOWING = re.compile(r" ?([a-z]{3,30})")
_PAIR = re.compile(r" ?\[(\d{1,3}) ?[,;–-] ?(\d{1,3})\]")
#: Behind these a pair is a range, whatever it could cite.
_RANGE_BEHIND = re.compile(
    r"\b(?:scales?|ranges?|ranging|intervals?|between|bounds|CIs?|IQRs?)(?: (?:of|from|in|to|within|values?)){0,2}[:,=]?\s?$",
    re.IGNORECASE,
)
_QUANTITY_BEHIND = re.compile(r"(\d+(?:\.\d+)?)(?: ?%|[ -][^\W\d_]+)?,?\s?$")
#: A number behind an article is a name, and so it is elsewhere before the word that follows there this often.
_ARTICLE_BEHIND = re.compile(r"\b(?:the|a|an) ?$", re.IGNORECASE)
_LABEL = re.compile(r"\b(?:the|a|an) \[\d{1,3}[A-Za-z]?\] ([a-z]{3,30})")
_LABELS = 2
#: How an entry of a list of references begins. `1 Author` and `1Author` are known only behind the end of another entry.
_ENTRY = re.compile(
    r"(?:^|(?<=\s))(?:\[(\d{1,3})\]|\((\d{1,3})\)|(\d{1,3})[.)](?=\s|[^\W\d_])"
    r"|(?:(?<=^)|(?<=[.)\d]\s))(\d{1,3})(?= [A-Z]|[A-Z](?:\.|[a-z])))"
)
#: The end of a citation by its year: `(Smith, 2001)`, `Smith (2001)`.
_BY_YEAR = re.compile(r"(?:19|20)\d\d[a-z]?[;)]")
#: Entries that one may overlook, and entries and letters from which there is a list, and a numbered one.
_OVERLOOKED, _LEAST_ENTRIES, _LEAST_LETTERS = 3, 3, 500

_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?|Spring|Summer|Autumn|Fall|Winter)"
)
#: A month or season is no name of an author where it stands first, but `Brown and May 2011` are two; nor is what goes on from one
#: year to another (`World War II, 1939-1945`), but `Smith 2001-2003` are works.
_DATE = re.compile(
    rf"{_MONTH}\b\.?(?: \d{{1,2}}(?:st|nd|rd|th)?,?)?(?: of)? (?:19|20)\d\d|.*, (?:1[5-9]|20)\d\d ?[-–—] ?(?:1[5-9]|20)?\d\d$"
)
_WORK = re.compile(
    r"(?:(?:see|see also|e\.g\.,?|cf\.|i\.e\.,?|and|also|as in) ){0,2}[A-Z][\w’'&.,\- ]{1,150}(?:19|20)\d\d[a-z]?"
    r"(?:, ?(?:(?:19|20)\d\d)?[a-z]?|, ?pp?\. ?[\d–-]+){0,6}"
)


@dataclass(frozen=True, slots=True)
class Citations:
    """How a paper cites by number: `highest` is the last number of its list of references, 0 where that has none, None where
    no list was found, or it cannot be told how it is numbered. `labelled` are words, as stems, that have numbers in brackets
    for a name (`the [15] representation`).
    """

    highest: int | None = None
    labelled: frozenset[str] = frozenset()

    @classmethod
    def of(cls, document: Document) -> Citations:
        references = " ".join(one.text for one in document.of(SectionKind.REFERENCES))
        labels = Counter(
            stem(word)
            for section in document.sections
            for sentence in section.sentences
            for word in _LABEL.findall(sentence.text)
            if word not in STOPWORDS
        )
        labelled = frozenset(word for word, count in labels.items() if count >= _LABELS)
        if len(references) < _LEAST_LETTERS:
            return cls(None, labelled)
        last = _last_number(unicodedata.normalize("NFKC", references))
        return cls(last or (0 if _by_year(document, references) else None), labelled)

    def by_number(self, text: str) -> list[re.Match[str]]:
        """The places of a sentence where it cites by number."""
        return [found for found in _BY_NUMBER.finditer(text) if self._cites(text, found)]

    def without(self, text: str) -> str:
        """A sentence without its citations by number."""
        return _BY_NUMBER.sub(lambda found: "" if self._cites(text, found) else found[0], text)

    def _cites(self, text: str, found: re.Match[str]) -> bool:
        numbers = [int(one) for one in _NUMBER.findall(found[0])]
        if 0 in numbers or (self.highest is not None and max(numbers) > self.highest):
            return False
        before = text[max(0, found.start() - 40) : found.start()]
        if _ARTICLE_BEHIND.search(before) or _is_range(before, found[0]):
            return False
        following = _FOLLOWING.match(text, found.end())
        return not (len(numbers) == 1 and following and stem(following[1]) in self.labelled)


def _is_range(before: str, bracket: str) -> bool:
    """Whether a bracket holds the ends of a range: behind a word for one, or around the quantity that stands before it."""
    pair = _PAIR.fullmatch(bracket)
    if pair is None or int(pair[1]) >= int(pair[2]):
        return False
    if _RANGE_BEHIND.search(before):
        return True
    quantity = _QUANTITY_BEHIND.search(before)
    return quantity is not None and int(pair[1]) <= float(quantity[1]) <= int(pair[2])


def _last_number(references: str) -> int:
    last = 0
    for found in _ENTRY.finditer(references):
        number = int(found[found.lastindex or 0])
        if last < number <= last + _OVERLOOKED:
            last = number
    return last if last >= _LEAST_ENTRIES else 0


def _by_year(document: Document, references: str) -> bool:
    """Whether a paper whose references have no numbers, as far as one sees, cites them by year and not by number."""
    texts = [
        sentence.text
        for section in document.sections
        if section.kind is not SectionKind.REFERENCES
        for sentence in section.sentences
    ]
    years, numbers = (sum(len(pattern.findall(text)) for text in texts) for pattern in (_BY_YEAR, _BY_NUMBER))
    return references.lstrip()[:1].isalpha() and years >= numbers


def is_by_name(inside: str) -> bool:
    """Whether what stands in round brackets are works by their authors and years."""
    inside = inside.strip()
    works = [one.strip() for one in inside.split(";")]
    # Beside the work of others `May 2011` is one, too.
    return (
        inside[-1:].isalnum()
        and all(_WORK.fullmatch(one) for one in works)
        and not all(_DATE.match(one) for one in works)
    )
