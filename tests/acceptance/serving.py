"""`refnet serve` as a process, and what speaks to it as a user's script does."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.acceptance.command import Refnet, Running

#: Seconds for which a script waits for an answer.
PATIENCE = 60.0
#: Seconds between two looks, so that they stay far below what one caller may ask a second: a refusal holds no parts.
BETWEEN_LOOKS = 0.03


@dataclass(frozen=True)
class Event:
    name: str
    id: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Server:
    """A server at work."""

    running: Running
    url: str
    said: str

    @contextmanager
    def client(self, key: str | None = None, **headers: str) -> Iterator[httpx2.Client]:
        given = headers if key is None else {"Authorization": f"Bearer {key}", **headers}
        with httpx2.Client(base_url=self.url, headers=given, timeout=PATIENCE) as client:
            yield client

    def until(self, client: httpx2.Client, path: str, come: Callable[[httpx2.Response], bool]) -> httpx2.Response:
        """Ask for `path` until `come` says so of an answer; that answer."""
        answers: list[httpx2.Response] = []
        pause = threading.Event()

        def look() -> bool:
            pause.wait(BETWEEN_LOOKS)
            answers.append(client.get(path))
            return come(answers[-1])

        assert self.running.until(look), "the server ended"
        return answers[-1]

    def until_ready(self, client: httpx2.Client, status: int = 200) -> httpx2.Response:
        """Ask whether it can do its work until it answers with `status`; that answer."""
        return self.until(client, "/ready", lambda answer: answer.status_code == status)


def serving(refnet: Refnet, *words: str) -> Server:
    """Start a server at a free port. It listens already when it says where."""
    running = refnet.start("serve", "--port", "0", *words)
    said = ""
    while (found := re.search(r"Serving at (http://\S+)", said)) is None:
        line = running.line()
        assert line or not running.is_over, f"it ended:\n{said}"
        said += line
    return Server(running, found[1], said)


def ask(client: httpx2.Client, **wish: Any) -> str:
    """Ask for a crawl; where to follow it."""
    answer = client.post("/api/v1/crawls", json=wish)
    assert answer.status_code == 202, answer.text
    return str(answer.headers["Location"])


def events(client: httpx2.Client, place: str, last: str | None = None) -> Iterator[Event]:
    """The events of a crawl, as they come."""
    headers = {} if last is None else {"Last-Event-ID": last}
    with client.stream("GET", f"{place}/events", headers=headers) as answer:
        assert answer.status_code == 200
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
            elif "event" in fields:
                yield Event(fields["event"], fields["id"], json.loads(fields["data"]))
                fields = {}


def to_its_end(client: httpx2.Client, place: str) -> list[Event]:
    return list(events(client, place))
