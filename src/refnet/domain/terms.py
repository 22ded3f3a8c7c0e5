"""The words of a sentence that say what it is about, in English and in Japanese.

Japanese is written without spaces, and is read without a dictionary: runs of kanji are cut into pairs of signs, which
does as well for comparing texts as words do; runs of katakana and of Latin letters are words. English words lose the
ending of the plural by the S-stemmer of Harman (How effective is suffixing?, JASIS 42, 1991).
"""

from __future__ import annotations

import re
from collections.abc import Sequence


def words(listed: str) -> frozenset[str]:
    """The words of a list as it is written in the source."""
    return frozenset(listed.split())


#: About so many sentences, and signs of each, tell whether a text is in English.
_SAMPLE, _SIGNS = 400, 1_000
_JAPANESE = r"\u3005\u3040-\u30ff\u3400-\u9fff\uff66-\uff9f"
_RUN = re.compile(
    rf"(?P<latin>[^\W\d_{_JAPANESE}](?:[^\W_{_JAPANESE}]|[-'’](?=[^\W\d_]))*)"
    r"|(?P<kanji>[\u3400-\u9fff\u3005]+)|(?P<katakana>[\u30a1-\u30fa\u30fc]+)"
)
#: Words that say how a sentence is built, and those that every paper is full of.
STOPWORDS = words(
    """
    a about above across after again against all almost alone along already also although always am among an and
    another any are around as at away back be because become becomes been before behind being below between both but
    by can cannot could did do does doing done down during each either else enough even ever every few first for from
    further get gets give given gives go goes had has have having he hence her here hers herself him himself his how
    however i if in indeed instead into is it its itself just last least less let like made make makes making many
    may me might mine more most mostly much must my myself namely near need needs neither never nevertheless next no
    none nor not nothing now of off often on once one only onto or other others otherwise our ours ourselves out over
    own per perhaps rather same second see seem seems seen several shall she should show shown shows since so some
    something sometimes still such take taken takes than that the their theirs them themselves then there therefore
    these they thing things this those though three through thus to together too toward towards two under unless
    until up upon us use used uses using usually various very via was we well were what whatever when where whereas
    whether which while who whole whom whose why will with within without would yet you your yours yourself eg ie et
    al etc cf vs beyond amongst hold holds held fig figure table section paper papers work respectively
    """
)


def stem(word: str) -> str:
    """A word in small letters without the ending of the plural."""
    if len(word) > 3 and word.endswith("ies") and word[-4] not in "ae":
        return f"{word[:-3]}y"
    if len(word) > 3 and word.endswith("es") and word[-3] not in "aeo":
        return word[:-1]
    if len(word) > 3 and word.endswith("s") and word[-2] not in "us":
        return word[:-1]
    return word


def terms(text: str) -> list[str]:
    """The terms of a text in their order, repeated as they are repeated."""
    found: list[str] = []
    for run in _RUN.finditer(text):
        if latin := run["latin"]:
            word = latin.lower()
            word = word[:-2] if word.endswith(("'s", "’s")) else word
            if len(word) > 1 and word not in STOPWORDS:
                found.append(stem(word))
        elif kanji := run["kanji"]:
            found += [kanji] if len(kanji) <= 2 else [kanji[at : at + 2] for at in range(len(kanji) - 1)]
        else:
            found.append(run["katakana"])
    return found


def is_english(sentences: Sequence[str]) -> bool:
    """Whether an eighth of the words are English stop words: a third is usual, and German has a fiftieth."""
    words = [word for one in sentences[:: 1 + len(sentences) // _SAMPLE] for word in one[:_SIGNS].lower().split()]
    return sum(word in STOPWORDS for word in words) * 8 > len(words)
