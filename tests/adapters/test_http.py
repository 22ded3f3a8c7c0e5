"""The HTTP client against servers that misbehave, and every exception of the library below it."""

from __future__ import annotations

import base64
import gzip
import importlib
import inspect
import logging
import pkgutil
import resource
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator

import httpcore2
import httpx2
import pytest

from refnet.adapters.http import HttpClient
from refnet.adapters.http_faults import CLIENT_ERRORS, translate
from refnet.domain.errors import ConfigurationError, SourceUnavailable
from tests.adapters.scripted import Answering, Asked, Scripted, answer

KEY = "sekret-key-0123456789"


def get(answering: Answering, **settings: float) -> object:
    """The JSON of one request to a server that answers so."""
    with Scripted(answering) as server:
        client = HttpClient(server.url, timeout=settings.pop("timeout", 5.0), **settings)  # type: ignore[arg-type]
        try:
            return client.request("GET", "/x").json()
        finally:
            client.close()


def exceptions(package: str) -> set[type[Exception]]:
    """Every exception class that a package and all its modules define."""
    root = importlib.import_module(package)
    modules = [root]
    for found in pkgutil.walk_packages(root.__path__, f"{package}."):
        try:
            modules.append(importlib.import_module(found.name))
        except ImportError:  # an optional part whose own dependency is not installed
            continue
    return {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Exception)
        and not issubclass(value, Warning)
        and value.__module__.startswith(package)
    }


def raised(kind: type[Exception]) -> Exception:
    """One of these, made without the arguments that its constructor wants."""
    error = kind.__new__(kind)
    error.args = (f"says {KEY}",)
    return error


# ---------------------------------------------------------------- what is sent


def test_the_user_agent_names_refnet_and_the_contact() -> None:
    with Scripted(lambda _: answer({})) as server:
        client = HttpClient(server.url, contact="me@example.org")
        client.request("GET", "/x")
        client.close()
    assert server.asked[0].headers["user-agent"].startswith("refnet/")
    assert server.asked[0].headers["user-agent"].endswith(" (+me@example.org)")


def test_parameters_and_body_arrive_under_the_base_path() -> None:
    with Scripted(lambda _: answer({})) as server:
        client = HttpClient(server.url + "/graph/v1/")
        client.request("POST", "/paper/batch", {"fields": "a,b.c", "query": "ü & +"}, {"ids": ["1"]})
        client.close()
    assert server.asked[0].path == "/graph/v1/paper/batch"
    assert server.asked[0].query == {"fields": "a,b.c", "query": "ü & +"}
    assert server.asked[0].json == {"ids": ["1"]}


def test_a_connection_is_used_again() -> None:
    with Scripted(lambda _: answer({})) as server:
        client = HttpClient(server.url)
        for _ in range(3):
            client.request("GET", "/x")
        client.close()
    assert (len(server.asked), server.connections) == (3, 1)


def test_requests_of_several_threads_run_beside_each_other() -> None:
    together = threading.Barrier(3, timeout=10)

    def meet(_: Asked) -> bytes:
        together.wait()
        return answer({})

    with Scripted(meet) as server:
        client = HttpClient(server.url)
        threads = [threading.Thread(target=client.request, args=("GET", "/x")) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        client.close()
    assert server.connections == 3


def test_the_key_goes_to_no_place_that_a_redirect_names() -> None:
    with (
        Scripted(lambda _: answer({})) as elsewhere,
        Scripted(lambda _: answer("", 302, {"Location": elsewhere.url})) as server,
    ):
        client = HttpClient(server.url, headers={"x-api-key": KEY})
        response = client.request("GET", "/x")
        client.close()
    assert response.status == 302
    assert server.asked[0].headers["x-api-key"] == KEY
    assert elsewhere.asked == []


def test_a_redirect_to_something_that_is_no_address_is_a_transient_failure() -> None:
    with pytest.raises(SourceUnavailable):
        get(lambda _: answer("", 301, {"Location": "https://[half"}))


def test_cookies_are_not_kept() -> None:
    with Scripted(lambda _: answer({}, headers={"Set-Cookie": "who=you; Path=/"})) as server:
        client = HttpClient(server.url)
        client.request("GET", "/x")
        client.request("GET", "/x")
        client.close()
    assert "cookie" not in server.asked[1].headers


def test_this_very_machine_is_reached_without_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with Scripted(lambda _: answer({})) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert get(lambda _: answer({"direct": True})) == {"direct": True}
    assert proxy.asked == []


def test_other_hosts_are_reached_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with Scripted(lambda _: answer({"through": True})) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        client = HttpClient("http://source.invalid")
        assert client.request("GET", "/x").json() == {"through": True}
        client.close()
    assert proxy.asked[0].target == "http://source.invalid/x"


def test_the_key_reaches_no_proxy_on_the_way_to_a_tls_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with Scripted(lambda _: answer({}, 407)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        client = HttpClient("https://source.invalid", headers={"x-api-key": KEY})
        with pytest.raises(SourceUnavailable, match="proxy") as caught:
            client.request("GET", "/x")
        client.close()
    assert not caught.value.reached
    assert [(asked.method, asked.headers.get("x-api-key")) for asked in proxy.asked] == [("CONNECT", None)]


# ---------------------------------------------------------------- what cannot be used is refused at once


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "nothing",
        "ftp://host/x",
        "https://",
        "https://host/x?key=1",
        "http://h:port",
        "http://" + "a" * 70,
    ],
)
def test_a_base_url_that_is_none_is_a_mistake_in_the_settings(base_url: str) -> None:
    with pytest.raises(ConfigurationError):
        HttpClient(base_url)


