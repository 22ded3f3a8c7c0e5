"""Whether a claim turns what its quote says round: the quote says that something rises, or is large, or survives, and the
claim that it falls, is small, or dies.

Told only where it is plain. A sentence with words of both directions, with a negation, or with something that is prevented
says too little, and so does a claim about something else: `a lower error` is `a higher accuracy`, and `A is lower than B`
is `B is higher than A`. English and Japanese.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from refnet.domain.clauses import clauses
from refnet.domain.negation import NEGATION
from refnet.domain.subjects import is_cjk, subjects


class Scale(Enum):
    """What a word of direction is about: an amount, what it is worth, or one of the pairs of words that are opposites."""

    AMOUNT = "amount"
    WORTH = "worth"
    SIZE = "size"
    LEVEL = "level"
    LENGTH = "length"
    SPEED = "speed"
    PRICE = "price"
    STRENGTH = "strength"
    SIGN = "sign"
    PLACE = "place"
    RANK = "rank"
    LIFE = "life"
    SHARE = "share"
    VERDICT = "verdict"


#: These say the same of what is good: it rises where it improves. The others say something of their own.
_WAYS = (Scale.AMOUNT, Scale.WORTH)


#: Behind these an amount is what somebody does something with, and says nothing of what comes of it: `trained on more data`.
_NO_MEANS = r"(?<!\bon )(?<!\bwith )(?<!\busing )(?<!\bfor )(?<!\bof )(?<!\bfrom )(?<!\bby )"
_NO_THING = r"(?![-‐]|\s+(?:bounds?|orders?|layers?|levels?|half|limits?|dimension\w*|case|part|into)\b)"
_WORDS = {
    (Scale.AMOUNT, True): re.compile(
        r"\b(?:increas(?:e[sd]?|ing)|ris(?:es?|en|ing)|rose|rais(?:e[sd]?|ing)|grow(?:s|n|ing|th)?|grew|higher|greater"
        r"|gain(?:s|ed|ing)(?=\s+(?:\d|in\b|weight))|expand(?:s|ed|ing)?"
        rf"|{_NO_MEANS}more(?=\s+(?!than\b)[a-z]))\b{_NO_THING}|(?<![りちみ仕売以])上[がげ]|増加|増大|増え|上昇|向上|高ま|高め|高[いくか]|上回|多[いくか]|拡大",
        re.IGNORECASE,
    ),
    (Scale.AMOUNT, False): re.compile(
        r"\b(?:decreas(?:e[sd]?|ing)|reduc(?:e[sd]?|ing|tions?)|fall(?:s|en|ing)?|fell|drop(?:s|ped|ping)?"
        r"|declin(?:e[sd]?|ing)|diminish(?:e[sd]|ing)?|shr(?:inks?|ank|unk|inking)|lower(?:s|ed|ing)?|fewer"
        r"|los(?:t|es|ing)(?=\s+(?:\d|weight))|contract(?:s|ed|ing)?(?!\s+(?:a|an|the|with|hiv|covid\S*)\b)"
        rf"|{_NO_MEANS}less(?=\s+(?!than\b)[a-z]))\b{_NO_THING}|減少|減[りっら]|低下|低減|削減|下降|(?<![り以])下[がげ]|低[いくか]|下回|少な[いくか]|縮小|短縮",
        re.IGNORECASE,
    ),
    (Scale.WORTH, True): re.compile(
        r"\b(?:improv(?:e[sd]?|ing|ements?)|better|outperform(?:s|ed|ing)?|surpass(?:e[sd]|ing)?|superior)\b|改善|優れ|勝[るりっ]",
        re.IGNORECASE,
    ),
    (Scale.WORTH, False): re.compile(
        r"\b(?:worsen(?:s|ed|ing)?|worse|degrad(?:e[sd]?|ing|ation)|deteriorat(?:e[sd]?|ing|ion)"
        r"|underperform(?:s|ed|ing)?|inferior)\b|悪化|劣[るりっ]|劣化",
        re.IGNORECASE,
    ),
    **{
        (scale, rise): re.compile(
            rf"\b(?:{english})\b{_NO_THING}(?!\s+(?:language|scale|cells?))" + f"|{japanese}" * bool(japanese),
            re.IGNORECASE,
        )
        for scale, *both in (
            (Scale.SIZE, ("large|larger|largest|big|bigger", "大き"), ("small|smaller|smallest|tiny", "小さ")),
            (Scale.LEVEL, ("high|highest", ""), ("low|lowest", "")),
            (Scale.LENGTH, ("long|longer|longest", "長[いくか]"), ("short|shorter|shortest", "短[いくか]")),
            (
                Scale.SPEED,
                ("fast|faster|fastest|quicker", "速[いくか]|高速"),
                ("slow|slower|slowest", "遅[いくか]|低速"),
            ),
            (
                Scale.PRICE,
                ("(?:more )?expensive|costlier|dearer", "高価"),
                ("cheap|cheaper|cheapest|less expensive", "安価|安[いくか]"),
            ),
            (
                Scale.STRENGTH,
                ("strong|stronger|strongest|strongly", "強[いくか]"),
                ("weak|weaker|weakest|weakly", "弱[いくか]"),
            ),
            (
                Scale.SIGN,
                (r"(?<!false )(?<!true )positive(?:ly)?", "正の"),
                (r"(?<!false )(?<!true )negative(?:ly)?", "負の"),
            ),
            (
                Scale.PLACE,
                (r"(?<!\bas )(?<!shown )(?<!described )(?<!mentioned )(?<!discussed )above(?! all)", ""),
                (r"(?<!\bas )(?<!shown )(?<!described )(?<!given )(?<!listed )(?<!see )below", ""),
            ),
            (Scale.RANK, ("best|top", "最高|最良|最も高|最も良"), ("worst", "最低|最悪|最も低|最も悪")),
            (Scale.LIFE, ("surviv(?:e|es|ed|ing)", "生存"), ("die|dies|died|dying", "死亡")),
            (
                Scale.SHARE,
                (
                    r"(?<!the )(?:most|almost all|nearly all)(?= (?:of|\w+s)\b)|majority|many(?= (?:of|\w+s)\b)|^\W*(?:all|every)",
                    "大半|大多数",
                ),
                (r"(?<!a )few(?= (?:of|\w+s)\b)|minority|hardly any", "少数|ごく一部"),
            ),
            (
                Scale.VERDICT,
                ("accept(?:s|ed)?|confirm(?:s|ed)?|support(?:s|ed)?", "採択|支持"),
                ("reject(?:s|ed)?|refut(?:es?|ed)|contradict(?:s|ed)?", "棄却|反証"),
            ),
        )
        for rise, (english, japanese) in zip((True, False), both, strict=True)
    },
}
#: After these nobody can tell without reading: the direction is denied, prevented or asked for.
_TURNED = re.compile(
    rf"{NEGATION.pattern}|\b(?:without|not?|prevent\w*|avoid\w*|mitigat\w*|counter\w*|limit(?:s|ed|ing)"
    r"|alleviat\w*|whether|unless|offset\w*|resist\w*|against)\b|抑[えい制]|防[ぐい止]|避け|せず",
    re.IGNORECASE,
)
#: Of these the less the better, and of those the more.
_LOSS = re.compile(
    r"\b(?:errors?|loss(?:es)?|costs?|time|times|latenc\w+|delays?|memory|risks?|perplexity|variance|bias|noise|overhead"
    r"|complexity|failures?|mistakes?|mortality|distance|wer|fid|rmse|mae|mse)\b"
    r"|誤差|誤り|エラー|損失|コスト|費用|時間|遅延|遅れ|メモリ|リスク|分散|雑音|ノイズ|失敗|死亡",
    re.IGNORECASE,
)
_GAIN = re.compile(
    r"\b(?:accurac\w+|precision|recall|performance|quality|f1|bleu|throughput|scores?)\b|精度|性能|再現率|適合率|品質|正解率",
    re.IGNORECASE,
)
#: What something is compared with stands behind the English words, and before the Japanese.
_STANDARD = re.compile(
    r"\b(?:than|compared (?:to|with)|(?:out|under)performs?|(?:out|under)performed|surpass(?:es|ed)?|superior to|inferior to)"
    r"\s+((?:\S+\s*){1,4})"
    r"|([^はがをにで、。\s]{1,20})(?:より|に比べ|と比較|に対し|を上回|を下回)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a sentence says: `risen` by scale, where it says one thing only; `topic` without words of direction."""

    risen: dict[Scale, bool]
    topic: frozenset[str]
    standard: frozenset[str]
    loss: bool


