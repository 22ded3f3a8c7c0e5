"""What commands print: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

#: Seconds between two lines of progress where there is no terminal.
QUIET = 5.0


def print_json(document: Any) -> None:
    """Exactly one JSON document."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def say(line: str = "") -> None:
    """A line of the result. Control characters cannot get to the terminal: titles come from outside."""
    sys.stdout.write(plain(line) + "\n")


def note(line: str) -> None:
    """A line that is not part of the result."""
    sys.stderr.write(plain(line) + "\n")


def plain(text: str) -> str:
    """The text without anything that a terminal would obey, or that stdout's encoding lacks."""
    kept = "".join(char if char.isprintable() or char == "\n" else " " for char in text)
    encoding = sys.stdout.encoding or "utf-8"
    return kept.encode(encoding, "replace").decode(encoding)


class LineProgress:
    """Progress for a log: a line at a change of phase, and every few seconds."""

    def __init__(self) -> None:
        self._phase = ""
        self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, phase: str, **figures: int) -> None:
        now = time.monotonic()
        if phase == self._phase and now < self._next:
            return
        self._phase, self._next = phase, now + QUIET
        note(f"{phase}: {words(figures)}" if figures else phase)

    def waiting(self, seconds: float, why: str) -> None:
        if seconds >= QUIET:
            note(f"waiting {seconds:.0f} s for {why}")

    def say(self, line: str) -> None:
        note(line)


class BarProgress:
    """Progress for a terminal: one line that moves."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self._bar: Progress = Bar(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rest]}", markup=False),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}
        self._rest = ""

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, phase: str, **figures: int) -> None:
        done = figures.get("collected", figures.get("notes"))
        total = figures.get("found", figures.get("of"))
        requests = figures.get("requests")
        self._rest = "" if requests is None else f"papers · {requests:,} request{'' if requests == 1 else 's'}"
        if phase not in self._tasks:
            for earlier in self._tasks.values():
                self._bar.update(earlier, rest=self._rest if requests else "")
                self._bar.stop_task(earlier)
            self._tasks[phase] = self._bar.add_task(phase, total=total, rest=self._rest)
        self._bar.update(self._tasks[phase], completed=done or 0, total=total, rest=self._rest)

    def waiting(self, seconds: float, why: str) -> None:
        if self._tasks and seconds >= 0.2:
            latest = list(self._tasks.values())[-1]
            self._bar.update(
                latest,
                rest=f"{self._rest} · waiting {seconds:.0f} s for {why}"
                if seconds >= 1.5
                else f"{self._rest} · waiting for {why}",
            )

    def say(self, line: str) -> None:
        self._bar.console.print(plain(line), markup=False, highlight=False)


def progress() -> BarProgress | LineProgress:
    return BarProgress() if sys.stderr.isatty() else LineProgress()


def words(figures: dict[str, int]) -> str:
    """`papers 12 of 310, requests 4`."""
    names = {"collected": "papers", "notes": "done", "found": "of", "of": "of"}
    return ", ".join(f"{names.get(name, name)} {count:,}" for name, count in figures.items())
