"""Addresses of papers on the web, read for the ids that stand in them. Nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from refnet.domain.id_forms import (
    Identifiers,
    from_acl,
    from_arxiv,
    from_doi,
    from_number,
    from_openalex,
    from_paper_id,
    from_pmcid,
    plain,
)
from refnet.domain.seeds import Identifier, IdentifierKind

KNOWN_SITES = (
    "doi.org, arXiv, Semantic Scholar, PubMed, PubMed Central, the ACL Anthology, ACM, bioRxiv, medRxiv, "
    "OpenAlex and publishers' pages that carry the DOI in their address"
)

_SCHEMELESS = re.compile(r"(?:[a-z0-9-]{1,63}\.){1,5}[a-z]{2,15}/\S", re.IGNORECASE)
_DOI_IN_PATH = re.compile(r"/(10\.[0-9]{4,9}(?:\.[0-9]{1,9}){0,5}/.{1,500})")
#: What publishers append to a DOI: views of the article, file names' ends, bioRxiv's version.
_VIEW = re.compile(
    r"(?:/(?:full|abstract|abs|pdf|epdf|pdfft|pdfdirect|meta|html|fulltext|full-text|summary|authors|citations|references|citedby|metrics"
    r"|suppinfo|info|reviews?|download|viewer|epub|e?xml|standard|article|related|supplementary-material|(?:figures|tables)(?:/[0-9]+)?)"
    r"|\.(?:pdf|html?|xml|epub|short|long|abstract|full|full-text|full\+html|full\.pdf(?:\+html)?|figures-only|supplementary-material|article-(?:info|metrics))"
    r"|;jsessionid=.*)$",
    re.IGNORECASE,
)
_PREPRINT_VERSION = re.compile(r"(10\.[0-9]{4,9}/(?:[0-9]{4}\.[0-9]{2}\.[0-9]{2}\.)?[0-9]{6,9})v[0-9]{1,3}")
_EARLY_PREPRINT = re.compile(
    r"/content/(?:biorxiv/)?early/[0-9]{4}/[0-9]{2}/[0-9]{2}/([0-9]{6,9}|[0-9.]{11}[0-9]{6,9})(?![0-9])"
)


def is_address(text: str) -> bool:
    return bool(re.match(r"https?://", text, re.IGNORECASE) or _SCHEMELESS.match(text))


def from_address(text: str) -> Identifiers:
    """The ids of the paper that an address leads to, best first; nothing for an address that names none."""
    text = plain(text)
    if not is_address(text) or any(c.isspace() for c in text):
        return ()
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return ()
    for site, read in _SITES:
        if host == site or host.endswith(f".{site}"):
            return read(parts)
    return _doi_within(parts)


def _segments(parts: SplitResult) -> list[str]:
    return [unquote(segment) for segment in parts.path.split("/")[:30] if segment]


def _query(parts: SplitResult, *names: str) -> list[str]:
    try:
        fields = parse_qs(parts.query, max_num_fields=100)
    except ValueError:
        return []
    return [value for name in names for value in fields.get(name, [])[:1]]


def _doi_within(parts: SplitResult) -> Identifiers:
    """A DOI that stands literally in the path, or in the query where publishers put it."""
    if match := _DOI_IN_PATH.search(unquote(parts.path)):
        return from_doi(_without_view(match[1]))
    for value in _query(parts, "doi", "DOI", "id"):
        # PLOS: file?id=10.1371/journal.pone.0000001&type=printable
        if found := from_doi(value):
            return found
    return ()


def _without_view(doi: str) -> str:
    doi = doi.rstrip("/")
    while shorter := _VIEW.sub("", doi):
        if shorter == doi:
            break
        doi = shorter
    version = _PREPRINT_VERSION.fullmatch(doi)
    return version[1] if version else doi


def _doi_org(parts: SplitResult) -> Identifiers:
    # A fragment or query is no part of a DOI's address, where both would be percent-encoded.
    return from_doi(unquote(parts.path).strip("/"))


def _arxiv(parts: SplitResult) -> Identifiers:
    """abs, pdf, html, … of arXiv and of the sites that take its paths (ar5iv, alphaXiv, Hugging Face)."""
    segments = _segments(parts)
    for start in range(len(segments)):
        for end in (start + 1, start + 2):
            if found := from_arxiv("/".join(segments[start:end])):
                return found
    return _doi_within(parts)


def _semantic_scholar(parts: SplitResult) -> Identifiers:
    """/paper/<slug>/<id>, /paper/<id>, /reader/<id>, /p/<corpus id>; the API's /graph/v1/paper/<any id>."""
    segments = _segments(parts)
    for segment in reversed(segments):
        if found := from_paper_id(segment):
            return found
    if segments[:1] == ["p"] and len(segments) > 1:
        return from_number(IdentifierKind.CORPUS_ID, segments[1])
    for index, segment in enumerate(segments):
        prefix, colon, value = segment.partition(":")
        if colon:
            return from_prefixed(prefix, _without_view("/".join([value, *segments[index + 1 :]])))
    return _doi_within(parts)


