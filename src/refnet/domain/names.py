"""Family names, out of the ways in which sources and people write authors."""

from __future__ import annotations

import re
import unicodedata

#: Parts of a family name that stand before its main word. Those of the second set only in lower case: with a
#: capital they are given names more often ("Yang Bin Li", "Ana Do").
_PARTICLES = frozenset(
    {
        "van",
        "von",
        "der",
        "den",
        "de",
        "del",
        "della",
        "dello",
        "dela",
        "di",
        "da",
        "dal",
        "dalla",
        "du",
        "des",
        "la",
        "le",
        "las",
        "los",
        "st",
        "st.",
        "saint",
        "ter",
        "ten",
        "tot",
        "zu",
        "zum",
        "zur",
        "el",
        "al",
        "ibn",
        "abu",
        "'t",
    }
)
_LOWER_PARTICLES = frozenset(
    {"af", "av", "ben", "bin", "bint", "das", "do", "dos", "e", "het", "i", "in", "op", "'s", "y"}
)
#: Those that join two family names: Ramón y Cajal, Costa e Silva.
_BETWEEN = frozenset({"e", "i", "y"})
_SUFFIX = re.compile(r"(?:jr|sr|ii|iii|iv|ph\.?\s?d|m\.?d|esq)\.?", re.IGNORECASE)
_GROUP = re.compile(
    r"\b(?:et al\b|collaborations?|consortium|consortia|committee|working group|study group|group|team|initiative|"
    r"network|investigators|organi[sz]ation|society|association|foundation|institute|university|others$)",
    re.IGNORECASE,
)
_CJK = re.compile("[\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_MAX_LENGTH = 300


def family_name(author_name: str) -> str:
    """The family name in "Given Family" or "Family, Given"; empty for an empty name.

    Particles stay (van den Oord, de la Cruz), suffixes go (Jr., III); a name of one word, a group and "et al."
    are given back as they are. Chinese, Japanese and Korean names written with a space begin with the family.
    One capital at the end is an initial ("Smith J"); two ("Wei LI") are taken for the family.
    """
    name = " ".join(unicodedata.normalize("NFC", author_name[:_MAX_LENGTH]).split())
    if is_group(name):
        return name.rstrip(", ")
    before, comma, after = name.partition(",")
    if comma and not _SUFFIX.fullmatch(after.strip()):
        return _without_suffix(before.split())
    words = before.split()
    if len(words) > 1 and all(_CJK.search(word) for word in words):
        return words[0]
    return _last_with_particles(words)


def is_group(name: str) -> bool:
    """Whether a name is that of many people: a collaboration, an institution, "et al."."""
    return bool(_GROUP.search(name))


def is_cjk(name: str) -> bool:
    return bool(_CJK.search(name))


def _without_suffix(words: list[str]) -> str:
    while len(words) > 1 and _SUFFIX.fullmatch(words[-1]):
        words = words[:-1]
    return " ".join(words)


def _last_with_particles(words: list[str]) -> str:
    while len(words) > 1 and (_SUFFIX.fullmatch(words[-1]) or _is_initial(words[-1])):
        words = words[:-1]
    if not words:
        return ""
    start = len(words) - 1
    while start > 1 and _is_particle(words[start - 1]):
        start -= 1
    if start > 1 and words[start] in _BETWEEN:
        start -= 1
    if start == 1 and words[0] in _LOWER_PARTICLES | _PARTICLES:
        start = 0
    last = words[-1].rpartition(".")[2] or words[-1]
    return " ".join([*words[start:-1], last])


def _is_particle(word: str) -> bool:
    return word in _LOWER_PARTICLES or word.lower() in _PARTICLES


def _is_initial(word: str) -> bool:
    letters = word.replace(".", "").replace("-", "")
    return len(letters) == 1 and letters.isalpha() and letters.isupper() and not is_cjk(letters)
