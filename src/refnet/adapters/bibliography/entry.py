"""An entry as the formats have it in common, and the seed that it is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from refnet.domain.addresses import from_prefixed
from refnet.domain.id_forms import Identifiers, from_paper_id, in_best_order, labelled
from refnet.domain.identifiers import MAX_LENGTH, shown
from refnet.domain.matching import family_name, plain_title
from refnet.domain.seeds import Identifier, Seed, Unresolved

_YEAR = re.compile(r"(?<![0-9])(?:1[4-9]|20)[0-9]{2}(?![0-9])")
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MAX_FIELD = 10_000
_MAX_ID = 1_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `name` tells it from the others of its file: its key, or its number.

    `claims` are the texts that may hold an id, each with the kind of its field: doi, arxiv, pmid, pmcid, acl,
    mag, corpusid, paper_id, url, or note for free text.
    """

    name: str
    claims: tuple[tuple[str, str], ...] = ()
    title: str = ""
    year: str = ""
    #: "Given Family" or "Family, Given"
    first_author: str = ""
    citekey: str | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """What stands where an entry should, and why it cannot be read."""

    name: str
    why: str


def resolve(file: str, entry: Entry | Broken) -> Seed | Unresolved:
    """The seed that an entry is, if it names a paper by an id or a title."""
    source = _inert(f"{file}: {entry.name}")
    if isinstance(entry, Broken):
        return Unresolved(source, entry.why)
    identifiers = _identifiers(entry.claims)
    title = _inert(plain_title(entry.title))
    usable = sum(c.isalnum() for c in title) >= 2 and len(entry.title) <= MAX_LENGTH
    if not identifiers and not usable:
        return Unresolved(source, _why_nameless(entry))
    year = _YEAR.search(entry.year[:200])
    return Seed(
        input=source,
        identifiers=identifiers,
        title=title if usable else None,
        year=int(year[0]) if year else None,
        family=family_name(_inert(plain_title(entry.first_author))) or None,
        citekey=_inert(entry.citekey or "") or None,
    )


def _inert(text: str) -> str:
    """Without control characters and halves of characters, which neither a terminal nor UTF-8 can take."""
    return _STEERING.sub(" ", text).strip()


def first_of(values: Iterable[object]) -> str:
    """The first that is text and not blank."""
    return next((value for value in values if isinstance(value, str) and value.strip()), "")


def _identifiers(claims: Iterable[tuple[str, str]]) -> Identifiers:
    found: list[Identifier] = []
    for kind, claim in claims:
        text = claim[:_MAX_FIELD].strip()
        if kind == "note":
            pieces = labelled(text)
        elif kind == "url":
            pieces = [("url", address.strip(" ;")) for address in re.split(r"[\s;](?=https?://)", text)[:10]]
        else:
            pieces = [(kind, text)]
        for label, piece in pieces:
            # Nothing longer is an id, and some ways of telling take a time that grows with the square of the length.
            if len(piece) <= _MAX_ID:
                found += from_paper_id(piece) if label == "paper_id" else from_prefixed(label, piece)
    return in_best_order(found)


def _why_nameless(entry: Entry) -> str:
    if len(entry.title) > MAX_LENGTH:
        return f"has no identifier, and its title is longer than {MAX_LENGTH:,} characters"
    bad = next((f"{kind} {shown(text)}" for kind, text in entry.claims if kind not in ("note", "url")), None)
    return f"has no title, and its {bad} is no valid id" if bad else "has neither an identifier nor a title"
