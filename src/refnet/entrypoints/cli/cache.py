"""`refnet cache`: the PDFs that are kept, how much room they take, and how to be rid of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from refnet.entrypoints.cli.output import count, print_json, say
from refnet.entrypoints.cli.start import application

if TYPE_CHECKING:
    from refnet.adapters.full_text.cache import PdfCache

app = typer.Typer(
    help="The PDFs that are kept: how many, how large, where. Each can be fetched again.",
    epilog="Example: refnet cache",
    invoke_without_command=True,
    rich_markup_mode=None,
)

MEGABYTE = 1_000_000
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.callback()
def show(context: typer.Context, as_json: AsJson = False) -> None:
    if context.invoked_subcommand is not None:
        return
    cache = _cache()
    size = cache.size()
    if as_json:
        print_json(
            {
                "folder": str(cache.folder),
                "files": size.files,
                "bytes": size.bytes,
                "limit_bytes": cache.most_bytes,
            }
        )
        return
    say(f"{count(size.files, 'PDF')}, {megabytes(size.bytes)} of at most {megabytes(cache.most_bytes)}.")
    say(f"Folder: {cache.folder}", whole=True)


@app.command(epilog="Example: refnet cache empty")
def empty(as_json: AsJson = False) -> None:
    """Remove every PDF that is kept. Summaries and notes stay; what is needed again is fetched again."""
    cache = _cache()
    gone = cache.empty()
    if as_json:
        print_json({"folder": str(cache.folder), "files": gone.files, "bytes": gone.bytes})
        return
    say(f"{count(gone.files, 'PDF')} removed, {megabytes(gone.bytes)}.")


def megabytes(size: int) -> str:
    """`1,234.5 MB`, of a million bytes each, and less than a tenth of one as `24 kB`."""
    return f"{size / 1000:,.0f} kB" if 0 < size < MEGABYTE / 10 else f"{size / MEGABYTE:,.1f} MB"


def _cache() -> PdfCache:
    found = application()
    from refnet.bootstrap.full_texts import pdf_cache

    return pdf_cache(found.settings)
