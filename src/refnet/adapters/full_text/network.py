"""Connections of downloads: a name is resolved once, each of its addresses is checked, and the checked one is connected to.

Nothing else opens a socket here, so that neither a URL that parsers read differently, nor a name that resolves to something else the
second time, nor a proxy named by the environment can lead elsewhere.
"""

from __future__ import annotations

import errno
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import httpcore2

from refnet.adapters.full_text.public_addresses import PUBLIC_PORTS, all_public, place_of
from refnet.domain.errors import PermanentError

#: Seconds that a connection, and TLS on it, may take to come about.
CONNECT_SECONDS = 10.0
#: Addresses of one name that are tried.
_MOST_ADDRESSES = 4
#: What says that this machine has no network, rather than that the other one does not answer.
_OWN_NETWORK = {errno.ENETDOWN, errno.ENETUNREACH, errno.EADDRNOTAVAIL}


class NotPublic(PermanentError):
    """A host is not on the public internet, and is not among those that the operator allows."""


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, by the system's resolver, in its order. Raises OSError or UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def connect(address: str, port: int, timeout: float) -> socket.socket:
    """A connection to a numeric address, which nobody resolves again. Raises OSError."""
    family = socket.AF_INET if ip_address(address).version == 4 else socket.AF_INET6
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.settimeout(timeout)
        opened.connect((address, port))
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        opened.close()
        raise
    return opened


@dataclass(frozen=True, slots=True)
class Network:
    """How names become addresses, and addresses connections. Another one is for tests: no setting reaches it."""

    resolve: Callable[[str, int], list[str]] = resolve
    connect: Callable[[str, int, float], socket.socket] = connect


class Deadline:
    """The end of an exchange, `seconds` from now, whatever it is at."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self, most: float | None = None) -> float:
        """Seconds left, at most `most`; 0 or less where it is over."""
        left = self._end - time.monotonic()
        return left if most is None else min(left, most)


class CheckedBackend(httpcore2.NetworkBackend):
    """What the HTTP library opens its connections with.

    `private` are places (`host:port`) that are connected to wherever they are; all others have to be public, at a port of
    PUBLIC_PORTS. `silence` bounds single reads and writes, in seconds. Raises NotPublic, or what the library's own raises.
    """

    def __init__(
        self, network: Network, deadline: Deadline, *, silence: float, private: frozenset[str] = frozenset()
    ) -> None:
        self._network = network
        self._deadline = deadline
        self._silence = silence
        self._private = private

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the library's signature: the deadline rules
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        place = place_of(host, port)
        allowed = place in self._private
        if not allowed and port not in PUBLIC_PORTS:
            raise NotPublic(f"{place} is not at one of the ports of the public web (80, 443).{_CURE}")
        addresses = self._addresses(host, port)
        if not allowed and not all_public(addresses):
            raise NotPublic(f"{place} is not on the public internet.{_CURE}")
        return _Stream(self._connected(addresses[:_MOST_ADDRESSES], port), self._deadline, self._silence)

    def _addresses(self, host: str, port: int) -> list[str]:
        # A thread of its own, for nothing ends the system's resolver before its time.
        answer: Future[list[str]] = Future()

        def ask() -> None:
            try:
                answer.set_result(self._network.resolve(host, port))
            except BaseException as error:  # noqa: BLE001 - it is raised where the answer is waited for
                answer.set_exception(error)

        threading.Thread(target=ask, name="resolver", daemon=True).start()
        try:
            return answer.result(max(0.0, self._deadline.left(CONNECT_SECONDS)))
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(error) from error
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(error) from error

    def _connected(self, addresses: list[str], port: int) -> socket.socket:
        end = Deadline(self._deadline.left(CONNECT_SECONDS))
        last: OSError = TimeoutError("the time was over")
        for tried, address in enumerate(addresses):
            # Each has its share of what is left: the first may be of a network that this machine is not on.
            seconds = end.left() / (len(addresses) - tried)
            if seconds <= 0:
                break
            try:
                return self._network.connect(address, port, seconds)
            except OSError as error:
                last = error
        kind = httpcore2.ConnectTimeout if isinstance(last, TimeoutError) else httpcore2.ConnectError
        raise kind(last) from last


_CURE = " If it is to be reached all the same, name it in REFNET_ALLOW_PRIVATE_HOSTS."


class _Stream(httpcore2.NetworkStream):
    """A socket of which every single step ends at the deadline. TLS asks for the certificate of the name, not of the address."""

    def __init__(self, opened: socket.socket, deadline: Deadline, silence: float) -> None:
        self._socket = opened
        self._deadline = deadline
        self._silence = silence

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        try:
            self._wait_at_most(self._silence)
            return self._socket.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore2.ReadTimeout(error) from error
        except OSError as error:
            raise httpcore2.ReadError(error) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        rest = memoryview(buffer)
        try:
            while rest:
                self._wait_at_most(self._silence)
                rest = rest[self._socket.send(rest) :]
        except TimeoutError as error:
            raise httpcore2.WriteTimeout(error) from error
        except OSError as error:
            raise httpcore2.WriteError(error) from error

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        try:
            self._wait_at_most(CONNECT_SECONDS)
            secured = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
        except BaseException as error:
            self.close()
            if isinstance(error, TimeoutError):
                raise httpcore2.ConnectTimeout(error) from error
            if isinstance(error, OSError | ValueError):  # a name that can stand in no certificate
                raise httpcore2.ConnectError(error) from error
            raise
        return _Stream(secured, self._deadline, self._silence)

    def close(self) -> None:
        with suppress(OSError):
            self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        return self._socket if info == "ssl_object" and isinstance(self._socket, ssl.SSLSocket) else None

    def _wait_at_most(self, seconds: float) -> None:
        left = self._deadline.left(seconds)
        if left <= 0:
            raise TimeoutError("the time was over")
        self._socket.settimeout(left)


def is_own_network(error: BaseException) -> bool:
    """Whether a connection did not come about because this machine has no network at all, so far as can be told."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return cause.errno == socket.EAI_AGAIN
        if isinstance(cause, OSError):
            return cause.errno in _OWN_NETWORK
        cause = cause.__cause__
    return False
