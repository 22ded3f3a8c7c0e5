"""RIS, and the tagged form of Web of Science that is often given the same ending.

rispy reads the records. We part them first, since rispy runs records together where an ER is missing and drops
the last one without it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import rispy
from rispy.config import WOK_LIST_TYPE_TAGS

from refnet.adapters.bibliography.entry import Broken, Entry, first_of

_RIS_TAG = re.compile(r"([A-Z][A-Z0-9])[ \t]{1,4}-(?:[ \t]|$)")
_WOS_TAG = re.compile(r"[A-Z][A-Z0-9] ")
_KEY = re.compile(r"\S{1,200}")
#: of one tag; the first few hold what there is
_MAX_TEXTS = 100
_TITLES = ("title", "primary_title", "document_title", "translated_title", "short_title")
_KINDS = (
    ("doi", "doi"),
    ("urls", "url"),
    ("file_attachments2", "url"),
    ("note", "note"),
    ("notes", "note"),
    ("research_notes", "note"),
    ("type_of_work", "note"),
    ("journal_name", "note"),
    ("alternate_title3", "note"),
    ("secondary_title", "note"),
    ("number", "note"),
    ("custom1", "note"),
    ("custom2", "note"),
    ("pubmed_id", "pmid"),
)


@dataclass(slots=True)
class _Record:
    """The tags of one record with the pieces of their values, and the number of its first line in the file."""

    line: int
    tags: list[tuple[str, list[str]]] = field(default_factory=list)


def read_ris(text: str) -> list[Entry | Broken]:
    lines = text.split("\n")
    wos = any(line.startswith("PT ") for line in lines) and not any(_tag(line) == "TY" for line in lines)
    records = _web_of_science_records(lines) if wos else _ris_records(lines)
    return [_entry(number, record, wos=wos) for number, record in enumerate(records, start=1)]


def _tag(line: str) -> str | None:
    match = _RIS_TAG.match(line)
    return match[1] if match else None


def _ris_records(lines: list[str]) -> list[_Record]:
    """Each record from its TY, or from its first tag where TY lacks."""
    records: list[_Record] = []
    within = False
    for number, line in enumerate(lines, start=1):
        tag = _tag(line)
        if tag == "ER":
            within = False
        elif tag is not None:
            if tag == "TY" or not within:
                records.append(_Record(number))
                within = True
            records[-1].tags.append((tag, [line[line.index("-", 2) + 1 :].strip()]))
        elif within:
            records[-1].tags[-1][1].append(line.strip())
    return records


def _web_of_science_records(lines: list[str]) -> list[_Record]:
    records: list[_Record] = []
    for number, line in enumerate(lines, start=1):
        if line.startswith("PT "):
            records.append(_Record(number))
        if not records:
            continue
        if _WOS_TAG.match(line) and line[:2] not in ("ER", "EF"):
            records[-1].tags.append((line[:2], [line[3:].strip()]))
        elif line.startswith("  "):
            records[-1].tags[-1][1].append(line.strip())
    return records


def _written(record: _Record, *, wos: bool) -> str:
    """The record as rispy wants it: every value but the lists of Web of Science in one line.

    Continued lines would cost rispy a time that grows with the square of their number.
    """
    kind = next((pieces[0] for tag, pieces in record.tags if tag in ("TY", "PT")), "GEN")
    lines = [f"PT {kind}" if wos else f"TY  - {kind}"]
    for tag, pieces in record.tags:
        if wos:
            values = pieces if tag in WOK_LIST_TYPE_TAGS else [" ".join(pieces)]
            lines += [f"{tag} {values[0]}", *(f"   {value}" for value in values[1:])]
        elif tag != "TY":
            # Zotero writes its extra field over several lines, each with an id of its own.
            lines += [f"{tag}  - {piece}" for piece in pieces] if tag == "N1" else [f"{tag}  - {' '.join(pieces)}"]
    return "\n".join([*lines, "ER" if wos else "ER  - "])


def _entry(number: int, record: _Record, *, wos: bool) -> Entry | Broken:
    parser = rispy.WokParser if wos else rispy.RisParser
    read = rispy.loads(_written(record, wos=wos), implementation=parser, skip_unknown_tags=wos)
    name = f"entry {number} (line {record.line})"
    if len(read) != 1:
        return Broken(name, "is not valid RIS")
    fields: Mapping[str, Any] = read[0]
    key = "" if wos else first_of((fields.get("id"),))
    return Entry(
        name=name,
        claims=_claims(fields),
        title=first_of(fields.get(name) for name in _TITLES),
        year=first_of(fields.get(name) for name in ("year", "publication_year", "date")),
        first_author=first_of(author for name in ("authors", "first_authors") for author in fields.get(name, [])),
        # A number is the exporting program's own, no key that anybody cites by.
        citekey=key if _KEY.fullmatch(key) and not key.isdecimal() else None,
    )


def _claims(record: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    claims = [(kind, text) for name, kind in _KINDS for text in _texts(record.get(name))]
    # PubMed's exports put its number under AN and, with its kind behind, under U1 and U2.
    if "pubmed" in first_of((record.get("name_of_database"),)).lower():
        claims += [("pmid", text) for text in _texts(record.get("accession_number"))]
    claims += [("note", text) for text in _texts(record.get("accession_number"))]
    unknown = record.get("unknown_tag") or {}
    claims += [("note", text) for texts in unknown.values() for text in _texts(texts)]
    return tuple(claims)


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for text in value[:_MAX_TEXTS] if isinstance(text, str)] if isinstance(value, list) else []
