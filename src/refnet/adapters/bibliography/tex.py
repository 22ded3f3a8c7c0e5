"""TeX in the fields of BibTeX files, as plain text."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any

#: What pylatexenc may cost per file, in characters: it takes up to 25 µs for each, and some 0.2 ms for every call.
_BUDGET = 100_000
_CALL = 30
_MAX_DEPTH = 20

_ACCENTS = {
    "'": "\u0301", "`": "\u0300", '"': "\u0308", "^": "\u0302", "~": "\u0303", "=": "\u0304", ".": "\u0307",
    "c": "\u0327", "v": "\u030c", "u": "\u0306", "H": "\u030b", "k": "\u0328", "r": "\u030a", "d": "\u0323",
}  # fmt: skip
_ACCENTED = re.compile(
    r"\\(?:(?P<sign>['`\"^~=.]) ?(?:\{ ?(?P<a>\\[ij]|[A-Za-z]) ?\}|(?P<b>\\[ij](?![A-Za-z])|[A-Za-z]))"
    r"|(?P<letter>[cvuHkrd])(?: ?\{(?P<c>\\[ij]|[A-Za-z])\}| (?P<d>[A-Za-z])))"
)
_LETTERS = {
    "ss": "ß", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "aa": "å", "AA": "Å",
    "i": "ı", "j": "ȷ", "TeX": "TeX", "hyphen": "-", "dash": "–", "slash": "/",
}  # fmt: skip
_LETTER = re.compile(r"\\(ss|o|O|l|L|ae|AE|oe|OE|aa|AA|i|j|TeX|hyphen|dash|slash)(?![A-Za-z])(?:\{\}| )?")
_ESCAPED = re.compile(r"\\([&%#_$ ])")
_PLAIN = str.maketrans({"{": None, "}": None, "~": " "})
_IN_IDS = re.compile(r"\\(?:url|path|nolinkurl|href|doi)\b\s*|\\(?=[_%&#$~^{}<>-])|[{}$]")
_NAMED = {
    r"\textless": "<",
    r"\textgreater": ">",
    r"\textunderscore": "_",
    r"\textasciitilde": "~",
    r"\textendash": "–",
}


class Decoder:
    """Turns the titles and names of one file into plain text, in a time that grows with their length at most.

    Accents and the commonest letters are quickly done here; other commands and mathematics are pylatexenc's, as long as
    the budget lasts. Beyond it commands are left out, and `exhausted` says so.
    """

    def __init__(self) -> None:
        self._spent = 0

    @property
    def exhausted(self) -> bool:
        return self._spent > _BUDGET

    def decoded(self, text: str) -> str:
        """Accents as letters, commands carried out or left out, no braces, spaces as one."""
        text = " ".join(text.split())
        if "\\" in text:
            text = _LETTER.sub(lambda match: _LETTERS[match[1]], _ACCENTED.sub(_composed, text))
        simple = _ESCAPED.sub("", text)
        if "\\" not in simple and "$" not in simple:
            text = _ESCAPED.sub(r"\1", text).translate(_PLAIN)
            return text.replace("---", "—").replace("--", "–").replace("``", "“").replace("''", "”")
        self._spent += _CALL + len(text)
        if self.exhausted or _depth(text) > _MAX_DEPTH:
            return _without_commands(text)
        # Unescaped, these would begin a comment, a table cell and a parameter.
        return " ".join(_to_text(re.sub(r"(?<!\\)([%&#])", r"\\\1", text)).split())


def unescaped(text: str) -> str:
    """Ids, addresses and notes: what was escaped for TeX as it was before."""
    for command, character in _NAMED.items():
        text = text.replace(command, character)
    return _IN_IDS.sub("", text).strip()


def _composed(match: re.Match[str]) -> str:
    base = (match["a"] or match["b"] or match["c"] or match["d"]).lstrip("\\")
    return unicodedata.normalize("NFC", base + _ACCENTS[match["sign"] or match["letter"]])


def _depth(text: str) -> int:
    depth = deepest = 0
    for c in text:
        depth += (c == "{") - (c == "}")
        deepest = max(deepest, depth)
    return deepest


def _without_commands(text: str) -> str:
    return " ".join(re.sub(r"[\\{}$]", "", re.sub(r"\\[a-zA-Z]{1,30}", " ", text)).split())


def _to_text(text: str) -> str:
    from pylatexenc.latexwalker import LatexWalkerError

    try:
        return str(_pylatexenc().latex_to_text(text))
    except (LatexWalkerError, RecursionError, IndexError, ValueError):
        return _without_commands(text)


@cache
def _pylatexenc() -> Any:
    """pylatexenc: pure Python, knows some thousand commands, and reads on past what it does not know."""
    from pylatexenc.latex2text import LatexNodes2Text

    return LatexNodes2Text(math_mode="text", strict_latex_spaces=False)
