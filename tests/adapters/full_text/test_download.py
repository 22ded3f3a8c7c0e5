"""What is taken for a PDF, and the bounds of a download. What is kept of it goes through the cache, as in use."""

from __future__ import annotations

import gzip
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from refnet.adapters.full_text.cache import PdfCache
from refnet.adapters.full_text.download import Bounds, Downloader, LeftAlone, NoNetwork, Unanswered
from refnet.adapters.full_text.landing_page import MOST_PAGE_BYTES
from refnet.adapters.full_text.network import CONNECT_SECONDS, Network
from refnet.adapters.full_text.reply import MAGIC_WITHIN, NoPdfThere
from refnet.adapters.full_text.urls import checked
from refnet.domain.documents import NoFullText
from refnet.domain.errors import RefnetError, SourceUnavailable
from tests.adapters.full_text.internet import PDF, PUBLIC, Canary, Internet, Paces, downloader, fetched
from tests.adapters.scripted import Answering, Scripted, answer
from tests.servers import missing

URL = "http://papers.example/x.pdf"
PAGE = b"<!DOCTYPE html><html><head><title>A paper</title></head><body>No PDF.</body></html>"
#: A limit of bytes that is soon reached.
SMALL = Bounds(most_bytes=200_000)


def take(downloads: Downloader, folder: Path, url: str = URL) -> bytes:
    """The PDF at an address, by way of the cache; what goes wrong leaves nothing behind."""
    try:
        with downloads.get(checked(url), private=True) as reply:
            assert reply.is_pdf
            return PdfCache(folder, 10**9).put(reply.pdf())[1].read_bytes()
    finally:
        assert [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pdf"] == []


def refused(answering: Answering | bytes, internet: Internet, folder: Path, bounds: Bounds = SMALL) -> RefnetError:
    """What is said of an answer that is not taken, of which nothing is kept."""
    with Scripted(answering if callable(answering) else lambda asked: answering) as server:
        internet.host("papers.example", server.place)
        with pytest.raises(RefnetError) as caught:
            take(downloader(internet, bounds=bounds), folder)
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    return caught.value


# ---------------------------------------------------------------- what a PDF is


@pytest.mark.parametrize(
    "content_type",
    ["application/pdf", "application/octet-stream", "text/html; charset=utf-8", "text/plain", "binary/x", ""],
)
def test_a_pdf_is_known_by_how_it_begins_whatever_it_is_called(
    content_type: str, internet: Internet, tmp_path: Path
) -> None:
    with Scripted(lambda asked: answer(PDF, headers={"Content-Type": content_type})) as server:
        internet.host("papers.example", server.place)
        assert take(downloader(internet), tmp_path) == PDF


@pytest.mark.parametrize("junk", [b"\r\n" * 8, b"\xef\xbb\xbf", b"x" * (MAGIC_WITHIN - 1)])
def test_what_stands_before_the_header_is_kept_with_it(junk: bytes, internet: Internet, tmp_path: Path) -> None:
    with Scripted(lambda asked: answer(junk + PDF)) as server:
        internet.host("papers.example", server.place)
        assert take(downloader(internet), tmp_path) == junk + PDF


@pytest.mark.parametrize(
    "body", [b"x" * MAGIC_WITHIN + PDF, b"", b"%PD", b"PK\x03\x04" + b"x" * 5_000, b'{"error": "none"}', b"\x00" * 100]
)
def test_what_is_neither_a_pdf_nor_a_page_is_refused(body: bytes, internet: Internet, tmp_path: Path) -> None:
    error = refused(answer(body, headers={"Content-Type": "application/pdf"}), internet, tmp_path)

    assert isinstance(error, NoPdfThere)
    assert error.why is NoFullText.NOT_A_PDF


@pytest.mark.parametrize("content_type", ["application/pdf", "text/html", "application/octet-stream"])
def test_a_page_that_is_called_a_pdf_is_known_for_a_page(content_type: str, internet: Internet) -> None:
    with Scripted(lambda asked: answer(PAGE, headers={"Content-Type": content_type})) as server:
        internet.host("papers.example", server.place)
        with downloader(internet).get(checked(URL), private=True) as reply:
            assert not reply.is_pdf
            assert reply.page() == PAGE


def test_of_a_page_no_more_than_its_beginning_is_fetched(internet: Internet) -> None:
    def endless(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>")
        while True:
            line.sendall(b"<p>" * 10_000)

    with Scripted(lambda asked: endless) as server:
        internet.host("papers.example", server.place)
        assert 500_000 <= len(fetched(downloader(internet), URL)) <= 700_000


# ---------------------------------------------------------------- bounds


def test_the_bounds_are_those_that_the_pages_promise(root: Path) -> None:
    page = (root / "docs" / "explanation" / "finding-pdfs.md").read_text(encoding="utf-8")
    bounds = Bounds()

    for row in (
        f"| a PDF | {bounds.most_bytes // 1_000_000} MB |",
        f"| a download, redirects included, turns with the hosts not | {bounds.seconds:g} s |",
        f"| silence within it | {bounds.silence:g} s |",
        f"| resolving a name, connecting, TLS | {CONNECT_SECONDS:g} s each |",
        f"| redirects | {bounds.redirects} |",
        f"| a page | its first {MOST_PAGE_BYTES // 1_000} kB, ",
    ):
        assert row in page


def body_without_end(line: socket.socket) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n\r\n%PDF-1.7\n")
    while True:
        line.sendall(b"x" * 60_000)


def chunks_without_end(line: socket.socket) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n%PDF-1.7\n\r\n")
    while True:
        line.sendall(b"ea60\r\n" + b"x" * 60_000 + b"\r\n")


@pytest.mark.parametrize("stream", [body_without_end, chunks_without_end])
def test_a_body_without_end_is_given_up_at_the_limit(
    stream: Callable[[socket.socket], None], internet: Internet, tmp_path: Path
) -> None:
    error = refused(lambda asked: stream, internet, tmp_path)

    assert isinstance(error, NoPdfThere)
    assert error.why is NoFullText.TOO_LARGE


@pytest.mark.parametrize(("length", "is_taken"), [(200_000, True), (200_001, False)])
def test_the_limit_is_exact(length: int, is_taken: bool, internet: Internet, tmp_path: Path) -> None:
    # Without a length, so that what comes is counted.
    body = b"%PDF-" + b"x" * (length - 5)
    whole = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body
    if not is_taken:
        assert "200,000" in str(refused(lambda asked: lambda line: line.sendall(whole), internet, tmp_path))
        return
    with Scripted(lambda asked: lambda line: line.sendall(whole)) as server:
        internet.host("papers.example", server.place)
        assert take(downloader(internet, bounds=SMALL), tmp_path) == body


def test_a_length_over_the_limit_is_believed_at_once(internet: Internet, tmp_path: Path) -> None:
    sent = b"HTTP/1.1 200 OK\r\nContent-Length: 200001\r\n\r\n%PDF-1.7\n" + b"x" * 2_000

    def send_and_wait(line: socket.socket) -> None:
        line.sendall(sent)
        line.recv(1)

    error = refused(lambda asked: send_and_wait, internet, tmp_path)

    assert isinstance(error, NoPdfThere)
    assert error.why is NoFullText.TOO_LARGE


def test_a_body_shorter_than_its_length_is_no_pdf(internet: Internet, tmp_path: Path) -> None:
    sent = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + PDF

    error = refused(lambda asked: lambda line: line.sendall(sent), internet, tmp_path)

    assert isinstance(error, Unanswered)
    assert "broke off" in str(error)


def test_of_a_body_longer_than_its_length_the_length_is_taken(internet: Internet, tmp_path: Path) -> None:
    sent = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(PDF) + PDF + b"x" * 500_000
    with Scripted(lambda asked: lambda line: line.sendall(sent)) as server:
        internet.host("papers.example", server.place)
        assert take(downloader(internet, bounds=SMALL), tmp_path) == PDF


@pytest.mark.parametrize(
    "after", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"slow body"]
)
def test_a_byte_now_and_then_does_not_hold_a_download_beyond_its_time(
    after: bytes, internet: Internet, tmp_path: Path
) -> None:
    over = threading.Event()

    def drip(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\n\r\n%PDF-1.7\n" + b"x" * 2_000 if after == b"slow body" else after)
        while not over.wait(0.1):
            line.sendall(b"X")

    began = time.monotonic()
    try:
        error = refused(lambda asked: drip, internet, tmp_path, Bounds(seconds=1.0))
    finally:
        over.set()
    assert isinstance(error, Unanswered)
    assert "within 1 s" in str(error)
    assert time.monotonic() - began < 20


def test_silence_ends_a_download_before_its_time_is_over(internet: Internet, tmp_path: Path) -> None:
    began = time.monotonic()

    def silent(line: socket.socket) -> None:
        line.recv(1)

    error = refused(lambda asked: silent, internet, tmp_path, Bounds(silence=0.3))

    assert isinstance(error, Unanswered)
    assert "no answer within 0.3 s" in str(error)
    assert time.monotonic() - began < 30


def test_all_redirects_share_the_time_of_one_download(internet: Internet, tmp_path: Path) -> None:
    over = threading.Event()

    def slowly(line: socket.socket) -> None:
        over.wait(0.4)
        line.sendall(b"HTTP/1.1 302 Found\r\nLocation: /on\r\nContent-Length: 0\r\n\r\n")

    began = time.monotonic()
    try:
        assert isinstance(refused(lambda asked: slowly, internet, tmp_path, Bounds(seconds=1.0)), Unanswered)
    finally:
        over.set()
    assert time.monotonic() - began < 20


def test_a_resolver_that_gives_no_answer_holds_nobody_up(canary: Canary) -> None:
    over = threading.Event()

    def never(host: str, port: int) -> list[str]:
        over.wait()
        return ["127.0.0.1"]

    began = time.monotonic()
    try:
        with pytest.raises(Unanswered):
            fetched(Downloader(Paces().__getitem__, bounds=Bounds(seconds=0.5), network=Network(resolve=never)), URL)
    finally:
        over.set()
    assert time.monotonic() - began < 4
    assert canary.connections == 0


@cache
def bomb() -> bytes:
    """What unpacks to nearly a thousand times as much, and beyond any limit."""
    packed = gzip.compress(PDF + b"\0" * 100_000_000)
    assert len(packed) < 110_000
    return packed


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "x-gzip", "gzip, gzip"])
def test_what_is_packed_is_refused_before_it_is_unpacked(encoding: str, internet: Internet, tmp_path: Path) -> None:
    error = refused(answer(bomb(), headers={"Content-Encoding": encoding}), internet, tmp_path)

    assert isinstance(error, NoPdfThere)
    assert "packed" in str(error)


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n%PDF-",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n%PDF-",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n%PDF-1",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n%PDF-",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n%PDF-",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"%PDF-1.7\n",
        b"\x00" * 100,
        b"",
    ],
    ids=range(11),
)
def test_what_is_no_http_is_no_answer(said: bytes, internet: Internet, tmp_path: Path) -> None:
    assert isinstance(refused(lambda asked: lambda line: line.sendall(said), internet, tmp_path), Unanswered)


