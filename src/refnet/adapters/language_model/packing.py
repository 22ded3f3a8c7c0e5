"""What of a paper a model is given: all of it where there is room, else what matters most.

Sizes are in tokens, estimated: the tables of real tokenisers would have to be downloaded, and every model has its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from refnet.domain import inert
from refnet.domain.documents import Document, DocumentSection, SectionKind, Sentence

#: Tokens of a paper in one request. Source: of 97 papers nine in ten have less than 16,000 without their references.
CAP = 24_000
#: Requests that a longer text, such as a thesis, is read in at the most, each of CAP tokens.
MOST_PARTS = 6

#: What there is room for first. References and acknowledgements are not given.
PRIORITY = (
    SectionKind.ABSTRACT,
    SectionKind.CONCLUSION,
    SectionKind.INTRODUCTION,
    SectionKind.RESULTS,
    SectionKind.DISCUSSION,
    SectionKind.METHODS,
    SectionKind.OTHER,
    SectionKind.RELATED,
    SectionKind.APPENDIX,
)

_CJK = re.compile("[\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")


@dataclass(frozen=True, slots=True)
class Packed:
    """Text for one request: sections with their headings, each page marked `[p. 3]` where its sentences begin.
    `tokens` is an estimate.
    """

    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Packing:
    """A paper in one part, or in several, in reading order; `left_out` are sentences that there was no room for."""

    parts: tuple[Packed, ...]
    left_out: int = 0


def estimate(text: str) -> int:
    """Tokens of a text, about: one for four characters, one for each Chinese, Japanese or Korean one."""
    cjk = len(_CJK.findall(text))
    return cjk + (len(text) - cjk + 3) // 4


def most_tokens(text: str) -> int:
    """More tokens than any tokeniser makes of a text: they are made of bytes, and none is empty."""
    return len(text.encode(errors="replace"))


def pack(document: Document, cap: int = CAP, parts: int = MOST_PARTS) -> Packing:
    """At most `parts` parts of at most `cap` tokens. What is more than that is left out by the order of PRIORITY, within a
    section from its end.
    """
    chosen, left_out = _choose(document.sections, cap * parts, cap)
    packed: list[Packed] = []
    lines: list[str] = []
    size = page = 0
    for section, sentences in chosen:
        heading = f"## {inert.clean(section.title) or section.kind.value.capitalize()}"
        begun = False
        for one, text, cost in sentences:
            more = cost if begun else cost + estimate(heading) + 1
            if lines and size + more > cap:
                packed.append(_packed(lines))
                lines, size, begun = [], 0, False
                more = cost + estimate(heading) + 1
            if len(packed) == parts or more > cap:
                left_out += 1
                continue
            if not begun:
                lines.append(heading)
                begun, page = True, 0
            if one.page != page:
                page = one.page
                lines.append(f"[p. {page}]")
            lines.append(text)
            size += more
    if lines:
        packed.append(_packed(lines))
    return Packing(tuple(packed), left_out)


def _packed(lines: Sequence[str]) -> Packed:
    text = "\n".join(lines)
    return Packed(text, estimate(text))


_Costed = tuple[Sentence, str, int]


def _choose(
    sections: Iterable[DocumentSection], room: int, longest: int
) -> tuple[list[tuple[DocumentSection, list[_Costed]]], int]:
    """The sentences that there is room for, by section in reading order, and the number of the others."""
    own = [section for section in sections if section.kind in PRIORITY]
    kept: dict[int, list[_Costed]] = {}
    left_out = 0
    for at in sorted(range(len(own)), key=lambda at: (PRIORITY.index(own[at].kind), at)):
        kept[at] = []
        for one in own[at].sentences:
            text = inert.clean(one.text)
            # With the page's mark, which not every sentence has.
            cost = estimate(text) + 3
            if not text:
                continue
            if cost > longest:
                left_out += 1
                continue
            # Once it is full, it is full: what comes later in the order is no more worth than what did not fit.
            room = room - cost if cost <= room else -1
            if room < 0:
                left_out += 1
                continue
            kept[at].append((one, text, cost))
    return [(own[at], kept[at]) for at in sorted(kept) if kept[at]], left_out
