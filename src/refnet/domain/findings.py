"""Which passages of a paper say what it found, and what each is about.

A finding is told by its verbs (`we find`, `outperforms`, `増加した`), by what was measured, and by its section. The paper's
words are the quote; the claim is what leads up to them, the section's title or its kind: a claim in a sentence of its own
would say the same twice, and nothing here writes sentences.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from refnet.domain.documents import SectionKind
from refnet.domain.passages import Passage
from refnet.domain.wording import is_japanese

FEWEST, MOST = 3, 6
#: What says less than this part of what says most is left out, if there are `FEWEST` without.
_LEAST = 0.4
#: Signs of a sentence that is hard to read as one finding.
_LONG = 280

#: What a section of a kind promises: how much of what it says was found here.
PROMISE = {
    SectionKind.ABSTRACT: 1.0,
    SectionKind.INTRODUCTION: 0.7,
    SectionKind.METHODS: 0.3,
    SectionKind.RESULTS: 1.2,
    SectionKind.DISCUSSION: 1.1,
    SectionKind.CONCLUSION: 1.2,
    SectionKind.OTHER: 0.7,
}
_FOUND = re.compile(
    r"\b(?:(?:we|I|have|has|study|studies|analysis|experiments?|results?|evaluation|data|survey) (?:\w+ ){0,2}?"
    r"(?:find|finds|found|show|shows|showed|shown|demonstrate[sd]?|suggest(?:s|ed)?|indicate[sd]?|reveal(?:s|ed)?"
    r"|observe[sd]?|confirm(?:s|ed)?"
    r"|prove[sdn]?|conclude[sd]?|establish(?:es|ed)?|achieve[sd]?|obtain(?:s|ed)?)"
    r"|outperform(?:s|ed|ing)?|surpass(?:es|ed)?|significant(?:ly)?|no evidence|state-of-the-art|NP-hard|undecidable"
    r"|intractable"
    r"|(?:minimax.)?optimal|compared (?:to|with)|(?:\w+er|more \w+|less \w+|fewer|better|worse) than|\w+-fold"
    r"|correlat(?:es|ed|ion)|(?:was|were|significantly|positively|negatively|strongly) associated with)\b",
    re.IGNORECASE,
)
_CHANGED = re.compile(
    r"\b(?:improv|increas|decreas|reduc)(?:es?|ed|ing|ements?|tions?)\b|\b(?:higher|lower|better|worse|faster|slower"
    r"|larger|smaller|fewer|effective"
    r"|efficient|accura\w+|precision|achieves?d?|yield(?:s|ed)?|difference|effect|sufficient|impossible|potent"
    r"|tractab\w+|confirm(?:s|ed)"
    r"|show(?:s|ed|n)|demonstrat(?:e[sd]?|ing)|suggest(?:s|ed)?|indicat\w+|reveal\w*)\b",
    re.IGNORECASE,
)
_FOUND_JAPANESE = re.compile(
    r"示した|示された|示唆|分かった|わかった|わかる|明らかに(?:なっ|した)|確認(?:した|され|でき)|向上(?:した|し，|が)|低減|削減|改善(?:した|され|が)|短縮|有意"
    r"|できた|得られた|成功|傾向|優れ|といえる|と言える|整合"
)
_CHANGED_JAPANESE = re.compile(
    r"高[いくか]|低[いくか]|多[いくか]|少な[いくか]|差[がは]|異な[っり]|類似|増加|減少|変化[がはし]|可能|有効|不十分|存在しない|結果|容易"
)
_MEASURED = re.compile(
    r"\d(?:[\d.,]*\d)?(?: ?%| ?percent|-fold| ?x\b|×| times| (?:percentage )?points?| (?:milli)?seconds?| minutes?"
    r"| hours?| days?| ?ms\b| ?[KMGT]B| ?[MGT]eV| (?:m|b|tr)illion)"
    r"|\b\d+\.\d+|\bp ?[<=>]|\d+ (?:out )?of (?:the )?\d+|[0-9０-９](?:\.\d+)?\s?(?:[%％倍対件人]|ポイント|水準)",
)
_OWN = re.compile(r"\b(?:we|our|I|this (?:paper|work|study))\b|本[研論稿手]|提案|我々|筆者", re.IGNORECASE)
_AHEAD = re.compile(r"\bfuture\b|\bwe (?:plan|hope|intend|will|wish|aim)\b|\bgoal\b|\baims?\b|今後|目的", re.IGNORECASE)
#: Looks ahead as well, but often beside what was found: such a sentence may stand in a summary, and is no result.
_SUPPOSED = re.compile(
    r"\W*(?:\w+, )?we (?:expect|hypothesi[sz]e|anticipate)\b|.*予定(?:である|だ|です)", re.IGNORECASE
)
#: Says so of the paper itself: a label that is wrong turns round what the quote says, the section's kind never does.
_LIMITATION = re.compile(
    r"\b(?:(?:an?|one|another|the|our)(?: \w+)? limitations? (?:is|are|was|were|includes?)\b"
    r"|among our (?:\w+ )?limitations?\b"
    r"|limitations? (?:of|in|to) (?:this|our|the (?:present|current))\b"
    r"|(?:our|this|the (?:present|current)) (?:\w+ )?(?:study|work|analysis|evaluation|experiments?|survey|review|sample|data)"
    r" (?:is|are|was|were) (?:\w+ly )?limited (?:to|by)\b"
    r"|(?:is|are|was|were) (?:\w+ly )?limited by (?:\w+ ){0,4}our\b)"
    r"|(?:本(?:研究|論文|稿|手法|実験|調査|分析|システム)|提案(?:手法|法|システム))(?:に(?:は|も|おける)|の)[^、，。．はがをに]{0,6}限界(?=[はがもとで])"
    r"|今後の課題(?=[はがもとで])|課題が残(?:る|った|され|って)|課題として残",
    re.IGNORECASE,
)
#: Names a limit that is none, or none any more, or beside what was gained another's.
_NO_LIMITATION = re.compile(
    r"\b(?:overc[oa]m|address|remov|resolv|mitigat|alleviat|eliminat|solv|avoid|lift|circumvent|bypass|tackl"
    r"|outperform|surpass|reduc|improv)\w*"
    r"|\bdespite\b|\b(?:not|no|never|without|nor|neither|hardly) (?:\w+ ){0,3}limit|\blimited (?:to|by) (?:no|none|neither)\b"
    r"|limitations? (?:is|are|was|were) (?:not?|never)\b"
    r"|克服|向上|改善|解決(?:した|し[，、]|され|でき)|解消|(?:限界|課題)[はがも](?:な[いくか]|見られな)",
    re.IGNORECASE,
)

#: Says how something was looked for, and what others found.
_DONE = re.compile(r"(?:In order to|To) .{1,200}, we (?!find|found|show|observe)")
_BEFORE = re.compile(
    r"\b(?:previous|prior|past|earlier|existing) (?:work|studies|study|research|survey)\b|先行研究|従来研究",
    re.IGNORECASE,
)

_TITLE = re.compile(r"[^\W\d_].*[\w)）？?]")
_PLAIN_TITLE = re.compile(r"[\w\s,:’'()/&?「」・ー（）：–-]+")
_ENDS_MIDWAY = re.compile(
    r"\b(?:of|for|and|or|the|a|an|in|on|to|with|from|by|as|at|is|are|does|can|its|our|their)$", re.IGNORECASE
)
_SAYS_ONLY_THE_KIND = re.compile(
    r"(?:abstract|summary|(?:general )?introduction|background|(?:(?:experimental|empirical|main"
    r"|overall) )?results?(?: and (?:discussion|analysis))?|findings"
    r"|(?:general )?discussions?|conclusions?|concluding remarks|evaluations?|experiments?|analysis|methods?"
    r"|conclusions? and (?:future|further) (?:work|directions)"
    r"|discussions? and conclusions?|overview|motivation|preliminaries|text|body|はじめに|序論|結果|考察|結論|まとめ|おわりに|評価|実験)",
    re.IGNORECASE,
)
_LONGEST_TITLE, _MOST_TITLE_WORDS = 60, 9
_KINDS = {
    SectionKind.ABSTRACT: ("Abstract", "概要"),
    SectionKind.INTRODUCTION: ("Introduction", "序論"),
    SectionKind.METHODS: ("Method", "手法"),
    SectionKind.RESULTS: ("Result", "結果"),
    SectionKind.DISCUSSION: ("Discussion", "考察"),
    SectionKind.CONCLUSION: ("Conclusion", "結論"),
}
_LIMITATION_NAMES = ("Limitation", "限界")
_OTHER_NAMES = ("Finding", "知見")


def evidence(passage: Passage) -> float:
    """How much a passage speaks for being a finding of the paper itself; 0 where nothing does."""
    text = passage.text
    found, changed = (_FOUND_JAPANESE, _CHANGED_JAPANESE) if is_japanese(text) else (_FOUND, _CHANGED)
    strong = len(dict.fromkeys(word.lower() for word in found.findall(text)))
    weak = len(dict.fromkeys(word.lower() for word in changed.findall(text)))
    if not passage.alone or not (strong or weak) or looks_ahead(text) or _SUPPOSED.match(text):
        return 0.0
    signs = min(strong, 3) + 0.4 * min(weak, 3) + (0.7 if _MEASURED.search(text) else 0.0)
    is_own = _OWN.search(text) is not None
    own = 1.3 if is_own else 1.0
    if passage.kind is SectionKind.INTRODUCTION and not is_own:
        return 0.0  # what was known before
    others = 0.4 if passage.cites and not (is_own and passage.kind is SectionKind.RESULTS) else 1.0
    done = 0.3 if _DONE.match(text) or _BEFORE.search(text) else 1.0
    short = 0.6 if len(text) > _LONG else 1.0
    return PROMISE.get(passage.kind, 0.0) * signs * own * others * done * short


def looks_ahead(text: str) -> bool:
    """Whether a sentence tells of what is to be done, not of what was done."""
    return bool(_AHEAD.search(text))


def worth_telling(scores: list[float]) -> list[float]:
    """The scores with 0 for what says too little beside what says most."""
    best = sorted(scores, reverse=True)[:FEWEST]
    floor = min(best[-1], _LEAST * best[0]) if best else 0.0
    return [score if score >= floor else 0.0 for score in scores]


def lead_up(passage: Passage, title: str, lang: str, capitals: Mapping[str, str]) -> str:
    """What leads up to the quote of a passage in a section of this title: words that say more than the quote does.

    `capitals` are words with capitals in them by how they read in small letters: a title all in capitals hides those.
    """
    japanese = lang == "ja"
    title = " ".join(title.split()).rstrip(" .:：。．")
    if _is_telling(title):
        return _in_small_letters(title, capitals) if title.isupper() else title
    if _LIMITATION.search(passage.text) and not _NO_LIMITATION.search(passage.text):
        return _LIMITATION_NAMES[japanese]
    return _KINDS.get(passage.kind, _OTHER_NAMES)[japanese]


def _in_small_letters(title: str, capitals: Mapping[str, str]) -> str:
    words = " ".join(capitals.get(word.lower(), word.lower()) for word in title.split())
    return words[:1].upper() + words[1:]


def _is_telling(title: str) -> bool:
    if not 2 < len(title) <= _LONGEST_TITLE or len(title.split()) > _MOST_TITLE_WORDS:
        return False
    if not _TITLE.fullmatch(title) or not _PLAIN_TITLE.fullmatch(title) or _ENDS_MIDWAY.search(title):
        return False
    return not _SAYS_ONLY_THE_KIND.fullmatch(title)