MEMORY = """
import re, resource, sys
from pathlib import Path
from refnet.adapters.full_text.cache import PdfCache
from refnet.adapters.full_text.download import Downloader
from refnet.adapters.full_text.network import Network, connect
from refnet.adapters.full_text.urls import checked
from refnet.domain.errors import RefnetError

class Free:
    def start(self): ...
    def succeeded(self): ...
    def successes(self): return 0
    def failed(self, error): ...

port = int(sys.argv[1])
network = Network(lambda host, _: ["93.184.215.14"], lambda address, _, timeout: connect("127.0.0.1", port, timeout))
downloads, cache = Downloader(lambda host: Free(), network=network), PdfCache(Path(sys.argv[2]), 10**9)

def get(path):
    try:
        with downloads.get(checked("http://papers.example" + path), private=False) as reply:
            return "PDF" if reply.is_pdf and cache.put(reply.pdf()) else len(reply.page())
    except RefnetError as error:
        return error

def used():
    # The most ever. What rusage tells on Linux is also that of whoever started this process.
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\\s+([0-9]+) kB", status.read_text())[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

get("/small")
before = used()
said = "x" * 80_000_000 if sys.argv[3] == "held" else get(sys.argv[3])
print(used() - before, str(said)[:200])
"""


def memory_taken(server: Scripted, path: str, folder: Path) -> tuple[int, str]:
    """Bytes by which a process of its own grew at the most while it fetched that path, and what it says of it."""
    words = [sys.executable, "-c", MEMORY, server.place.rpartition(":")[2], str(folder), path]
    grown, _, told = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip().partition(" ")
    return int(grown), told


