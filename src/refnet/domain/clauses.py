"""The clauses of a sentence, as far as their conjunctions show them: what is denied in one of them is not in the next.

English and Japanese. What cannot be told to be a clause of its own stays with the one before it, as the second half of
`no increase in cancer, and death` does.
"""

from __future__ import annotations

import re

from refnet.domain.subjects import subjects

_VERB = (
    r"(?:is|are|was|were|has|have|had|do|does|did|can|could|will|would|may|might|must|should|cannot|\w+n[’']t|\w{2,}(?<!e)ed"
    r"|fell|rose|grew|shrank|made|found|led|gave|took|kept|lost|won|no|not|never|none|neither|it|they|we|he|she|this|these)"
)
#: What begins a clause wherever it stands, behind a comma, or where a verb or the like is near.
_BEGINS = re.compile(
    r"[,;]?\s+(?=(?:(?<!\ball )(?<!\bnothing )(?<!\banything )but(?! also\b)|whereas|while|although|though|because)\b)"
    r"|[;；]\s*"
    r"|,\s+(?=(?:which|who|whose|where|yet|however|despite|nor|not)\b)"
    rf"|,?\s+(?=and\s+{_VERB}\b)|,\s+(?=and\s+(?:\w+\s+){{1,3}}?{_VERB}\b)"
    r"|\s+(?=without\b|with(?:out)?\s+no\b)"
    r"|(?<=[るたいだうくすん])が[、,，]|(?:ものの|けれども?|のに対し(?:て)?|一方で?)[、,，]"
    r"|(?<=[ずくりし])[、,，](?=[^、,，]{4})",
    re.IGNORECASE,
)
#: What is denied of several things goes on until the verb: `no link between diet, sleep, and mood was found`.
_UNDER_DENIAL = re.compile(rf"\b(?:no|neither|none)\b(?!.*\b{_VERB}\b)", re.IGNORECASE | re.DOTALL)
#: Behind a clause that begins the sentence with one of these the first comma parts it from the next.
_FIRST = re.compile(r"^\W*(?:although|though|while|whereas|despite|without|unlike)\b[^,]*,\s*", re.IGNORECASE)
#: What is only set against what the clause speaks of: `the drug, and not the placebo, helps`.
_SET_AGAINST = re.compile(r",\s*(?:and |but |though )?not (?!only\b)[^,;]{1,80},\s*", re.IGNORECASE)


def clauses(sentence: str) -> list[str]:
    """Its clauses in their order, at least one; each speaks of something."""
    # One space where there are many, over which the patterns would work for long.
    bare = _SET_AGAINST.sub(" ", " ".join(sentence.split()))
    first = _FIRST.match(bare)
    halves = [first[0], bare[first.end() :]] if first else [bare]
    found: list[str] = []
    for part in (one for half in halves for one in _BEGINS.split(half)):
        if found and (not subjects(part) or _UNDER_DENIAL.search(found[-1])):
            found[-1] += f" {part}"
        else:
            found.append(part)
    return found


def counterparts(clause: str, others: list[str]) -> list[str]:
    """Those of `others` that speak of the same: the ones with most in common, or all where even these have less than half
    of what the clause speaks of.
    """
    ours = subjects(clause)
    shared = [len(ours & subjects(other)) for other in others]
    most = max(shared, default=0)
    if 2 * most < len(ours):
        return others
    return [other for other, common in zip(others, shared, strict=True) if common == most]
