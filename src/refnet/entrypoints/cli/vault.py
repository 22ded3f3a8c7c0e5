"""`refnet vault`: the vault from what is stored, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refnet.domain.errors import ConfigurationError
from refnet.entrypoints.cli.folder import Folder
from refnet.entrypoints.cli.output import print_json, progress, say
from refnet.entrypoints.cli.start import application, opened

if TYPE_CHECKING:
    from refnet.bootstrap import Application
    from refnet.pipeline.generate import VaultReport

app = typer.Typer(
    help="The vault of notes.", epilog="Example: refnet vault check", no_args_is_help=True, rich_markup_mode=None
)

NOTHING = "Nothing is collected yet. Begin with: refnet map arXiv:2005.11401"
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command(epilog="Example: refnet vault write --vault ./rag-vault")
def write(
    vault: Folder = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be written.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the notes from what is stored.

    Those of all crawls that the vault holds; where it holds none yet, of the latest crawl.
    """
    from refnet.pipeline.generate import VaultReport, write_vault

    found = application()
    if found.is_cluster and not dry_run:
        report, place = _on_cluster(found, vault)
        _tell(report, place, dry_run=False, as_json=as_json)
        return
    folder = found.vault(vault)
    with found.at_work(), progress() as shown:
        crawls = found.store.crawls()
        place = str(folder.path)
        is_new = not found.store.vault_crawls(place)
        if is_new and not crawls:
            raise ConfigurationError(NOTHING)
        if is_new and not dry_run:
            # The crawl is not counted among the vault's before the folder is known to be one that can be written.
            folder.prepare()
            found.store.add_to_vault(place, crawls[0].id)
        if is_new and dry_run:
            report = VaultReport(crawls[0].collected, written=crawls[0].collected)
        else:
            report = write_vault(
                found.store,
                folder,
                lang=found.store.vault_language(place),
                style=found.settings.note_names,
                progress=lambda done, of: shown.show("writing notes", notes=done, of=of),
                dry_run=dry_run,
            )
    _tell(report, place, dry_run=dry_run, as_json=as_json)


def _on_cluster(found: Application, vault: Path | None) -> tuple[VaultReport, str]:
    """Let the workers write the notes, of all crawls that their vault holds, else of the latest."""
    with found.at_work(), progress() as shown, found.mapper(shown) as mapper, found.cluster() as cluster:
        place = cluster.vault_for(found.vault(vault).path if vault is not None else None)
        held = found.store.vault_crawls(place) if place is not None else []
        held = held or [crawl.id for crawl in found.store.crawls()[:1]]
        if not held:
            raise ConfigurationError(NOTHING)
        return cluster.follower(mapper).write(held[-1], place)


def _tell(report: VaultReport, place: str, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "vault": place,
                "notes": report.notes,
                "written": report.written,
                "unchanged": report.unchanged,
                "deleted": report.deleted,
                "conflicts": [{"paper_id": paper_id, "where": where} for paper_id, where in report.conflicts],
                "problems": list(report.problems),
                "dry_run": dry_run,
            }
        )
        return
    if report.written is None:
        say(f"{report.notes:,} notes, brought up to date by the workers.")
    else:
        verb = "would be written" if dry_run else "written"
        say(f"{report.notes:,} notes, {report.written:,} {verb}, {report.unchanged:,} as they were.")
    for line in report.problems:
        say(f"  {line}")
    say(f"Vault: {place}", whole=True)


@app.command(epilog="Example: refnet vault check --json")
def check(vault: Folder = None, as_json: AsJson = False) -> None:
    """Find broken links and foreign edits.

    Missing notes and two notes of one paper, too. Exit code 1 if there is anything; notes of your own
    are only told.
    """
    from refnet.pipeline.check_vault import check as find

    opened_app = opened()
    folder = opened_app.vault(vault)
    if not opened_app.store.vault_crawls(str(folder.path)):
        raise ConfigurationError(f"refnet has written no notes to {folder.path}. Name the vault with --vault.")
    findings = find(opened_app.store, folder)
    faults = sum(found.fault for found in findings)
    if as_json:
        print_json(
            {
                "vault": str(folder.path),
                "findings": [{"kind": found.kind, "where": found.where, "what": found.what} for found in findings],
            }
        )
    else:
        for found in findings:
            say(f"{found.where}: {found.what}")
        say(f"{faults:,} found in {folder.path}" if faults else f"Nothing is wrong with {folder.path}", whole=True)
    raise typer.Exit(1 if faults else 0)
