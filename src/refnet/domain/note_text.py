"""The text of a note.

A note has no title line of its own: Obsidian shows the file's name above it, and a second title would only push the paper down.
Where the name had to drop signs of the title or cut it, the title stands in full as the first line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from refnet.domain import frontmatter, inert
from refnet.domain.frontmatter import Value
from refnet.domain.naming import is_linkable, title_part
from refnet.domain.note_words import SECTIONS, Words, words
from refnet.domain.notes import Neighbour, NoteContent, NoteList
from refnet.domain.papers import ListState, Paper
from refnet.domain.summaries import NOTHING, Summary
from refnet.domain.summary_text import findings_alone, findings_section, summary_section

#: The version of the format, as the property `refnet` says it.
FORMAT = 1
PAPER_PAGE = "https://www.semanticscholar.org/paper"
_PAGES = ("https://www.semanticscholar.org/", "https://api.semanticscholar.org/")
_AUTHORS_SHOWN = 6
#: Beyond this JavaScript, and so Obsidian, rounds whole numbers.
_LARGEST = 2**53

# Neighbours come up in many notes of one vault.
_inline = lru_cache(maxsize=20_000)(inert.inline)
_is_linkable = lru_cache(maxsize=50_000)(is_linkable)


@dataclass(frozen=True, slots=True)
class Property:
    """A property as YAML, and what it says."""

    yaml: str
    says: Value


@dataclass(frozen=True, slots=True)
class Section:
    heading: str
    body: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A note in parts: properties by name, the lines before the first heading, sections by key; all in their order."""

    properties: Mapping[str, Property]
    lead: str
    sections: Mapping[str, Section]
    lang: str
    #: `summary` and `findings` as they are where the reader has a version of the other that is not of the same summary
    apart: Mapping[str, str] = field(default_factory=dict)

    def with_apart(self, keys: Iterable[str]) -> Rendered:
        """The note with these sections as in `apart`."""
        changed = {key: replace(self.sections[key], body=self.apart[key]) for key in keys}
        return replace(self, sections={**self.sections, **changed}, apart={})


def render(content: NoteContent, lang: str = "en") -> Rendered:
    """The note of one paper, as refnet would write it where nothing stands yet."""
    say = words(lang)
    bodies = {
        "abstract": inert.block(content.paper.abstract or ""),
        "summary": summary_section(content.summary, content.paper.abstract or "", say),
        "findings": findings_section(content.summary, say, _copy(content)),
        "references": _list("references", content.references, say),
        "citations": _list("citations", content.citations, say),
        "links": _links(content.paper, _copy(content) or _pdf(content)),
    }
    sections = {key: Section(say.headings[key], bodies[key]) for key in SECTIONS if bodies[key]}
    apart = {
        "summary": summary_section(content.summary, content.paper.abstract or "", say, say.findings_kept),
        "findings": findings_alone(content.summary, say, _copy(content)),
    }
    apart = {key: body for key, body in apart.items() if key in sections}
    return Rendered(_properties(content), _lead(content, say), sections, lang, apart)


def to_text(rendered: Rendered) -> str:
    """The whole file."""
    pieces = ["---\n", *(one.yaml for one in rendered.properties.values()), "---\n"]
    if rendered.lead:
        pieces += ["\n", rendered.lead, "\n"]
    for section in rendered.sections.values():
        pieces += ["\n## ", section.heading, "\n\n", section.body, "\n"]
    return "".join(pieces)


def number(amount: int) -> str:
    return f"{amount:,}"


def why_incomplete(kind: str, held: NoteList, say: Words) -> str:
    """Why a list (`references` or `citations`) is not all that it should be, as a sentence; empty where it is."""
    have = len(held.rows) + held.left_out
    of = number(held.of) if held.of is not None else None
    if held.state is ListState.WITHHELD:
        return say.withheld_count.format(of=of) if of and held.of else say.withheld
    if held.state is ListState.NEWEST and of:
        return say.newest.format(have=number(have), of=of)
    if held.state is ListState.SHORT and of:
        return say.short[kind].format(have=number(have), of=of)
    return ""


