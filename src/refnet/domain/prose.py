"""Which sentences of a paper can stand in a summary.

What is read of a PDF holds captions, formulas, headings, cells of tables, notes at the foot and the publisher's lines
among its sentences, and good sentences that make no sense away from their place. Whether one can stand alone is told by
its signs and its first words: nothing here parses. Sentences are given as `refnet.domain.wording.plain` makes them, which
are never long.
"""

from __future__ import annotations

import re

from refnet.domain.terms import STOPWORDS
from refnet.domain.wording import THING, is_japanese

_FEWEST_WORDS, _MOST_WORDS = 7, 65
#: The share of stop words in a sentence, at the least: English without them is a heading or a table.
_FUNCTION_WORDS = 0.18

_WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")
_BEGIN = re.compile(
    r"[^\W\d_a-zß-öø-ÿ]|\d+(?:[.,]\d+)*%? [a-z]|[「『“\"]?[\u3040-\u30ff\u3400-\u9fff]|[a-z]+[A-Z]"
    r"|[a-z]+[-\d]?[a-z]* ?[\u3040-\u9fff]"
)
_END = re.compile(r"(?:[!。．！]|(?<!co)\.)[\"'”’)」』）]?$")
#: Captions, steps, proofs, items and notes begin like these, sentences with a heading run into them, too.
_BAD_BEGIN = re.compile(
    rf"(?:{THING}|図|表|Box|Scheme|Plate|Note|Step|Case|Phase|Proof|Remark|Q|A)\.? ?\(?\d|(?:Proof|Remark|Note|Abstract"
    rf"|Keywords)\b[.:]"
    r"|(?:Sketch|Plot|Illustration|Schematic|Screenshot|Photograph|Diagram)s? (?:of|for|showing|demonstrating)\b|謝辞"
    r"|概要|要旨"
    r"|\(|\d{1,2}[A-Z]|[IVX]+\. |[A-Z]\. |\d{1,2}(?:\.\d{1,2})+|\d+ [A-Z][a-z]|\[|[^:：]{0,40}[:：](?!\d)"
)
#: A sentence into which another part of the page has run, and one whose letters are not those that are printed.
_BROKEN = re.compile(
    r"[\ufffd\u21b5\ue000-\uf8ff\x00-\x1f\x7f-\x9f\u02c0-\u02df†‡]|\(cid:|\w\([\"“']|[a-z]{2}=\w|\b[A-Z]> |::|\w\(\)|\.{4}"
    r"|[.,;] [.,;]|[.:]\d; ?\d|\b\d{1,2}[A-Z][a-z]"
    r"|[a-z]{4}[.!?] ?[a-z]|\s\.[a-z]"
    r"|[a-z] (?:It|The|In|To|As|If|When)\s(?:[a-z]|I\b)|\w (?:We|This|Our|These)\s[a-z]|[a-z]{4}\d{1,2} [A-Z]"
    r"|[a-z] [A-Z]\w+(?: (?:of|and|on|the|in|for|[A-Z]\w+)){2,8} \d{1,3} [a-z]|\w \d{1,3} [A-Z]\w+: [A-Z]"
    r"|[a-z]{3}\.\d|(?:\b[A-Z][A-Z-]+\s+){3}|\((?:left|right|top|bottom|upper|lower|middle)(?: \w+)?\)|[.!?]\*"
)
_FORMULA = re.compile(
    r"[=<>±≤≥≈∼≃≡≠∝∑∏∫√∂∇∈∉⊂⊆∪∩∀∃→←↔⇒⟨⟩∞×·∗∘⊕⊗|\\^_{}~#¬∧∨•▪■]|[\u0370-\u03ff](?![\u0370-\u03ff])"
    r"|[\U0001d400-\U0001d7ff]"
)
_PUBLISHER = re.compile(
    r"https?:|www\.|@|\bdoi\b|©|\(c\) ?(?:19|20)\d\d|arXiv ?:|\bpermission to\b|\bcopyright|\ball rights reserved"
    r"|creative commons"
    r"|\bISBN\b|\bISSN\b|corresponding author|\bdownloaded from\b|\bproceedings of the\b|\bacm reference"
    r"|\bpublished (?:by|online)"
    r"|\b(?:received|accepted|revised):? \d|\b(?:research|work|study|material) (?:\w+ ){0,5}(?:was|is"
    r"|has been) (?:\w+ )?(?:supported|funded|based upon)"
    r"|\bwork of .{1,60} (?:is|was) (?:\w+ )?supported|\bsupported (?:by|in part)\b.{0,80}\b(?:grant|foundation|fund)"
    r"|\bgrants? (?:no|number|#)|\bauthors? (?:thank|would like|declare|contributed)|\b(?:we|I) (?:\w+ )?(?:thank"
    r"|grateful)"
    r"|\bopen access article|\bequal contribution|\bavailable (?:at|from|online|under)\b|\bkey ?words\b|\bdisclaimer",
    re.IGNORECASE,
)
_PAIRS = {"(": ")", "[": "]", "「": "」", "『": "』", "（": "）", "“": "”"}
_CLOSING = frozenset(_PAIRS.values())

