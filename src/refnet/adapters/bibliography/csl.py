"""CSL-JSON as Zotero, Mendeley and pandoc write it, and Better BibTeX's JSON with Zotero's field names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from refnet.adapters.bibliography.entry import Broken, Entry, first_of
from refnet.adapters.bibliography.text import MAX_ENTRIES, unreadable

_KINDS = {
    "DOI": "doi",
    "URL": "url",
    "url": "url",
    "PMID": "pmid",
    "PMCID": "pmcid",
    "note": "note",
    "annote": "note",
    "extra": "note",
    "number": "note",
    "container-title": "note",
    "publicationTitle": "note",
}


def read_csl(path: Path, text: str) -> list[Entry | Broken]:
    """The entries of a list, of {"items": […]}, or the only one. Raises UnreadableDocument."""
    try:
        document = json.loads(text)
    except RecursionError:
        raise unreadable(path, "is nested too deeply to be CSL-JSON: export the library again") from None
    except json.JSONDecodeError as error:
        raise unreadable(path, f"is not valid JSON ({error}): export the library again") from None
    except ValueError:  # Python's guard against numbers of many thousand digits
        raise unreadable(path, "holds a number that is too long: export the library again") from None
    if isinstance(document, dict):
        items = document.get("items", [document] if "title" in document and "type" in document else None)
    else:
        items = document
    if not isinstance(items, list) or not items:
        raise unreadable(path, "is JSON without a list of entries: export the library as CSL-JSON")
    if len(items) > MAX_ENTRIES:
        raise unreadable(path, f"holds more than {MAX_ENTRIES:,} entries: split it")
    return [_entry(number, item) for number, item in enumerate(items, start=1)]


def _entry(number: int, item: object) -> Entry | Broken:
    if not isinstance(item, dict):
        return Broken(f"entry {number}", "is no JSON object")
    key = _key(item)
    return Entry(
        name=key or f"entry {number}",
        claims=_claims(item),
        title=_text(item.get("title")),
        year=_year(item),
        first_author=_first_author(item),
        citekey=key,
    )


def _key(item: Mapping[str, Any]) -> str | None:
    """The citation key. Zotero's ids are addresses or numbers where no key was given."""
    key = first_of(item.get(field) for field in ("citation-key", "citationKey", "citekey", "id")).strip()
    usable = bool(key) and "/" not in key and not key.isdecimal() and len(key) <= 200 and key.isprintable()
    return key if usable else None


def _text(value: object) -> str:
    """Text, or the first of a list of texts, as Crossref has titles."""
    if isinstance(value, list):
        return first_of(value)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _claims(item: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    claims = [(kind, text) for field, kind in _KINDS.items() if (text := _text(item.get(field)))]
    if _text(item.get("archive")).lower() == "arxiv":
        claims += [
            ("arxiv", text) for field in ("archive_location", "archiveLocation") if (text := _text(item.get(field)))
        ]
    return tuple(claims)


def _year(item: Mapping[str, Any]) -> str:
    issued = item.get("issued", item.get("date"))
    if not isinstance(issued, dict):
        return _text(issued)
    try:
        return _text(issued["date-parts"][0][0])
    except (KeyError, IndexError, TypeError):
        return first_of((issued.get("raw"), issued.get("literal")))


def _first_author(item: Mapping[str, Any]) -> str:
    authors = item.get("author", item.get("creators"))
    first = authors[0] if isinstance(authors, list) and authors else None
    if not isinstance(first, dict):
        return ""
    family = first_of((first.get("family"), first.get("lastName")))
    particles = [first_of((first.get(field),)) for field in ("dropping-particle", "non-dropping-particle")]
    if family:
        # The comma says that all before it is the family name.
        return " ".join([*filter(None, particles), family]) + ","
    # A literal is mostly an institution, whose name is one.
    literal = first_of((first.get("literal"), first.get("name")))
    return f"{literal}," if literal else ""
