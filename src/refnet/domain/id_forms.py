"""Ids of papers in the forms in which people write them, each turned into what Semantic Scholar takes.

The functions `from_…` answer with every id of the paper that follows from the text, best first, and with
nothing where the text is no such id. Digits are ASCII after NFKC: full-width ones are read, foreign ones not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import unquote

from refnet.domain.seeds import Identifier, IdentifierKind

Identifiers = tuple[Identifier, ...]

#: The order in which the ids of one paper are tried: Semantic Scholar's own, then those it most often knows.
BEST_ORDER = (
    IdentifierKind.PAPER_ID,
    IdentifierKind.CORPUS_ID,
    IdentifierKind.DOI,
    IdentifierKind.ARXIV,
    IdentifierKind.PMID,
    IdentifierKind.PMCID,
    IdentifierKind.ACL,
    IdentifierKind.MAG,
    IdentifierKind.URL,
)

_ARCHIVES = (
    "acc-phys|adap-org|alg-geom|ao-sci|astro-ph|atom-ph|bayes-an|chao-dyn|chem-ph|cmp-lg|comp-gas|cond-mat|cs|dg-ga|funct-an|gr-qc"
    "|hep-ex|hep-lat|hep-ph|hep-th|math|math-ph|mtrl-th|nlin|nucl-ex|nucl-th|patt-sol|physics|plasm-ph|q-alg|q-bio|q-fin|quant-ph"
    "|solv-int|stat|supr-con"
)
_ARXIV = re.compile(
    rf"(?:(?P<new>[0-9]{{4}}\.[0-9]{{4,5}})|(?P<archive>{_ARCHIVES})(?:\.[a-z]{{2}})?/(?P<old>[0-9]{{7}}))(?:v[0-9]{{1,3}})?",
    re.IGNORECASE,
)
#: "arXiv:1706.03762v5 [cs.CL] 6 Dec 2017", as the margin of a preprint has it
_ARXIV_MARGIN = re.compile(r"(?:\.pdf)?(?:\s*\[[a-z.-]{2,20}\])?(?:\s+[0-9]{1,2} [a-z]{3} [0-9]{4})?", re.IGNORECASE)
_DOI = re.compile(r"10\.[0-9]{4,9}(?:\.[0-9]{1,9}){0,5}/\S{1,500}")
_ARXIV_DOI = re.compile(r"10\.48550/arxiv\.(\S+)", re.IGNORECASE)
_ACL_DOI = re.compile(r"10\.(?:18653|3115)/v1/(\S+)")
_BIORXIV_VERSION = re.compile(r"(10\.(?:1101|64898)/(?:[0-9]{4}\.[0-9]{2}\.[0-9]{2}\.)?[0-9]{6,9})v[0-9]{1,3}")
_ACL = re.compile(r"[A-Z][0-9]{2}-[0-9]{4,5}|[0-9]{4}\.[a-z0-9_]{1,30}-[a-z0-9_]{1,30}\.[0-9]{1,5}", re.IGNORECASE)
_PAPER_ID = re.compile(r"[0-9a-f]{40}", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,12}")
_PMCID = re.compile(r"(?:PMC)?([0-9]{1,12})(?:\.[0-9])?", re.IGNORECASE)
_OPENALEX = re.compile(r"W([0-9]{4,12})", re.IGNORECASE)
#: OpenAlex numbers what it found after the end of Microsoft Academic Graph (2021) from here on; the last MAG
#: ids are near 3.22e9.
_FIRST_OPENALEX_OF_ITS_OWN = 4_200_000_000

_CLOSERS = {")": "(", "]": "[", "}": "{", ">": "<"}
_TRAILING = ".,;:!?'\"`’”»…"
_LEADING = "'\"`‘“«<([{"

#: An id with its label, where a line or a clause begins; elsewhere a note may well speak of another paper
#: ("Comment on arXiv:…").
_LABELLED = re.compile(
    r"(?:^|[\n;])[ \t]*(?:(?P<url>https?://\S{4,500})"
    r"|(?:arxiv preprint\s+)?arxiv\s*[:=]\s*(?:abs/)?(?P<arxiv>[a-z.-]{0,15}/?[0-9]{4}[0-9.]{1,6}[0-9])"
    r"|doi\s{0,5}[:=]?\s{0,5}(?P<doi>(?:https?://|10\.)\S{4,500})"
    r"|pmid\s*[:=]\s*(?P<pmid>[0-9]{1,9})|(?P<pmid2>[0-9]{1,9})\[pmid\]"
    r"|pmcid\s*[:=]\s*(?P<pmcid>(?:PMC)?[0-9]{1,9})|(?P<pmcid2>PMC[0-9]{1,9})\[pmcid\])",
    re.IGNORECASE,
)


def plain(text: str) -> str:
    """The text of an id without what copying adds: NFKC, no invisible characters, ASCII for hyphens alike.

    An en dash is kept: some DOIs have one.
    """
    normal = unicodedata.normalize("NFKC", text).translate({0x2010: "-", 0x2011: "-"})
    return "".join(c for c in normal if unicodedata.category(c) != "Cf").strip()


def in_best_order(identifiers: Iterable[Identifier]) -> Identifiers:
    """Each id once, by kind; ids of one kind keep their order. arXiv's own DOI counts as an arXiv id."""

    def rank(one: Identifier) -> int:
        of_arxiv = one.kind is IdentifierKind.DOI and arxiv_from_doi(one.value) is not None
        return 2 * BEST_ORDER.index(IdentifierKind.ARXIV) + 1 if of_arxiv else 2 * BEST_ORDER.index(one.kind)

    return tuple(sorted(dict.fromkeys(identifiers), key=rank))


