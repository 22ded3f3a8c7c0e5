"""Lines as sections of sentences, each with the page on which it begins."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from refnet.adapters.pdf.lines import Line
from refnet.adapters.pdf.outline import Heading
from refnet.adapters.pdf.text import join, resolve_hyphens
from refnet.domain.documents import ASIDE, DocumentSection, SectionKind, Sentence
from refnet.domain.sentences import split_sentences

_CAPTION = re.compile(
    r"(?:(?:fig(?:ure)?s?|tab(?:le)?s?|algorithm|listing|scheme|box|abb(?:ildung)?)\.?\s*(?:\d{1,3}|[IVX]{1,5}|[A-Z]\.?\d{1,2})(?:\.\d{1,2})?\s*[:.|．：—–-]"
    r"|(?:図|表)\s*[0-9０-９]{1,3}(?:[.．]\d)?(?:\s|[:：.．]|$))",
    re.IGNORECASE,
)
#: Points by which print is smaller than that of the section around it.
_SMALLER = 0.75
_LONGEST_CAPTION = 12


def make_sections(
    lines: Sequence[Line], headings: Sequence[Heading], words: Counter[str], left_out: Collection[int]
) -> tuple[DocumentSection, ...]:
    """`left_out` are lines that stand elsewhere (keywords)."""
    sections: list[DocumentSection] = []
    asides: list[Sentence] = []
    for heading, span in _spans(lines, headings):
        kept = [
            (line, line.text) for at, line in enumerate(lines[span.start : span.stop], span.start) if at not in left_out
        ]
        if heading is not None and heading.rest is not None:
            first = lines[heading.last]
            kept.insert(0, (first, first.text[heading.rest :]))
        prose, blocks = _apart(kept)
        for block in blocks:
            asides += _sentences(block, words)
        sentences = _sentences(prose, words)
        if heading is not None or sentences:
            kind, title = (heading.kind, heading.title) if heading else (SectionKind.OTHER, "")
            sections.append(DocumentSection(kind, resolve_hyphens(title, words), tuple(sentences)))
    if asides:
        sections.append(DocumentSection(SectionKind.OTHER, ASIDE, tuple(asides)))
    return tuple(sections)


_Piece = tuple[Line, str]


def _spans(lines: Sequence[Line], headings: Sequence[Heading]) -> Iterator[tuple[Heading | None, range]]:
    begin, heading = 0, None
    for following in headings:
        if heading is not None or following.first > begin:
            yield heading, range(begin, following.first)
        begin, heading = following.last + 1, following
    yield heading, range(begin, len(lines))


def _apart(pieces: Sequence[_Piece]) -> tuple[list[_Piece], list[list[_Piece]]]:
    """The prose of a section, and the blocks that are none."""
    sizes: Counter[float] = Counter()
    for line, text in pieces:
        sizes[line.look.size] += len(text)
    main = sizes.most_common(1)[0][0] if sizes else 0.0
    prose: list[_Piece] = []
    blocks: list[list[_Piece]] = []
    caption: list[_Piece] | None = None
    smaller: list[_Piece] | None = None
    for line, text in pieces:
        if _CAPTION.match(text):
            caption, smaller = [(line, text)], None
            blocks.append(caption)
        elif caption is not None and _caption_goes_on(caption, line, main):
            caption.append((line, text))
        elif line.look.size <= main - _SMALLER:
            caption = None
            if smaller is None or smaller[-1][0].page != line.page:
                smaller = []
                blocks.append(smaller)
            smaller.append((line, text))
        else:
            caption = smaller = None
            prose.append((line, text))
    return prose, blocks


def _caption_goes_on(caption: Sequence[_Piece], line: Line, main: float) -> bool:
    last = caption[-1][0]
    step = last.y - line.y
    if last.page != line.page or last.look.size != line.look.size or not 0 < step <= 1.5 * max(last.look.size, 6):
        return False
    if last.look.size != main:
        return True
    # In the print of the prose only the distance tells where it ends, so it must not go on for long.
    first_step = caption[0][0].y - caption[1][0].y if len(caption) > 1 else step
    return len(caption) < _LONGEST_CAPTION and abs(step - first_step) < 1


def _sentences(pieces: Sequence[_Piece], words: Counter[str]) -> list[Sentence]:
    starts: list[tuple[int, int]] = []
    chunks: list[str] = []
    length = 0
    for line, raw in pieces:
        text = resolve_hyphens(raw, words)
        if not text:
            continue
        # Only the end of what stands before decides how the next line is put behind it.
        before = chunks[-1] if chunks else ""
        joined = join(before, text, words)
        if before:
            chunks[-1] = joined[: len(joined) - len(text)]
            length += len(chunks[-1]) - len(before)
        if not starts or starts[-1][1] != line.page:
            starts.append((length, line.page))
        chunks.append(text)
        length += len(text)
    return list(_placed("".join(chunks), starts))


def _placed(text: str, starts: Sequence[tuple[int, int]]) -> Iterator[Sentence]:
    """The sentences of a text with the page that had begun by then; `starts` are places and pages."""
    at = which = 0
    for sentence in split_sentences(text):
        found = text.find(sentence, at)
        at = found if found >= 0 else at
        while which + 1 < len(starts) and starts[which + 1][0] <= at:
            which += 1
        yield Sentence(sentence, starts[which][1])
        at += len(sentence)
