"""What the HTTP library raises, said in refnet's words.

The sentences name the host and the fault; the library's own might quote a header or a URL.
"""

from __future__ import annotations

import socket
import ssl

import httpcore2
import httpx2

from refnet.domain.errors import SourceUnavailable

#: All that a request may raise. httpx2 wraps httpcore2's own, save while a response is being closed.
CLIENT_ERRORS: tuple[type[Exception], ...] = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.CookieConflict,
    httpx2.StreamError,
    httpcore2.ConnectionNotAvailable,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.TimeoutException,
    httpcore2.UnsupportedProtocol,
    OSError,
    UnicodeError,  # a host name that no resolver takes
)
_PROXY = (httpx2.ProxyError, httpcore2.ProxyError)
_CONNECTED_TOO_LATE = (
    httpx2.ConnectTimeout,
    httpcore2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpcore2.PoolTimeout,
)
_NEVER_CONNECTED = (
    httpx2.ConnectError,
    httpcore2.ConnectError,
    httpcore2.ConnectionNotAvailable,
    httpx2.UnsupportedProtocol,
    httpcore2.UnsupportedProtocol,
    httpx2.InvalidURL,
    UnicodeError,
)
_ANSWERED_TOO_LATE = (httpx2.TimeoutException, httpcore2.TimeoutException, TimeoutError)


def translate(error: Exception, place: str, timeout: float) -> SourceUnavailable:
    """`error` is one of CLIENT_ERRORS, `place` host and port, `timeout` the longest silence in seconds."""
    if isinstance(error, _PROXY):
        return SourceUnavailable(f"The proxy does not let {place} be reached.", reached=False)
    if isinstance(error, _CONNECTED_TOO_LATE):
        return SourceUnavailable(f"No connection to {place} came about in time.", reached=False)
    if isinstance(error, _NEVER_CONNECTED):
        return SourceUnavailable(_why_no_connection(error, place), reached=False)
    if isinstance(error, _ANSWERED_TOO_LATE):
        return SourceUnavailable(f"{place} gave no answer within {timeout:g} s.")
    return SourceUnavailable(f"The connection to {place} broke off ({type(error).__name__}).")


def _why_no_connection(error: Exception, place: str) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return f"The name {place} cannot be resolved. Is there a network?"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"The certificate of {place} cannot be verified: {cause.verify_message}."
        if isinstance(cause, ssl.SSLError):
            return f"No secure connection (TLS) to {place} came about."
        if isinstance(cause, OSError) and cause.strerror:
            return f"No connection to {place} came about: {cause.strerror}."
        # httpcore2 cuts the chain, but keeps what it wraps as its argument.
        cause = cause.__cause__ or next((part for part in cause.args if isinstance(part, BaseException)), None)
    return f"No connection to {place} came about."
