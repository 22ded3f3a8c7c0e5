"""An internet on loopback: names with public addresses, behind which servers of the test stand, and everything else a canary."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import ip_address
from types import TracebackType
from typing import Self

import httpx2

from refnet.adapters.full_text import network
from refnet.adapters.full_text.download import Bounds, Downloader
from refnet.adapters.full_text.network import Network
from refnet.adapters.full_text.public_addresses import allow_list
from refnet.adapters.full_text.urls import checked
from refnet.domain.errors import TransientError

#: A small PDF, as far as a downloader looks.
PDF = b"%PDF-1.7\n" + b"1 0 obj << >> endobj\n" * 40 + b"%%EOF\n"
PUBLIC = "93.184.215.14"


class Canary:
    """Listens on loopback, where nobody should ever come; `connections` counts those who did."""

    def __init__(self) -> None:
        self.connections = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self.connections += 1
                with connection, suppress(OSError):
                    connection.recv(1)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(PDF) + PDF)


class Internet:
    """What a `Network` is made of: `names` have addresses, `servers` (`host:port` on loopback) stand behind them.

    Whatever else is connected to leads to the canary: to have been let through is to have been there. Names are not asked of the
    machine's resolver, but forms of an address without dots or in octal are read as it reads them.
    """

    def __init__(self, canary: Canary) -> None:
        self._canary = canary
        self.names: dict[str, Callable[[], list[str]]] = {}
        self.servers: dict[tuple[str, int], int] = {}
        self.resolved: list[str] = []
        self.connected: list[tuple[str, int]] = []

    def host(
        self, name: str, server: str | None = None, *, addresses: Iterable[str] = (PUBLIC,), port: int = 80
    ) -> None:
        """A name, its addresses, and the server behind all of them, if any."""
        found = list(addresses)
        self.names[name] = lambda: found
        if server is not None:
            for address in found:
                self.servers[address, port] = int(server.rpartition(":")[2])

    def resolve(self, host: str, port: int) -> list[str]:
        self.resolved.append(host)
        if host in self.names:
            return self.names[host]()
        host = host.rstrip(".")
        if host == "localhost" or host.endswith(".localhost"):
            return ["127.0.0.1", "::1"]
        with suppress(ValueError):
            return [str(ip_address(host))]
        with suppress(OSError):
            return [socket.inet_ntoa(socket.inet_aton(host))]
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    def connect(self, address: str, port: int, timeout: float) -> socket.socket:
        self.connected.append((address, port))
        return network.connect("127.0.0.1", self.servers.get((address, port), self._canary.port), timeout)

    @property
    def network(self) -> Network:
        return Network(self.resolve, self.connect)


class FreePace:
    """The turns of one host, which all come at once. `told` are the outcomes."""

    def __init__(self) -> None:
        self.starts = 0
        self.told: list[TransientError | None] = []

    def start(self) -> None:
        self.starts += 1

    def succeeded(self) -> None:
        self.told.append(None)

    def failed(self, error: TransientError) -> None:
        self.told.append(error)

    def successes(self) -> int:
        return self.told.count(None)


class Paces(dict[str, FreePace]):
    """Those of all hosts, by name."""

    def __missing__(self, host: str) -> FreePace:
        return self.setdefault(host, FreePace())


def downloader(
    internet: Internet,
    *,
    allow: str = "",
    bounds: Bounds | None = None,
    paces: Paces | None = None,
    contact: str | None = None,
) -> Downloader:
    return Downloader(
        (Paces() if paces is None else paces).__getitem__,
        private=allow_list(allow),
        bounds=bounds or Bounds(),
        network=internet.network,
        contact=contact,
    )


def fetched(downloads: Downloader, url: str | httpx2.URL, *, private: bool = True) -> bytes:
    """The bytes of the PDF, or the beginning of the page, at an address."""
    with downloads.get(checked(str(url)), private=private) as reply:
        return b"".join(reply.pdf()) if reply.is_pdf else reply.page()