def test_what_is_held_in_memory_is_seen(tmp_path: Path) -> None:
    with Scripted(lambda asked: answer(PDF)) as server:
        assert memory_taken(server, "held", tmp_path)[0] > 64_000_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/endless", "is longer than 50,000,000 bytes"),
        ("/chunked", "is longer than 50,000,000 bytes"),
        ("/bomb", "is packed"),
        ("/headers", "broke off"),
        ("/page", "5"),
        ("/large", "PDF"),
    ],
)
def test_no_answer_takes_more_than_64_megabytes_of_memory(path: str, said: str, tmp_path: Path) -> None:
    def headers(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            line.sendall(b"X: " + b"y" * 60_000)

    def page(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>")
        while True:
            line.sendall(b"<" * 60_000)

    whole = b"%PDF-" + b"x" * 49_000_000
    answers: dict[str, bytes | Callable[[socket.socket], None]] = {
        "/small": answer(PDF),
        "/endless": body_without_end,
        "/chunked": chunks_without_end,
        "/bomb": answer(bomb(), headers={"Content-Encoding": "gzip"}),
        "/headers": headers,
        "/page": page,
        "/large": answer(whole),
    }
    with Scripted(lambda asked: answers[asked.path]) as server:
        grown, told = memory_taken(server, path, tmp_path / "pdfs")

    assert said in told
    assert grown <= 64_000_000
    kept = [file for file in (tmp_path / "pdfs").rglob("*") if file.is_file()]
    assert len(kept) == (2 if path == "/large" else 1)
    assert {file.suffix for file in kept} == {".pdf"}


# ---------------------------------------------------------------- what is sent


def test_a_request_carries_the_name_of_the_program_and_nothing_of_the_users(
    internet: Internet, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SEMANTIC_SCHOLAR_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "REFNET_SIGNING_KEYS"):
        monkeypatch.setenv(name, "canary-secret")
    cookies = {"Set-Cookie": "session=canary-cookie; Path=/", "WWW-Authenticate": "Basic"}
    (Path.home()).mkdir(parents=True, exist_ok=True)
    (Path.home() / ".netrc").write_text("machine papers.example login me password canary-secret\n")
    with Scripted(
        lambda asked: answer(PDF, 200 if asked.path == "/y" else 302, {"Location": "/y?a=b", **cookies})
    ) as server:
        internet.host("papers.example", server.place)
        downloads = downloader(internet, contact="someone@example.org")
        assert [fetched(downloads, URL) for _ in range(2)] == [PDF, PDF]

    assert [asked.path for asked in server.asked] == ["/x.pdf", "/y", "/x.pdf", "/y"]
    for asked in server.asked:
        assert set(asked.headers) == {"host", "user-agent", "accept", "accept-encoding", "connection"}
        assert asked.headers["host"] == "papers.example"
        assert asked.headers["user-agent"].startswith("refnet/")
        assert asked.headers["user-agent"].endswith("(+someone@example.org)")
        assert asked.headers["accept-encoding"] == "identity"
        assert asked.method == "GET"
        assert asked.body == b""


# ---------------------------------------------------------------- statuses


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 406, 410, 418, 451, 204, 206, 300, 304])
def test_a_refusal_says_that_the_paper_is_not_open(status: int, internet: Internet, tmp_path: Path) -> None:
    error = refused(answer(PDF if status not in (204, 304) else b"", status), internet, tmp_path)

    assert isinstance(error, NoPdfThere)
    assert (error.why, error.status) == (NoFullText.NOT_OPEN, status)
    assert f"papers.example:80 answers with the status {status}" in str(error)


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504, 520])
def test_a_fault_is_no_answer_yet(status: int, internet: Internet, tmp_path: Path) -> None:
    error = refused(answer(b"", status), internet, tmp_path)

    assert isinstance(error, Unanswered)
    assert error.status == status


