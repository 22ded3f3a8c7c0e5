"""Names of notes: readable, the same on every file system, and safe to stand in a wikilink."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache

from refnet.domain import inert
from refnet.domain.names import family_name
from refnet.domain.papers import Paper

#: Bytes of UTF-8 without the extension: file systems stop at 255, and Windows at 260 characters for the whole path.
LONGEST = 200
_FIRST_OF_ID = 6


class NoteNames(StrEnum):
    """The styles of note names."""

    AUTHOR_YEAR_TITLE = "author-year-title"
    PAPER_ID = "paper_id"


# A sign that joins two words becomes one that may stand in a name; quotes and LaTeX's own signs go without a trace.
_JOINING = str.maketrans(
    {"/": "-", "\\": "", "|": "-", "[": "(", "]": ")", '"': "", "$": "", "{": "", "}": "", "`": "", "^": ""}
)
#: Forbidden by Windows or by Obsidian's links, or the start of something in a note; private-use letters are blank elsewhere.
_FORBIDDEN = re.compile("~~+|==+|[*<>:?#%\ufe00-\ufe0f\U000e0100-\U000e01ef\ue000-\uf8ff\U000f0000-\U0010fffd]+")
_DEVICE = re.compile(r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³])\s*(?:\..*)?", re.IGNORECASE | re.DOTALL)
_UNSAFE = re.compile(r"[/\\\x00-\x1f\x7f]")
_UNLINKABLE = re.compile(r"[\[\]|#^\\/<>]|%%|%>|\{\{|\}\}|\{%|::|`|\$|\*|==|~~|[\x85\u2028\u2029]")


def plain_name(paper: Paper, style: NoteNames = NoteNames.AUTHOR_YEAR_TITLE) -> str:
    """`Family Year Title`, missing parts left out; the paper's id where all are missing, or where the style asks for it."""
    identifier = _fit(_legal(paper.paper_id), LONGEST) or "paper"
    if style is NoteNames.PAPER_ID:
        return identifier
    family = family_name(paper.authors[0].name) if paper.authors else ""
    year = str(paper.year) if paper.year is not None else ""
    return _fit(_legal(" ".join((family or "", year, title_part(paper.title)))), LONGEST) or identifier


def title_part(title: str) -> str:
    """A title as it stands in a note's name, not yet cut."""
    return _legal(title)


def assign(
    papers: Iterable[Paper], taken: Iterable[str], style: NoteNames = NoteNames.AUTHOR_YEAR_TITLE
) -> dict[str, str]:
    """A name for each of `papers`, by paper id; `papers` come in the order of their ids, `taken` are names given before.

    The first of several equal names stays plain, the next get ` (first six of paper_id)`, more of the id where six are not enough.
    """
    used = {collision_key(name) for name in taken}
    names: dict[str, str] = {}
    for paper in papers:
        name = plain_name(paper, style)
        shown = _FIRST_OF_ID
        number = 2
        while collision_key(name) in used:
            identifier = _legal(paper.paper_id)[:shown]
            if shown > LONGEST:  # only ids that differ in nothing a file name can show
                identifier = f"{identifier[:_FIRST_OF_ID]} {number}"
                number += 1
            suffix = f" ({identifier})"
            name = _fit(plain_name(paper, style), LONGEST - len(suffix.encode())) + suffix
            shown += 1
        used.add(collision_key(name))
        names[paper.paper_id] = name
    return names


def collision_key(name: str) -> str:
    """Equal for two names that some file system takes for one: case and composition do not count."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return unicodedata.normalize("NFKC", folded)


def is_file_name(name: str) -> bool:
    """Whether `name` is a visible file of the folder that it is looked for in; a reader's own names need no more than that."""
    return (
        bool(name)
        and not name.startswith(".")
        and not _UNSAFE.search(name)
        and len(name.encode(errors="replace")) <= 255
    )


@lru_cache(maxsize=1 << 16)  # a note is linked from many others
def is_linkable(name: str) -> bool:
    """Whether `[[name]]` is a link to the note, in Obsidian, and nothing else."""
    return is_file_name(name) and not _UNLINKABLE.search(name) and not inert.has_invisible(name)


def _legal(text: str) -> str:
    text = " ".join(_FORBIDDEN.sub(" ", inert.clean(text).translate(_JOINING)).split())
    text = unicodedata.normalize("NFC", text.strip(" .-_,"))
    return f"_{text}" if _DEVICE.fullmatch(text) else text


def _fit(name: str, size: int) -> str:
    """`name` cut to `size` bytes, at a word where that costs less than half of it."""
    encoded = name.encode()
    if len(encoded) <= size:
        return name
    cut = encoded[:size].decode(errors="ignore")
    following = name[len(cut)]
    while cut and unicodedata.combining(following):  # a letter and its marks stay together
        following, cut = cut[-1], cut[:-1]
    if following != " " and cut.rfind(" ") > len(cut) // 2:
        cut = cut[: cut.rfind(" ")]
    return cut.rstrip(" .-_,")
