"""`refnet export`: the network for other tools."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
import tempfile
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO, cast
from zlib import crc32

import typer

from refnet.domain.errors import ConfigurationError, StorageFull
from refnet.entrypoints.cli.output import json_text, note
from refnet.entrypoints.cli.start import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from refnet.adapters.database.store import Store

EXAMPLE = "Example: refnet export json --out network.json"
#: Papers read from the database at a time.
CHUNK = 500


class Format(StrEnum):
    JSON = "json"


def export(
    form: Annotated[Format, typer.Argument(metavar="FORMAT", help="json")],
    out: Annotated[Path | None, typer.Option(help="File to write; stdout without it.", show_default=False)] = None,
    crawl: Annotated[
        int | None, typer.Option(help="Id of the crawl; the latest without it.", show_default=False)
    ] = None,
) -> None:
    """Write the collected papers and their citations to a file."""
    writers = {Format.JSON: _json}
    store = opened().store
    crawl_id = _crawl(store, crawl)
    if out is None:
        writers[form](store, crawl_id, sys.stdout)
        return
    with _replacing(out) as file:
        writers[form](store, crawl_id, file)
    note(f"Written: {out}")


def _crawl(store: Store, wanted: int | None) -> int:
    crawls = store.crawls()
    if wanted is None:
        if not crawls:
            raise ConfigurationError("There is no crawl to export yet. Begin with: refnet map arXiv:2005.11401")
        return crawls[0].id
    if all(crawl.id != wanted for crawl in crawls):
        raise ConfigurationError(f"There is no crawl {wanted}. See: refnet status")
    return wanted


def _json(store: Store, crawl_id: int, file: TextIO) -> None:
    """The document piece by piece, so that its size is no matter of memory."""
    file.write('{"papers": [')
    ids = store.collected(crawl_id)
    first = True
    for start in range(0, len(ids), CHUNK):
        for paper in store.papers(ids[start : start + CHUNK]):
            row = {
                "paper_id": paper.paper_id,
                "title": paper.title,
                "authors": [author.name for author in paper.authors],
                "year": paper.year,
                "venue": paper.venue,
                "doi": paper.doi,
                "arxiv_id": paper.arxiv_id,
                "citation_count": paper.citation_count,
                "reference_count": paper.reference_count,
                "abstract": paper.abstract,
                "url": paper.url,
                "pdf": paper.pdf_url,
            }
            file.write(("\n" if first else ",\n") + json_text(row, file))
            first = False
    file.write('],\n"citations": [')
    first = True
    for citing, cited in store.edges(crawl_id):
        file.write(("\n" if first else ",\n") + json_text({"citing": citing, "cited": cited}, file))
        first = False
    file.write("]}\n")


@contextmanager
def _replacing(path: Path) -> Iterator[TextIO]:
    """A file to write, which takes its place as a whole or not at all."""
    temporary = None
    # Through a link to the file itself; and a pipe or device is written to, never replaced.
    path = Path(os.path.realpath(path))
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            with path.open("w", encoding="utf-8") as open_file:
                yield open_file
            return
        beginning = f".refnet-{crc32(path.name.encode(errors='surrogateescape')):08x}-"
        _remove_strays(path.parent, beginning)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=beginning, suffix=".tmp", delete=False
        ) as file:
            temporary = Path(file.name)
            with suppress(OSError):  # some network disks have no locks
                fcntl.flock(file, fcntl.LOCK_EX)
            yield cast("TextIO", file)
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~umask)
        temporary.replace(path)
        temporary = None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageFull(f"No room left to write {path}: make room and run the same command again.") from error
        raise ConfigurationError(
            f"{path} cannot be written ({error.strerror}). Name another file with --out."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _remove_strays(folder: Path, beginning: str) -> None:
    """Remove what a killed export to the same file left behind; one that is at work holds a lock on its own."""
    for stray in folder.glob(f"{beginning}*.tmp"):
        with suppress(OSError), stray.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            stray.unlink()
