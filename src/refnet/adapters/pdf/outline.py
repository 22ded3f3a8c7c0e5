"""Which lines of a paper are headings, by name, print and number.

A name that heads sections everywhere counts where it is set apart, or numbered. Other headings count where their numbers go
on from those before, and where there are no numbers, where they look like those that are known by name.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from refnet.adapters.pdf import headings
from refnet.adapters.pdf.headings import Number
from refnet.adapters.pdf.lines import Line, Print
from refnet.adapters.pdf.numbering import Numbering
from refnet.domain.documents import SectionKind as Kind

#: Letters of a heading's line, of a heading as a whole, of one that nothing but its name sets apart.
_LONGEST, _LONGEST_WHOLE, _LONGEST_KNOWN = 120, 180, 60
_MOST_WORDS, _LEAST_CAPITALS = 18, 4
_LEADERS = re.compile(r"\.{4,}|(?:\. ){3,}|…{2,}|・{4,}")
_LETTERS = re.compile(r"[^\W\d_]")
_CAPTION = re.compile(
    r"(?:table|fig(?:ure|\.)?|algorithm|listing|図|表)\s*(?:[0-9０-９]+|[IVX]+\b|[A-Z]\.?\d)", re.IGNORECASE
)
_NO_HEADING_END = (",", ";", "、", "。", "-")
_REFERENCE = re.compile(
    r"^\[?\d{1,3}[\].]|\b(?:19|20)\d\d[a-z]?\b|\bpp?\.|\bvol\b|\bet al\b|doi|arXiv|^\[\w", re.IGNORECASE
)
_REFERENCES_LOOKED_AT, _REFERENCES_LEAST = 14, 2
#: Latin letters among Japanese ones are up to 6 % larger by design.
_BIGGER = 1.08
#: What a first page has besides the paper itself.
_MATTER = re.compile(
    r"(?:ccs concepts|keywords?|key words(?: and phrases)?|index terms|general terms|categories and subject descriptors"
    r"|acm reference format|author keywords|キーワード)\s*:?",
    re.IGNORECASE,
)
_UNNUMBERED_AMONG_NUMBERED = (Kind.ABSTRACT, Kind.ACKNOWLEDGEMENTS, Kind.REFERENCES, Kind.APPENDIX, Kind.CONCLUSION)
_UNMISTAKABLE = (Kind.ABSTRACT, Kind.INTRODUCTION, Kind.CONCLUSION, Kind.ACKNOWLEDGEMENTS, Kind.REFERENCES)
#: Stand before a paper, or at its end.
_SUMMARIES = ("summary", "要約")
_CONTENTS = re.compile(r"(?:table of )?contents|目次|inhaltsverzeichnis", re.IGNORECASE)
_ENTRY_END = re.compile(r"[\s.…・]*\d*\s*$")
#: Lines: until where a table of contents begins, and how long it may be.
_CONTENTS_BEGIN, _CONTENTS_LONGEST = 400, 600
#: How often an unknown look must head text to be taken for that of a heading, and in what share of its lines.
_LOOK_LEAST, _LOOK_SHARE = 3, 0.7


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading on the lines `first` to `last`; `rest` is where the text begins that follows on its last line, if any.

    `level` is 1 at the top.
    """

    kind: Kind
    title: str
    first: int
    last: int
    rest: int | None = None
    level: int = 1


@dataclass(frozen=True, slots=True)
class _Candidate:
    at: int
    text: str
    words: str
    readings: tuple[Number, ...]
    known: Kind | None
    strong: bool
    other_font: bool


def find_headings(lines: Sequence[Line]) -> list[Heading]:
    """The headings among the clean lines of a paper, in their order."""
    if not lines:
        return []
    return _Outline(lines).headings()


def body_look(lines: Sequence[Line]) -> Print:
    """How most of the letters look."""
    looks: Counter[Print] = Counter()
    for line in lines:
        looks[line.look] += len(line.text)
    return looks.most_common(1)[0][0]


