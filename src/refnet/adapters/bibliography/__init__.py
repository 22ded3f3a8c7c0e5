"""Bibliographies as files: BibTeX and BibLaTeX, RIS and Web of Science's tagged form, CSL-JSON."""

from __future__ import annotations

import re
from pathlib import Path

from refnet.adapters.bibliography.entry import Broken, Entry, resolve
from refnet.adapters.bibliography.text import MAX_ENTRIES, read_text, unreadable
from refnet.domain.seeds import Seed, Unresolved

__all__ = ["read_bibliography"]

#: where an entry begins in BibTeX, in RIS and in Web of Science's form
_BEGINNINGS = re.compile(r"@\w{0,50}[ \t]{0,10}[{(]|\nTY[ \t]{1,4}-|\nPT ")


def read_bibliography(path: Path) -> tuple[list[Seed], list[Unresolved]]:
    """Each entry of the file as a seed, or as unresolved with the reason; both in the order of the file.

    Entries with one key are all kept. Raises UnreadableDocument for a file that cannot be read as a whole.
    """
    text = read_text(path)
    seeds: list[Seed] = []
    unresolved: list[Unresolved] = []
    for entry in _entries(path, text):
        result = resolve(path.name, entry)
        if isinstance(result, Seed):
            seeds.append(result)
        else:
            unresolved.append(result)
    return seeds, unresolved


def _entries(path: Path, text: str) -> list[Entry | Broken]:
    # The parsers are imported where they are needed: a crawl from an id loads none of them.
    suffix = path.suffix.lower()
    if len(_BEGINNINGS.findall(text)) > MAX_ENTRIES:
        raise unreadable(path, f"holds more than {MAX_ENTRIES:,} entries: split it")
    start = text.lstrip()[:200].lower()
    if start.startswith(("<!doctype", "<html", "<?xml")):
        raise unreadable(path, "is a web page or XML, no bibliography: export the library as .bib, .ris or .json")
    if suffix in (".bib", ".bibtex", ".biblatex"):
        from refnet.adapters.bibliography.bibtex import read_bibtex

        entries = read_bibtex(text)
        kind = "BibTeX"
    elif suffix == ".ris":
        from refnet.adapters.bibliography.ris import read_ris

        entries = read_ris(text)
        kind = "RIS"
    elif suffix == ".json":
        from refnet.adapters.bibliography.csl import read_csl

        return read_csl(path, text)
    else:
        raise unreadable(path, "is no format that refnet reads: export it as .bib, .ris or CSL-JSON (.json)")
    if not entries:
        raise unreadable(path, f"holds no {kind} entry: export the library again, or give the file its right ending")
    return entries
