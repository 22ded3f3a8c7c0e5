"""The PDF that an article's page names in its head."""

from __future__ import annotations

import time

import pytest

from refnet.adapters.full_text.landing_page import MOST_PAGE_BYTES, is_page, pdf_address
from refnet.adapters.full_text.urls import LONGEST_URL, checked

URL = checked("https://journal.example/articles/7")


def named(page: str) -> str | None:
    found = pdf_address(page.encode(), URL)
    return None if found is None else str(found)


@pytest.mark.parametrize(
    "tag",
    [
        '<meta name="citation_pdf_url" content="https://journal.example/7.pdf">',
        '<meta content="https://journal.example/7.pdf" name="citation_pdf_url"/>',
        "<META NAME='Citation_PDF_URL' CONTENT='https://journal.example/7.pdf'>",
        "<meta name=citation_pdf_url content=https://journal.example/7.pdf>",
        '<meta\n  name = "citation_pdf_url"\n  content = " /7.pdf "\n>',
        '<meta property="citation_pdf_url" content="../7.pdf">',
        '<meta name="citation_pdf_url" content="https:&#x2F;&#47;journal.example/7.pdf">',
        '<meta name="bepress_citation_pdf_url" content="/7.pdf">',
        '<meta name="eprints.document_url" content="/7.pdf">',
        '<meta name="citation_pdf_url" content="javascript:x"><meta name="citation_pdf_url" content="/7.pdf">',
        '<meta name="citation_pdf_url" content=""><meta name="citation_pdf_url" content="/7.pdf">',
        '<meta name="eprints.document_url" content="/8.pdf"><meta name="citation_pdf_url" content="/7.pdf">',
        '<meta charset=utf-8><title>a < b </title><script>if (a<b) {"</head>"}</script><meta name="citation_pdf_url" content="/7.pdf">',
    ],
)
def test_the_address_is_found_however_the_tag_is_written(tag: str) -> None:
    assert named(f"<html><head>{tag}</head><body>x</body></html>") == "https://journal.example/7.pdf"


def test_entities_in_an_address_are_resolved_once() -> None:
    assert named('<meta name="citation_pdf_url" content="/x?a=1&amp;b=2&amp;amp;c">') == (
        "https://journal.example/x?a=1&b=2&amp;c"
    )


@pytest.mark.parametrize(
    "page",
    [
        "",
        "<html><head></head></html>",
        '<!-- <meta name="citation_pdf_url" content="/7.pdf"> -->',
        '<script>var x = \'<meta name="citation_pdf_url" content="/7.pdf">\'</script>',
        '<style><meta name="citation_pdf_url" content="/7.pdf"></style>',
        '<title><meta name="citation_pdf_url" content="/7.pdf"></title>',
        '</head><meta name="citation_pdf_url" content="/7.pdf">',
        '<body><meta name="citation_pdf_url" content="/7.pdf">',
        '<meta name="citation_title" content="citation_pdf_url">',
        '<meta name="citation_pdf_url">',
        '<metadata name="citation_pdf_url" content="/7.pdf">',
        '<meta name="citation_pdf_url" content="file:///etc/passwd">',
        '<meta name="citation_pdf_url" content="http://u:p@journal.example/7.pdf">',
        f'<meta name="citation_pdf_url" content="/{"x" * LONGEST_URL}">',
        "<!--" + " " * 100 + '<meta name="citation_pdf_url" content="/7.pdf">',
        " " * MOST_PAGE_BYTES + '<meta name="citation_pdf_url" content="/7.pdf">',
    ],
)
def test_a_page_without_one_that_may_be_asked_names_none(page: str) -> None:
    assert named(page) is None


@pytest.mark.parametrize(
    "piece",
    ["<meta ", "<meta x=\"", "<meta '", "<meta a ", "<meta a= ", "<meta a=b", "<meta\n", "<!--", "<!-", "<script", "<title ", "<", "&#",
     '<meta content="&amp;', "a=\"'", "<meta name=citation_pdf_url content=&#x26;x "],
)  # fmt: skip
def test_a_hostile_page_takes_no_time(piece: str) -> None:
    for page in (piece * (MOST_PAGE_BYTES // len(piece)), "<meta " + piece * (MOST_PAGE_BYTES // len(piece))):
        began = time.process_time()
        pdf_address(page.encode(), URL)
        is_page(page[:64_000].encode(), "")
        assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    "beginning",
    [
        b"<!DOCTYPE html>", b"\xef\xbb\xbf\r\n<!doctype HTML PUBLIC", b"<html lang=en>", b'<?xml version="1.0"?>\n<!DOCTYPE html',
        b"<!-- made by hand -->\n<html>", b"<head>", b"<script>location='/login'</script>",
    ],
)  # fmt: skip
def test_a_page_is_known_by_how_it_begins(beginning: bytes) -> None:
    assert is_page(beginning, "application/pdf")


@pytest.mark.parametrize("beginning", [b"", b"%PDF-1.7", b"\x00\x01", b"html", b"<xml>", b"<htmlx", b"{}"])
def test_what_begins_otherwise_is_a_page_only_if_it_is_called_one(beginning: bytes) -> None:
    assert not is_page(beginning, "application/pdf")
    assert not is_page(beginning, "")
    assert is_page(beginning, "Text/HTML; charset=x")