@pytest.mark.parametrize(
    ("status", "asked", "seconds"),
    [
        (429, None, None),
        (429, "7", 7.0),
        (429, "-7", None),
        (429, "soon", None),
        (429, "9" * 400, 3_600.0),
        (429, "Fri, 31 Dec 9999 23:59:59 GMT", 3_600.0),
        (429, "Fri, 31 Dec 1999 23:59:59 GMT", None),
        (503, "120", 120.0),
    ],
)
def test_a_host_that_asks_to_be_left_alone_is_believed_for_an_hour_at_the_most(
    status: int, asked: str | None, seconds: float | None, internet: Internet
) -> None:
    paces = Paces()
    headers = {} if asked is None else {"Retry-After": asked}
    with Scripted(lambda _: answer(b"", status, headers)) as server:
        internet.host("papers.example", server.place)
        with pytest.raises(LeftAlone) as caught:
            fetched(downloader(internet, paces=paces), URL)

    assert caught.value.retry_after == seconds
    assert paces["papers.example"].told == [caught.value]


def test_each_step_takes_a_turn_with_its_own_host_and_tells_how_it_went(internet: Internet) -> None:
    steps = {"/a": "http://other.example/b", "/b": "http://pdf.arxiv.org/c", "/c": "http://gone.example/d"}
    paces = Paces()
    with Scripted(lambda asked: answer(b"", 302, {"Location": steps[asked.path]})) as server:
        for name in ("papers.example", "other.example", "pdf.arxiv.org"):
            internet.host(name, server.place)
        with pytest.raises(SourceUnavailable):
            fetched(downloader(internet, paces=paces), "http://papers.example/a")

    assert {host: pace.starts for host, pace in paces.items()} == {
        **dict.fromkeys(("papers.example", "other.example", "arxiv.org"), 1),
        "gone.example": 1,
    }
    assert {host: [one is None for one in pace.told] for host, pace in paces.items()} == {
        **{host: [True] for host in ("papers.example", "other.example", "arxiv.org")},
        "gone.example": [False],
    }