def _properties(content: NoteContent) -> dict[str, Property]:
    paper = content.paper
    title = inert.value(paper.title)
    tags = tuple(dict.fromkeys(name for one in content.tags if (name := inert.tag(one))))
    values: dict[str, str | int | tuple[str, ...] | None] = {
        "title": title,
        "authors": tuple(name for author in paper.authors if (name := inert.value(author.name))),
        "year": paper.year,
        "venue": inert.value(paper.venue or ""),
        "paper_id": inert.value(paper.paper_id),
        "doi": inert.value(paper.doi or ""),
        "arxiv_id": inert.value(paper.arxiv_id or ""),
        "citekey": inert.value(content.citekey or ""),
        "citation_count": paper.citation_count,
        "reference_count": paper.reference_count,
        "url": paper_page(paper),
        "pdf": _pdf(content),
        "summary_basis": _basis(content.summary),
        "aliases": (title,) if title and title != content.name else (),
        "tags": tags,
        "refnet": FORMAT,
    }
    return {key: _property(key, told) for key, told in values.items() if _is_told(told)}


def _is_told(told: str | int | tuple[str, ...] | None) -> bool:
    return abs(told) <= _LARGEST if isinstance(told, int) else bool(told)


def _property(key: str, told: str | int | tuple[str, ...] | None) -> Property:
    content = told if told is not None else ""
    return Property(frontmatter.entry(key, content), content if isinstance(content, tuple) else str(content))


def paper_page(paper: Paper) -> str:
    """The paper's page at Semantic Scholar: the one that the source names, if it lies there, else the one of the paper's id."""
    named = inert.link_url(paper.url)
    if named is not None and named.startswith(_PAGES):
        return named
    return f"{PAPER_PAGE}/{inert.url_path(inert.clean(paper.paper_id))}"


def _lead(content: NoteContent, say: Words) -> str:
    paper = content.paper
    names = [name for author in paper.authors if (name := inert.inline(author.name))]
    shown = ", ".join(names[:_AUTHORS_SHOWN])
    if len(names) > _AUTHORS_SHOWN:
        shown = say.et_al.format(names=shown, count=number(len(names)))
    parts = (shown, inert.inline(paper.venue or ""), str(paper.year) if paper.year is not None else "")
    line = " · ".join(part for part in parts if part)
    title = inert.clean(paper.title)
    # The part of a name that is the title may have a suffix behind it, so it is looked for, not compared.
    if not title or (title_part(title) == title and title in content.name):
        return line
    full = f"**{inert.inline(title)}**"
    return f"{full}\n\n{line}" if line else full


def _basis(summary: Summary | None) -> str | None:
    return inert.value(summary.basis) if summary is not None and summary.basis != NOTHING else None


def _list(kind: str, held: NoteList, say: Words) -> str:
    lines = [_neighbour(row, say) for row in held.rows]
    if held.left_out > 0:
        lines.append("- " + say.more.format(count=held.left_out))
    reason = why_incomplete(kind, held, say)
    have = len(held.rows) + held.left_out
    if not reason and lines and held.state is None and held.of is not None and held.of > have:
        reason = say.found_so_far.format(have=number(have), of=number(held.of))
    return "\n\n".join(part for part in (reason, "\n".join(lines)) if part)


def _neighbour(row: Neighbour, say: Words) -> str:
    if row.note is not None and _is_linkable(row.note):
        return f"- [[{row.note}]]"
    title = _inline(row.title or "") or say.untitled
    return f"- {title} ({row.year})" if row.year is not None else f"- {title}"


def _copy(content: NoteContent) -> str | None:
    """Where the copy of a PDF lies, seen from the note; any reader of Markdown finds it there."""
    return f"../refnet/{inert.url_path(content.pdf_copy, '')}" if content.pdf_copy else None


def _pdf(content: NoteContent) -> str | None:
    """The open PDF as the source names it, else where it was found; None where there is a copy in place of it."""
    url = content.paper.pdf_url
    if url is None and content.pdf_copy is None and content.summary is not None and content.summary.provenance:
        url = content.summary.provenance.pdf_url
    return inert.link_url(url)


def _links(paper: Paper, pdf: str | None) -> str:
    lines = []
    if pdf:
        lines.append(f"- [PDF]({pdf})")
    if paper.doi:
        lines.append(f"- [DOI](https://doi.org/{inert.url_path(inert.clean(paper.doi))})")
    if paper.arxiv_id:
        lines.append(f"- [arXiv](https://arxiv.org/abs/{inert.url_path(inert.clean(paper.arxiv_id))})")
    lines.append(f"- [Semantic Scholar]({paper_page(paper)})")
    return "\n".join(lines)
