"""JSON over HTTP: the one place that knows time-outs, sizes and the HTTP library.

Messages and representations hold the host, never a header, a query or a URL: no key can stand in them.
"""

from __future__ import annotations

import json as jsonlib
import socket
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from typing import Any

import httpcore2
import httpx2

from refnet import __version__
from refnet.adapters.http_faults import CLIENT_ERRORS, translate
from refnet.domain.errors import ConfigurationError, SourceUnavailable

#: Seconds of silence, seconds between two questions and their number, then milliseconds for what was sent to arrive:
#: eleven seconds in all.
_SILENCE = {
    "TCP_KEEPIDLE": 5,
    "TCP_KEEPALIVE": 5,  # macOS
    "TCP_KEEPINTVL": 2,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 10_000,
}


@dataclass(frozen=True, slots=True)
class Response:
    """An answer read to its end. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    text: str = field(repr=False)

    def json(self) -> Any:
        """The body as JSON; NaN, infinities and numbers of more than 18 digits are null.

        Raises SourceUnavailable for what is no JSON (a page of HTML, a body cut off) or is nested too deeply.
        """
        try:
            return jsonlib.loads(self.text, parse_int=_whole, parse_constant=_nothing)
        except RecursionError as error:
            raise SourceUnavailable("The answer is nested too deeply to be read.") from error
        except ValueError as error:
            raise SourceUnavailable("The answer is cut off, or is no JSON at all.") from error


class HttpClient:
    """Requests to one base URL, which alone receives `headers`; redirects are handed back, not followed.

    `timeout` is the longest silence, `deadline` the longest whole exchange, in seconds; `max_bytes` bounds
    the decoded body. Proxies and certificates are those of the environment, but this very machine is reached
    without a proxy. Safe for threads.

    Raises ConfigurationError for a base URL, header, contact, proxy or certificate that cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 40.0,
        deadline: float = 90.0,
        max_bytes: int = 40_000_000,
        contact: str | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        base = _checked(base_url)
        self.place = base.netloc.decode("ascii")
        # Apart from the URL, which the library logs.
        self._auth = httpx2.BasicAuth(base.username, base.password) if base.userinfo else None
        self._base = str(base.copy_with(username="", password="")).rstrip("/")
        self._timeout = timeout
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._transport = transport
        self._own_machine = _is_loopback(base.host)
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": f"refnet/{__version__}" + (f" (+{contact})" if contact else ""),
            **(headers or {}),
        }
        for name, value in self._headers.items():
            # Checked here because the library would quote the value in its exception.
            if not (value.isascii() and value.isprintable()):
                raise ConfigurationError(f"What is sent as {name} may hold plain ASCII only, on one line.")
        self._free = [self._new_line()]

    def __repr__(self) -> str:
        return f"HttpClient({self.place!r})"

    def request(self, method: str, path: str, params: Mapping[str, str] | None = None, json: object = None) -> Response:
        """One exchange, whatever its status. `path`, encoded, begins with a slash and follows the base URL.

        Raises SourceUnavailable, with `own_fault_possible` where the answer was too long in time or in bytes.
        """
        if not path.startswith("/"):
            raise ValueError("a path begins with a slash")
        with self._line() as line:
            request = line.client.build_request(method, self._base + path, params=params, json=json)
            return self._exchange(line, request)

    def close(self) -> None:
        while self._free:
            self._free.pop().client.close()

    @contextmanager
    def _line(self) -> Iterator[_Line]:
        try:
            line = self._free.pop()
        except IndexError:
            line = self._new_line()
        try:
            yield line
        finally:
            self._free.append(line)

    def _new_line(self) -> _Line:
        try:
            client = httpx2.Client(
                auth=self._auth,
                headers=self._headers,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
                timeout=httpx2.Timeout(self._timeout, connect=min(self._timeout, 15.0)),
                limits=httpx2.Limits(max_connections=1, keepalive_expiry=30.0),
                trust_env=not self._own_machine,
                transport=self._transport,
            )
        except (ImportError, ValueError, OSError, httpx2.InvalidURL) as error:
            raise ConfigurationError(
                f"{self.place} cannot be reached with the proxy or the certificates that the environment "
                "names (HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE)."
            ) from error
        return _Line(client)

    def _exchange(self, line: _Line, request: httpx2.Request) -> Response:
        overdue = threading.Event()

        def shut() -> None:
            overdue.set()
            line.shut()

        request.extensions["trace"] = line.watch(overdue)
        timer = threading.Timer(self._deadline, shut)
        timer.daemon = True
        timer.start()
        try:
            response = line.client.send(request, stream=True)
            try:
                body = self._read(response)
            finally:
                response.close()
        except CLIENT_ERRORS as error:
            if overdue.is_set():
                raise self._too_long(f"was not complete within {self._deadline:g} s") from error
            raise translate(error, self.place, self._timeout) from error
        finally:
            timer.cancel()
        # A shut socket looks like the end of a body that names no length.
        if overdue.is_set():
            raise self._too_long(f"was not complete within {self._deadline:g} s")
        return Response(response.status_code, dict(response.headers), body.decode("utf-8-sig", errors="replace"))

    def _read(self, response: httpx2.Response) -> bytearray:
        decode = _decoder(response.headers.get("content-encoding", ""), self.place)
        body = bytearray()
        for chunk in response.iter_raw():
            body += decode(chunk, self._max_bytes + 1 - len(body))
            if len(body) > self._max_bytes:
                raise self._too_long(f"is longer than {self._max_bytes:,} bytes")
        return body

    def _too_long(self, how: str) -> SourceUnavailable:
        return SourceUnavailable(f"The answer of {self.place} {how}.", own_fault_possible=True)