def reverses(claim: str, quote: str) -> bool:
    """Whether the claim says one direction only, and the quote of the same thing the other only. Clauses of the quote whose
    direction is denied or prevented are left out.
    """
    if _TURNED.search(claim):
        return False
    if _TURNED.search(quote):
        quote = " ".join(one for one in clauses(quote) if not _TURNED.search(one))
    ours, theirs = _said(claim), _said(quote)
    turned = {scale for scale, rise in ours.risen.items() if theirs.risen.get(scale, rise) != rise}
    # What is turned twice is as it was: `few survived` and `most died`.
    if len({Scale.AMOUNT if scale in _WAYS else scale for scale in turned}) % 2 == 0:
        return False
    if (
        (ours.loss != theirs.loss and turned != {Scale.LIFE})
        or ours.topic & theirs.standard
        or theirs.topic & ours.standard
    ):
        return False
    if is_cjk(claim) != is_cjk(quote):
        # Two languages share names alone: whether the thing is the same is told by its kind.
        return ours.loss or bool(_GAIN.search(claim) and _GAIN.search(quote))
    return 2 * len(ours.topic & theirs.topic) >= len(ours.topic) > 0


def _said(text: str) -> _Said:
    risen: dict[Scale, bool] = {}
    bare = _STANDARD.sub(" ", text)
    for scale in Scale:
        up, down = (_WORDS[scale, rise].search(text) for rise in (True, False))
        if up and down and scale in _WAYS:
            return _Said({}, frozenset(), frozenset(), loss=False)
        if bool(up) != bool(down):
            risen[scale] = bool(up)
        for rise in (True, False) if scale in _WAYS else ():
            bare = _WORDS[scale, rise].sub(" ", bare)
    if len({risen[way] for way in _WAYS if way in risen}) > 1:
        risen = {scale: rise for scale, rise in risen.items() if scale not in _WAYS}
    loss = bool(_LOSS.search(text))
    # What is good rises where it improves.
    way = next((risen[way] for way in _WAYS if way in risen), None)
    if way is not None and not loss and _GAIN.search(text):
        risen |= dict.fromkeys(_WAYS, way)
    parts = [one for found in _STANDARD.finditer(text) for one in found.groups() if one]
    topic = subjects(bare) - _numbers(text)
    return _Said(risen, frozenset(topic), frozenset(subjects(" ".join(parts)) - topic - _numbers(text)), loss)


def _numbers(text: str) -> set[str]:
    return {one for one in subjects(text) if one[0].isdigit()}
