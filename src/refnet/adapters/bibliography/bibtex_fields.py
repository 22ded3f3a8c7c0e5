"""The fields of one BibTeX entry, for what they say of a paper."""

from __future__ import annotations

import re
from collections.abc import Mapping

from refnet.adapters.bibliography.entry import Entry, first_of
from refnet.adapters.bibliography.tex import Decoder, unescaped

_KINDS = {
    "doi": "doi",
    "arxiv": "arxiv",
    "arxivid": "arxiv",
    "arxiv-id": "arxiv",
    "arxiv_id": "arxiv",
    "pmid": "pmid",
    "pubmed": "pmid",
    "pubmedid": "pmid",
    "pmcid": "pmcid",
    "pmc": "pmcid",
    "acl": "acl",
    "mag": "mag",
    "corpusid": "corpusid",
    "s2cid": "corpusid",
    "s2id": "paper_id",
    "url": "url",
    "link": "url",
    "ee": "url",
    "eprint": "url",
    "howpublished": "note",
    "note": "note",
    "annote": "note",
    "annotation": "note",
    "addendum": "note",
    "extra": "note",
    "journal": "note",
    "journaltitle": "note",
    "number": "note",
    "volume": "note",
}
_EPRINT_KINDS = {"arxiv": "arxiv", "pubmed": "pmid", "pmid": "pmid", "pmc": "pmcid", "pmcid": "pmcid"}
#: as much of a list of authors as the first of them can take
_MAX_NAMES = 5_000
_NAME_PART = re.compile(r"\b(family|prefix)\s*=\s*(\"[^\"]*\"|[^,]*)", re.IGNORECASE)


def entry_of(name: str, key: str, fields: Mapping[str, str], decoder: Decoder) -> Entry:
    """`fields` by their names in lower case, as the file has them within braces or quotes."""
    return Entry(
        name=name,
        claims=_claims(fields),
        title=decoder.decoded(_title(fields)),
        year=first_of((fields.get("year"), fields.get("date"))),
        first_author=decoder.decoded(_first_author(fields.get("author", ""))),
        citekey=key or None,
    )


def _title(fields: Mapping[str, str]) -> str:
    title, subtitle = fields.get("title", ""), fields.get("subtitle", "")
    return f"{title}: {subtitle}" if title and subtitle else title


def _claims(fields: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    claims: list[tuple[str, str]] = []
    for name, value in fields.items():
        kind = "url" if name.startswith("bdsk-url") else _KINDS.get(name)
        if kind is None or not value.strip():
            continue
        text = unescaped(value)
        if name == "eprint":
            claims += _eprint(text, fields)
        elif name == "volume" and text.startswith("abs/"):
            claims.append(("arxiv", text.removeprefix("abs/")))  # DBLP's and Semantic Scholar's way
        else:
            claims.append((kind, text))
    return tuple(claims)


def _eprint(value: str, fields: Mapping[str, str]) -> list[tuple[str, str]]:
    archive = first_of((fields.get("archiveprefix"), fields.get("eprinttype"))).strip().lower()
    kind = _EPRINT_KINDS.get(archive or "arxiv")
    if "://" in value:
        return [("url", value)]
    if kind is None:
        return []
    primary = first_of((fields.get("primaryclass"), fields.get("eprintclass"))).strip()
    if kind == "arxiv" and re.fullmatch(r"[0-9]{7}", value) and primary:
        value = f"{primary}/{value}"
    return [(kind, value)]


def _first_author(names: str) -> str:
    """The first of the names joined by "and" outside braces."""
    names = " ".join(names[:_MAX_NAMES].split())
    end = next(
        (
            match.start()
            for match in re.finditer(r" and ", names, re.IGNORECASE)
            if names.count("{", 0, match.start()) == names.count("}", 0, match.start())
        ),
        len(names),
    )
    parts = {name.lower(): value.strip('" ') for name, value in _NAME_PART.findall(names[:end])}
    if "family" in parts:  # BibLaTeX: family=Hasselt, given=Hado, prefix=van
        return f"{parts.get('prefix', '')} {parts['family']},"
    first = names[:end].strip()
    if first.startswith("{") and first.endswith("}") and first.count("{") == 1:
        return f"{first},"  # braces around all: an institution, or a name that is one word to BibTeX
    return first
