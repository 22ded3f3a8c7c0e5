"""The `fields` parameter: which fields exist where, and what comes when none or only subfields are named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: In the order in which the service writes them (recordings of 2026, where `abstract` comes last).
FIELD_ORDER = (
    "paperId",
    "externalIds",
    "corpusId",
    "publicationVenue",
    "url",
    "title",
    "venue",
    "year",
    "referenceCount",
    "citationCount",
    "influentialCitationCount",
    "isOpenAccess",
    "openAccessPdf",
    "fieldsOfStudy",
    "s2FieldsOfStudy",
    "tldr",
    "publicationTypes",
    "publicationDate",
    "journal",
    "citationStyles",
    "embedding",
    "textAvailability",
    "authors",
    "abstract",
)
EDGE_ORDER = ("contexts", "intents", "contextsWithIntent", "isInfluential")
_AUTHOR_ORDER = (
    "authorId",
    "externalIds",
    "url",
    "name",
    "aliases",
    "affiliations",
    "homepage",
    "paperCount",
    "citationCount",
    "hIndex",
)
_TOP_ONLY = frozenset({"tldr", "embedding", "textAvailability"})
_EMBEDDINGS = frozenset({"specter_v1", "specter_v2"})
_DEFAULT = ("paperId", "title")

Kind = Literal["paper", "page"]


class UnknownFields(Exception):
    """Fields that the route does not have, in the order asked."""

    def __init__(self, fields: list[str]) -> None:
        super().__init__(", ".join(fields))
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Selection:
    """What one row shows; hashable, so that encoded rows can be kept per selection."""

    fields: tuple[str, ...] = _DEFAULT
    authors: tuple[str, ...] = ("authorId", "name")
    citations: Selection | None = None
    references: Selection | None = None
    edge: tuple[str, ...] = ()

    @property
    def lists(self) -> bool:
        return self.citations is not None or self.references is not None


def select(fields: str | None, kind: Kind = "paper") -> Selection:
    """Read the parameter for a paper, or for the rows of a list's page. Raise UnknownFields."""
    if not fields:
        return Selection()
    asked = [name.strip() for name in fields.split(",") if name.strip()]
    bad = [name for name in asked if not _known(name, kind)]
    if bad:
        raise UnknownFields(bad)
    return Selection(
        fields=_paper_fields(asked),
        authors=_author_fields(asked),
        citations=_nested(asked, "citations"),
        references=_nested(asked, "references"),
        edge=tuple(name for name in EDGE_ORDER if name in asked),
    )


def _known(name: str, kind: Kind) -> bool:
    head, dot, tail = name.partition(".")
    if kind == "page":
        return name in EDGE_ORDER or _known_nested(name)
    if head in {"citations", "references"}:
        return not dot or _known_nested(tail)
    if head == "authors":
        return not dot or tail in _AUTHOR_ORDER
    if head == "embedding":
        return not dot or tail in _EMBEDDINGS
    return name in FIELD_ORDER


def _known_nested(name: str) -> bool:
    return name in FIELD_ORDER and name not in _TOP_ONLY


def _paper_fields(asked: list[str]) -> tuple[str, ...]:
    heads = {name.partition(".")[0] for name in asked} | {"paperId"}
    return tuple(name for name in FIELD_ORDER if name in heads)


def _author_fields(asked: list[str]) -> tuple[str, ...]:
    named = {name.removeprefix("authors.") for name in asked if name.startswith("authors.")}
    named |= {"authorId", "name"}
    return tuple(name for name in _AUTHOR_ORDER if name in named)


def _nested(asked: list[str], head: str) -> Selection | None:
    if not any(name == head or name.startswith(f"{head}.") for name in asked):
        return None
    inner = [name.removeprefix(f"{head}.") for name in asked if name.startswith(f"{head}.")]
    return Selection(fields=_paper_fields(inner)) if inner else Selection()