@pytest.mark.parametrize("value", [f"{KEY}\r\nX-Other: 1", f"{KEY}é", f"{KEY}\x00"])
def test_a_header_that_cannot_be_sent_is_refused_without_being_shown(value: str) -> None:
    with pytest.raises(ConfigurationError, match="x-api-key") as caught:
        HttpClient("https://host.invalid", headers={"x-api-key": value})
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("proxy", [f"gopher://user:{KEY}@host", f"socks5://user:{KEY}@host:1"])
def test_a_proxy_that_cannot_be_used_is_refused_without_its_password(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if proxy.startswith("socks5"):
        monkeypatch.setitem(sys.modules, "socksio", None)  # as where the optional package is missing
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(ConfigurationError, match="proxy") as caught:
        HttpClient("https://host.invalid")
    assert KEY not in str(caught.value)


def test_certificates_that_are_not_there_are_a_mistake_in_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/certificates.pem")
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
        HttpClient("https://host.invalid")


def test_no_key_and_no_password_stands_in_what_is_shown_of_a_client() -> None:
    client = HttpClient(f"https://user:{KEY}@host.invalid:8443/graph", headers={"x-api-key": KEY})
    assert repr(client) == "HttpClient('host.invalid:8443')"
    with pytest.raises(SourceUnavailable) as caught:
        client.request("GET", "/x", {"query": KEY})
    client.close()
    assert KEY not in str(caught.value)


def test_neither_key_nor_password_is_logged_and_both_are_sent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Scripted(lambda _: answer({})) as server:
        client = HttpClient(f"http://user:{KEY}@{server.place}/base", headers={"x-api-key": KEY})
        client.request("GET", "/x")
        client.close()
    assert server.asked[0].headers["authorization"] == "Basic " + base64.b64encode(f"user:{KEY}".encode()).decode()
    assert server.asked[0].headers["x-api-key"] == KEY
    assert server.asked[0].path == "/base/x"
    assert server.place in caplog.text
    assert KEY not in caplog.text


# ---------------------------------------------------------------- answers that never end well


def test_silence_ends_at_the_time_out() -> None:
    def silent(_: socket.socket) -> None:
        server.over.wait(20)

    with Scripted(lambda _: silent) as server:
        client = HttpClient(server.url, timeout=0.2)
        with pytest.raises(SourceUnavailable, match=r"no answer within 0\.2 s") as caught:
            client.request("GET", "/x")
        client.close()
    assert caught.value.reached
    assert not caught.value.own_fault_possible


def drip(server: Callable[[], Scripted], head: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    def speak(connection: socket.socket) -> None:
        connection.sendall(head)
        while not server().over.wait(0.02):
            connection.sendall(drop)

    return speak


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n[", b" "),
        (b"HTTP/1.1 200 OK\r\n\r\n[", b" "),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"a"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    ],
    ids=["body", "body without length", "headers", "one more hint"],
)
def test_bytes_that_come_drop_by_drop_end_at_the_deadline(head: bytes, drop: bytes) -> None:
    with Scripted(lambda _: drip(lambda: server, head, drop)) as server:
        client = HttpClient(server.url, timeout=5.0, deadline=0.4)
        began = time.monotonic()
        with pytest.raises(SourceUnavailable, match=r"not complete within 0\.4 s") as caught:
            client.request("GET", "/x")
        client.close()
    assert time.monotonic() - began < 4
    assert caught.value.own_fault_possible


def test_the_deadline_holds_for_a_connection_used_before() -> None:
    replies: Iterator[object] = iter([answer({}), drip(lambda: server, b"HTTP/1.1 200 OK\r\nX: ", b"a")])
    with Scripted(lambda _: next(replies)) as server:  # type: ignore[arg-type,return-value]
        client = HttpClient(server.url, timeout=5.0, deadline=0.4)
        client.request("GET", "/x")
        with pytest.raises(SourceUnavailable, match="not complete"):
            client.request("GET", "/x")
        client.close()
    assert server.connections == 1


def test_after_a_deadline_the_next_request_finds_a_new_connection() -> None:
    replies: Iterator[object] = iter([drip(lambda: server, b"HTTP/1.1 200 OK\r\nX: ", b"a"), answer({"well": 1})])
    with Scripted(lambda _: next(replies)) as server:  # type: ignore[arg-type,return-value]
        client = HttpClient(server.url, timeout=5.0, deadline=0.3)
        with pytest.raises(SourceUnavailable):
            client.request("GET", "/x")
        assert client.request("GET", "/x").json() == {"well": 1}
        client.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 200 O",
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n[1, 2",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1, 2",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n[1, 2",
    ],
)
def test_an_answer_that_breaks_off_or_is_no_http_is_a_transient_failure(sent: bytes) -> None:
    with pytest.raises(SourceUnavailable) as caught:
        get(lambda _: lambda connection: connection.sendall(sent))
    assert caught.value.reached


def test_a_connection_that_is_reset_is_a_transient_failure() -> None:
    def reset(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        connection.close()

    with pytest.raises(SourceUnavailable):
        get(lambda _: reset)


def test_an_answer_longer_than_allowed_is_not_read_to_its_end() -> None:
    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"[" * 65_536)

    with pytest.raises(SourceUnavailable, match="longer than 1,000,000 bytes") as caught:
        get(lambda _: endless, max_bytes=1_000_000)
    assert caught.value.own_fault_possible


def test_an_answer_of_just_the_allowed_length_is_read() -> None:
    body = b'"' + b"a" * 998 + b'"'
    assert get(lambda _: answer(body), max_bytes=1_000) == "a" * 998
    with pytest.raises(SourceUnavailable):
        get(lambda _: answer(body), max_bytes=999)


def test_a_packed_bomb_does_not_go_off() -> None:
    bomb = gzip.compress(bytes(300_000_000), 9)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SourceUnavailable, match="longer than"):
        get(lambda _: answer(bomb, headers={"Content-Encoding": "gzip"}), max_bytes=1_000_000)
    assert len(bomb) < 400_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000 * (
        1024 if sys.platform == "darwin" else 1
    )


