"""What the stand-in serves beside the API: PDFs, a landing page, a refusal."""

from __future__ import annotations

import http.client
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from refnet.demo.bundled import PDFS, demo_corpus, demo_downloads
from refnet.demo.downloads import Downloads
from refnet.demo.server import StandIn
from refnet.demo.switches import Switches
from refnet.settings import load_settings
from tests.demo.asking import Got, ask, batch, corpus, get, sha

PREPRINT = "2402.99901"


def demonstration(**switches: Any) -> StandIn:
    return StandIn(demo_corpus(), Switches(**switches), downloads=demo_downloads())


def fetch(url: str, method: str = "GET") -> Got:
    """What is at a URL, whose path goes out as it is written."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    try:
        connection.request(method, url.removeprefix(f"http://{parts.netloc}"))
        response = connection.getresponse()
        return Got(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()


def link_of(stand_in: StandIn, title: str) -> str:
    found = get(stand_in, "/paper/search/match", query=title, fields="title,openAccessPdf").json["data"][0]
    assert found["title"].startswith(title)
    return str(found["openAccessPdf"]["url"])


@pytest.mark.parametrize("written", [PREPRINT, f"{PREPRINT}.pdf", f"{PREPRINT}v2", f"{PREPRINT}v2.pdf"])
def test_a_preprint_is_where_arxiv_would_have_it(written: str) -> None:
    with demonstration() as stand_in:
        got = fetch(f"{stand_in.origin}/pdf/{written}")
    assert (got.status, got.headers["Content-Type"]) == (200, "application/pdf")
    assert got.body == (PDFS / f"{PREPRINT}.pdf").read_bytes()


@pytest.mark.parametrize("title", ["Short Quotations as Evidence", "When to Ask the Index"])
def test_the_record_of_a_paper_leads_straight_to_its_pdf(title: str) -> None:
    with demonstration() as stand_in:
        got = fetch(link_of(stand_in, title))
    assert (got.status, got.headers["Content-Type"], got.body[:5]) == (200, "application/pdf", b"%PDF-")


def test_the_record_of_a_paper_leads_to_a_page_that_names_its_pdf() -> None:
    with demonstration() as stand_in:
        page = fetch(link_of(stand_in, "What a Passage Index Costs"))
        named = re.search(r'<meta name="citation_pdf_url" content="([^"]+)">', page.body.decode())
        assert named is not None
        got = fetch(named[1])
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert got.body == (PDFS / "index-cost.pdf").read_bytes()


def test_the_record_of_a_paper_leads_to_a_refusal() -> None:
    with demonstration() as stand_in:
        got = fetch(link_of(stand_in, "Asking the Index Again"))
    assert (got.status, got.headers["Content-Type"]) == (403, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    "path",
    [
        "/pdf/2005.11401",  # a real paper's
        "/pdf/index-cost",  # no preprint
        f"/files/{PREPRINT}.pdf",  # no file of a publisher's
        "/files/unknown.pdf",
        "/landing/unknown",
        f"/landing/{PREPRINT}",
        "/files/../papers.jsonl",
        "/files/..%2Fpapers.jsonl",
        "/pdf/..%2F..%2Fpapers.jsonl",
        "/files/.pdf",
        "/landing/%22%3E%3Cscript%3E",
        "/doi/10.1162/tacl_a_00276",
    ],
)
def test_what_is_not_there_is_404(path: str) -> None:
    with demonstration() as stand_in:
        got = fetch(f"{stand_in.origin}{path}")
        assert [entry.status for entry in stand_in.downloaded] == [404]
    assert (got.status, b"script" in got.body) == (404, False)


def test_pdfs_are_only_to_be_got() -> None:
    with demonstration() as stand_in:
        assert fetch(f"{stand_in.origin}/pdf/{PREPRINT}", "POST").status == 405


def test_downloads_are_logged_apart_and_neither_limited_nor_spoilt() -> None:
    with demonstration(rps=0.001, faults=1.0, kinds=("500",)) as stand_in:
        for _ in range(3):
            assert fetch(f"{stand_in.origin}/pdf/{PREPRINT}").status == 200
        assert fetch(f"{stand_in.origin}/closed/x").status == 403
        asked = get(stand_in, "/paper/x").status
        told = ask(stand_in, "GET", "/__downloads").json
        totals = ask(stand_in, "GET", "/__stats").json
        ask(stand_in, "POST", "/__reset")
        forgotten = ask(stand_in, "GET", "/__downloads").json

    assert asked == 500  # the first request to the API: nothing had been admitted before it, and it draws the fault
    size = (PDFS / f"{PREPRINT}.pdf").stat().st_size
    seen = [(entry["path"], entry["status"], entry["bytes"]) for entry in told]
    assert seen[:3] == [(f"/pdf/{PREPRINT}", 200, size)] * 3
    assert seen[3][:2] == ("/closed/x", 403)
    assert (totals["requests"], totals["breaches"], forgotten) == (1, 0, [])


def test_a_stand_in_without_pdfs_refuses_them_and_logs_it_apart() -> None:
    with StandIn(corpus([], a={})) as stand_in:
        assert fetch(f"{stand_in.origin}/pdf/{PREPRINT}").status == 404
        assert (len(stand_in.downloaded), stand_in.log) == (1, [])


def test_a_link_to_the_stand_in_is_whole_in_every_answer_and_other_links_stay_as_they_are() -> None:
    elsewhere = {"url": "https://arxiv.org/pdf/1706.03762", "status": "GREEN"}
    papers = corpus(
        [("own", "other"), ("other", "own")],
        own={"openAccessPdf": {"url": "/files/a.pdf", "status": "GREEN"}},
        other={"openAccessPdf": elsewhere},
    )
    with StandIn(papers) as stand_in:
        own = {"url": f"{stand_in.origin}/files/a.pdf", "status": "GREEN"}
        plain = batch(stand_in, [sha("own"), sha("other")], "openAccessPdf").json
        licensed = batch(stand_in, [sha("own"), sha("other")], "abstract").json
        nested = batch(stand_in, [sha("other")], "references.openAccessPdf").json[0]
        info = get(stand_in, f"/paper/{sha('own')}/references").json["citingPaperInfo"]

    assert [row["openAccessPdf"] for row in plain] == [own, elsewhere]
    assert [row["openAccessPdf"]["url"] for row in licensed] == [own["url"], elsewhere["url"]]
    assert nested["references"][0]["openAccessPdf"] == own
    assert info["openAccessPdf"]["url"] == own["url"]


def test_a_folder_serves_no_file_whose_name_would_need_escaping(tmp_path: Path) -> None:
    for name in ("plain", 'a"b', "<b>"):
        (tmp_path / f"{name}.pdf").write_bytes(b"%PDF-")
    downloads = Downloads(tmp_path)

    answers = [downloads.answer("GET", f"/files/{name}.pdf", "http://here") for name in ("plain", 'a"b', "<b>")]

    assert [answer and answer.status for answer in answers] == [200, 404, 404]


def test_the_settings_of_the_demonstration_lead_to_the_stand_in_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFNET_ARXIV_URL", "https://mirror.example.org")
    monkeypatch.setenv("REFNET_ALLOW_PRIVATE_HOSTS", "10.0.0.1:80")
    with demonstration() as stand_in:
        settings = load_settings().for_demo(database=tmp_path / "demo.db", source_url=stand_in.url)

        assert settings.arxiv_url == stand_in.origin
        assert settings.allow_private_hosts == urlsplit(stand_in.url).netloc
        assert fetch(f"{settings.arxiv_url}/pdf/{PREPRINT}").status == 200


def test_the_command_serves_the_pdfs_if_asked_to() -> None:
    command = [sys.executable, "-m", "refnet.demo", "--pdfs"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            origin = process.stdout.readline().strip().removesuffix("/graph/v1")
            assert fetch(f"{origin}/pdf/{PREPRINT}").status == 200
        finally:
            process.terminate()


def test_the_command_has_no_pdfs_for_another_corpus() -> None:
    command = [sys.executable, "-m", "refnet.demo", "--pdfs", "--corpus", "elsewhere"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--pdfs" in done.stderr