#: These lean on the sentence before.
_LEANS = re.compile(
    r"(?:And|But|Thus|Hence|So(?! (?:far|called)\b)|(?:Later|Earlier|Newer|Older|Larger|Smaller|Simpler|Some|Such) ones"
    r"|The (?:advantage|difference|improvement|gain|effect|gap|trend) (?:is (?!(?:[\w.]+ ){1,3}(?:of|between)\b)|holds|does|remains)"
    r"|(?:With|Without|Among|In|On|For|At|Under|After|Before) [^,]{1,90}, (?:it|they)"
    r"(?! (?:is|was|has been|becomes|seems) (?:\w+ ){1,2}(?:to|that)\b)"
    r"|(?:With|Without|At|Under|After|Before|For) (?:[\w-]+ ){1,5}(?:it|they)"
    r"(?! (?:is|was|has been|becomes|seems) (?:\w+ ){1,2}(?:to|that)\b)"
    r"|This|These|Those|That|It|They|He|She|Such|Both|His|Her|Their|Its|Another|Others|Other|Either|Neither"
    r"|Doing so|There(?:in|of|by)"
    r"|There again|Then|In between|In (?:contrast|addition|response|relation|comparison) to (?:this|these|that|those"
    r"|it)"
    r"|On the contrary|Here|Same|Since|Because|Otherwise|Similar|Again|Not(?:e|ice)|Recall|Consider|Let|Suppose"
    r"|Assume|Given"
    r"|Observe|See|If|One (?:such|of|is|reason|way|other|challenge|example|explanation|question)"
    r"|(?:Some|Each|All|Most|Many|None|Part|Any|Few|Two|Three) of (?:these|those|them|this|which)"
    r"|The (?:former|latter|above|following|same|first|second|third|fourth|last|other|others|next|previous|remaining"
    r"|resulting"
    r"|corresponding|two|three|four|reason|rest|idea|only|opposite|case|examples?)|For (?:example|instance)"
    r"|(?:In|On|At|For|From|With|Within|By|Under|Through|Using|Via|To|After|Before|Despite|Unlike|Like|Among|Across"
    r"|Beyond|Based on"
    r"|Besides|Without|During|Due to|Because of|As|Regarding|Around|Over|Given) (?:this|these|that|those|such|them|it"
    r"|both|each|the (?:former|latter|above|same)|mentioned|above|before)"
    r"|To (?:do|achieve|address|solve|overcome) (?:this|these|so|that|it)|We (?:then|now|next|thus|therefore|hence"
    r"|again|first)"
    r"|[^,]{1,40}, (?:they|it|he|she|this|these)|Before we|After we|As we (?:show|saw|shall|will|have|discuss)"
    r"|More complete information)\b"
)
_STANDS_ALL_THE_SAME = re.compile(
    r"(?:(?:In|For|From|To|Throughout|Within) )?(?:[Tt]his|[Tt]he present) (?:paper|article|work|study|thesis|survey"
    r"|report|research|review|book|dissertation|letter)\b"
    r"|(?:This|Our) (?:analysis|experiment)\b|(?:Based on |From )?[Tt]hese (?:results|findings|data|observations"
    r"|experiments)\b"
    r"|It (?:is|was|has been|turns out|follows) (?:\w+ ){0,2}(?:that|to)\b|(?:For |In )?[Bb]oth \w+ and\b|Given (?:a"
    r"|an|the)\b"
)
_LEANS_JAPANESE = re.compile(
    r"(?:これ|それ|この|その|あの|ここ|そこ|こう|そう|前者|後者|両者|同[^一時様じ]|例えば|たとえば|なぜなら|ただ|もし|なお|各々|[((（]|いずれ|他の|もう|残る|上の)"
)
_POINTS = re.compile(
    rf"(?i:\b{THING})\.? ?\(?\d|\bAppendi(?:x|ces) [A-Z]\b|§|\((?:\d{{1,2}}|[ivx]{{1,4}})\)|\bet al\b|\((?:19"
    rf"|20)\d\d[a-z]?\)"
)
_POINTS_JAPANESE = re.compile(
    r"[図表式]\s?[(（]?[\d０-９]|第?\s?[\d０-９]+(?:\.\d+)*\s?小?[章節]|[本次前各][節章]|付録|上[記述]|下記|以下|前述|後述|次の|[とど]おりである"
    r"|構成は|構成を[示述]|について(?:述べる|説明する|示す)[．。]$|を参照|謝意|感謝|述べたよう"
)
_ROADMAP = re.compile(
    r"\b(?:this|next|following|previous|last|present|preceding|subsequent|earlier|later|final) (?:sub)?(?:section"
    r"|chapter|appendix)"
    r"|\b(?:sub)?sections? [A-Z\d]|\bchapter \d|\b(?:rest|remainder|outline|organi[sz]ation|structure) of (?:this|the"
    r"|our) (?:paper|article|thesis|report|letter|book)"
    r"|\bas follows|in what follows|\b(?:described|discussed|shown|listed|given|mentioned|defined|presented"
    r"|introduced) (?:earlier|later|here|before)\b"
    r"|\b(?:just|previously|already) (?:described|discussed|shown|mentioned|defined|presented|introduced)\b"
    r"|\babove\b(?! (?:\d|the|average|all|chance))|\bbelow\b(?! (?:\d|the|average|chance|threshold))"
    r"|\bwe (?:\w+ )?(?:turn to|describe how|discuss how|show how|defer|refer (?:to|the)|conclude (?:by|with)"
    r"|begin by|start by|briefly)"
    r"|\b(?:graph|plot|curve|bar|line|panel|ax[ie]|column|row|colou?r|arrow|dot|circle)s? (?:shows?|indicates?"
    r"|represents?|depicts?|denotes?)\b"
    r"|\bthe (?:introduction|appendix|supplement)\b|\bcan be found (?:in|at|on)\b|\bthe reader (?:is|may|can|should"
    r"|will)|\bsupplementary|\bfootnote|\bexercise\b.{0,20}\breader|\bis given\.$",
    re.IGNORECASE,
)