def test_a_packed_answer_is_unpacked() -> None:
    packed = gzip.compress(b'{"a": "\xc3\xbc"}')
    assert get(lambda _: answer(packed, headers={"Content-Encoding": "gzip"})) == {"a": "ü"}


@pytest.mark.parametrize(
    ("encoding", "body", "says"),
    [
        ("gzip", b"not packed", "damaged"),
        ("gzip", gzip.compress(b"[1, 2]" * 99, mtime=0)[:20], "cut off"),
        ("br", b"\x0b\x02\x80[]\x03", "not asked for"),
        ("zstd", b"", "not asked for"),
    ],
)
def test_an_answer_packed_otherwise_or_damaged_is_a_transient_failure(encoding: str, body: bytes, says: str) -> None:
    with pytest.raises(SourceUnavailable, match=says):
        get(lambda _: answer(body, headers={"Content-Encoding": encoding}))


# ---------------------------------------------------------------- bodies


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<!DOCTYPE html><html></html>",
        '{"a": [1, 2',
        "Rate exceeded.",
        "[" * 200_000,
        '{"a":' * 200_000,
        "[1] [2]",
    ],
    ids=["empty", "page", "cut", "words", "deep list", "deep object", "two"],
)
def test_a_body_that_is_no_json_is_a_transient_failure(body: str) -> None:
    with pytest.raises(SourceUnavailable) as caught:
        get(lambda _: answer(body))
    assert caught.value.reached


