"""HTTP for the providers' own clients: bounded in time and size, and never led elsewhere.

Their defaults follow redirects, with the paper and possibly the key, and read an answer of any length into memory.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from ipaddress import ip_address

import httpx2

from refnet.domain.errors import ConfigurationError

#: Bytes of an answer. The longest that is asked for is some 40 kB.
MOST_BYTES = 2_000_000
_CONNECT_SECONDS = 15.0


class AnswerTooLarge(httpx2.ReadError):
    """The answer is longer than MOST_BYTES."""


def http_client(base_url: str, timeout: float) -> httpx2.Client:
    """A client for one server. `timeout` is the longest silence and the longest body, in seconds. Proxies and certificates
    are those of the environment, but this very machine is reached without a proxy.

    Raises ConfigurationError for a proxy or certificate that cannot be used.
    """
    try:
        return httpx2.Client(
            timeout=httpx2.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
            follow_redirects=False,
            trust_env=not is_own_machine(base_url),
            headers={"Accept-Encoding": "identity"},
            event_hooks={"response": [_Bound(timeout)]},
        )
    except (ImportError, ValueError, OSError, httpx2.InvalidURL) as error:
        raise ConfigurationError(
            f"{place_of(base_url)} cannot be reached with the proxy or the certificates that the environment "
            "names (HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE)."
        ) from error


def place_of(base_url: str) -> str:
    """Host and port of an address, without what may be secret in it. Raises ConfigurationError."""
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL as error:
        raise ConfigurationError("OPENAI_BASE_URL is no URL. Write http(s)://host/path.") from error
    return url.netloc.decode("ascii").rpartition("@")[2]


def address_of(base_url: str) -> str:
    """Host, port and path of an address: what tells two servers apart, without what may be secret in it."""
    return f"{place_of(base_url)}{httpx2.URL(base_url).path.rstrip('/')}"


def is_own_machine(base_url: str) -> bool:
    host = httpx2.URL(base_url).host
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class _Bound:
    """Puts a bound on every answer, before anything of its body is read."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __call__(self, response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
            raise httpx2.DecodingError("packed in a way that was not asked for")
        if isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _Bounded(response.stream, time.monotonic() + self._seconds)


class _Bounded(httpx2.SyncByteStream):
    def __init__(self, inner: httpx2.SyncByteStream, end: float) -> None:
        self._inner = inner
        self._end = end

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._inner:
            size += len(chunk)
            if size > MOST_BYTES:
                raise AnswerTooLarge(f"longer than {MOST_BYTES:,} bytes")
            if time.monotonic() > self._end:
                raise httpx2.ReadTimeout("not complete in time")
            yield chunk

    def close(self) -> None:
        self._inner.close()
