"""`refnet demo`: the main job on the bundled corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from refnet.entrypoints.cli.output import note
from refnet.entrypoints.cli.start import application

EXAMPLE = "Example: refnet demo --vault ./demo-vault"


def demo(
    vault: Annotated[Path, typer.Option(help="Folder of the vault.")] = Path("demo-vault"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Do the main job on the bundled corpus, offline.

    No network, no key, and a database of its own: yours is not touched.
    """
    from refnet.demo.bundled import SEED, bundled_corpus, digest
    from refnet.demo.server import StandIn
    from refnet.domain.identifiers import parse_seed
    from refnet.entrypoints.cli.map_command import run_map
    from refnet.pipeline.map_papers import MapRequest
    from refnet.settings import load_settings

    note(
        "A demonstration on about a hundred landmark papers that come with refnet. Their facts are real, the descriptions "
        "are ours, only citations among them are shown, and nothing is sent over the network."
    )
    own = load_settings()
    # Another edition of the corpus is another database: what it said before must not be mixed into it.
    file = own.data_dir / "demo" / f"{digest()}.db"
    with StandIn(bundled_corpus()) as server:
        settings = own.for_demo(database=file, source_url=server.url)
        request = MapRequest([parse_seed(SEED)], depth=2, limit=500, note_names=settings.note_names)
        code = run_map(application(settings), request, vault, as_json=as_json, demo=True, basis="from our descriptions")
    raise typer.Exit(code)
