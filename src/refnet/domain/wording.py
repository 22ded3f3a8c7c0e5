"""A sentence of a paper as it reads away from its place: without citations, pointers, and what led over from the sentence before.

A sentence much longer than `LONGEST` is never looked into, so that no file can make the patterns work for long.
"""

from __future__ import annotations

import re

from refnet.domain.citations import Citations, is_by_name
from refnet.domain.terms import STOPWORDS, words

#: Signs of a sentence, at the least and at the most; Japanese says more with fewer.
SHORTEST, LONGEST = 45, 420
SHORTEST_JAPANESE, LONGEST_JAPANESE = 18, 220

#: What is numbered, as papers point to it.
THING = (
    r"(?:Figs?|Figures?|Tabs?|Tables?|Sections?|Secs?|Sects?|Appendi(?:x|ces)|App|Eqs?|Eqns?|Equations?|Algorithms?"
    r"|Chapters?|Listings?"
    r"|Theorems?|Lemmas?|Propositions?|Definitions?|Corollar(?:y|ies)|Examples?|Supplement\w*)"
)
#: For sentences of papers whose references nobody looked at.
UNKNOWN = Citations()
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_CITED_BY_NUMBER_JAPANESE = re.compile(
    r"［[0-9０-９]{1,3}(?:[,，、–-][0-9０-９]{1,3}){0,15}］|(?<=[\u3040-\u9fff])(?:\d{1,2}(?:[,，]\d{1,2}){0,6}\)|\*\d{1,2})"
)
#: Behind these a citation is a word of the sentence.
_TAKES_AN_OBJECT = words(
    """
    in by of from see to with than following like both at on for as and or e.g. cf. using under via eq. ref. refs.
    """
)
_NOTE_BEHIND = re.compile(r"(?<=[^\W\d_]{3}|..\))([.!?])(?:\d{1,3}(?:[,–-]\d{1,3}){0,5}|\[[^\[\]]{1,30}\])$")
_NOTE_INSIDE = re.compile(r"(?<=[^\W\d_]{3}),(\d{1,2})(?= ([^\W\d_]{1,30}))")
#: Behind the number of a note a sentence goes on; before these it counts something.
_COUNTED = words("of men women people children percent")
_BRACKET = re.compile(r" ?\(([^()]{1,400})\)")
_WORK_JAPANESE = re.compile(r"（[^（）]{1,60}(?:19|20)\d\d[a-z]?）")
_POINTER = re.compile(
    rf"(?:(?:see,?|see also|cf\.|e\.g\.,?|as shown in|shown in|also|details? in|in) ){{0,2}}(?:the )?(?:{THING}\b\.?"
    rf"|§) ?[\w.]{{0,12}}.{{0,80}}",
    re.IGNORECASE,
)
_PARTS = re.compile(r"[,;] ")
_LEADS_TO_POINTER = re.compile(r"see|see also|e\.g\.|cf\.|i\.e\.|also", re.IGNORECASE)
#: A value, as stands beside a pointer: `Table 1, p < 0.001`.
_STATES = re.compile(r"[=<>±≤≥≈]|\d\.\d|\d ?[%％]")
#: But a point may begin a number or a name: `r = .45`, `for .NET`.
_SPACE_BEFORE = re.compile(r"\s+([,;:，．、。]|\.(?!\w))")

_LEAD_IN = re.compile(
    r"(?:(?:However|Therefore|Thus|Hence|Moreover|Furthermore|In addition|Additionally|Also|Finally|First|Firstly"
    r"|Second|Secondly"
    r"|Third|Thirdly|Lastly|Next|Then|Consequently|Accordingly|As a (?:result|consequence)|(?:In|By) contrast"
    r"|In particular|Particularly"
    r"|(?:More |Most )?(?:[Ss]pecifically|[Ii]mportantly|[Nn]otably|[Ii]nterestingly|[Gg]enerally|[Pp]recisely"
    r"|[Bb]roadly)"
    r"|Overall|Altogether|Taken together|In (?:summary|conclusion|short|sum|fact|general|total|turn)"
    r"|To (?:summari[sz]e|conclude|this end|that end|sum up)|Nevertheless|Nonetheless|Still|Yet|Indeed|Similarly"
    r"|Likewise|Meanwhile"
    r"|On the (?:other|one) hand|For this (?:reason|purpose)|Instead|Rather|Besides|Conversely|Unfortunately"
    r"|Fortunately|Of course"
    r"|As such|In other words|That is|At the same time|Surprisingly|Here|Now|So|Again|Currently|Clearly|Obviously"
    r"|As expected"
    rf"|(?:As (?:can be |is |we )?(?:shown|seen|see|illustrated|depicted|reported)|From|In|According to)(?: (?:in"
    rf"|from|by|the|results|of)){{0,3}} {THING}\.? ?\d[\w.]{{0,6}}"
    r"|As (?:mentioned|described|discussed|noted|stated|shown)(?: \w+){0,3}),"
    r"|We (?:also )?note that|Note that) (?=\S)"
    # Without a comma they may be a part of what they begin: `So far`, `But for`.
    r"|(?:And|But|So|Thus|Hence|Therefore) (?=(?:we|the|our|it|they|there|he|she|in)\b)"
)
_LEAD_IN_JAPANESE = re.compile(
    r"(?:(?:しかし(?:ながら)?|さらに|したがって|従って|よって|なお|続いて|次に|まず|最後に|一方で?|すなわち|つまり|そして|ただし"
    r"|このように|以上より|以上から|以上のように|特に|加えて|ここで|だが|ところが|同様に|全体的には|第[一二三四]に|最終的に|対して|結論として)[，、,]|また[，、,]?(?!は))\s?"
)


