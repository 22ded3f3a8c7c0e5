"""The stand-in as a server on loopback.

    with StandIn(Corpus.load(folder), Switches(rps=1)) as stand_in:
        stand_in.url    # …/graph/v1

Beside the Graph API it answers `GET /__log`, `GET /__stats`, `GET /__truth?seed=&depth=&direction=` and
`POST /__reset`, unlimited and unlogged.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self, cast, get_args
from urllib.parse import parse_qsl, unquote, urlsplit

from refnet.demo.answers import Answers, Query, route_of
from refnet.demo.downloads import Download, Downloads, downloads_as_json
from refnet.demo.faults import TIMED_OUT, Faults, Reply, forbidden, refused, spoil
from refnet.demo.graph import Direction, Graph, breadth_first
from refnet.demo.limiter import Limiter
from refnet.demo.log import Entry, as_json, statistics
from refnet.demo.switches import Switches
from refnet.demo.wire import Server

_BASE = "/graph/v1"


class StandIn:
    """Serves a graph as the Graph API does, from `__enter__` to `__exit__`, on threads of this process.

    The port is bound, and `url` known, at once. `log` grows by an entry per request before its answer goes;
    `downloaded` does so for requests that are not the API's. Links in the corpus that begin with `/` lead to the
    stand-in itself: `origin`, by the host and port that it listens on, stands before them.
    """

    def __init__(
        self,
        corpus: Graph,
        switches: Switches | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        downloads: Downloads | None = None,
    ) -> None:
        self.switches = switches or Switches()
        self.corpus = corpus
        self.log: list[Entry] = []
        self.downloaded: list[Download] = []
        self._downloads = downloads or Downloads()
        self._lock = threading.Lock()
        self._limiter = Limiter(self.switches)
        self._faults = Faults(self.switches)
        self._server = Server((host, port), self.reply)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="stand-in")
        self.origin = f"http://{host}:{self._server.server_address[1]}"
        self.url = f"{self.origin}{_BASE}"
        self._answers = Answers(corpus, self.switches, self.origin)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise what a handler raised, if nothing else is raised: a stand-in that broke proves nothing."""
        self._server.stop()
        self._thread.join()
        if error is None and self._server.crashes:
            raise self._server.crashes[0]

    def reset(self) -> None:
        """Forget both logs, the limiter's last arrivals and how many faults were drawn."""
        with self._lock:
            self.log.clear()
            self.downloaded.clear()
            self._limiter = Limiter(self.switches)
            self._faults = Faults(self.switches)

    def statistics(self) -> dict[str, object]:
        with self._lock:
            return statistics(self.log)

    def reply(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """The reply to one request, logged; the wire keeps it back until its time has come."""
        arrived = time.monotonic()
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        path = unquote(parts.path)
        if path.startswith("/__"):
            return self._inspect(method, path, query)
        download = self._downloads.answer(method, path, self.origin)
        if download is not None:
            with self._lock:
                self.downloaded.append(Download(arrived, path, download.status, len(download.body)))
            return download
        key = headers.get("x-api-key")
        path = path.removeprefix(_BASE) if path.startswith(f"{_BASE}/") else ""
        route = route_of(method, path)
        with self._lock:
            reply, kind = self._gate(key, arrived)
        breach = reply is not None and reply.status == 429
        if reply is None:
            reply = self._answers.answer(route, path, query, body)
            if kind is not None:
                reply = spoil(kind, reply, self.switches, key)
            reply = self._delayed(arrived, reply)
        entry = Entry(
            arrived=arrived,
            method=method,
            route=route,
            path=path,
            query=query,
            ids=_ids_asked(route, path, body),
            asked=reply.asked,
            status=reply.status,
            rows=reply.rows,
            bytes=len(reply.sent),
            fault=reply.fault,
            breach=breach,
            key=key,
        )
        with self._lock:
            self.log.append(entry)
        return reply

    def _gate(self, key: str | None, arrived: float) -> tuple[Reply | None, str | None]:
        """A refusal, or the kind of fault that an admitted request gets."""
        keys = self.switches.keys
        if keys is not None and (key not in keys if key is not None else not self.switches.keyless):
            return forbidden(), None
        if not self._limiter.admit(key, arrived):
            return refused(self.switches, key), None
        return None, self._faults.draw()

    def _delayed(self, arrived: float, reply: Reply) -> Reply:
        delay = self.switches.latency + self.switches.latency_per_row * reply.rows
        if delay > self.switches.timeout:
            reply = Reply(504, TIMED_OUT, asked=reply.asked)
            delay = self.switches.timeout
        if reply.ending == "hang":
            delay = self.switches.hang_seconds
        return replace(reply, due=arrived + delay)

    def _inspect(self, method: str, path: str, query: Query) -> Reply:
        with self._lock:
            entries, downloaded = list(self.log), list(self.downloaded)
        answer: object
        match method, path:
            case "GET", "/__log":
                answer = as_json(entries)
            case "GET", "/__stats":
                answer = statistics(entries)
            case "GET", "/__downloads":
                answer = downloads_as_json(downloaded)
            case "GET", "/__truth":
                try:
                    depth = int(query.get("depth", "1"))
                    levels = self.truth(query["seed"], depth, query.get("direction", "both"))
                except (KeyError, ValueError) as error:
                    return Reply(400, json.dumps({"error": f"no such truth: {error}"}).encode())
                answer = {"counts": [len(ids) for ids in levels], "levels": [sorted(ids) for ids in levels]}
            case "POST", "/__reset":
                self.reset()
                answer = {"reset": True}
            case _:
                return Reply(404, b'{"error": "Not found"}')
        return Reply(200, json.dumps(answer).encode())

    def truth(self, seed: str, depth: int, direction: str = "both") -> list[set[str]]:
        """What can be found through this server: elided references and missing papers left out.

        Raise KeyError for an unknown seed, ValueError for an unknown direction.
        """
        if direction not in get_args(Direction):
            raise ValueError(direction)
        lists = self._answers.lists
        way = cast("Direction", direction)
        return breadth_first(self.corpus, seed, depth, way, withheld=lists.elided, absent=lists.missing)


def _ids_asked(route: str, path: str, body: bytes) -> tuple[str, ...]:
    if route == "batch":
        try:
            return tuple(str(identifier) for identifier in json.loads(body)["ids"])
        except (ValueError, TypeError, KeyError):
            return ()
    if route in {"paper", "citations", "references"}:
        return (path.removeprefix("/paper/").removesuffix(f"/{route}"),)
    return ()
