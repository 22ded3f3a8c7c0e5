"""One download, from an address to the bytes of a PDF or the beginning of a page: bounded in bytes, seconds and redirects.

A request carries the name of the program and nothing else: no key, no cookie, no address that led to it. What it asks for is not
packed, so that no bomb can go off. It may be led from https to http, as many DOIs are: nothing that it says is secret, and what comes
back is held for hostile either way.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpcore2
import httpx2

from refnet import __version__
from refnet.adapters.full_text.network import CheckedBackend, Deadline, Network, NotPublic, is_own_network
from refnet.adapters.full_text.politeness import paced_as
from refnet.adapters.full_text.reply import NoPdfThere, Reply
from refnet.adapters.full_text.urls import DEFAULT_PORTS, UrlRefused, checked, host_of, place
from refnet.adapters.http_faults import translate
from refnet.domain.documents import NoFullText
from refnet.domain.errors import ConfigurationError, RateLimited, SourceUnavailable
from refnet.ports import Pace

_OK = (200, 203)
_REDIRECTS = (301, 302, 303, 307, 308)
#: Statuses that another try may change, beside those of 500 and more; 429 and 503 may say when.
_LATER = (408, 425)
#: Seconds that a host is believed when it asks to be left alone.
_LONGEST_ASKED = 3_600.0
#: What the library raises, whose connections are ours. No OSError: that would be one of whoever keeps what comes.
_FAULTS = (
    httpcore2.ConnectionNotAvailable,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
    httpcore2.UnsupportedProtocol,
)


class NoNetwork(SourceUnavailable):
    """Nothing was reached, because this machine has no network: it says nothing of the host."""


class Unanswered(SourceUnavailable):
    """A host gave no answer that counts; `status` is HTTP's where it gave one at all."""

    def __init__(
        self, message: str, status: int | None = None, *, retry_after: float | None = None, reached: bool = True
    ) -> None:
        super().__init__(message, retry_after=retry_after, reached=reached)
        self.status = status


class LeftAlone(RateLimited):
    """A host itself asked to be left alone (429, or 503 with a time); any other RateLimited is a turn that did not come."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one download: bytes of a PDF, seconds in all (its turns with the hosts apart), seconds of silence, redirects followed."""

    most_bytes: int = 50_000_000
    seconds: float = 60.0
    silence: float = 20.0
    redirects: int = 6


