"""Which addresses are asked at all."""

from __future__ import annotations

import pytest

from refnet.adapters.full_text.urls import LONGEST_URL, UrlRefused, checked, place

PAGE = checked("https://journal.example/articles/7?view=full")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///etc/passwd", "not http"),
        ("ftp://papers.example/x.pdf", "not http"),
        ("gopher://127.0.0.1:6379/_FLUSHALL", "not http"),
        ("dict://127.0.0.1:6379/info", "not http"),
        ("data:application/pdf;base64,JVBERi0=", "not http"),
        ("javascript:alert(1)", "not http"),
        ("jar:http://papers.example/x!/y", "not http"),
        ("//papers.example/x.pdf", "not http"),
        ("/x.pdf", "not http"),
        ("x.pdf", "not http"),
        ("", "not http"),
        ("http://user:password@papers.example/x.pdf", "password"),
        ("http://user@papers.example/x.pdf", "password"),
        ("http://papers.example\\@127.0.0.1/", "password"),
        ("http://papers.example:80@127.0.0.1/", "password"),
        ("http:///x.pdf", "no host"),
        ("http:papers.example/x.pdf", "no host"),
        ("http://:80/x.pdf", "no host"),
        ("http://papers example/x.pdf", "no host"),
        ("http://127.0.0.1%2f.example/x.pdf", "no host"),
        ("http://127.0.0.1%00.papers.example/", "no host"),
        ("http://*.papers.example/", "no host"),
        ("http://[fe80::1%25eth0]/", "no host"),
        ("http://[v1.127.0.0.1]/", "no URL|no host"),
        ("http://[::1/", "no URL"),
        ("http://papers.example:0/", "no host"),
        ("http://papers.example:99999/", "no host"),
        ("http://papers.example:-80/", "no host"),
        ("http://papers.example:http/", "no URL"),
        ("http://①②⑦.⓪.⓪.①/", "no URL"),
        ("http://papers.example/\r\nHost: 127.0.0.1", "no URL"),
        ("http://papers.example/x\x00.pdf", "no URL"),
        ("http://\udc80/", "no URL"),
        ("http://papers.example/" + "a" * LONGEST_URL, "longer"),
        ("http://papers.example/" + "é" * 400, "longer"),
        ("http://" + "a" * 300 + ".example/", "no host|no URL"),
    ],
)
def test_what_leads_to_no_public_paper_is_refused_with_the_reason(url: str, why: str) -> None:
    with pytest.raises(UrlRefused, match=why):
        checked(url)


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("HTTP://Papers.Example:80/A%20b.pdf#page=3", "http://papers.example/A%20b.pdf"),
        ("https://papers.example:443/x?a=1&b=2", "https://papers.example/x?a=1&b=2"),
        ("https://papers.example:80/x", "https://papers.example:80/x"),
        (" https://papers.example/x.pdf\n", "https://papers.example/x.pdf"),
        ("https://論文.example/あ.pdf", "https://xn--7dv834f.example/%E3%81%82.pdf"),
        ("http://127。0。0。1/", "http://127.0.0.1/"),
        ("http://[2606:4700::1111]:443/", "http://[2606:4700::1111]:443/"),
    ],
)
def test_an_address_is_asked_for_in_one_way_of_writing_it(url: str, asked: str) -> None:
    assert str(checked(url)) == asked


@pytest.mark.parametrize(
    ("named", "leads_to"),
    [
        ("/pdf/7.pdf", "https://journal.example/pdf/7.pdf"),
        ("7.pdf", "https://journal.example/articles/7.pdf"),
        ("?download=1", "https://journal.example/articles/7?download=1"),
        ("//cdn.example/7.pdf", "https://cdn.example/7.pdf"),
        ("http://other.example/7.pdf", "http://other.example/7.pdf"),
    ],
)
def test_a_relative_address_is_on_the_page_that_names_it(named: str, leads_to: str) -> None:
    assert str(checked(named, PAGE)) == leads_to


@pytest.mark.parametrize("named", ["file:///etc/passwd", "http://u:p@x.example/", "http://:80/"])
def test_a_page_cannot_name_what_nobody_else_may(named: str) -> None:
    with pytest.raises(UrlRefused):
        checked(named, PAGE)


def test_the_place_of_an_address_is_its_host_and_port() -> None:
    assert [place(checked(url)) for url in ("http://A.example/", "https://a.example/", "http://[::1]:81/")] == [
        "a.example:80",
        "a.example:443",
        "[::1]:81",
    ]
