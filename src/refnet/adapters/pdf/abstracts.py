"""The abstract of a paper that has no heading for it, as letters have none."""

from __future__ import annotations

from collections.abc import Sequence

from refnet.adapters.pdf.lines import Line
from refnet.adapters.pdf.outline import Heading
from refnet.domain.documents import SectionKind as Kind

#: Letters of a paragraph that may be an abstract.
_ABSTRACT_LEAST = 400


def headless_abstract(lines: Sequence[Line], found: Sequence[Heading]) -> list[Heading]:
    """Headings without words around the first long paragraph of the first page, for a paper that heads no abstract."""
    if any(one.kind == Kind.ABSTRACT for one in found):
        return []
    end = found[0].first if found else len(lines)
    begin = length = 0
    for at in range(end):
        line = lines[at]
        if line.page != lines[0].page:
            break
        if at and not _same_paragraph(lines[at - 1], line):
            if length >= _ABSTRACT_LEAST and not _are_names(lines[begin:at]):
                break
            begin, length = at, 0
        length += len(line.text)
    else:
        at = end
    if length < _ABSTRACT_LEAST or _are_names(lines[begin:at]):
        return []
    after = [Heading(Kind.OTHER, "", at, at - 1)] if at < end else []
    return [Heading(Kind.ABSTRACT, "", begin, begin - 1), *after]


def _are_names(lines: Sequence[Line]) -> bool:
    """Whether most words have a capital, as in a list of authors and the places where they work."""
    words = [word for line in lines for word in line.text.split() if word[0].isalpha()]
    return 2 * sum(word[0].isupper() and not word.isupper() for word in words) > len(words)


def _same_paragraph(line: Line, after: Line) -> bool:
    return line.look.size == after.look.size and 0 < line.y - after.y <= 1.6 * max(line.look.size, 6)
