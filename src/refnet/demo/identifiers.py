"""The forms in which a paper may be asked for, reduced to one key per name.

Written without the client's parser, so that the two check each other. What the service does with an arXiv
version after `ARXIV:` is not known; the stand-in does not know such an id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

_SHA = re.compile(r"[0-9a-f]{40}")
_ARXIV_DOI = "10.48550/arxiv."
_PREFIXES = {
    "corpusid": "corpusid",
    "doi": "doi",
    "arxiv": "arxiv",
    "mag": "mag",
    "acl": "acl",
    "pmid": "pmid",
    "pmcid": "pmcid",
}
_EXTERNAL = {
    "CorpusId": "corpusid",
    "DOI": "doi",
    "ArXiv": "arxiv",
    "MAG": "mag",
    "ACL": "acl",
    "PubMed": "pmid",
    "PubMedCentral": "pmcid",
}


def malformed(identifier: object) -> bool:
    """Whether this id spoils the batch it is in: not a text, blank, or a URL without `URL:` before it."""
    return (
        not isinstance(identifier, str)
        or not identifier.strip()
        or identifier.lower().startswith(("http://", "https://", "doi:http"))
    )


def key_of(identifier: str) -> str | None:
    """The key of an id in any documented form, None where it has none of them."""
    if _SHA.fullmatch(identifier):
        return identifier
    if identifier.startswith("10.") and "/" in identifier:
        return _key("doi", identifier)
    prefix, colon, value = identifier.partition(":")
    if not colon or not value:
        return None
    if prefix.lower() == "url":
        return _key_of_url(value)
    kind = _PREFIXES.get(prefix.lower())
    return None if kind is None else _key(kind, value)


def keys_of_row(row: Mapping[str, Any]) -> Iterator[str]:
    """Every key under which a paper of the corpus is found, its own id first."""
    yield str(row["paperId"])
    for alias in row.get("aliases") or ():
        yield str(alias)
    if row.get("corpusId") is not None:
        yield f"corpusid:{row['corpusId']}"
    for name, value in (row.get("externalIds") or {}).items():
        if name in _EXTERNAL and value is not None:
            yield _key(_EXTERNAL[name], str(value))


def _key(kind: str, value: str) -> str:
    value = value.lower()
    if kind == "doi" and value.startswith(_ARXIV_DOI):
        return f"arxiv:{value.removeprefix(_ARXIV_DOI)}"
    if kind == "pmcid":
        value = value.removeprefix("pmc")
    return f"{kind}:{value}"


def _key_of_url(url: str) -> str | None:
    parts = urlsplit(url if "//" in url else f"https://{url}")
    host = (parts.hostname or "").removeprefix("www.")
    path = unquote(parts.path)
    if host == "semanticscholar.org":
        found = re.search(r"/([0-9a-f]{40})(?:/|$)", path)
        return found[1] if found else None
    if host == "arxiv.org":
        found = re.fullmatch(r"/(?:abs|pdf)/(.+?)(?:v\d+)?(?:\.pdf)?", path)
        return _key("arxiv", found[1]) if found else None
    if host == "aclweb.org":
        found = re.fullmatch(r"/anthology/(?:papers/.+/)?([\w.-]+?)(?:\.pdf)?/?", path)
        return _key("acl", found[1]) if found else None
    if host in {"acm.org", "dl.acm.org"}:
        found = re.fullmatch(r"/doi/(?:(?:abs|pdf|full|fullHtml)/)?(10\..+)", path)
        return _key("doi", found[1]) if found else None
    if host == "biorxiv.org":
        found = re.fullmatch(r"/content/(10\.\d+/.+?)(?:v\d+)?(?:\.full)?(?:\.pdf)?", path)
        return _key("doi", found[1]) if found else None
    return None
