"""Where the PDF of a paper may be, in the order in which the places are asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from urllib.parse import quote

from refnet.domain.addresses import from_address
from refnet.domain.id_forms import arxiv_from_doi, from_arxiv, from_doi
from refnet.domain.papers import Paper
from refnet.domain.seeds import IdentifierKind

DOI_URL = "https://doi.org"


class Place(Protocol):
    """One kind of place that has PDFs of papers, or knows of some."""

    @property
    def gives_pages(self) -> bool:
        """Whether a page is what is expected there, so that one which names no PDF means that there is none."""

    def addresses(self, paper: Paper) -> Sequence[str]:
        """Where the PDF, or a page that names it, may be; nothing is known of what they lead to. The best is first.

        A place that has to ask for them raises RateLimited or SourceUnavailable where it got no answer.
        """


class Arxiv:
    """The preprint, by its id: the newest version of it."""

    gives_pages = False

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def addresses(self, paper: Paper) -> Sequence[str]:
        found = _arxiv_id(paper)
        return () if found is None else (f"{self._url}/pdf/{found}",)


class OpenAccessPdf:
    """What the source of the record names as open: more often a page than it should be. arXiv's own are Arxiv's."""

    gives_pages = False

    def addresses(self, paper: Paper) -> Sequence[str]:
        if not paper.pdf_url:
            return ()
        preprint = _arxiv_id(paper)
        named = (one.value for one in from_address(paper.pdf_url) if one.kind is IdentifierKind.ARXIV)
        return () if preprint is not None and preprint in named else (paper.pdf_url,)


class LandingPage:
    """The publisher's page, by the DOI. arXiv's own DOIs lead to what Arxiv has asked already."""

    gives_pages = True

    def __init__(self, url: str = DOI_URL) -> None:
        self._url = url.rstrip("/")

    def addresses(self, paper: Paper) -> Sequence[str]:
        doi = _doi(paper)
        return () if doi is None or arxiv_from_doi(doi) else (f"{self._url}/{quote(doi, safe='/')}",)


def usual_places(arxiv_url: str) -> tuple[Place, ...]:
    """Those that need no key: arXiv, what the record names, the publisher's page."""
    return (Arxiv(arxiv_url), OpenAccessPdf(), LandingPage())


def _doi(paper: Paper) -> str | None:
    found = [one.value for one in from_doi(paper.doi or "") if one.kind is IdentifierKind.DOI]
    return found[0] if found else None


def _arxiv_id(paper: Paper) -> str | None:
    """The id that the record has, or that of a DOI of arXiv's; nothing that is not formed like one."""
    for text in (paper.arxiv_id, arxiv_from_doi(paper.doi) if paper.doi else None):
        if text and (found := from_arxiv(text)):
            return found[0].value
    return None
