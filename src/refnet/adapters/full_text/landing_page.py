"""The address of the PDF that an article's page names in its head, for those who look for it.

Publishers and repositories name it in `<meta name="citation_pdf_url" content="…">`: so says Google Scholar's guide for webmasters,
and bepress and EPrints have names of their own. A page is hostile like everything else: no more than its beginning is read, tag by
tag, each for a bounded length, and what it names is an address to be checked, nothing more.
"""

from __future__ import annotations

import html
import re

import httpx2

from refnet.adapters.full_text.urls import LONGEST_URL, UrlRefused, checked

#: Bytes of a page that are read. Heads of publishers' pages are a tenth of that.
MOST_PAGE_BYTES = 512_000
#: The names, the usual one first.
NAMES = ("citation_pdf_url", "bepress_citation_pdf_url", "eprints.document_url")
#: Characters of a tag that are read: an address in entities (`&#x2F;`) is several times as long as in letters.
_LONGEST_TAG = 8 * LONGEST_URL
_TAG = re.compile(
    r"<(?:(?P<comment>!--)|(?P<end>/head|body)\b|(?P<other>script|style|noscript|title)\b|meta\b)", re.IGNORECASE
)
_ATTRIBUTE = re.compile(
    r"""[\s/]*(?P<name>[^\s"'<>/=]{1,100})(?:\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s"'=<>`]+)))?"""
)
_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,800}?-->\s*)?"
    rb"<(?:!doctype\s+html|html|head|body|meta|title|script)\b",
    re.IGNORECASE | re.DOTALL,
)


def is_page(beginning: bytes, content_type: str) -> bool:
    """Whether an answer is a page of HTML, by how it begins or by what its sender calls it."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind in ("text/html", "application/xhtml+xml") or _HTML.match(beginning) is not None


def pdf_address(page: bytes, url: httpx2.URL) -> httpx2.URL | None:
    """The address of the PDF that the head of a page names; a relative one is on `url`, where the page was found.

    None where it names none, or none that may be asked.
    """
    found = _named(page[:MOST_PAGE_BYTES].decode("utf-8", errors="replace"))
    for name in NAMES:
        for value in found.get(name, ()):
            try:
                return checked(value, url)
            except UrlRefused:
                continue
    return None


def _named(text: str) -> dict[str, list[str]]:
    """What the head names, by the name that it does so under."""
    found: dict[str, list[str]] = {}
    at = 0
    while (tag := _TAG.search(text, at)) is not None:
        at = tag.end()
        if tag["end"]:
            break
        if tag["comment"]:
            at = _behind(text, "-->", at)
        elif tag["other"]:
            # What looks like a tag in there is none.
            at = _behind(text, f"</{tag['other']}", at)
        else:
            attributes, length = _attributes(text[at : at + _LONGEST_TAG])
            at += length  # so that nothing is read twice
            name = (attributes.get("name") or attributes.get("property") or "").strip().lower()
            content = attributes.get("content", "").strip()
            if name in NAMES and content:
                found.setdefault(name, []).append(content)
    return found


def _behind(text: str, end: str, start: int) -> int:
    """The place behind the next `end`, in whatever case; the text's own end where there is none."""
    found = re.compile(re.escape(end), re.IGNORECASE).search(text, start)
    return len(text) if found is None else found.end()


def _attributes(tag: str) -> tuple[dict[str, str], int]:
    """Of each name the first value, entities resolved, up to the end of the tag; and how long that is."""
    found: dict[str, str] = {}
    at = 0
    while (one := _ATTRIBUTE.match(tag, at)) is not None:
        value = one["double"] or one["single"] or one["bare"] or ""
        found.setdefault(one["name"].lower(), html.unescape(value))
        at = one.end()
    return found, at
