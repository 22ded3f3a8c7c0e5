"""S14 and S18: what the proxy of compose.yaml lets through, by the real nginx with the file that is deployed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from refnet.entrypoints.web.gate import HEADERS, MOST_BODY
from refnet.entrypoints.web.problems import _TITLES
from tests.deploy.deployment import ROOT
from tests.servers import free_port, listens, missing, ticks

#: What stands behind the proxy, by the address that the file gives it.
BEHIND = {"api": "api:8000", "flower": "flower:5555", "grafana": "grafana:3000"}


class Backend(ThreadingHTTPServer):
    """Answers everything with its name, and keeps what it was asked. `/slow` sends a line, and the rest when it may;
    `/silent` sends nothing until then.
    """

    daemon_threads = True

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name = name
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.go_on = threading.Event()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Backend

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        if self.path.endswith("/silent"):
            self.server.go_on.wait(60)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{self.server.name}\n".encode())
        if self.path.endswith("/slow"):
            self.wfile.flush()
            self.server.go_on.wait(60)
            self.wfile.write(b"over\n")

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None: ...


@dataclass
class Proxy:
    port: int
    folder: Path
    behind: dict[str, Backend] = field(default_factory=dict)

    @contextmanager
    def asked(
        self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Iterator[HTTPResponse]:
        client = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            client.request("GET" if body is None else "POST", path, body, headers or {})
            yield client.getresponse()
        finally:
            client.close()

    def status(self, path: str, body: bytes | None = None) -> int:
        with self.asked(path, body) as answer:
            answer.read()
            return answer.status

    def text(self, path: str, headers: dict[str, str] | None = None) -> str:
        with self.asked(path, headers=headers) as answer:
            assert answer.status == 200
            return answer.read().decode()

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture
def program() -> str:
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        missing("no nginx on this machine")
    return found


@pytest.fixture
def patience() -> str:
    """How long the proxy waits for Grafana to answer: as long as nginx does by itself."""
    return "60s"


@pytest.fixture
def proxy(program: str, tmp_path: Path, patience: str) -> Iterator[Proxy]:
    """It listens at another port than in its container, keeps its files elsewhere, and finds its backends here."""
    found = Proxy(free_port(), tmp_path, {name: Backend(name) for name in BEHIND})
    text = (ROOT / "deploy" / "proxy" / "nginx.conf").read_text(encoding="utf-8")
    for name, place in BEHIND.items():
        assert place in text
        text = text.replace(place, found.behind[name].place)
    text = text.replace("set $grafana", f"proxy_read_timeout {patience}; set $grafana")
    text = text.replace("listen 8080", f"listen 127.0.0.1:{found.port}").replace("/tmp/", f"{tmp_path}/")  # noqa: S108
    (tmp_path / "nginx.conf").write_text(text)
    main = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
    with ExitStack() as stack:
        for backend in found.behind.values():
            thread = threading.Thread(target=backend.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(backend.server_close)
            stack.callback(backend.shutdown)
            stack.callback(backend.go_on.set)
        log = stack.enter_context((tmp_path / "log").open("wb"))
        words = [program, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-g", main]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        stack.callback(process.wait, 30)
        stack.callback(process.terminate)
        for _ in ticks(30.0):
            if listens(found.port) or process.poll() is not None:
                break
        assert process.poll() is None, found.log
        yield found


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "api"),
        ("/api/v1/papers", "api"),
        ("/metrics", "api"),
        ("/flower/", "flower"),
        ("/flower/tasks", "flower"),
        ("/grafana/", "grafana"),
    ],
)
def test_s08_each_path_leads_to_its_own(proxy: Proxy, path: str, name: str) -> None:
    assert proxy.text(path) == f"{name}\n"
    assert [asked for asked, _ in proxy.behind[name].asked] == [path]


@pytest.mark.parametrize(
    "path",
    [
        "/flower/metrics",
        "/flower/metrics/",
        "/flower/healthcheck?x=1",
        "/flower//metrics",
        "/flower/%6detrics",
        "/flower/tasks/../metrics",
        "/api/../flower/healthcheck",
    ],
)
def test_s14_what_flower_shows_without_a_password_is_not_passed_on(proxy: Proxy, path: str) -> None:
    assert proxy.status(path) == 404
    assert proxy.behind["flower"].asked == []


def test_s18_what_a_client_says_of_where_it_comes_from_is_replaced(proxy: Proxy) -> None:
    said = {
        "X-Forwarded-For": "8.8.8.8",
        "Forwarded": "for=8.8.8.8",
        "X-Forwarded-Proto": "https",
        "Host": "lab.example",
    }
    proxy.text("/api/v1/papers", said)

    ((_, told),) = proxy.behind["api"].asked
    assert told["x-forwarded-for"] == "127.0.0.1"
    assert told["x-forwarded-proto"] == "http"
    assert told["host"] == told["x-forwarded-host"] == "lab.example"
    assert "forwarded" not in told


def test_s01_progress_comes_through_as_it_happens(proxy: Proxy) -> None:
    with proxy.asked("/api/v1/crawls/1/events/slow") as answer:
        first = answer.readline()
        assert not proxy.behind["api"].go_on.is_set()
        proxy.behind["api"].go_on.set()
        rest = answer.read()

    assert (first, rest) == (b"api\n", b"over\n")


def test_s18_a_large_body_is_refused_before_anybody_reads_it(proxy: Proxy) -> None:
    for size in (MOST_BODY + 1, 2_000_000):
        assert proxy.status("/api/v1/crawls", b"x" * size) == 413
    assert proxy.behind["api"].asked == []


def test_s18_what_the_api_takes_is_let_through(proxy: Proxy) -> None:
    assert proxy.status("/api/v1/crawls", b"x" * MOST_BODY) == 200


@pytest.mark.parametrize("patience", ["1s"])
@pytest.mark.parametrize(
    ("path", "size", "status"),
    [("/api/v1/crawls", MOST_BODY + 1, 413), ("/flower/page.html", 0, 502), ("/grafana/silent", 0, 504)],
)
def test_s18_what_the_proxy_refuses_itself_is_a_problem_as_confined_as_those_of_the_api(
    proxy: Proxy, path: str, size: int, status: int
) -> None:
    proxy.behind["flower"].shutdown()
    proxy.behind["flower"].server_close()

    with proxy.asked(path, b"x" * size if size else None) as answer:
        problem = json.loads(answer.read())

    assert (answer.status, problem["status"], problem["type"]) == (status, status, "about:blank")
    assert problem["title"]
    assert answer.getheader("Content-Type") == "application/problem+json"
    assert {name: answer.getheader(name) for name in HEADERS} == HEADERS
    assert (answer.getheader("Retry-After") is None) is (status == 413)
    if status == 413:
        assert (problem["title"], f"at most {MOST_BODY:,} bytes" in problem["detail"]) == (_TITLES[413], True)


def test_s08_a_redirect_names_no_port_that_nobody_can_reach(proxy: Proxy) -> None:
    for path in ("/flower", "/grafana"):
        with proxy.asked(path) as answer:
            assert (answer.status, answer.getheader("Location")) == (301, f"{path}/")


@pytest.mark.parametrize(("path", "passed"), [("/api/v1/papers", False), ("/flower/", True), ("/grafana/", True)])
def test_s18_only_who_speaks_another_protocol_is_asked_to(proxy: Proxy, path: str, passed: bool) -> None:
    proxy.text(path, {"Connection": "Upgrade", "Upgrade": "websocket"})

    (found,) = [told for backend in proxy.behind.values() for _, told in backend.asked]
    assert found.get("upgrade") == ("websocket" if passed else None)
    assert found.get("connection") == ("upgrade" if passed else None)


def test_s08_what_does_not_run_keeps_nobody_else_down(proxy: Proxy) -> None:
    proxy.behind["flower"].shutdown()
    proxy.behind["flower"].server_close()

    assert proxy.status("/flower/") == 502
    assert proxy.text("/") == "api\n"


def test_s08_its_health_check_asks_nobody_else_and_is_not_logged(proxy: Proxy) -> None:
    assert proxy.status("/proxy-health") == 204
    assert proxy.status("/api/v1/papers?query=a+secret+search") == 200

    assert [path for path, _ in proxy.behind["api"].asked] == ["/api/v1/papers?query=a+secret+search"]


def test_s15_the_log_has_no_query(proxy: Proxy, program: str) -> None:
    proxy.text("/api/v1/papers?query=a+secret+search")
    conf = (proxy.folder / "nginx.conf").read_text()

    found = re.search(r"log_format plain '([^']+)'", conf)
    assert found is not None
    assert "$uri" in found[1]
    assert not {"$request_uri", "$request", "$args", "$query_string", "$http_referer"} & set(
        re.findall(r"\$\w+", found[1])
    )
