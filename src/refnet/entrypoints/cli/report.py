"""What the main job did, in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from refnet.entrypoints.cli.output import count, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from refnet.pipeline.map_papers import Estimate, MapReport

#: Lines of a list that are printed; the rest is counted, and the JSON has all.
LINES = 8
#: Longest input that is repeated beside the title it stands for.
SHORT = 60

#: Why papers were not read, by `NoFullText`.
NOT_READ = {
    "not open": "without an open PDF",
    "not reached": "whose PDF could not be reached (refnet summarize --all tries again)",
    "needs a password": "with a password",
    "a scan": "without text (scans)",
    "no text": "without text",
    "hardly any prose": "with hardly any prose",
    "damaged": "damaged",
    "not a PDF": "with something else where the PDF should be",
    "too large": "too large",
    "too long to read": "that take too long",
}
SOURCES = {"semantic_scholar": "Semantic Scholar"}
DATA = "Data: Semantic Scholar, https://www.semanticscholar.org/?utm_source=api"
#: The same for the demonstration, where nothing was asked of anybody else.
STAND_INS = {"semantic_scholar": "the stand-in on this machine"}
STAND_IN_DATA = "Data: the corpus that comes with refnet, not Semantic Scholar"


def print_report(report: MapReport, vault: Path, *, demo: bool = False) -> None:
    """The whole report; the last line says where the vault is."""
    _print_seeds(report.seeds)
    written = report.vault
    names = STAND_INS if demo else SOURCES
    _line("Papers", f"{report.papers:,}, with {count(report.citations, 'citation')} among them")
    _line("Summaries", f"{report.summaries:,} ({_bases(report)})")
    if report.not_read:
        _line("", f"Not read: {_reasons(report.not_read)}")
    _line("Notes", f"{report.notes:,} ({_became(written.written)})")
    asked = (f"{number:,} to {names.get(name, name)}" for name, number in report.requests.items())
    _line("Requests", ", ".join(asked))
    if report.limit_reached:
        say("The limit is reached: a larger --limit adds papers, and changes nothing that is there.")
    _section("Not resolved", (f"{_named(seed.input)}: {seed.why}" for seed in report.unresolved), report.unresolved)
    _section(
        "Given up (see: refnet dead list)",
        (f"{report.titles.get(letter.paper_id) or letter.paper_id}: {letter.reason}" for letter in report.dead),
        report.dead,
    )
    _section(
        "Unknown to Semantic Scholar although listed there; their places went to the next papers",
        report.missing,
        report.missing,
    )
    _print_incomplete(report)
    _section(
        "Your edits were kept where refnet has something new",
        (f"{report.titles.get(one) or one}: {where.replace(':', ' ')}" for one, where in written.conflicts),
        written.conflicts,
    )
    _section("Left alone in the vault", written.problems, written.problems)
    if written.deleted:
        gone = len(written.deleted)
        say(f"{count(gone, 'note')} that you deleted {'stays' if gone == 1 else 'stay'} deleted.")
    say(STAND_IN_DATA if demo else DATA)
    say(f"Vault: {vault}", whole=True)


def _bases(report: MapReport) -> str:
    """What the summaries rest on."""
    short = report.summaries - report.full_texts
    parts = [f"{report.full_texts:,} from the full text"] if report.full_texts else []
    parts += [f"{short:,} from tldr or abstract"] if short or not parts else []
    return ", ".join(parts) + ("; each says which" if len(parts) > 1 or short else "")


def _reasons(why: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {NOT_READ.get(reason, reason)}" for reason, number in why.items())


def print_estimate(estimate: Estimate, seconds: float, cap: float | None = None) -> None:
    """`cap` is what a language model may cost a day, in US dollars; None where none is asked."""
    _print_seeds(estimate.seeds)
    _section(
        "Not resolved",
        (f"{_named(seed.input)}: {seed.why}" for seed in estimate.unresolved),
        estimate.unresolved,
    )
    bound = "at most " if estimate.beyond_depth_one else "about "
    say(
        f"It would collect {bound}{count(estimate.papers, 'paper')} with about {count(estimate.requests, 'request')}, "
        f"in {max(1, round(seconds / 60))} min or so, at no cost"
        + ("." if cap is None else f" but what the language model takes, at most ${cap:g} a day.")
    )


def _print_seeds(seeds: Sequence[tuple[str, str, str]]) -> None:
    for text, paper_id, title in seeds[:LINES]:
        repeated = not title or text in (title, paper_id) or len(text) > SHORT
        _line("Seed", (title or text) + ("" if repeated else f" ({text})"))
    _more(len(seeds))


def _print_incomplete(report: MapReport) -> None:
    """One line for each reason that several lists share, so that it is no wall of text."""
    alike: dict[tuple[str, str], list[str]] = {}
    for entry in report.incomplete:
        title = report.titles.get(entry.paper_id) or entry.paper_id
        alike.setdefault((entry.list.value, entry.why), []).append(title)
    lines = [
        f"{name} of {titles[0]}: {why}"
        if len(titles) == 1
        else f"{name} of {len(titles):,} papers: {why}, among them {titles[0]}"
        for (name, why), titles in sorted(alike.items(), key=lambda item: -len(item[1]))
    ]
    _section("Incomplete lists", lines, lines, number=len(report.incomplete))


def _became(written: int | None) -> str:
    if written is None:
        return "brought up to date by the workers"
    return f"{written:,} written" if written else "all as they were"


def _line(name: str, value: str) -> None:
    say(f"{name:<11}{value}", indent=11)


def _named(text: str) -> str:
    return text if text.strip() else f"{text!r}"


def _section(title: str, lines: Iterable[str], entries: Sequence[object], *, number: int | None = None) -> None:
    """`number` is how many things the entries stand for, where it is not one each."""
    if not entries:
        return
    say(f"{title} ({number or len(entries):,}):")
    for _, line in zip(range(LINES), lines, strict=False):
        say(f"  {line}", indent=4)
    _more(len(entries))


def _more(number: int) -> None:
    if number > LINES:
        say(f"  and {number - LINES:,} more; --json lists all")
