"""Whether a claim denies what its quote says, or says what it denies.

Clause is held against clause: `recall improves, but precision does not` bears `recall improves` out. English and Japanese.
"""

from __future__ import annotations

import re
import unicodedata

from refnet.domain.clauses import clauses, counterparts

#: What turns a clause round. `neither … nor` is one denial, and `no more than`, `not only`, `まず、`, `少ない` are none.
NEGATION = re.compile(
    r"\bneither\b.{1,60}?\bnor\b"
    r"|\b(?<!whether or )(?<!if or )not\b(?! (?:only|just|merely|simply|least|more than|less than|fewer than))"
    r"|\bno\b(?! (?:more|less|fewer|later|earlier|doubt|matter)\b)(?!\. ?\d)"
    r"|\b(?:never|none|neither|nor|cannot|hardly|scarcely|barely|unable to|unaffected|unchanged|fail(?:s|ed|ing)? to)\b"
    r"|\b(?:lack(?:s|ed)|lacking)\b(?! of\b)"
    r"|n[’']t\b(?! (?:only|just|merely)\b)"
    r"|(?<![少違危])な(?:い(?!し)|かった)(?!か)(?<!かもしれない)(?<!間違いない)|ません|(?<![まわみ必])ず[、に]|(?<=[まわ]れ|られ|わら|なら)ず"
    r"|(?<![少違危])(?<!だけで)(?<!のみで)(?<!ばかりで)(?<!間も)(?<!まも)なく(?![さすても])",
    re.IGNORECASE,
)
#: What may or may not amount to a denial of the whole: `reached without tuning`, `tuning is unnecessary`.
_PARTIAL = re.compile(
    r"\b(?:without|fail(?:s|ed|ing|ures?)?(?! to\b)|lack(?: of|ing)?|absent|absence|free (?:of|from)|missing|negligible|zero"
    r"|un(?:necessary|needed|related|clear|known|likely|successful)|in(?:dependent(?:ly)?|significant|sufficient)"
    r"|im(?:possible|probable)|irrelevant|regardless|rarely|seldom|rare|few|little|exclud\w+|at most)\b"
    r"|な(?:し|く)|無し|せず|不要|不可能|不十分|無関係|同じ|同等",
    re.IGNORECASE,
)
#: What does not change stays the same.
_SAME = re.compile(r"\b(?:same|equal|identical|similar|constant|stable|remain(?:s|ed)?|stay(?:s|ed)?)\b", re.IGNORECASE)
_CHANGED = re.compile(r"\b(?:un)?(?:chang|differ|var(?:y|ied|ies)|alter|affect|influenc|depend)\w*", re.IGNORECASE)
#: The thing itself by its first letters.
_WITHOUT = re.compile(r"\bwithout (?:(?:any|the|an?|further|additional) )?([a-z]{4})", re.IGNORECASE)
_WITH = r"\b(?<!without )(?:with|using|by|through) (?:\w+ )?{}"


def denies(claim: str, quote: str) -> bool:
    """Whether a clause of the claim is denied and the clauses of the quote that speak of the same are not, or the other way
    round. Both in one script.
    """
    ours, theirs = (clauses(unicodedata.normalize("NFKC", text)) for text in (claim, quote))
    if _is_done_without(claim, quote) or _is_done_without(quote, claim):
        return True
    return any(not any(_agree(one, other) for other in counterparts(one, theirs)) for one in ours)


def _agree(one: str, other: str) -> bool:
    told = len(NEGATION.findall(one)) + len(NEGATION.findall(other))
    against = opposites(one, other)
    if (told + len(against)) % 2 == 0:
        return True
    if against or not told:
        return False
    # What both say in the same words cannot be what makes one of them the denial of the other.
    partly = [{word.casefold() for word in _PARTIAL.findall(text)} for text in (one, other)]
    return partly[0] != partly[1] or _is_sameness(one, other) or _is_sameness(other, one)


def _is_sameness(one: str, other: str) -> bool:
    """Whether one says that something stays the same, and the other that it does not change."""
    return bool(_SAME.search(one) and not NEGATION.search(one) and NEGATION.search(other) and _CHANGED.search(other))


def _is_done_without(one: str, other: str) -> bool:
    """Whether `one` says `without` what `other` says to be done with it."""
    if NEGATION.search(one) or NEGATION.search(other) or _WITHOUT.search(other):
        return False
    with_it = (re.compile(_WITH.format(thing), re.IGNORECASE) for thing in set(_WITHOUT.findall(one)))
    return any(done.search(other) and not done.search(one) for done in with_it)


# ---------------------------------------------------------------- words

#: Letters of a word that something may negate; shorter ones are often something else.
_SHORTEST_OPPOSITE = 6
#: Words that look like the opposite of another, and are not.
_NO_OPPOSITES = frozenset({"valuable", "flammable", "formative", "patient", "migrant", "habitant", "different"})
#: How words end that say of what kind or in which way something is. Of others what looks like the opposite is mostly none:
#: `proved` and `improved`, `migration` and `immigration`, and what is supervised may be another thing than what is not.
_QUALITY = re.compile(
    r"\w+(?:[ae]nt|[ai]ble|ive|ate|al|ic|[ae]nt?ly|[ai]bly|ively|ately|ally|stable|certain|biased|equal)"
)
#: Those of other endings, or too short to be told by one, that are what a sentence is about where they stand in it.
_FREQUENT = frozenset(
    re.findall(
        "[a-z]+",
        "agree agreed aware clear common correct expected fair familiar fit happy healthy helpful important interested known "
        "likely limited necessary popular possible probable proven regular related safe satisfied successful sure true useful "
        "usual willing",
    )
)
_NEGATING = re.compile(r"(?:un|in|im|ir|il|dis|non-?)")
#: In Japanese a sign before the word says so.
_SIGNS = re.compile(r"[不無非未]([一-龠]{2})|無([効害])")


def opposites(one: str, other: str) -> set[str]:
    """The words of which one text has what negates them (`ineffective`, `不安定`) and the other the words themselves."""
    these, those = (set(re.findall(r"[a-z-]{4,}", text.casefold())) for text in (one, other))
    return _negated(these, those) | _negated(those, these) | _by_sign(one, other) | _by_sign(other, one)


def _negated(words: set[str], of: set[str]) -> set[str]:
    """Those of the words that stand without what negates them among the others, and nowhere among the words themselves."""
    found = set()
    for word in words - of:
        negating = _NEGATING.match(word)
        bare = word[negating.end() :] if negating else ""
        told = bare in _FREQUENT or (len(bare) >= _SHORTEST_OPPOSITE and bool(_QUALITY.fullmatch(bare)))
        if told and bare in of - words and bare not in _NO_OPPOSITES:
            found.add(bare)
    return found


def _by_sign(one: str, other: str) -> set[str]:
    found = set()
    for word, half in _SIGNS.findall(one):
        plain = re.compile(f"(?<![不無非未]){word or f'有{half}'}")
        negated = re.compile(f"[不無非未]{word or half}")
        if plain.search(other) and not plain.search(one) and not negated.search(other):
            found.add(word or half)
    return found
