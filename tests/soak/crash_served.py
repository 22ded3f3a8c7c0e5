"""Crash points of the HTTP API: what its users do, while the server or the process beside it dies."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from tests.acceptance.command import Ended, Refnet
from tests.cluster.lab import until
from tests.soak import crashing
from tests.soak.forking import ROOT, Forked, ForkingRefnet

#: How a command ends at its crash point.
CRASHED = 9
#: Seconds for whatever follows a crash, such as a lease that runs out.
LONG = 300.0
#: Seconds between two looks at a crawl.
LOOK_EVERY = 0.3
_API = "/api/v1"
_OVER = ("finished", "failed", "cancelled")
_INSTALLED = Path(__file__).parent / "installed"


class Served:
    """A server that is started again whenever it ends, and a client of it that asks until it is answered.

    So does a user's script: whoever got no answer cannot know whether what was asked for is done, and asks once more.
    """

    def __init__(self, crashing_refnet: ForkingRefnet, refnet: Refnet, points: Path, key: str | None = None) -> None:
        places = os.pathsep.join((str(_INSTALLED), str(ROOT), refnet.environment.get("PYTHONPATH", "")))
        self._refnet = refnet.with_(PYTHONPATH=places.rstrip(os.pathsep), **{crashing.FOLDER: str(points)})
        # Commands come and go meanwhile.
        self._forking = crashing_refnet.beside
        self.headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._running: Forked | None = None
        self._client: httpx2.Client | None = None
        self._starts = 0

    def __enter__(self) -> Self:
        self._serve()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()
        if self._running is None:
            return
        if kind is not None:
            self._running.kill()
            return
        if not self._running.is_over:
            with suppress(ProcessLookupError):
                os.kill(self._running.pid, signal.SIGTERM)
        ended = self._running.wait()
        assert ended.code in (0, CRASHED), f"the server ended with {ended.code}: {ended.err[-500:]}"

    def _serve(self) -> None:
        """One that finds the database still held by the process of the one before is started again, as any service is."""
        url = until(self._started, LONG, "the server")
        self._starts += 1
        if self._client is not None:
            self._client.close()
        self._client = httpx2.Client(base_url=url, timeout=LONG)

    def _started(self) -> str:
        """Where it listens; nothing for one that ended instead."""
        self._forking.err.unlink(missing_ok=True)  # the one before said where it was
        self._running = self._forking.start(self._refnet, "serve", "--port", "0")
        until(lambda: self._said() or self._is_over(), LONG, "the server to say where")
        return "" if self._is_over() else self._said()

    def _said(self) -> str:
        said = self._forking.err.read_text() if self._forking.err.exists() else ""
        found = re.search(r"Serving at (http://\S+)\n", said)
        return found[1] if found else ""

    def _is_over(self) -> bool:
        if self._running is None or self._running.is_over:
            if self._running is not None:
                self._running.wait()
            self._running = None
        return self._running is None

    def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """The answer, however often it takes to get one."""
        answers: list[httpx2.Response] = []

        def answered() -> bool:
            if self._is_over():
                self._serve()
            assert self._client is not None
            with suppress(httpx2.TransportError):
                # What a browser would keep is given by whoever asks.
                self._client.cookies.clear()
                answer = self._client.request(method, path, headers=self.headers, **options)
                if answer.status_code != 429:
                    answers.append(answer)
            return bool(answers)

        until(answered, LONG, f"an answer to {method} {path}")
        return answers[0]

    def wish(self, *seeds: str, **wish: Any) -> str:
        """Ask for a crawl; where to look after it."""
        answer = self.ask("POST", f"{_API}/crawls", json={"seeds": seeds, **wish})
        assert answer.status_code == 202, answer.text
        return str(answer.headers["Location"])

    def crawl(self, place: str) -> dict[str, Any]:
        answer = self.ask("GET", place)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def state(self, place: str) -> str:
        """How a crawl ended."""
        self.until(lambda: self.crawl(place)["state"] in _OVER, f"the end of {place}")
        return str(self.crawl(place)["state"])

    def until(self, come: Callable[[], object], what: str) -> None:
        """Wait for something, and look not so often that the server comes to nothing else."""
        end, pause = time.monotonic() + LONG, threading.Event()
        while not come():
            assert time.monotonic() < end, f"still waiting for {what} after {LONG:g} s"
            pause.wait(LOOK_EVERY)

    def cancel(self, place: str) -> None:
        """Stop a crawl; where the server died over it, the crawl may have come to its end before it was asked again."""
        before = self._starts
        answer = self.ask("POST", f"{place}/cancel")
        if answer.status_code == 409 and self._starts > before:
            assert self.state(place) == "finished"
            return
        assert answer.status_code == 200, answer.text
        assert self.state(place) == "cancelled"

    def retry_dead(self) -> None:
        """Try every dead letter again. One that is none any more was taken, though nobody said so."""
        for letter in self.ask("GET", f"{_API}/dead").json()["items"]:
            answer = self.ask("POST", f"{_API}/dead/{letter['id']}/retry")
            assert answer.status_code in (202, 404), answer.text

    def crawls(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", f"{_API}/crawls").json()["items"]
        return found

    def sign_in_and_out(self, key: str) -> None:
        """As a browser does. One whose sign-out got no answer is signed out, or does it once more."""
        self.headers, before = {}, self.headers
        try:
            answer = self.ask("POST", "/login", data={"key": key})
            assert answer.status_code == 303, answer.text
            cookies = dict(answer.cookies)
            self.headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
            assert self.ask("GET", f"{_API}/jobs").status_code == 200
            out = self.ask("POST", "/logout", data={"csrf": cookies["refnet_csrf"]})
            assert out.status_code in (303, 401), out.text
            assert self.ask("GET", f"{_API}/jobs").status_code == 401
        finally:
            self.headers = before


def again(command: Callable[..., Ended], *words: str) -> Ended:
    """A command that has to end well; given again where it crashed."""
    ended = command(*words)
    if ended.code == CRASHED:
        ended = command(*words)
    assert ended.code == 0, f"{words[:2]} ended with {ended.code}: {ended.err[-500:]}"
    return ended