class _Outline:
    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self._body = body_look(lines)
        contents = _contents(lines)
        found = (self._candidate(at) for at in range(len(lines)) if at not in contents)
        self._candidates = [one for one in found if one is not None]
        self._scheme, self._look, self._longest = self._numbering()

    # ------------------------------------------------------------ what may be a heading

    def _candidate(self, at: int) -> _Candidate | None:
        line = self._lines[at]
        if len(line.text) > _LONGEST or _LEADERS.search(line.text) or _CAPTION.match(line.text):
            return None
        strong, other = self._emphasis(line)
        if not (strong or other) and len(line.text) > _LONGEST_KNOWN:
            return None
        text = headings.plain(line.text)
        readings, words = headings.numbered(text)
        words = headings.mended(words)
        if not words or not words[0].isalnum() or words[0].islower() or words.endswith(_NO_HEADING_END):
            return None
        known = headings.known(words)
        if not (strong or other or known) or not _enough_letters(words) or len(words.split()) > _MOST_WORDS:
            return None
        return _Candidate(at, text, words, tuple(readings), known, strong, other)

    def _emphasis(self, line: Line) -> tuple[bool, bool]:
        """Whether a line is set apart clearly, and whether by its font alone."""
        look, body = line.look, self._body
        upper = line.text.isupper() and len(_LETTERS.findall(line.text)) >= _LEAST_CAPITALS
        bigger = look.size >= body.size * _BIGGER
        bold = look.bold and not body.bold and look.size >= body.size - 1
        return bigger or bold or upper, look.font != body.font and look.size >= body.size - 1

    # ------------------------------------------------------------ numbers

    def _numbering(self) -> tuple[str | None, Print | None, int]:
        """The scheme of the top level's numbers and their look, of the look in which numbers go on the longest, and how far."""
        chains: defaultdict[tuple[str, Print], list[_Candidate]] = defaultdict(list)
        best: tuple[int, str | None, Print | None] = (0, None, None)
        for one in self._candidates:
            look = self._lines[one.at].look
            for number in one.readings:
                if len(number.parts) > 1 or number.scheme == "letter" or not (one.strong or one.known):
                    continue
                chain = chains[number.scheme, look]
                if number.parts[0] == len(chain) + 1:
                    chain.append(one)
                elif number.parts[0] == 1:
                    chain[:] = [one]
                # One alone counts only where it cannot be anything else.
                if len(chain) > best[0] and (
                    len(chain) > 1 or one.known == Kind.INTRODUCTION or self._has_under(number)
                ):
                    best = len(chain), number.scheme, look
        return best[1], best[2], best[0]

    def _has_under(self, number: Number) -> bool:
        """Whether there are at least two headings below this one, `1.1` and `1.2`."""
        under = {reading.parts[1] for one in self._candidates for reading in one.readings if reading.parts[1:]}
        return number == Number("decimal", (1,)) and {1, 2} <= under

    # ------------------------------------------------------------ choosing

    def headings(self) -> list[Heading]:
        trusted = self._trusted_looks() if self._scheme is None else frozenset()
        found: list[Heading] = []
        state = Numbering(self._scheme)
        by_line = {one.at: one for one in self._candidates}
        at = 0
        while at < len(self._lines):
            heading = self._run_in(at, found)
            if heading is None and (one := by_line.get(at)) is not None:
                level = self._level(one, state, trusted, found)
                heading = self._whole(one, level, state) if level else None
            if heading is not None:
                heading = _in_place(heading, found)
            if heading is not None:
                state.references = state.references or heading.kind == Kind.REFERENCES
                found.append(heading)
                at = heading.last
            at += 1
        return _with_introduction(found)

    def _run_in(self, at: int, found: Sequence[Heading]) -> Heading | None:
        line = self._lines[at]
        met = headings.run_in(line.text) or self._set_apart(line)
        if met is None:
            return None
        kind, name, mark, length = met
        dash = any(sign in mark for sign in "—–―")
        if kind not in (Kind.ABSTRACT, Kind.ACKNOWLEDGEMENTS) and not (dash and self._scheme is None):
            return None  # within an abstract, or of a paragraph
        apart = dash or line.lead not in (line.look, self._body) or line.lead.bold or mark == "："
        if not apart or any(one.title.lower() == name.lower() for one in found):
            return None
        if kind == Kind.ABSTRACT and (line.page > 2 or any(one.kind == Kind.INTRODUCTION for one in found)):
            return None
        return Heading(kind, name, at, at, length)

    @staticmethod
    def _set_apart(line: Line) -> tuple[Kind, str, str, int] | None:
        """A known name at the start of a line that its print alone parts from the text behind it."""
        length = line.lead_length
        if line.lead == line.look or not 0 < length < len(line.text):
            return None
        kind = headings.known(line.text[:length])
        return (kind, line.text[:length].strip(" .:："), "", length) if kind else None

    def _level(self, one: _Candidate, state: Numbering, trusted: frozenset[Print], found: Sequence[Heading]) -> int:
        """At which level a candidate is a heading, 0 where it is none."""
        line = self._lines[one.at]
        if one.known == Kind.REFERENCES and not self._references_follow(one.at):
            return 0
        if one.readings and (level := self._goes_on(one, state)):
            return level
        if one.known is not None and self._known_counts(one):
            return 1
        if _MATTER.fullmatch(one.text):
            return 1 if one.strong and line.page <= 2 else 0
        if one.readings or state.references or not found or not one.strong:
            return 0
        if self._scheme is not None:
            return 1 if line.look == self._look and state.begun and self._stands_alone(one.at) else 0
        return 1 if line.look in trusted else 0

    def _known_counts(self, one: _Candidate) -> bool:
        """Whether a name known as a heading is one here, its number set aside."""
        if one.readings and not (one.strong or one.other_font):
            return False
        if self._scheme is not None and not one.readings and one.known not in _UNNUMBERED_AMONG_NUMBERED:
            return self._lines[one.at].look == self._look
        if one.strong:
            return True
        return one.known in _UNMISTAKABLE and (one.words[0].isupper() or ord(one.words[0]) > 0x3000)

    def _goes_on(self, one: _Candidate, state: Numbering) -> int:
        look = self._lines[one.at].look
        if (
            self._scheme != "roman"
            and one.readings[-1].scheme == "letter"
            and not (look.bold or look.size > self._body.size)
        ):
            return 0  # a label in a figure
        if look != self._look:
            if not one.known and not one.strong:
                # A list in italics has numbers, too; those of the level below are looked at.
                return state.take_under(one.readings)
            if not one.known and any(
                number.parts[0] <= self._longest for number in one.readings if len(number.parts) == 1
            ):
                return state.take_under(one.readings)  # the heading with this number looks like the others
        return state.take(one.readings, exact=look != self._look)

    def _stands_alone(self, at: int) -> bool:
        look = self._lines[at].look
        return at > 0 and self._lines[at - 1].look != look

    def _references_follow(self, at: int) -> bool:
        after = self._lines[at + 1 : at + 1 + _REFERENCES_LOOKED_AT]
        return sum(1 for line in after if _REFERENCE.search(line.text)) >= _REFERENCES_LEAST

    def _whole(self, one: _Candidate, level: int, state: Numbering) -> Heading:
        """The heading with what of it stands on further lines."""
        words, last = one.words, one.at
        if one.known in (None, Kind.APPENDIX) and not _MATTER.fullmatch(one.text):
            while self._continues(last, len(words)):
                last += 1
                words = f"{words} {headings.plain(self._lines[last].text)}"
        kind = one.known or headings.kind_of(words)
        if state.in_appendix:
            kind = Kind.APPENDIX
        return Heading(kind, words, one.at, last, level=level)

    def _continues(self, at: int, length: int) -> bool:
        if at + 1 >= len(self._lines):
            return False
        line, after = self._lines[at], self._lines[at + 1]
        text = headings.plain(after.text)
        near = line.page == after.page and 0 < line.y - after.y <= 1.7 * max(line.look.size, 6)
        return (
            near
            and line.look == after.look
            and length + len(text) <= _LONGEST_WHOLE
            and not headings.numbered(text)[0]
            and headings.known(text) is None
        )

    # ------------------------------------------------------------ papers without numbers

    def _trusted_looks(self) -> frozenset[Print]:
        """Looks of at least two headings known by name, and of lines that mostly stand alone above text."""
        named: defaultdict[Print, set[str]] = defaultdict(set)
        above: Counter[Print] = Counter()
        for one in self._candidates:
            look = self._lines[one.at].look
            if one.strong and look != self._body:
                if one.known is not None:
                    named[look].add(one.words.lower())
                if self._stands_above_text(one.at):
                    above[look] += 1
        all_lines = Counter(line.look for line in self._lines)
        trusted = {look for look, names in named.items() if len(names) > 1}
        trusted |= {
            look for look, count in above.items() if count >= _LOOK_LEAST and count >= _LOOK_SHARE * all_lines[look]
        }
        return frozenset(trusted)

    def _stands_above_text(self, at: int) -> bool:
        if at + 1 >= len(self._lines):
            return False
        before = self._lines[at - 1].look if at else None
        return self._lines[at + 1].look == self._body and before != self._lines[at].look