def is_prose(text: str, *, english: bool = True) -> bool:
    """Whether a sentence is a whole one of running text, no caption, formula, reference or publisher's line.

    `english` is false for other languages in Latin letters, which have other function words.
    """
    if not _BEGIN.match(text) or _BAD_BEGIN.match(text) or not _END.search(text) or not _is_balanced(text):
        return False
    if _BROKEN.search(text) or _PUBLISHER.search(text) or len(_FORMULA.findall(text)) > 1:
        return False
    if is_japanese(text):
        return text[-2:-1] > "\u3000" and sum(sign.isdigit() for sign in text) * 5 < len(text)
    words = _WORD.findall(text)
    if not _FEWEST_WORDS <= len(words) <= _MOST_WORDS:
        return False
    symbols = sum((len(word) == 1 and word not in "aAI") or word[0].isdigit() or word[-1].isdigit() for word in words)
    capitals = sum(word[0].isupper() for word in words)
    if symbols * 5 > len(words) or capitals * 2 > len(words):
        return False
    small = sum(word.lower() in STOPWORDS for word in words)
    return not english or small >= len(words) * _FUNCTION_WORDS


def stands_alone(text: str) -> bool:
    """Whether a sentence makes sense away from its place: it neither leans on what stands before nor points elsewhere."""
    if is_japanese(text):
        return not (_LEANS_JAPANESE.match(text) or _POINTS_JAPANESE.search(text))
    if _LEANS.match(text) and not _STANDS_ALL_THE_SAME.match(text):
        return False
    return not (_POINTS.search(text) or _ROADMAP.search(text))


def _is_balanced(text: str) -> bool:
    waiting: list[str] = []
    for sign in text:
        if sign in _PAIRS:
            waiting.append(_PAIRS[sign])
        elif sign in _CLOSING and (not waiting or waiting.pop() != sign):
            return False
    return not waiting and text.count('"') % 2 == 0
