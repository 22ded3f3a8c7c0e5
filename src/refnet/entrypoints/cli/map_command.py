"""`refnet map`: the main job."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from refnet.domain.errors import Busy, ConfigurationError
from refnet.domain.papers import Direction
from refnet.entrypoints.cli.cost import in_words, metered
from refnet.entrypoints.cli.folder import Folder
from refnet.entrypoints.cli.output import print_json, progress, say
from refnet.entrypoints.cli.start import application

if TYPE_CHECKING:
    from refnet.bootstrap import Application
    from refnet.domain.seeds import Seed, Unresolved
    from refnet.domain.spending import Spent
    from refnet.pipeline.map_papers import Estimate, MapReport, MapRequest

EXAMPLE = "Example: refnet map arXiv:2005.11401 --depth 2 --limit 500 --vault ./rag-vault"


#: In place of a number of summaries.
NOT_SAID = -1


class Language(StrEnum):
    EN = "en"
    JA = "ja"


def map_papers(
    seeds: Annotated[
        list[str],
        typer.Argument(
            metavar="SEED…",
            help="Semantic Scholar id, DOI, arXiv id, PMID, ACL id, CorpusId, a URL of these, a title in quotes, "
            "or a .bib/.ris/CSL-JSON file.",
            show_default=False,
        ),
    ],
    depth: Annotated[int, typer.Option(min=0, max=10, help="Steps from the seeds.")] = 1,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="Papers to collect at the most.")] = 200,
    direction: Annotated[Direction, typer.Option(help="Which lists to follow.")] = Direction.BOTH,
    vault: Folder = None,
    summaries: Annotated[
        str | None,
        typer.Option(
            metavar="N|all",
            help="Papers to summarise from their full text, best first.  [default: REFNET_SUMMARIES or 20]",
            show_default=False,
        ),
    ] = None,
    no_summaries: Annotated[bool, typer.Option("--no-summaries", help="Read no PDF, as with --summaries 0.")] = False,
    refresh: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="[DAYS]",
            help="Ask again for papers older than DAYS; 30 if not given.",
            show_default=False,
        ),
    ] = None,
    lang: Annotated[
        Language | None,
        typer.Option(
            help="Language of the headings, and of a language model's summaries.  [default: the vault's, en for a new one]",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only resolve the seeds, and estimate the work.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Map the papers around SEED into a vault of linked notes.

    A second run resumes where the first was stopped, or extends it by a greater depth or limit.
    """
    from refnet.pipeline.map_papers import MapRequest

    full_texts = _number_of_summaries(summaries, off=no_summaries)
    app = application()
    named, unresolved = read_seeds(seeds)
    request = MapRequest(
        named,
        unresolved,
        depth=depth,
        limit=limit,
        direction=direction,
        refresh_days=refresh,
        lang=lang.value if lang is not None else None,
        full_texts=app.settings.summaries if full_texts is NOT_SAID else full_texts,
        note_names=app.settings.note_names,
    )
    if dry_run:
        with app.at_work(), progress() as shown, app.mapper(shown) as mapper:
            estimate = mapper.estimate(request)
        _print_estimate(estimate, app, as_json=as_json)
        raise typer.Exit(1 if estimate.unresolved else 0)
    # A cluster's workers have keys of their own.
    if request.full_texts != 0 and not app.is_cluster:
        app.look_at_model_key()
    raise typer.Exit(run_map(app, request, vault, as_json=as_json))


def run_map(
    app: Application,
    request: MapRequest,
    vault: Path | None,
    *,
    as_json: bool,
    demo: bool = False,
) -> int:
    """Do the job, print its report, and return the exit code."""
    if app.is_cluster:
        report, place, spent = _on_cluster(app, request, vault)
        return _tell(report, place, spent, as_json=as_json, demo=demo)
    folder = app.vault(vault)
    is_new = not folder.path.exists()
    try:
        with app.at_work(), progress() as shown, metered(app, shown) as meter, app.mapper(meter) as mapper:
            report = mapper.map(request, folder)
            spent = meter.spent()
    except ConfigurationError:
        if is_new:
            _remove_if_empty(folder.path)
        raise
    except Busy:
        if not app.is_served():
            raise
        report, spent = _by_server(app, request, folder.path)
    return _tell(report, folder.path, spent, as_json=as_json, demo=demo)


def _by_server(app: Application, request: MapRequest, vault: Path) -> tuple[MapReport, Spent]:
    """Let the server that is at work on the database do the job; and what models cost meanwhile."""
    from refnet.bootstrap.reports import report_of
    from refnet.domain.requests import Wish
    from refnet.pipeline.map_by_server import ServerFollower

    wish = Wish(
        request.seeds,
        depth=request.depth,
        limit=request.limit,
        direction=request.direction,
        refresh_days=request.refresh_days,
        unresolved=request.unresolved,
        vault=str(vault),
        lang=request.lang,
        full_texts=request.full_texts,
    )
    with progress() as shown, metered(app, shown) as meter:
        follower = ServerFollower(app.store, meter, app.is_served, app.settings.no_network_seconds)
        report = report_of(follower.map(wish))
        return report, meter.spent()


