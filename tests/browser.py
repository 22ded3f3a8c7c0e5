"""Chromium as Debian has it, without a window, steered by its DevTools protocol over a pipe."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers import missing

#: Seconds for an answer.
PATIENCE = 60.0
#: Comes true once a field has the focus: a page gives it after it is loaded, with the first frame.
_FOCUSED = """new Promise((resolve) => {
  const look = () => document.activeElement.matches("input") ? resolve(true) : setTimeout(look, 20);
  look();
})"""
#: The browser reads 3 and writes 4; these are kept free for it.
_FREE = 10
_PASS_ON = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)


def program() -> str:
    """The path of Chromium; without it the test is skipped."""
    names = ("chromium", "chromium-browser", "google-chrome")
    if (found := next(filter(None, map(shutil.which, names)), None)) is None:
        missing("no browser on this machine (Debian's package chromium)")
    return found


class Page:
    """A tab. `complaints` are what it wrote to its console as errors, refusals of its content policy included."""

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive = send, receive
        self._buffer = b""
        self._numbers = itertools.count(1)
        self._events: list[dict[str, Any]] = []
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **words: Any) -> dict[str, Any]:
        """One command of the protocol, and its result. Raises AssertionError where it is refused."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": words}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + PATIENCE
        while (answer := self._next(end)).get("id") != number:
            self._events.append(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    def _next(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._receive], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            more = os.read(self._receive, 1 << 20)
            assert more, "the browser has ended"
            self._buffer += more
        message, _, self._buffer = self._buffer.partition(b"\0")
        document: dict[str, Any] = json.loads(message)
        return document

    def open(self, url: str) -> None:
        self._loading(lambda: self.call("Page.navigate", url=url))

    def submit(self, selector: str, text: str = "") -> None:
        """Type into the field that has the focus, press the button, and wait for the page that comes."""
        if text:
            self.run(_FOCUSED)
            self.call("Input.insertText", text=text)
        self._loading(lambda: self.run(f"document.querySelector({json.dumps(selector)}).click()"))

    def _loading(self, begin: Any) -> None:
        self._events = [one for one in self._events if one.get("method") != "Page.loadEventFired"]
        begin()
        end = time.monotonic() + PATIENCE
        while not any(one.get("method") == "Page.loadEventFired" for one in self._events):
            self._events.append(self._next(end))

    def run(self, script: str) -> Any:
        """What a script of the page itself comes to; a promise is waited for."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    @property
    def text(self) -> str:
        return str(self.run("document.body.innerText"))

    def cookies(self) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in self.call("Network.getCookies")["cookies"]}

    def picture(self, file: Path, width: int = 900, height: int = 600, *, dark: bool = False) -> None:
        """What the page looks like, as a PNG."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    @property
    def complaints(self) -> list[str]:
        self.run("0")  # what was said before has come by then
        found = [one["params"]["entry"] for one in self._events if one.get("method") == "Log.entryAdded"]
        thrown = [one["params"] for one in self._events if one.get("method") == "Runtime.exceptionThrown"]
        return [f"{one['source']}: {one['text']}" for one in found if one["level"] == "error"] + [
            str(e) for e in thrown
        ]


@contextmanager
def browsing(folder: Path) -> Iterator[Page]:
    """A browser whose profile is in `folder`, with one tab."""
    (to_browser, send), (receive, from_browser) = map(_out_of_the_way, (os.pipe(), os.pipe()))
    words = [
        *(program(), "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}"),
        *("--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"),
        *("--disable-component-update", "--disable-sync", "--no-default-browser-check", "--password-store=basic"),
        # Everything but loopback is nowhere.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ]

    with (folder / "browser.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _PASS_ON, str(to_browser), str(from_browser), *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(to_browser, from_browser),
        )
    os.close(to_browser)
    os.close(from_browser)
    try:
        yield Page(send, receive)
    finally:
        os.close(send)
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()
            os.close(receive)


def _out_of_the_way(pipe: tuple[int, int]) -> tuple[int, int]:
    moved = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, _FREE) for one in pipe]
    for one in pipe:
        os.close(one)
    return moved[0], moved[1]
