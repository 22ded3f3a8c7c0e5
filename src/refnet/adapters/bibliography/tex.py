"""TeX in the fields of BibTeX files, as plain text."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

MAX_LENGTH = 2_001
_MAX_DEPTH = 20
_PLAIN = str.maketrans({"{": None, "}": None, "~": " "})
#: what the decoder drops or has no letters for
_WRITTEN = {"TeX": "TeX", "hyphen": "-", "dash": "–", "slash": "/"}
_UNKNOWN = re.compile(r"\\(TeX|hyphen|dash|slash)(?![a-zA-Z])\s*")
_IN_IDS = re.compile(r"\\(?:url|path|nolinkurl|href|doi)\b\s*|\\(?=[_%&#$~^{}<>-])|[{}$]")
_NAMED = {
    r"\textless": "<",
    r"\textgreater": ">",
    r"\textunderscore": "_",
    r"\textasciitilde": "~",
    r"\textendash": "–",
    r"\%": "%",
}


def decoded(text: str) -> str:
    """Titles and names: accents as letters, commands carried out or left out, no braces; cut at MAX_LENGTH."""
    text = " ".join(text[:MAX_LENGTH].split())
    if "\\" not in text and "$" not in text:
        return text.translate(_PLAIN).replace("---", "—").replace("--", "–").replace("``", "“").replace("''", "”")
    if _depth(text) > _MAX_DEPTH:
        return re.sub(r"\\[a-zA-Z]{1,30}|[\\{}$]", " ", text)
    text = _UNKNOWN.sub(lambda match: _WRITTEN[match[1]], text)
    # Unescaped, these would begin a comment, a table cell and a parameter.
    return " ".join(_to_text(re.sub(r"(?<!\\)([%&#])", r"\\\1", text)).split())


def unescaped(text: str) -> str:
    """Ids, addresses and notes: what was escaped for TeX as it was before."""
    for command, character in _NAMED.items():
        text = text.replace(command, character)
    return _IN_IDS.sub("", text).strip()


def _depth(text: str) -> int:
    depth = deepest = 0
    for c in text:
        depth += (c == "{") - (c == "}")
        deepest = max(deepest, depth)
    return deepest


def _to_text(text: str) -> str:
    from pylatexenc.latexwalker import LatexWalkerError

    try:
        return str(_decoder().latex_to_text(text))
    except (LatexWalkerError, RecursionError, IndexError, ValueError):
        return text.replace("\\", " ").translate(_PLAIN)


@cache
def _decoder() -> Any:
    """pylatexenc: pure Python, knows some thousand commands, and reads on past what it does not know."""
    from pylatexenc.latex2text import LatexNodes2Text

    return LatexNodes2Text(math_mode="text", strict_latex_spaces=False)