def is_japanese(text: str) -> bool:
    """Whether a sentence is written without spaces: more than a fifth of its signs are kana or kanji."""
    return len(_CJK.findall(text)) * 5 > len(text)


def cites(text: str, citations: Citations = UNKNOWN) -> bool:
    """Whether a sentence names other works, so that what it says may be theirs."""
    if citations.by_number(text) or _WORK_JAPANESE.search(text) or "et al" in text:
        return True
    return any(is_by_name(found[1]) for found in _BRACKET.finditer(text))


def quoted(text: str) -> str:
    """A sentence without the number of a note that is set behind it: still the paper's own words, in one piece."""
    return _NOTE_BEHIND.sub(r"\1", text)


def plain(text: str, citations: Citations = UNKNOWN) -> str | None:
    """A sentence without what only leads into it, without citations, and without pointers in brackets to a figure or section.
    `citations` is how the paper cites.

    None where such a thing is a part of it, so that it would not read without, and for one that is too long or too short.
    """
    if not SHORTEST_JAPANESE <= len(text) <= 2 * LONGEST:
        return None
    japanese = is_japanese(text)
    text = _NOTE_INSIDE.sub(_without_note, quoted(text))
    if _needs_its_citation(text, citations):
        return None
    text = _CITED_BY_NUMBER_JAPANESE.sub("", citations.without(text))
    text = _WORK_JAPANESE.sub("", _BRACKET.sub(_kept, text))
    text = _SPACE_BEFORE.sub(r"\1", " ".join(text.split()))
    for _ in range(2):
        led = (_LEAD_IN_JAPANESE if japanese else _LEAD_IN).match(text)
        if led is None:
            break
        text = _capitalised(text[led.end() :])
    shortest, longest = (SHORTEST_JAPANESE, LONGEST_JAPANESE) if japanese else (SHORTEST, LONGEST)
    return text if shortest <= len(text) <= longest else None


def _without_note(found: re.Match[str]) -> str:
    """A comma without the number that is set behind it, unless the number counts what follows."""
    word = found[2].lower()
    plural = word.endswith("s") and not word.endswith("ss") and word not in STOPWORDS
    return f", {found[1]}" if plural or word in _COUNTED else ","


def _needs_its_citation(text: str, citations: Citations) -> bool:
    """Whether a numbered citation is a word of the sentence: `as in [3]`, `[3] shows`."""
    for found in citations.by_number(text):
        before = text[max(0, found.start() - 12) : found.start()].rsplit(" ", 1)[-1].strip("(").lower()
        if (
            before in _TAKES_AN_OBJECT
            or found.start() == 0
            or before.endswith(("研究", "文献", "論文", "報告", ",", "，"))
        ):
            return True
    return False


def _kept(bracket: re.Match[str]) -> str:
    """What stays of what stands in brackets: no citation, and of a pointer what else it says."""
    inside = bracket[1].strip()
    if is_by_name(inside):
        return ""
    if _POINTER.fullmatch(inside) and not _STATES.search(inside):
        return ""
    kept: list[str] = []
    pointed = False
    for part in _PARTS.split(inside):
        points = _POINTER.fullmatch(part) is not None
        pointed = pointed or points
        # Behind a pointer stands what belongs to it (`Figure 2, left`), or a value.
        if not pointed or (not points and _STATES.search(part)):
            kept.append(part)
    if not pointed:
        return bracket[0]
    kept = [part for part in kept if not _LEADS_TO_POINTER.fullmatch(part)]
    return f" ({', '.join(kept)})" if kept else ""


def _capitalised(text: str) -> str:
    """With a capital where a word begins it; `eBay` and `p53` stay."""
    return text[:1].upper() + text[1:] if text[1:2].islower() or text[1:2] in " ’'" else text
