"""`--vault`, which commands that read or write a vault have in common."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def folder_of(given: str | os.PathLike[str]) -> Path:
    """Raises BadParameter for an empty text: an unset variable of the shell, which `Path` takes for the present folder."""
    if given == "":
        raise typer.BadParameter("An empty text names no folder. Name one, or leave the option out.")
    return Path(given)


#: For a command that has a default of its own.
NAMED = typer.Option(parser=folder_of, metavar="<path>", help="Folder of the vault.")
Folder = Annotated[
    Path | None,
    typer.Option(
        parser=folder_of,
        metavar="<path>",
        help="Folder of the vault.  [default: OUTPUT_DIR or ./vault]",
        show_default=False,
    ),
]