class _Line:
    """One connection, used by one request at a time, so that a deadline knows which socket to shut.

    The library's own time-outs bound single reads: a byte now and then would hold a request for hours.
    """

    def __init__(self, client: httpx2.Client) -> None:
        self.client = client
        self._stream: httpcore2.NetworkStream | None = None

    def watch(self, overdue: threading.Event) -> Callable[[str, Mapping[str, Any]], None]:
        def trace(event: str, details: Mapping[str, Any]) -> None:
            if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
                self._stream = details["return_value"]
                _notice_silence(self._stream.get_extra_info("socket"))
                if overdue.is_set():
                    self.shut()

        return trace

    def shut(self) -> None:
        stream = self._stream
        own = stream.get_extra_info("socket") if stream is not None else None
        if isinstance(own, socket.socket):
            # The plain socket's method: a TLS socket's own would first forget its encryption, while it reads.
            with suppress(OSError):
                socket.socket.shutdown(own, socket.SHUT_RDWR)


def _notice_silence(own: object) -> None:
    """Let the system ask the other end whether it is still there: a link that a firewall forgot gives no answer, and is
    known to be dead long before the answer of a source that is only slow would be overdue.
    """
    if not isinstance(own, socket.socket) or own.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with suppress(OSError):
        own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _SILENCE.items():
        if (option := getattr(socket, name, None)) is not None:  # not every system has each of them
            with suppress(OSError):
                own.setsockopt(socket.IPPROTO_TCP, option, value)


def _checked(base_url: str) -> httpx2.URL:
    try:
        base = httpx2.URL(base_url.strip())
        base.host.encode("idna")
    except (httpx2.InvalidURL, UnicodeError) as error:
        raise ConfigurationError("The base URL of the source is no URL.") from error
    if base.scheme not in ("http", "https") or not base.host or base.query or base.fragment:
        raise ConfigurationError("The base URL of the source must be http(s)://host/path, without a query.")
    return base


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _decoder(encoding: str, place: str) -> Callable[[bytes, int], bytes]:
    """A function of a chunk and of how many bytes to unpack at most, so that no bomb goes off."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return lambda chunk, _: chunk
    if encoding not in ("gzip", "x-gzip"):
        raise SourceUnavailable(f"{place} packed its answer in a way that was not asked for.")
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)

    def unpack(chunk: bytes, most: int) -> bytes:
        try:
            return unpacker.decompress(chunk, most)
        except zlib.error as error:
            raise SourceUnavailable(f"The answer of {place} is packed, and damaged.") from error

    return unpack


def _whole(digits: str) -> int | None:
    return int(digits) if len(digits) <= 18 else None


def _nothing(_: str) -> None:
    return None