class Downloader:
    """Fetches what is at an address. Safe for threads.

    `pace` gives the turns of a host, by the name that `paced_as` gives it. `private` are the places (`host:port`) that may be
    reached although they are not public; with `private_only` no others are, nor are their names resolved. `network` is the
    system's own but in tests. Raises ConfigurationError for certificates of the environment (SSL_CERT_FILE) that cannot be used;
    its proxies are never used.
    """

    def __init__(
        self,
        pace: Callable[[str], Pace],
        *,
        private: frozenset[str] = frozenset(),
        private_only: bool = False,
        contact: str | None = None,
        bounds: Bounds = Bounds(),
        network: Network = Network(),  # noqa: B008 - frozen
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._pace = pace
        self._private = private
        self._private_only = private_only
        self._bounds = bounds
        self._network = network
        self._agent = f"refnet/{__version__}" + (f" (+{contact})" if contact else "")
        try:
            self._tls = tls or httpx2.create_ssl_context()
        except OSError as error:
            raise ConfigurationError(
                "The certificates that the environment names (SSL_CERT_FILE, SSL_CERT_DIR) cannot be used."
            ) from error

    def is_private(self, url: httpx2.URL) -> bool:
        """Whether the operator allows it although it may not be public."""
        return place(url) in self._private

    @contextmanager
    def get(self, url: httpx2.URL, *, private: bool) -> Iterator[Reply]:
        """What is at a checked address, after at most `Bounds.redirects` redirects, each checked like the address itself.

        `private` says whether places that are not public may be reached, as far as they are allowed. The first step to any other place
        takes that away: no stranger's redirect leads to them.

        Raises NoPdfThere; NotPublic where the address itself leads to such a place, before anything is sent; RateLimited,
        NoNetwork or Unanswered, also while what was got is read.
        """
        left, status = self._bounds.seconds, 0
        for step in range(self._bounds.redirects + 1):
            private = private and self.is_private(url)
            try:
                if self._private_only and not private:
                    # Before its host has a turn, or a name is resolved: nothing at all is to go out.
                    raise NotPublic(
                        f"{place(url)} is none of REFNET_ALLOW_PRIVATE_HOSTS, and only those may be reached."
                    )
                pace = self._pace(paced_as(host_of(url)))
                pace.start()
                began = time.monotonic()
                with self._exchange(url, pace, left, private=private) as response:
                    if response.status not in _REDIRECTS:
                        yield Reply(url, response, self._bounds.most_bytes)
                        return
                    url, status = _further(url, response), response.status
            except NotPublic as error:
                if step == 0:
                    raise
                raise NoPdfThere(f"A redirect leads astray: {error}", NoFullText.NOT_OPEN, status) from error
            left -= time.monotonic() - began
        raise NoPdfThere(f"More than {self._bounds.redirects} redirects.", NoFullText.NOT_OPEN, status)

    @contextmanager
    def _exchange(self, url: httpx2.URL, pace: Pace, seconds: float, *, private: bool) -> Iterator[httpcore2.Response]:
        """One request and its answer, whose status is one of _OK or _REDIRECTS; the pace is told how it went."""
        deadline = Deadline(seconds)
        backend = CheckedBackend(
            self._network, deadline, silence=self._bounds.silence, private=self._private if private else frozenset()
        )
        target = httpcore2.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port or DEFAULT_PORTS[url.scheme], target=url.raw_path
        )
        headers = [
            (b"Host", url.netloc),
            (b"User-Agent", self._agent.encode("ascii")),
            (b"Accept", b"application/pdf, text/html;q=0.9, */*;q=0.5"),
            (b"Accept-Encoding", b"identity"),
            (b"Connection", b"close"),
        ]
        connection = httpcore2.HTTPConnection(target.origin, ssl_context=self._tls, network_backend=backend)
        try:
            with closing(connection):
                response = connection.handle_request(httpcore2.Request("GET", target, headers=headers))
                with closing(response):
                    _check_status(response, place(url))
                    yield response
        except _FAULTS as error:
            failure = self._failure(error, url, deadline)
            pace.failed(failure)
            raise failure from error
        except (LeftAlone, Unanswered) as error:
            pace.failed(error)
            raise
        except NoPdfThere:
            pace.succeeded()
            raise
        pace.succeeded()

    def _failure(self, error: Exception, url: httpx2.URL, deadline: Deadline) -> SourceUnavailable:
        where = place(url)
        if deadline.left() <= 0:
            return Unanswered(f"The answer of {where} was not complete within {self._bounds.seconds:g} s.")
        said = translate(error, where, self._bounds.silence)
        kind = NoNetwork if not said.reached and is_own_network(error) else Unanswered
        return kind(str(said), reached=said.reached)


def _further(url: httpx2.URL, response: httpcore2.Response) -> httpx2.URL:
    """Where a redirect leads."""
    status = response.status
    for name, value in response.headers:
        if name.lower() == b"location":
            try:
                return checked(value.decode("utf-8", errors="replace"), url)
            except UrlRefused as error:
                raise NoPdfThere(
                    f"A redirect of {place(url)} leads astray: {error}", NoFullText.NOT_OPEN, status
                ) from error
    raise NoPdfThere(f"A redirect of {place(url)} leads nowhere.", NoFullText.NOT_OPEN, status)


def _check_status(response: httpcore2.Response, where: str) -> None:
    status = response.status
    if status in _OK or status in _REDIRECTS:
        return
    said = f"{where} answers with the status {status}."
    wait = _retry_after(response) if status in (429, 503) else None
    if status == 429 or wait is not None:
        raise LeftAlone(said, retry_after=wait)
    if status in _LATER or status >= 500:
        raise Unanswered(said, status)
    raise NoPdfThere(said, NoFullText.NOT_OPEN, status)


def _retry_after(response: httpcore2.Response) -> float | None:
    """Seconds for which the host asks to be left alone, by either of the two ways to say so."""
    said = next((value for name, value in response.headers if name.lower() == b"retry-after"), b"").decode("latin-1")
    if said.isascii() and said.strip().isdigit():
        return min(float(said), _LONGEST_ASKED)
    try:
        seconds = parsedate_to_datetime(said).timestamp() - time.time()
    except (ValueError, OverflowError, OSError):
        return None
    return min(seconds, _LONGEST_ASKED) if seconds > 0 else None
