"""`refnet summarize`: summaries from the full text, made or made again."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from refnet.domain.errors import ConfigurationError, InvalidIdentifier
from refnet.entrypoints.cli.cost import in_words, metered
from refnet.entrypoints.cli.folder import Folder
from refnet.entrypoints.cli.map_command import Language
from refnet.entrypoints.cli.output import count, print_json, progress, say
from refnet.entrypoints.cli.start import application

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from refnet.adapters.vault import FolderVault
    from refnet.bootstrap import Application
    from refnet.domain.spending import Spent
    from refnet.domain.summaries import Summary
    from refnet.ports import Progress

EXAMPLE = "Example: refnet summarize arXiv:1706.03762 --model gpt-5-mini --lang ja"
#: Papers that are told one by one.
LINES = 20
NAMES = {Language.EN: "English", Language.JA: "Japanese"}


def summarize(
    papers: Annotated[
        list[str] | None, typer.Argument(metavar="PAPER…", help="Ids of collected papers.", show_default=False)
    ] = None,
    all_papers: Annotated[bool, typer.Option("--all", help="All papers of the vault.")] = False,
    model: Annotated[
        str | None, typer.Option(help="The language model.  [default: REFNET_LLM_MODEL]", show_default=False)
    ] = None,
    lang: Annotated[
        Language | None,
        typer.Option(
            help="Language of a model's summaries, and from now on of the vault's headings.  [default: the vault's]",
            show_default=False,
        ),
    ] = None,
    vault: Folder = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Read the PDF of each PAPER, summarise it, and bring its note up to date.

    A summary that is there is made again; what you wrote in the note stays.
    """
    if all_papers == bool(papers):
        raise ConfigurationError("Name the papers to summarise, or say --all.")
    app = application()
    app.look_at_model_key(model)
    if app.is_cluster:
        with app.at_work(), progress() as shown, app.cluster() as cluster:
            place = cluster.vault_for(app.vault(vault).path if vault is not None else None) or ""
            found = _chosen(app, papers, place)
            absent = _absent(app, found, place, shown)
            made, spent = _make(app, found, place, model, lang, shown)
            # The workers write the notes, each with the right to do so.
            noted = set(app.store.note_names(place)) & set(found)
            translated = lang is not None and absent != set(found) and cluster.store.translate(place, lang.value)
            cluster.rewrite_notes(sorted(noted))
            deleted: set[str] = set()
    else:
        folder = app.vault(vault)
        place = str(folder.path)
        with app.at_work(), progress() as shown:
            # A summary without any vault is kept for later: the usual folder need not be there.
            if vault is not None or os.path.lexists(place) or app.store.vault_crawls(place):
                _look_at_vault(folder)
            found = _chosen(app, papers, place)
            absent = _absent(app, found, place, shown)
            made, spent = _make(app, found, place, model, lang, shown)
            translated = lang is not None and absent != set(found) and app.store.set_vault_language(place, lang.value)
            deleted = _write(app, vault, place, shown) & set(found)
    if as_json:
        _print_json(made, place, app.store.vault_language(place), absent | deleted, spent)
    else:
        _tell(app, made, place, absent, deleted)
        if not spent.is_nothing:
            say(f"Model: {in_words(spent)}")
        if translated and lang is not None:
            say(f"The headings of all notes are in {NAMES[lang]} from now on.")
        if absent != set(found):
            say(f"Vault: {place}", whole=True)


def _look_at_vault(vault: FolderVault) -> None:
    """Raises ConfigurationError for a place that cannot be a vault, before a model is paid for what cannot be written.
    Folders that were not there are not left behind.
    """
    from refnet.adapters.vault import OWN, PAPERS

    path = vault.path
    new = [one for one in (path / PAPERS, path / OWN, path, *path.parents) if not os.path.lexists(one)]
    try:
        vault.prepare(tidy=False)
    finally:
        for one in new:
            with suppress(OSError):
                one.rmdir()


def _absent(app: Application, found: Sequence[str], place: str, shown: Progress) -> set[str]:
    """Those of the papers that the vault does not hold, so that no note of it will show their summaries; that is said."""
    absent = set(found).difference(app.store.vault_papers(place))
    if absent:
        one = len(absent) == 1
        others = _vaults_with(app, absent)
        cure = (
            f"Vaults that have {'it' if one else 'some'}: {', '.join(others)}. Name one with --vault."
            if others
            else "refnet map makes notes."
        )
        shown.say(
            f"{_name(place)} holds no note of {_whom(absent, found)}: "
            f"{'the summary is' if one else 'the summaries are'} kept, but written to no note of it. {cure}"
        )
    return absent


def _vaults_with(app: Application, papers: Iterable[str]) -> list[str]:
    from refnet.adapters.database.vaults import vaults_with

    return vaults_with(app.engine, sorted(papers))


def _name(place: str) -> str:
    return f"The vault {place}" if place else "The workers' vault, which they have not named yet,"


def _whom(some: Collection[str], of: Collection[str]) -> str:
    if len(some) < len(of):
        return f"{len(some):,} of the {len(of):,} papers"
    return "this paper" if len(some) == 1 else f"these {len(some):,} papers"


