"""The stand-in for Semantic Scholar as a process of its own, so that nothing the rig does delays its clock."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import Request, urlopen

from refnet.demo.log import Entry
from tests.acceptance.command import clean_environment

_STARTING = 30.0  # seconds that an inspection may take


class Source:
    """`python -m refnet.demo` over a corpus, from `__enter__` to `__exit__`. `options` are its own: `faults=0.3`."""

    def __init__(self, corpus: Path, **options: object) -> None:
        words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        self._words = [sys.executable, "-m", "refnet.demo", "--corpus", str(corpus), *words]
        self.url = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._words,
            env=clean_environment(Path("nowhere")),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        assert self.url, "the stand-in did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate(timeout=30)

    @property
    def log(self) -> list[Entry]:
        """Every request so far."""
        return [_entry(row) for row in self._inspect("log")]

    @property
    def requests(self) -> int:
        return int(self._inspect("stats")["requests"])

    def reset(self) -> None:
        self._inspect("reset", method="POST")

    def _inspect(self, what: str, method: str = "GET") -> Any:
        # Beside the base of the Graph API, on the same port.
        request = Request(self.url.replace("/graph/v1", f"/__{what}"), method=method)  # noqa: S310 - it is loopback
        with urlopen(request, timeout=_STARTING) as answer:  # noqa: S310
            return json.loads(answer.read())


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(**{**row, "ids": tuple(row["ids"]), "asked": tuple(row["asked"])})
