"""What Semantic Scholar's rows say, taken as hostile: every value is checked, cleaned and bounded.

A value that is not what the field promises counts as missing. Shapes were read off recorded answers of 2022
to 2026: external ids are text or numbers, a venue is "" where unknown, `openAccessPdf.url` may be "", a row
that the source could not match to a paper has no id, a list hidden by the publisher is null.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from sys import intern
from typing import Any

from refnet.domain.papers import Author, Listing, Paper, Stub

Row = Mapping[str, Any]

LONGEST_TITLE = 2_000
LONGEST_ABSTRACT = 20_000
LONGEST_NAME = 300
LONGEST_URL = 2_000
MOST_AUTHORS = 20_000
_MOST_MARKS = 30
_LARGEST_COUNT = 2**31 - 1
_EXTERNAL_IDS = ("DOI", "ArXiv", "PubMed", "PubMedCentral", "ACL", "MAG", "DBLP", "CorpusId")
# An id may name files and stand in paths, so it holds nothing that means something there.
_ID = re.compile(r"[0-9A-Za-z_-]{1,100}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_URL = re.compile(r"https?://[^\s/?#%]+([/?#]\S*)?")
_UNWANTED = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
# Windows-1252 taken for Latin-1, in the recorded answers: quotation marks and dashes.
_WINDOWS = str.maketrans("\x91\x92\x93\x94\x96\x97", "‘’“”–—")


def clean_text(value: object, most: int) -> str | None:
    """One line of text, NFC, without control characters; None for no text. What is cut ends in “…”."""
    if not isinstance(value, str):
        return None
    line = " ".join(_printable(value, most).split())
    return _cut(line, most)


def clean_paragraphs(value: object, most: int) -> str | None:
    """As `clean_text`, but line breaks stay, at most one empty line between two others."""
    if not isinstance(value, str):
        return None
    lines = [" ".join(line.split()) for line in _printable(value, most).splitlines()]
    return _cut(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip(), most)


def read_id(value: object) -> str | None:
    """The same string object for the same id, since an id stands in many lists."""
    return intern(value) if isinstance(value, str) and _ID.fullmatch(value) else None


def read_year(value: object) -> int | None:
    return value if type(value) is int and 1000 <= value <= 2100 else None


def read_count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _LARGEST_COUNT else None


def read_authors(value: object) -> tuple[Author, ...]:
    """Those that have a name."""
    if not isinstance(value, list):
        return ()
    authors = []
    for row in value[:MOST_AUTHORS]:
        name = clean_text(row.get("name"), LONGEST_NAME) if isinstance(row, dict) else None
        if name is not None:
            authors.append(Author(name, read_id(row.get("authorId"))))
    return tuple(authors)


def read_list(rows: object, own: Iterable[str]) -> Listing | None:
    """The rows of a list that belongs to the paper with the ids `own`; None for what is no list at all.

    Kept as unmatched is a row without an id; left out are rows that say nothing, a second row of the same
    paper, and the paper itself.
    """
    if rows is None:
        return Listing(withheld=True)
    return Listing(tuple(_stubs(rows, set(own)))) if isinstance(rows, list) else None


def read_paper(row: Row, paper_id: str) -> Paper:
    """The details in a row; `title` is "" where it has none."""
    venue = row.get("venue") or _within(row.get("journal"), "name")
    return Paper(
        paper_id=paper_id,
        title=clean_text(row.get("title"), LONGEST_TITLE) or "",
        authors=read_authors(row.get("authors")),
        year=read_year(row.get("year")),
        venue=clean_text(venue, LONGEST_NAME),
        abstract=clean_paragraphs(row.get("abstract"), LONGEST_ABSTRACT),
        tldr=clean_text(_within(row.get("tldr"), "text"), LONGEST_ABSTRACT),
        external_ids=_external_ids(row),
        citation_count=read_count(row.get("citationCount")),
        reference_count=read_count(row.get("referenceCount")),
        publication_date=_date(row.get("publicationDate")),
        pdf_url=_url(_within(row.get("openAccessPdf"), "url")),
        url=_url(row.get("url")),
    )


def _stubs(rows: list[object], seen: set[str]) -> Iterator[Stub]:
    for row in rows:
        if not isinstance(row, dict):
            continue
        paper_id = read_id(row.get("paperId"))
        if paper_id is not None:
            if paper_id in seen:
                continue
            seen.add(paper_id)
        stub = Stub(
            paper_id,
            clean_text(row.get("title"), LONGEST_TITLE),
            read_year(row.get("year")),
            read_count(row.get("citationCount")),
            read_count(row.get("referenceCount")),
        )
        if stub != _NOTHING:
            yield stub


_NOTHING = Stub(None)


def _printable(value: str, most: int) -> str:
    if len(value) > 2 * most:
        # Cut before the work as well, since a text may be as long as an answer.
        value = value[: 2 * most] + "…"
    if not value.isprintable():
        value = _UNWANTED.sub("", value.translate(_WINDOWS))
    return value if value.isascii() else unicodedata.normalize("NFC", _stream_safe(value))


def _stream_safe(text: str) -> str:
    """At most 30 combining marks in a row, as UAX #15 has it: the time that NFC takes grows with their square."""
    if not any(map(unicodedata.combining, text)):
        return text
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= _MOST_MARKS:
            kept.append(character)
    return "".join(kept)


def _cut(text: str, most: int) -> str | None:
    return (text if len(text) <= most else text[: most - 1].rstrip() + "…") or None


def _within(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else None


def _external_ids(row: Row) -> dict[str, str]:
    value = row.get("externalIds")
    given = dict(value) if isinstance(value, dict) else {}
    if given.get("CorpusId") is None:
        given["CorpusId"] = row.get("corpusId")
    read = {name: _external_id(given.get(name)) for name in _EXTERNAL_IDS}
    if not re.fullmatch("[0-9]+", read["CorpusId"] or ""):
        read["CorpusId"] = None
    return {name: text for name, text in read.items() if text is not None}


def _external_id(value: object) -> str | None:
    if type(value) is int:
        return str(value) if value >= 0 else None
    text = clean_text(value, LONGEST_NAME)
    return text if text is not None and " " not in text and not text.endswith("…") else None


def _date(value: object) -> str | None:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        return None


def _url(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    # Recorded addresses of PDFs hold spaces.
    url = value.strip().replace(" ", "%20")
    usable = len(url) <= LONGEST_URL and url.isprintable() and _URL.fullmatch(url)
    return url if usable else None
