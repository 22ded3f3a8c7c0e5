"""`refnet demo`: the main job on the bundled corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refnet.entrypoints.cli.folder import NAMED
from refnet.entrypoints.cli.output import note
from refnet.entrypoints.cli.start import application

if TYPE_CHECKING:
    from refnet.ports import Vault

EXAMPLE = "Example: refnet demo --vault ./demo-vault"


def demo(
    vault: Annotated[Path, NAMED] = Path("demo-vault"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Do the main job on the bundled corpus, offline.

    No network, no key, and a database of its own: yours is not touched.
    """
    from refnet.demo.bundled import SEED, demo_corpus, demo_downloads, digest, invented_papers
    from refnet.demo.server import StandIn
    from refnet.domain.identifiers import parse_seed
    from refnet.entrypoints.cli.map_command import run_map
    from refnet.pipeline.map_papers import MapRequest
    from refnet.settings import load_settings

    note(
        "A demonstration on about a hundred landmark papers that come with refnet. Their facts are real, the descriptions "
        "are ours, and only citations among them are shown. Seven papers are invented, and say so: six of them have a "
        "PDF that can be read. Nothing is sent over the network."
    )
    own = load_settings()
    # Another edition of the corpus is another database: what it said before must not be mixed into it.
    file = own.data_dir / "demo" / f"{digest()}.db"
    with StandIn(demo_corpus(), downloads=demo_downloads()) as server:
        settings = own.for_demo(database=file, source_url=server.url)
        pdfs = invented_papers()
        request = MapRequest(
            [parse_seed(SEED)],
            depth=2,
            limit=500,
            full_texts=None,
            readable=list(pdfs),
            note_names=settings.note_names,
            # The stand-in ends with the command, and its addresses with it.
            copies={paper_id: None if pdf is None else pdf.name for paper_id, pdf in pdfs.items()},
        )
        app = application(settings)
        folder = app.vault(vault)
        code = run_map(app, request, vault, as_json=as_json, demo=True)
        for pdf in filter(None, pdfs.values()):
            _put(pdf, folder)
    raise typer.Exit(code)


def _put(file: Path, vault: Vault) -> None:
    """A copy of a file beside the index of a vault."""
    # A vault's files are text, and what is not comes back as it was.
    text = file.read_bytes().decode(errors="surrogateescape")
    if vault.read_own(file.name) != text:
        vault.write_own(file.name, text)
