"""HTTP/1.1 on loopback: one thread per connection, connections kept alive, and ended as a reply asks."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from refnet.demo.faults import Reply

Respond = Callable[[str, str, Mapping[str, str], bytes], Reply]
"""Method, target as sent, headers by lower-case name, body."""

_LONGEST_BODY = 5_000_000
_LINGER = struct.Struct("ii")
_NO_LINGER = _LINGER.pack(1, 0)
"""Closing with no time to linger sends RST in place of FIN."""


class Server(ThreadingHTTPServer):
    """Bound when made; `stop` ends every connection, whatever it is doing, and waits for the threads."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], respond: Respond) -> None:
        super().__init__(address, _Handler)
        self.respond = respond
        self.stopping = threading.Event()
        self.crashes: list[BaseException] = []
        self._threads_of: dict[socket.socket, threading.Thread] = {}
        self._guard = threading.Lock()

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        with self._guard:
            open_now = dict(self._threads_of)
        for connection, thread in open_now.items():
            with contextlib.suppress(OSError):  # closed meanwhile
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=10)
            if thread.is_alive():
                self.crashes.append(TimeoutError("a connection of the stand-in did not end"))
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self._serve, args=(request, client_address), daemon=True)
        with self._guard:
            self._threads_of[request] = thread
        thread.start()

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._guard:
                self._threads_of.pop(request, None)

    def shutdown_request(self, request: Any) -> None:
        linger = request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER.size)
        if linger == _NO_LINGER:
            self.close_request(request)  # an orderly shutdown would send FIN first
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 -- its signature
        """A client that went away is no crash."""
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self.crashes.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "refnet-stand-in"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: Server

    def do_GET(self) -> None:
        self._play(b"")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > _LONGEST_BODY:
            self.send_error(413)
            self.close_connection = True
            return
        self._play(self.rfile.read(int(length)))

    def log_message(self, *args: Any) -> None:
        """The stand-in keeps its own log."""

    def _play(self, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.respond(self.command, self.path, headers, body)
        self.server.stopping.wait(max(0.0, reply.due - time.monotonic()))
        if reply.ending == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        if reply.ending in {"reset", "hang"}:
            self.close_connection = True
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.sent)
        if reply.ending == "cut-early":
            self.close_connection = True