def test_numbers_that_no_count_can_be_are_read_as_null() -> None:
    body = "[NaN, Infinity, -Infinity, 1, -2, 1e999, %s, 999999999999999999]" % ("9" * 100_000)
    assert get(lambda _: answer(body)) == [None, None, None, 1, -2, float("inf"), None, 999999999999999999]


def test_bytes_that_are_no_utf_8_spoil_only_their_own_place() -> None:
    assert get(lambda _: answer(b'\xef\xbb\xbf{"a": "x\xff\xfey"}')) == {"a": "x\ufffd\ufffdy"}


# ---------------------------------------------------------------- no connection


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize(
    ("base_url", "why"),
    [
        (lambda: f"http://127.0.0.1:{closed_port()}", "refused"),
        (lambda: "http://refnet.invalid", r"The name refnet\.invalid cannot be resolved"),
    ],
    ids=["refused", "unknown name"],
)
def test_no_connection_at_all_is_told_from_no_answer(base_url: Callable[[], str], why: str) -> None:
    client = HttpClient(base_url())
    with pytest.raises(SourceUnavailable, match=why) as caught:
        client.request("GET", "/x")
    client.close()
    assert not caught.value.reached


def test_a_server_that_speaks_no_tls_is_never_reached() -> None:
    with Scripted(lambda _: answer({})) as server:
        client = HttpClient(server.url.replace("http:", "https:"))
        with pytest.raises(SourceUnavailable, match="TLS") as caught:
            client.request("GET", "/x")
        client.close()
    assert not caught.value.reached


def test_a_certificate_that_cannot_be_verified_is_named_as_the_cause() -> None:
    cause = ssl.SSLCertVerificationError()
    cause.verify_message = "self-signed certificate"
    middle = httpcore2.ConnectError()
    middle.__cause__ = cause
    error = httpx2.ConnectError("")
    error.__cause__ = middle
    translated = translate(error, "host", 40)
    assert str(translated) == "The certificate of host cannot be verified: self-signed certificate."
    assert not translated.reached


# ---------------------------------------------------------------- the library's exceptions

LIBRARY = sorted(exceptions("httpx2") | exceptions("httpcore2"), key=lambda kind: (kind.__module__, kind.__name__))
#: Raised only by websockets, which refnet does not speak; and by an upgrade in place of an answer.
UNUSED = {kind for kind in LIBRARY if ".websockets." in kind.__module__}


def test_the_walk_over_the_library_finds_its_exceptions() -> None:
    public = {value for value in vars(httpx2).values() if inspect.isclass(value) and issubclass(value, Exception)}
    assert public <= set(LIBRARY)
    assert {httpcore2.ConnectError, httpcore2.ConnectionNotAvailable} <= set(LIBRARY)
    assert len(public) >= 28


@pytest.mark.parametrize("kind", [kind for kind in LIBRARY if kind not in UNUSED])
@pytest.mark.parametrize("when", ["connecting", "reading", "closing"])
def test_every_exception_of_the_library_is_translated_without_its_words(kind: type[Exception], when: str) -> None:
    error = raised(kind)

    class Body(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b"["
            if when == "reading":
                raise error

        def close(self) -> None:
            if when == "closing":
                raise error

    class Failing(httpx2.BaseTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            if when == "connecting":
                raise error
            return httpx2.Response(200, stream=Body())

    client = HttpClient("https://host.invalid", headers={"x-api-key": KEY}, transport=Failing())
    with pytest.raises(SourceUnavailable) as caught:
        client.request("GET", "/x")
    assert caught.value.__cause__ is error
    assert KEY not in str(caught.value)


def test_only_failures_before_a_connection_say_that_nothing_was_reached() -> None:
    unreached = {
        kind.__name__ for kind in CLIENT_ERRORS + tuple(LIBRARY) if not translate(raised(kind), "h", 1).reached
    }
    assert unreached == {
        "ConnectError",
        "ConnectTimeout",
        "ConnectionNotAvailable",
        "InvalidURL",
        "PoolTimeout",
        "ProxyError",
        "UnicodeError",
        "UnsupportedProtocol",
    }


def test_an_interrupt_passes_through() -> None:
    def interrupted(request: httpx2.Request) -> httpx2.Response:
        raise KeyboardInterrupt

    client = HttpClient("https://host.invalid", transport=httpx2.MockTransport(interrupted))
    with pytest.raises(KeyboardInterrupt):
        client.request("GET", "/x")
    client.close()