def _in_place(heading: Heading, before: Sequence[Heading]) -> Heading | None:
    """The heading as what it is at its place. None for abbreviations at the foot of the first page, behind which the
    introduction goes on; a summary behind the rest of the paper concludes it, and is no abstract.
    """
    words = heading.title.lower().strip(" .:：")
    if words == "abbreviations" and all(one.kind in (Kind.ABSTRACT, Kind.INTRODUCTION) for one in before):
        return None
    if (
        heading.kind is Kind.ABSTRACT
        and words in _SUMMARIES
        and sum(one.kind is not Kind.ABSTRACT for one in before) > 1
    ):
        return replace(heading, kind=Kind.CONCLUSION)
    return heading


def _with_introduction(found: Sequence[Heading]) -> list[Heading]:
    """Where no heading says introduction, a first one that says background is it, as in medicine."""
    changed = list(found)
    if not any(one.kind == Kind.INTRODUCTION for one in found):
        for at, one in enumerate(found):
            if one.title.lower() == "background":
                changed[at] = replace(one, kind=Kind.INTRODUCTION)
                break
    return changed


def _enough_letters(words: str) -> bool:
    letters = _LETTERS.findall(words)
    if 2 * len(letters) < len(words.replace(" ", "")):
        return False
    return len(letters) > 2 or (len(letters) > 1 and ord(letters[0]) > 0x3000)


def _contents(lines: Sequence[Line]) -> range:
    """The lines of a table of contents: from its heading until its first entry comes again, as a heading."""
    for at, line in enumerate(lines[:_CONTENTS_BEGIN]):
        if _CONTENTS.fullmatch(line.text):
            entry = next((found for after in lines[at + 1 : at + 4] if (found := _entry(after))), None)
            again = (
                place
                for place in range(at + 2, min(len(lines), at + _CONTENTS_LONGEST))
                if _entry(lines[place]) == entry
            )
            places = [place for place in again if place > at + 3] if entry else []
            return range(at, places[0]) if places else range(0)
    return range(0)


def _entry(line: Line) -> str:
    """The words of a heading, or of its entry in a table of contents."""
    words = headings.numbered(headings.plain(line.text))[1]
    return _ENTRY_END.sub("", words).lower()