def from_prefixed(prefix: str, value: str) -> Identifiers:
    """An id behind the prefix that Semantic Scholar, or habit, gives its kind: `doi`, `arxiv`, `pmid`, …"""
    read = _PREFIXES.get(prefix.replace(" ", "").lower())
    return read(value.strip()) if read else ()


def _acl(parts: SplitResult) -> Identifiers:
    for segment in reversed(_segments(parts)):
        name = re.sub(r"(?:v[0-9])?(?:\.(?:pdf|bib|xml|endf|html?))?$", "", segment, flags=re.IGNORECASE)
        if found := from_acl(name):
            return found
    return _doi_within(parts)


def _acm(parts: SplitResult) -> Identifiers:
    """New pages carry the DOI; of old ones, citation.cfm?id=<volume>.<article>, the two numbers make it."""
    if found := _doi_within(parts):
        return found
    for value in _query(parts, "id", "doid"):
        if re.fullmatch(r"[0-9]{5,9}\.[0-9]{5,9}", value):
            return from_doi(f"10.1145/{value}")
        if re.fullmatch(r"[0-9]{5,9}", value):
            return (Identifier(IdentifierKind.URL, f"https://dl.acm.org/citation.cfm?id={value}"),)
    return ()


def _ncbi(parts: SplitResult) -> Identifiers:
    """PubMed and PubMed Central, under their own hosts and as folders of www.ncbi.nlm.nih.gov."""
    host, segments = parts.hostname or "", _segments(parts)
    central = host.startswith("pmc.") or segments[:1] == ["pmc"]
    if central and "articles" in segments:
        name = segments[segments.index("articles") + 1 :][:1]
        return from_pmcid(name[0]) if name else ()
    if host.startswith("pubmed.") or segments[:1] == ["pubmed"]:
        number = [segment for segment in segments if segment != "pubmed"][:1]
        return from_number(IdentifierKind.PMID, number[0]) if number else ()
    return ()


def _europe_pmc(parts: SplitResult) -> Identifiers:
    segments = _segments(parts)
    for source, number in pairwise(segments):
        if source.lower() == "med":
            return from_number(IdentifierKind.PMID, number)
    central = [segment for segment in segments if segment.upper().startswith("PMC")]
    return next((found for segment in central if (found := from_pmcid(segment))), ())


def _openalex(parts: SplitResult) -> Identifiers:
    names = [*reversed(_segments(parts)), *_query(parts, "id")]
    return next((found for name in names if (found := from_openalex(name))), None) or _doi_within(parts)


def _preprint_server(parts: SplitResult) -> Identifiers:
    """bioRxiv and medRxiv: /content/<DOI>v2.full.pdf, and /content/early/<date>/<number> of old."""
    if early := _EARLY_PREPRINT.search(parts.path):
        return from_doi(f"10.1101/{early[1]}")
    return _doi_within(parts)


def _oxford(parts: SplitResult) -> Identifiers:
    """Oxford University Press appends its own number to the DOI: /doi/10.1093/nar/gkw1164/2770660."""
    match = re.search(r"/(10\.1093/[^/]{1,80}/[^/]{1,80})", unquote(parts.path))
    return from_doi(match[1]) if match else _doi_within(parts)


_SITES: tuple[tuple[str, Callable[[SplitResult], Identifiers]], ...] = (
    ("doi.org", _doi_org),
    ("arxiv.org", _arxiv),
    ("ar5iv.org", _arxiv),
    ("alphaxiv.org", _arxiv),
    ("arxiv-vanity.com", _arxiv),
    ("huggingface.co", _arxiv),
    ("semanticscholar.org", _semantic_scholar),
    ("aclanthology.org", _acl),
    ("aclanthology.info", _acl),
    ("aclweb.org", _acl),
    ("acm.org", _acm),
    ("ncbi.nlm.nih.gov", _ncbi),
    ("europepmc.org", _europe_pmc),
    ("openalex.org", _openalex),
    ("biorxiv.org", _preprint_server),
    ("medrxiv.org", _preprint_server),
    ("academic.oup.com", _oxford),
)

_PREFIXES: dict[str, Callable[[str], Identifiers]] = {
    "doi": lambda value: from_address(value) or from_doi(value),
    "arxiv": lambda value: from_address(value) or from_arxiv(value),
    "acl": from_acl,
    "mag": lambda value: from_number(IdentifierKind.MAG, value),
    "openalex": from_openalex,
    "pmid": lambda value: from_number(IdentifierKind.PMID, value),
    "pubmed": lambda value: from_number(IdentifierKind.PMID, value),
    "pmcid": from_pmcid,
    "pmc": from_pmcid,
    "corpusid": lambda value: from_number(IdentifierKind.CORPUS_ID, value),
    "s2cid": lambda value: from_number(IdentifierKind.CORPUS_ID, value),
    "url": from_address,
}