def _on_cluster(app: Application, request: MapRequest, vault: Path | None) -> tuple[MapReport, Path, Spent]:
    """Let the workers do the job, into the vault that they write; and what models cost meanwhile."""
    with progress() as shown, app.mapper(shown) as mapper, app.cluster() as cluster:
        cluster.follower(mapper).patiently(app.check_schema)
        wanted = cluster.vault_for(app.vault(vault).path if vault is not None else None)
        with metered(app, shown) as meter:
            follower = cluster.follower(replace(mapper, progress=meter))
            report, place = follower.map(request, wanted)
            return report, Path(place), follower.patiently(meter.spent)


def _tell(report: MapReport, place: Path, spent: Spent, *, as_json: bool, demo: bool) -> int:
    """Print a report, and return the exit code."""
    if as_json:
        print_json(as_document(report, place, spent))
    else:
        from refnet.entrypoints.cli.report import print_report

        # Above the report, whose last line says where the vault is.
        if not spent.is_nothing:
            say(f"Model      {in_words(spent)}")
        print_report(report, place, demo=demo)
    return 1 if report.unresolved or report.dead else 0


def read_seeds(words: list[str]) -> tuple[list[Seed], list[Unresolved]]:
    """Seeds from what stands on the command line; what names no paper is listed with the reason.

    Raises UnreadableDocument for a file that cannot be read at all and stands alone.
    """
    from refnet.adapters.bibliography import read_bibliography
    from refnet.domain.errors import InvalidIdentifier, UnreadableDocument
    from refnet.domain.identifiers import looks_like_file, parse_seed
    from refnet.domain.seeds import Unresolved

    named: list[Seed] = []
    unresolved: list[Unresolved] = []
    for word in words:
        if looks_like_file(word):
            # A `~` that the shell left alone names no home that exists: the file is looked for as it is written.
            try:
                entries, broken = read_bibliography(Path(os.path.expanduser(word)))  # noqa: PTH111 - it never raises
            except UnreadableDocument as error:
                if len(words) == 1:
                    raise
                entries, broken = [], [Unresolved(word, str(error))]
            named += entries
            unresolved += broken
            continue
        try:
            named.append(parse_seed(word))
        except InvalidIdentifier as error:
            unresolved.append(Unresolved(word, str(error)))
    return named, unresolved


def _remove_if_empty(vault: Path) -> None:
    """Bad input changes nothing: a vault that was only made to see whether it can be written goes again."""
    with suppress(OSError):
        for folder in vault.iterdir():
            folder.rmdir()
        vault.rmdir()


def as_document(report: MapReport, vault: Path, spent: Spent) -> dict[str, Any]:
    """The report as `refnet map --json` prints it."""
    return {
        "crawl": report.crawl_id,
        "seeds": [{"input": text, "paper_id": paper_id, "title": title} for text, paper_id, title in report.seeds],
        "conflicts": [{"paper_id": paper_id, "where": where} for paper_id, where in report.vault.conflicts],
        "papers": report.papers,
        "citations": report.citations,
        "summaries": report.summaries,
        "full_texts": report.full_texts,
        "not_read": dict(report.not_read),
        "notes": report.notes,
        "dead": len(report.dead),
        "missing": list(report.missing),
        "unresolved": [{"input": seed.input, "why": seed.why} for seed in report.unresolved],
        "incomplete": [
            {
                "paper_id": entry.paper_id,
                "list": entry.list.value,
                "have": entry.have,
                "of": entry.of,
                "why": entry.why,
            }
            for entry in report.incomplete
        ],
        "requests": dict(report.requests),
        "cost": spent.usd,
        "vault": str(vault),
    }


def _number_of_summaries(text: str | None, *, off: bool) -> int | None:
    """None for all, NOT_SAID where nobody said."""
    if off and text is not None:
        raise ConfigurationError(f"--summaries {text} and --no-summaries do not go together. Give one of them.")
    if off:
        return 0
    if text is None:
        return NOT_SAID
    if text == "all":
        return None
    if not text.isascii() or not text.isdigit():
        raise typer.BadParameter(f"{text!r} is neither a number nor 'all'.", param_hint="--summaries")
    return int(text)


def _print_estimate(estimate: Estimate, app: Application, *, as_json: bool) -> None:
    from refnet.entrypoints.cli.report import print_estimate

    seconds = estimate.requests * max(1.05 / app.settings.requests_per_second, 1.5)
    if as_json:
        print_json(
            {
                "seeds": [
                    {"input": text, "paper_id": paper_id, "title": title} for text, paper_id, title in estimate.seeds
                ],
                "unresolved": [{"input": seed.input, "why": seed.why} for seed in estimate.unresolved],
                "papers": estimate.papers,
                "requests": estimate.requests,
                "minutes": round(seconds / 60, 1),
                "cost": 0.0,
                "spent": dict(estimate.spent),
            }
        )
    else:
        print_estimate(estimate, seconds, app.settings.spend_cap if app.settings.llm_model else None)
