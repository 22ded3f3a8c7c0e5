"""The table at the end of a soak: a row for each test and seed, with what was measured and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["passed", "void", "failed", "skipped"]

#: The figure that has a column of its own: processes that were killed.
KILLS = "kills"
_COLUMNS = ("test", "seed", "kills", "seconds", "verdict", "figures")


@dataclass
class Row:
    """One test with one seed."""

    test: str
    seed: str
    figures: dict[str, object] = field(default_factory=dict)
    seconds: float = 0.0
    verdict: Verdict = "passed"

    def cells(self) -> tuple[str, ...]:
        rest = "; ".join(f"{name} {shown(value)}" for name, value in self.figures.items() if name != KILLS)
        kills = shown(self.figures[KILLS]) if KILLS in self.figures else "–"
        return (self.test, self.seed, kills, f"{self.seconds:.0f}", self.verdict, rest)


def shown(value: object) -> str:
    """A figure as the table has it."""
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {shown(one)}" for key, one in value.items()) or "none"
    return str(value)


def table(rows: Sequence[Row]) -> str:
    """Markdown, with columns that line up in a terminal."""
    cells = [_COLUMNS, *(row.cells() for row in rows)]
    escaped = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in cells]
    widths = [max(len(line[column]) for line in escaped) for column in range(len(_COLUMNS) - 1)]
    lines = [
        "| " + " | ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]) + " |"
        for line in escaped
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in [*widths, len(_COLUMNS[-1])]) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])