def without_punctuation(text: str) -> str:
    """Strip what a sentence puts around an id. A bracket that the id itself opened stays: DOIs have them."""
    text = text.strip().lstrip(_LEADING)
    while text and (text[-1] in _TRAILING or _is_unopened(text)):
        text = text[:-1]
    return text


def _is_unopened(text: str) -> bool:
    opener = _CLOSERS.get(text[-1])
    return opener is not None and text.count(opener) < text.count(text[-1])


def arxiv_from_doi(doi: str) -> str | None:
    """The arXiv id in a DOI that arXiv itself gave (10.48550/arXiv.…), without a version."""
    match = _ARXIV_DOI.fullmatch(doi)
    return _arxiv_id(match[1]) if match else None


def from_doi(text: str) -> Identifiers:
    """A bare DOI, with `doi:` in front or percent-encoded. DOIs know no case; ours are in lower case.

    Semantic Scholar is asked for an arXiv DOI by its arXiv id first, for which it answers more reliably.
    """
    text = re.sub(r"^(?:doi\s{0,5}[:=]?\s{0,5})+", "", plain(text), flags=re.IGNORECASE)
    if re.search(r"%[0-9a-f]{2}", text, re.IGNORECASE):
        text = unquote(text)
    text = without_punctuation(text).lower()
    if not _DOI.fullmatch(text) or not text.isprintable() or "\N{REPLACEMENT CHARACTER}" in text:
        return ()
    if version := _BIORXIV_VERSION.fullmatch(text):
        text = version[1]
    if arxiv := arxiv_from_doi(text):
        doi = Identifier(IdentifierKind.DOI, f"10.48550/arxiv.{arxiv}")
        return (Identifier(IdentifierKind.ARXIV, arxiv), doi)
    doi = Identifier(IdentifierKind.DOI, text)
    acl = _ACL_DOI.fullmatch(text)
    if acl and _ACL.fullmatch(acl[1]):
        return (doi, _acl(acl[1]))
    return (doi,)


def from_arxiv(text: str) -> Identifiers:
    """New (1706.03762) and old (hep-th/9711200, math.GT/0309136) arXiv ids, `arXiv:` and version or not."""
    text = re.sub(r"^(?:arxiv(?: preprint)?\s{0,5}[:=]?\s{0,5})+(?:abs/)?", "", plain(text), flags=re.IGNORECASE)
    value = _arxiv_id(without_punctuation(text)) or _arxiv_id(text)
    return (Identifier(IdentifierKind.ARXIV, value),) if value else ()


def from_acl(text: str) -> Identifiers:
    """ACL Anthology ids, old (P18-1001) and new (2020.acl-main.1), then the DOI made of them since 2015."""
    text = re.sub(r"^acl\s*:\s*", "", plain(text), flags=re.IGNORECASE)
    if not _ACL.fullmatch(text):
        return ()
    acl = _acl(text)
    since_2015 = text[0].isdecimal() or "15" <= text[1:3] <= "20"
    return (acl, Identifier(IdentifierKind.DOI, f"10.18653/v1/{acl.value.lower()}")) if since_2015 else (acl,)


def from_openalex(text: str) -> Identifiers:
    """The MAG id that an OpenAlex work id is.

    OpenAlex took over the numbers of Microsoft Academic Graph, so W2741809807 is MAG 2741809807; the works
    that it added afterwards are numbered above any MAG id and mean nothing to Semantic Scholar.
    """
    match = _OPENALEX.fullmatch(plain(text))
    if not match or int(match[1]) >= _FIRST_OPENALEX_OF_ITS_OWN:
        return ()
    return from_number(IdentifierKind.MAG, match[1])


def from_pmcid(text: str) -> Identifiers:
    """PubMed Central ids, with or without `PMC`; Semantic Scholar takes the number."""
    match = _PMCID.fullmatch(plain(text))
    return from_number(IdentifierKind.PMCID, match[1]) if match else ()


def from_number(kind: IdentifierKind, text: str) -> Identifiers:
    text = plain(text)
    return (Identifier(kind, text.lstrip("0")),) if _NUMBER.fullmatch(text) and text.strip("0") else ()


def from_paper_id(text: str) -> Identifiers:
    """Semantic Scholar's own id: 40 hexadecimal digits."""
    text = plain(text)
    return (Identifier(IdentifierKind.PAPER_ID, text.lower()),) if _PAPER_ID.fullmatch(text) else ()


def _acl(text: str) -> Identifier:
    return Identifier(IdentifierKind.ACL, text.upper() if text[0].isalpha() else text.lower())


def _arxiv_id(text: str) -> str | None:
    match = _ARXIV.match(text)
    if not match or not _ARXIV_MARGIN.fullmatch(text, match.end()):
        return None
    if match["old"]:
        # Subject classes (math.GT) were never part of the id.
        return f"{match['archive'].lower()}/{match['old']}" if _is_month(match["old"]) else None
    # Four digits after the dot until 2014, five since 2015.
    five = len(match["new"]) == 10
    valid = _is_month(match["new"]) and match["new"] >= "0704" and five == (match["new"] >= "1501")
    return match["new"] if valid else None


def _is_month(digits: str) -> bool:
    return "01" <= digits[2:4] <= "12"


def labelled(text: str) -> list[tuple[str, str]]:
    """The ids that stand labelled in free text, each as (url | arxiv | doi | pmid | pmcid, what follows)."""
    return [
        (group.rstrip("2"), value)
        for match in _LABELLED.finditer(text[:10_000])
        for group, value in match.groupdict().items()
        if value
    ]