def test_a_machine_without_a_network_says_nothing_of_the_host(internet: Internet) -> None:
    def no_resolver(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    def no_route(address: str, port: int, timeout: float) -> socket.socket:
        raise OSError(101, "Network is unreachable")

    def nobody(address: str, port: int, timeout: float) -> socket.socket:
        raise ConnectionRefusedError(111, "Connection refused")

    internet.host("papers.example")
    networks = (Network(resolve=no_resolver), Network(internet.resolve, no_route))
    for network in networks:
        with pytest.raises(NoNetwork):
            fetched(Downloader(Paces().__getitem__, network=network), URL)
    with pytest.raises(Unanswered) as caught:
        fetched(Downloader(Paces().__getitem__, network=Network(internet.resolve, nobody)), URL)
    assert not caught.value.reached


def test_each_address_of_a_name_is_tried(internet: Internet) -> None:
    tried: list[str] = []

    def connect(address: str, port: int, timeout: float) -> socket.socket:
        tried.append(address)
        if address == PUBLIC:
            raise ConnectionRefusedError(111, "Connection refused")
        return internet.connect(address, port, timeout)

    with Scripted(lambda asked: answer(PDF)) as server:
        internet.host("papers.example", server.place, addresses=[PUBLIC, "2606:4700::1111"])
        downloads = Downloader(Paces().__getitem__, network=Network(internet.resolve, connect))
        assert fetched(downloads, URL) == PDF
    assert tried == [PUBLIC, "2606:4700::1111"]


# ---------------------------------------------------------------- TLS


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[str, ssl.SSLContext, list[str | None]]]:
    """A server with a certificate for papers.example alone: its place, who trusts it, and the names that it is asked by."""
    program = shutil.which("openssl")
    if program is None:
        missing("no openssl on this machine")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = [
        program,
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    made += [
        "-keyout",
        str(key),
        "-out",
        str(certificate),
        "-subj",
        "/CN=x",
        "-addext",
        "subjectAltName=DNS:papers.example",
    ]
    subprocess.run(made, check=True, capture_output=True)
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                line, _ = listening.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(line, server_side=True) as safe:
                    safe.recv(65_536)
                    safe.sendall(answer(PDF))
            except OSError:
                line.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"127.0.0.1:{listening.getsockname()[1]}", ssl.create_default_context(cafile=str(certificate)), names
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(10)


def test_the_certificate_has_to_be_of_the_name_and_trusted(
    secured: tuple[str, ssl.SSLContext, list[str | None]], internet: Internet
) -> None:
    place, trusting, names = secured
    for name in ("papers.example", "other.example"):
        internet.host(name, place, port=443)
    trusts = Downloader(Paces().__getitem__, network=internet.network, tls=trusting)

    assert fetched(trusts, "https://papers.example/x.pdf") == PDF
    with pytest.raises(Unanswered, match="certificate"):
        fetched(trusts, "https://other.example/x.pdf")
    with pytest.raises(Unanswered, match="certificate"):
        fetched(downloader(internet), "https://papers.example/x.pdf")
    with pytest.raises(Unanswered, match="certificate"):
        fetched(trusts, f"https://{PUBLIC}/x.pdf")
    assert names == ["papers.example", "other.example", "papers.example", None]