def _chosen(app: Application, papers: Sequence[str] | None, place: str) -> list[str]:
    """Ids of the papers meant. Raises ConfigurationError for one that is not collected."""
    if not papers:
        found = app.store.vault_papers(place)
        if not found:
            raise ConfigurationError(f"The vault {place} holds no papers yet. Begin with: refnet map arXiv:2005.11401")
        return found
    return list(dict.fromkeys(_collected(app, text) for text in papers))


def _collected(app: Application, text: str) -> str:
    from refnet.domain.identifiers import parse_seed, shown

    try:
        seed = parse_seed(text)
    except InvalidIdentifier as error:
        raise ConfigurationError(str(error)) from error
    names = [str(one) for one in seed.identifiers]
    known = app.store.known(names)
    for name in names:
        found = known.get(name) or app.store.with_external_id(name)
        if found is not None:
            return found
    titled = app.store.titled(seed) if seed.title is not None else []
    if len(titled) > 1:
        raise ConfigurationError(
            f"{len(titled):,} collected papers have the title {shown(seed.title or '')}: "
            f"{', '.join(titled)}. Name the one that is meant by its id."
        )
    if titled:
        return titled[0]
    raise ConfigurationError(
        f"{text} is not among the collected papers. Collect it with: refnet map {text!r} --depth 0"
    )


def _make(
    app: Application, ids: Sequence[str], place: str, model: str | None, lang: Language | None, shown: Progress
) -> tuple[dict[str, Summary], Spent]:
    from refnet.pipeline.full_texts import read_papers

    wanted = lang.value if lang is not None else app.store.vault_language(place)
    options = [
        *(["--model", model] if model is not None else []),
        *(["--lang", lang.value] if lang is not None else []),
        *(["--vault", place] if place else []),
    ]
    with metered(app, shown) as meter, app.full_texts(meter, model=model) as texts:
        read_papers(ids, wanted, app.store, texts, meter, options=options)
        spent = meter.spent()
    return app.store.stored_summaries(ids), spent


def _write(app: Application, vault: Path | None, place: str, shown: Progress) -> set[str]:
    """Bring the notes of the vault up to date; where it holds no crawl there are none. Gives the papers whose notes the
    reader deleted.
    """
    from refnet.pipeline.generate import write_vault

    if not app.store.vault_crawls(place):
        return set()
    report = write_vault(
        app.store,
        app.vault(vault),
        lang=app.store.vault_language(place),
        style=app.settings.note_names,
        progress=lambda done, of: shown.show("writing notes", notes=done, of=of),
    )
    return set(report.deleted)


def _print_json(made: Mapping[str, Summary], place: str, lang: str, unseen: Collection[str], spent: Spent) -> None:
    print_json(
        {
            "vault": place,
            "lang": lang,
            "cost": spent.usd,
            "papers": [
                {
                    "paper_id": paper_id,
                    "basis": one.basis,
                    "why": one.why,
                    "model": one.provenance.model if one.provenance else None,
                    "fallback": one.provenance.fallback if one.provenance else None,
                    "findings": len(one.findings),
                    "dropped": one.provenance.dropped if one.provenance else 0,
                    "in_vault": paper_id not in unseen,
                }
                for paper_id, one in made.items()
            ],
        }
    )


def _tell(
    app: Application, made: Mapping[str, Summary], place: str, absent: Collection[str], deleted: Collection[str]
) -> None:
    """What came of the papers, and which no note shows."""
    from refnet.domain.summaries import FULL_TEXT
    from refnet.entrypoints.cli.report import NOT_READ

    titles = app.store.titles(made)
    read = sum(one.basis == FULL_TEXT for one in made.values())
    say(f"{count(len(made), 'summary', 'summaries')}, {read:,} from the full text.")
    for paper_id, one in list(made.items())[:LINES]:
        how = _how(one) if one.basis == FULL_TEXT else NOT_READ.get(one.why or "", one.why or "not read")
        say(f"  {titles.get(paper_id) or paper_id}: {how}", indent=4)
    if len(made) > LINES:
        say(f"  and {len(made) - LINES:,} more; --json lists all")
    if absent:
        say(f"{_name(place)} holds no note of {_whom(absent, made)}: nothing of that was written to it.", whole=True)
        for other in _vaults_with(app, absent):
            say(f"  To write it to a vault that does: refnet vault write --vault {quote(other)}", whole=True)
    if deleted:
        say(f"{count(len(deleted), 'note')} that you deleted {'stays' if len(deleted) == 1 else 'stay'} deleted.")


def _how(one: Summary) -> str:
    origin = one.provenance
    if origin is None:
        return "read"
    by = origin.model or "offline"
    told = f"{origin.pages_read:,} of {count(origin.pages, 'page')}, {count(len(one.findings), 'finding')}, {by}"
    told += f", {count(origin.dropped, 'finding')} dropped" if origin.dropped else ""
    return told + (f"; {origin.fallback}" if origin.fallback else "")
