"""What commands print: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
import time
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from refnet.domain.spending import dollars

if TYPE_CHECKING:
    from rich.progress import Progress, Task, TaskID

#: Seconds between two lines of progress where there is no terminal.
QUIET = 5.0
#: Columns of a terminal that the longest usual figures of a line of progress take, and what stands before its bar.
FIGURES, BEFORE_BAR = 62, 30
_BEYOND_ASCII = re.compile(r"[^\n -~]+")


def print_json(document: Any) -> None:
    """Exactly one JSON document."""
    sys.stdout.write(json_text(document, sys.stdout, indent=2) + "\n")


def json_text(document: Any, stream: TextIO, indent: int | None = None) -> str:
    """JSON that the stream's encoding can hold; half a surrogate, which none can, becomes a question mark."""
    plain_letters = (stream.encoding or "utf-8").lower().replace("-", "") != "utf8"
    text = json.dumps(document, ensure_ascii=plain_letters, indent=indent)
    if plain_letters:
        return text
    return _BEYOND_ASCII.sub(_written_out, text.encode(errors="replace").decode())


def _written_out(found: re.Match[str]) -> str:
    """The same JSON, with what is not printed in numbers: JSON itself allows all but the first 32 characters."""
    text = found[0]
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def say(line: str = "", *, indent: int = 2, whole: bool = False) -> None:
    """A line of the result. Control characters cannot get to the terminal: titles come from outside.

    A terminal gets it in lines of its width, the further ones indented; `whole` keeps a line that people copy.
    """
    _put(line, sys.stdout, indent, whole=whole)


def note(line: str) -> None:
    """A line that is not part of the result. Where nobody can read it any more, the work goes on without."""
    with suppress(OSError):
        _put(line, sys.stderr, 0, whole=False)


def _put(line: str, stream: TextIO, indent: int, *, whole: bool) -> None:
    text = plain(line, stream)
    if stream.isatty() and not whole:
        width = max(40, shutil.get_terminal_size().columns)
        folded = textwrap.TextWrapper(
            width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
        )
        text = "\n".join(folded.fill(one) for one in text.split("\n"))
    stream.write(text + "\n")


def iso(at: float) -> str:
    """A time in seconds since the epoch, as JSON has it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def minute(at: float) -> str:
    """The same for people."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def plain(text: str, stream: TextIO) -> str:
    """The text without anything that a terminal would obey, or that the stream's encoding lacks."""
    kept = "".join(char if char.isprintable() or char == "\n" else " " for char in text)
    encoding = stream.encoding or "utf-8"
    return kept.encode(encoding, "replace").decode(encoding)


class LineProgress:
    """Progress for a log: a line at a change of phase, at its end, and every few seconds."""

    def __init__(self) -> None:
        self._phase = ""
        self._told = ""
        self._latest = ""
        self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tell()

    def show(self, phase: str, **figures: int) -> None:
        if phase != self._phase:
            self._tell()
            self._phase, self._next = phase, 0.0
        counted = words(figures)
        self._latest = f"{phase}: {counted}" if counted else phase
        if time.monotonic() >= self._next:
            self._tell()

    def waiting(self, seconds: float, why: str) -> None:
        if seconds >= QUIET:
            self._tell()
            note(f"waiting {seconds:.0f} s for {why}")

    def say(self, line: str) -> None:
        note(line)

    def _tell(self) -> None:
        if self._latest != self._told:
            self._told, self._next = self._latest, time.monotonic() + QUIET
            note(self._latest)


class BarProgress:
    """Progress for a terminal: a line per phase, of which the last one moves."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar
        from rich.table import Column

        console = Console(stderr=True)
        width = max(6, min(16, console.width - FIGURES - BEFORE_BAR))
        self._bar: Progress = Bar(
            SpinnerColumn(finished_text="[green]✓[/]" if console.encoding.startswith("utf") else "-"),
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            TimeElapsedColumn(),
            BarColumn(bar_width=width),
            _standing_column(console.width - BEFORE_BAR - width),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._finish()
        for task in self._bar.tasks:
            task.fields["until"] = 0.0
        self._bar.stop()

    def show(self, phase: str, **figures: int) -> None:
        if phase not in self._tasks:
            self._finish()
            self._tasks[phase] = self._bar.add_task(phase, total=None, figures={}, until=0.0, why="")
        done, total = figures.get("collected", figures.get("notes")), figures.get("found", figures.get("of"))
        # Not quite full until the phase is over: more may be found when all that is known is done.
        share = None if done is None or not total else 0.999 * min(1.0, done / total)
        self._bar.update(
            self._tasks[phase], completed=share or 0.0, total=None if share is None else 1.0, figures=figures, until=0.0
        )

    def waiting(self, seconds: float, why: str) -> None:
        if self._tasks:
            self._bar.update(self._last(), until=time.monotonic() + seconds, why=why)

    def say(self, line: str) -> None:
        self._bar.console.print(plain(line, sys.stderr), markup=False, highlight=False)

    def _last(self) -> TaskID:
        return list(self._tasks.values())[-1]

    def _finish(self) -> None:
        """The present phase has come to its end."""
        if not self._tasks:
            return
        last = self._last()
        figures = next(dict(task.fields["figures"]) for task in self._bar.tasks if task.id == last)
        if "of" in figures:
            figures["notes"] = figures["of"]
        self._bar.update(last, completed=1, total=1, figures=figures, until=0.0)
        self._bar.stop_task(last)


def _standing_column(width: int) -> Any:
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Standing(ProgressColumn):
        """Figures, and what is waited for as long as that lasts."""

        def render(self, task: Task) -> Text:
            text = words(task.fields["figures"])
            left = task.fields["until"] - time.monotonic()
            if left > 0.05:
                how_long = f" {left:.0f} s" if left >= 1.5 else ""
                text += f"{' · ' if text else ''}waiting{how_long} for {task.fields['why']}"
            shown = Text(plain(text, sys.stderr), no_wrap=True)
            shown.truncate(max(width, 10), overflow="ellipsis")
            return shown

    return Standing()


def progress() -> BarProgress | LineProgress:
    return BarProgress() if sys.stderr.isatty() else LineProgress()


def words(figures: dict[str, int]) -> str:
    """`12 of 310 papers · 4 requests · $0.0096`."""
    parts: list[str] = []
    if "collected" in figures:
        parts.append(f"{figures['collected']:,} of {count(figures.get('found', 0), 'paper')} found")
    if "notes" in figures:
        parts.append(f"{figures['notes']:,} of {figures.get('of', 0):,}")
    if figures.get("requests"):
        parts.append(count(figures["requests"], "request"))
    if figures.get("cost"):
        parts.append(dollars(figures["cost"] / 1_000_000))
    return " · ".join(parts)


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 paper`, `1,234 papers`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
