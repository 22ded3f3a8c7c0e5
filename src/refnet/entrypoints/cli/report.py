"""What the main job did, in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from refnet.entrypoints.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from refnet.pipeline.map_papers import Estimate, MapReport

#: Lines of a list that are printed; the rest is counted, and the JSON has all.
LINES = 8


def print_report(report: MapReport, vault: Path) -> None:
    """The whole report; the last line says where the vault is."""
    for text, _, title in report.seeds[:LINES]:
        say(f"Seed: {title or text}" + ("" if text == title else f"  ({text})"))
    _more(len(report.seeds))
    written = report.vault
    changed = f"{written.written:,} written" if written.written else "all as they were"
    say(
        f"{_count(report.papers, 'paper')}, {_count(report.citations, 'citation')} among them, "
        f"{_count(report.summaries, 'summary', 'summaries')}, {_count(written.notes, 'note')} ({changed}), "
        + ", ".join(
            f"{_count(number, 'request')} to {_NAMES.get(name, name)}" for name, number in report.requests.items()
        )
    )
    if report.limit_reached:
        say("The limit is reached: a larger --limit adds papers, and changes nothing that is there.")
    _section("Not resolved", (f"{seed.input}: {seed.why}" for seed in report.unresolved), len(report.unresolved))
    _section(
        "Given up (see: refnet dead list)",
        (f"{report.titles.get(letter.paper_id) or letter.paper_id}: {letter.reason}" for letter in report.dead),
        len(report.dead),
    )
    _section(
        "Unknown to Semantic Scholar although listed there; their places went to the next papers",
        report.missing,
        len(report.missing),
    )
    _section(
        "Incomplete lists",
        (
            f"{entry.list.value} of {report.titles.get(entry.paper_id) or entry.paper_id}: {entry.why}"
            for entry in report.incomplete
        ),
        len(report.incomplete),
    )
    _section(
        "Your edits were kept where refnet has something new",
        (f"{paper_id}: {where}" for paper_id, where in written.conflicts),
        len(written.conflicts),
    )
    _section("Notes left alone", (f"{one.where}: {one.what}" for one in written.problems), len(written.problems))
    if written.deleted:
        gone = len(written.deleted)
        say(f"{_count(gone, 'note')} that you deleted {'stays' if gone == 1 else 'stay'} deleted.")
    say("Data: Semantic Scholar, https://www.semanticscholar.org/?utm_source=api")
    say(f"Vault: {vault}")


def print_estimate(estimate: Estimate, seconds: float) -> None:
    for text, _, title in estimate.seeds[:LINES]:
        say(f"Seed: {title or text}" + ("" if text == title else f"  ({text})"))
    _more(len(estimate.seeds))
    _section(
        "Not resolved",
        (f"{seed.input}: {seed.why}" for seed in estimate.unresolved),
        len(estimate.unresolved),
    )
    bound = "at most " if estimate.beyond_depth_one else "about "
    say(
        f"It would collect {bound}{_count(estimate.papers, 'paper')} with about {_count(estimate.requests, 'request')}, "
        f"in {max(1, round(seconds / 60))} min or so, at no cost."
    )


def _section(title: str, lines: Iterable[str], count: int) -> None:
    if not count:
        return
    say(f"{title} ({count:,}):")
    for _, line in zip(range(LINES), lines, strict=False):
        say(f"  {line}")
    _more(count)


def _more(count: int) -> None:
    if count > LINES:
        say(f"  and {count - LINES:,} more; --json lists all")


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


_NAMES = {"semantic_scholar": "Semantic Scholar"}
