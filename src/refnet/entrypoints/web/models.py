"""What the API takes and gives, as its OpenAPI document shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from refnet.domain.crawls import CrawlStage, CrawlState
from refnet.domain.errors import InvalidIdentifier
from refnet.domain.identifiers import parse_seed
from refnet.domain.papers import Direction
from refnet.entrypoints.web.problems import PLAIN

#: Seeds of one crawl, and characters of one.
MOST_SEEDS, LONGEST_SEED = 1_000, 2_000
#: Papers to be read for one crawl.
MOST_SUMMARIES = 1_000_000
SEED = "649def34f8be52c8b66281af98ae884c09aef38b"


def _names_a_paper(text: str) -> str:
    """Looked at here, so that of a list each text is named that is wrong in whatever way."""
    try:
        parse_seed(text)
    except InvalidIdentifier as error:
        raise PydanticCustomError("seed", "{why}", {"why": str(error).rstrip(".")}) from None
    return text


SeedText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_SEED, pattern=PLAIN),
    AfterValidator(_names_a_paper),
]


def _number_or_all(value: object, check: ValidatorFunctionWrapHandler) -> object:
    """One fault with all that is allowed: pydantic tells one for each part of a union, under names of its own."""
    try:
        return check(value)
    except ValidationError:
        why = "Input should be a whole number from 0 to {most}, or 'all'"
        raise PydanticCustomError("summaries", why, {"most": MOST_SUMMARIES}) from None


Summaries = Annotated[
    Annotated[int, Field(ge=0, le=MOST_SUMMARIES, strict=True)] | Literal["all"] | None,
    WrapValidator(_number_or_all),
]


class CrawlWish(BaseModel):
    """What to crawl. The same seeds and direction are the same crawl: a greater depth or limit extends it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"seeds": ["arXiv:2005.11401"]},
                {"seeds": [SEED, "10.18653/v1/N19-1423"], "depth": 2, "limit": 500, "direction": "references"},
            ]
        },
    )

    seeds: list[SeedText] = Field(
        min_length=1,
        max_length=MOST_SEEDS,
        description="Semantic Scholar id, DOI, arXiv id, PMID, ACL id, CorpusId, the address of one, or a title.",
    )
    depth: int = Field(1, ge=0, le=10, strict=True, description="Steps from the seeds; 0 collects the seeds alone.")
    limit: int = Field(200, ge=1, le=1_000_000, strict=True, description="Papers to collect at the most.")
    direction: Direction = Field(Direction.BOTH, description="Which lists are followed.")
    summaries: Summaries = Field(
        None,
        description="Papers to summarise from their full text, best first. Left out: as many as the server is set to.",
    )


class UnresolvedSeed(BaseModel):
    input: str
    why: str


class CrawlDocument(BaseModel):
    """A crawl, from the moment it was asked for. The numbers are of what is stored now."""

    id: int = Field(examples=[12], description="As it was given when the crawl was asked for.")
    crawl: int | None = Field(
        examples=[12],
        description="The crawl that it has become, as commands name it: another one where the same seeds were asked for "
        "before. Null while its seeds are not resolved.",
    )
    state: CrawlState
    stage: CrawlStage | None = Field(description="On a cluster, what its workers are at.")
    direction: Direction
    depth: int
    limit: int
    created_at: datetime
    reason: str | None = Field(description="Why it failed.")


class CrawlDetails(CrawlDocument):
    seeds: list[str] = Field(description="As they were given.")
    unresolved: list[UnresolvedSeed] = Field(description="Seeds that name no paper.")
    papers: int = Field(description="Papers collected.")
    found: int = Field(description="Papers chosen so far, collected or not.")
    citations: int = Field(description="Citations with both ends collected.")
    missing: int = Field(description="Papers that stand in lists and that the source does not know.")
    dead: int = Field(description="Papers given up.")


class CrawlPage(BaseModel):
    items: list[CrawlDocument]
    next_cursor: str | None = Field(description="For the next page; null on the last.")


class PaperDocument(BaseModel):
    paper_id: str = Field(examples=[SEED], description="Semantic Scholar's present id.")
    title: str
    authors: list[str]
    year: int | None
    venue: str | None
    doi: str | None
    arxiv_id: str | None
    citation_count: int | None
    reference_count: int | None
    url: str | None
    pdf: str | None = Field(description="An open PDF, as the source names it.")


class FindingDocument(BaseModel):
    claim: str
    quote: str = Field(description="Words of the paper.")
    page: int = Field(description="Of the file, from 1.")


class ProvenanceDocument(BaseModel):
    pdf_url: str
    pdf_sha256: str
    pages: int
    pages_read: int
    model: str | None = Field(description="The language model; null for the offline summariser.")
    prompt: str | None = Field(description="The version of the prompt.")
    fallback: str | None = Field(description="Why a model that was asked for did not make it.")
    dropped: int = Field(description="Findings that the paper does not bear out, left out.")
    dropped_why: str = Field(description="How many of them for which reason.")
    hidden: int = Field(description="Characters that no reader of a page can see, left out.")
    left_out: int = Field(description="Sentences of the paper that the model was not given, for want of room.")
    damaged_pages: int = Field(description="Pages that could not be loaded; they are not counted as read.")
    picture_pages: int = Field(description="Pages that are pictures without text; they are not counted as read.")


class PaperDetails(PaperDocument):
    abstract: str | None
    summary: str | None
    summary_basis: str | None = Field(description="What the summary rests on: full text, abstract or tldr.")
    summary_lang: str | None = Field(description="The language of the summary.")
    findings: list[FindingDocument] = Field(description="What the paper found, with its own words.")
    keywords: list[str] = Field(description="The authors' own first.")
    no_full_text: str | None = Field(description="Why the full text was not read; null where it was, or nobody tried.")
    provenance: ProvenanceDocument | None = Field(description="Where a summary from the full text comes from.")


class PaperPage(BaseModel):
    items: list[PaperDocument]
    next_cursor: str | None


class Node(BaseModel):
    id: str
    title: str
    year: int | None
    citation_count: int | None
    depth: int = Field(description="Steps from the nearest seed.")


class Edge(BaseModel):
    source: str = Field(description="The citing paper.")
    target: str = Field(description="The cited paper.")


class Graph(BaseModel):
    nodes: list[Node]
    edges: list[Edge]


class JobCount(BaseModel):
    stage: str = Field(examples=["crawl"])
    state: str = Field(examples=["queued"])
    count: int


class JobPage(BaseModel):
    items: list[JobCount]
    next_cursor: str | None


class DeadDocument(BaseModel):
    id: int
    task: str | None
    stage: str | None = Field(description="Null for a message.")
    paper_id: str | None
    reason: str
    attempts: int | None
    at: datetime


class DeadPage(BaseModel):
    items: list[DeadDocument]
    next_cursor: str | None


class Retried(BaseModel):
    id: int
    queued_again: bool = Field(description="False for one that somebody else was faster with.")


class Health(BaseModel):
    status: str = Field(examples=["ok"])


class Part(BaseModel):
    name: str = Field(examples=["database"])
    ok: bool


class Readiness(BaseModel):
    status: str = Field(examples=["ready"])
    parts: list[Part]
