"""Where a PDF is looked for, and how often hosts are asked."""

from __future__ import annotations

import pytest

from refnet.adapters.full_text.places import usual_places
from refnet.adapters.full_text.politeness import paced_as, requests_per_second
from refnet.domain.papers import Paper


def addresses(pdf_url: str | None = None, **ids: str) -> list[str]:
    paper = Paper("a" * 40, "A title", external_ids=ids, pdf_url=pdf_url, url="https://www.semanticscholar.org/paper/x")
    return [address for place in usual_places("https://arxiv.example/mirror/") for address in place.addresses(paper)]


def test_the_preprint_comes_first_then_what_the_record_names_then_the_publishers_page() -> None:
    assert addresses("https://papers.example/7.pdf", ArXiv="1706.03762", DOI="10.1000/Xyz(7)") == [
        "https://arxiv.example/mirror/pdf/1706.03762",
        "https://papers.example/7.pdf",
        "https://doi.org/10.1000/xyz%287%29",
    ]


def test_a_paper_that_nobody_says_is_open_has_no_place() -> None:
    assert addresses() == []
    assert addresses("") == []


@pytest.mark.parametrize(
    ("text", "path"),
    [("1706.03762v5", "1706.03762"), ("hep-th/9711200", "hep-th/9711200"), ("arXiv:2005.11401", "2005.11401")],
)
def test_of_a_preprint_the_newest_version_is_asked_for(text: str, path: str) -> None:
    assert addresses(ArXiv=text) == [f"https://arxiv.example/mirror/pdf/{path}"]


@pytest.mark.parametrize(
    "text", ["../../admin", "1706.03762/../../x", "1706.03762?x=1", "1706.03762#", "x", "http://127.0.0.1/"]
)
def test_what_is_not_formed_like_an_id_leads_nowhere_else_than_to_arxiv(text: str) -> None:
    assert set(addresses(ArXiv=text)) <= {"https://arxiv.example/mirror/pdf/1706.03762"}


@pytest.mark.parametrize("text", ["x", "10.1/", "10.1000/\ud800", "http://127.0.0.1/"])
def test_what_is_not_formed_like_a_doi_has_no_page(text: str) -> None:
    assert addresses(DOI=text) == []


def test_what_a_doi_holds_stays_in_its_path() -> None:
    assert addresses(DOI="10.1000/../a?b=c#d@e") == ["https://doi.org/10.1000/../a%3Fb%3Dc%23d%40e"]


def test_arxivs_own_doi_and_its_own_address_are_asked_once() -> None:
    once = ["https://arxiv.example/mirror/pdf/2005.11401"]

    assert addresses(DOI="10.48550/arXiv.2005.11401") == once
    assert (
        addresses("http://arxiv.org/pdf/2005.11401v4.pdf", ArXiv="2005.11401", DOI="10.48550/arxiv.2005.11401") == once
    )
    assert addresses("https://arxiv.org/pdf/2005.99999", ArXiv="2005.11401") == [
        *once,
        "https://arxiv.org/pdf/2005.99999",
    ]


def test_all_of_arxivs_hosts_are_asked_together_once_in_three_seconds() -> None:
    for host in ("arxiv.org", "export.arxiv.org", "ARXIV.org.", "cn.arxiv.org"):
        assert paced_as(host) == "arxiv.org"
        assert requests_per_second(host) == pytest.approx(1 / 3)
    for host in ("notarxiv.org", "arxiv.org.example", "papers.example"):
        assert paced_as(host) == host
        assert requests_per_second(host) == 1.0
