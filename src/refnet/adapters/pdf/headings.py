"""Which words head a section, and what kind of section they head, in English and in Japanese."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from refnet.domain.documents import SectionKind as Kind

_STUDIES = "(?:works?|research|literature|studies)"
_AND_MORE = "(?:,? (?:and|&) .+|, .+)?"
#: Headings as a whole. The first kind that fits counts.
_NAMES: dict[Kind, tuple[str, ...]] = {
    Kind.ABSTRACT: (
        "(?:extended |structured )?abstract",
        "(?:executive )?summary",
        "synopsis",
        "概要|要旨|要約|抄録|あらまし|アブストラクト|摘要",
    ),
    Kind.INTRODUCTION: (
        "(?:general )?introduction(?: and .+)?",
        "motivation",
        "はじめに|序論|緒論|緒言|序章|序言|まえがき|前書き|導入",
        "研究(?:の)?背景(?:と.+)?|背景(?:と目的)?",
    ),
    Kind.RELATED: (
        rf"(?:(?:background|discussion of|overview of)(?: and)? )?(?:related|previous|prior) {_STUDIES}(?: and .+)?",
        rf"(?:related|previous|prior) and (?:related|previous|prior) {_STUDIES}",
        "(?:related )?literature(?: review| survey)?",
        "(?:theoretical )?background",
        "state of the art",
        "(?:関連|先行|従来|既存)(?:の)?(?:研究|技術|手法|事例).{0,10}",
    ),
    Kind.METHODS: (
        "(?:(?:materials?|patients?|subjects?|participants?|data|models?|experimental) and )?methods?",
        "methods? and (?:materials?|data|procedures?)",
        "methodology",
        "(?:our |the |proposed |general )?(?:approach|method|framework|algorithm|model|architecture)",
        "experiment(?:al)? (?:procedures?|methods?|design|set-?ups?|settings?)",
        "(?:study )?design",
        "materials|implementation|procedure",
        "(?:提案|本)?(?:手法|方式|システム)(?:の.{1,10})?",
        "方法論?|研究方法|実験方法|実装|設計(?:と実装)?|実験",
    ),
    Kind.RESULTS: (
        "(?:(?:main|experimental|empirical|numerical|simulation|evaluation|our) )?(?:results?|findings)",
        "(?:(?:experimental|empirical|performance|human|system) )?(?:evaluations?|experiments?|analysis)",
        "(?:experimental )?(?:results?|evaluations?|experiments?) and (?:results?|discussions?|analysis|evaluation)",
        "(?:実験|評価|解析|分析|調査|研究)?(?:結果|評価|検証)(?:(?:と|及び|および|・)(?:考察|評価|分析))?",
    ),
    Kind.DISCUSSION: (
        "(?:general )?discussions?(?: and (?:limitations?|future work|implications|outlook))?",
        "limitations?(?: and .+)?",
        "考察|議論|検討",
    ),
    Kind.CONCLUSION: (
        rf"(?:(?:summary|discussions?|results?) and )?(?:conclusions?|concluding remarks|conclusive remarks){_AND_MORE}",
        "(?:summary|discussion),? and (?:outlook|conclusions?|future (?:work|directions?))",
        "future (?:work|directions)|outlook",
        "おわりに|終わりに|終りに|結言|結び|むすび|あとがき|今後の(?:課題|展望)",
        "まとめ(?:と.{1,12})?|結論(?:と.{1,12})?",
    ),
    Kind.ACKNOWLEDGEMENTS: (
        "acknowledge?ments?(?: and .+)?",
        "(?:funding|author contributions?|(?:competing|conflicts? of) interests?|data availability)(?: statement)?",
        "(?:declaration of|authors?['’]) .{0,60}|author (?:information|details)|additional files?|abbreviations",
        "(?:code and data |data and code )?availability.{0,60}|ethic(?:s|al).{0,60}|broader impacts?.{0,40}",
        "謝辞",
    ),
    Kind.REFERENCES: (
        "(?:literature )?references(?: and notes)?",
        "bibliography|literature cited|works cited",
        "参考文献(?:リスト)?|引用文献|文献",
    ),
    Kind.APPENDIX: (
        "(?:online |technical )?(?:appendix|appendices)(?:[ .:].{0,80})?",
        "supplementary (?:material|information).*|supporting information",
        "付録.{0,20}",
    ),
}
_KNOWN = [(kind, re.compile("|".join(names), re.IGNORECASE)) for kind, names in _NAMES.items()]
#: Words in a heading that tell its kind where it is none of the above.
_HINTS: dict[Kind, tuple[str, ...]] = {
    Kind.APPENDIX: ("^appendi(?:x|ces)\\b", "^付録", "^supplement"),
    Kind.INTRODUCTION: ("\\bintroduction\\b",),
    Kind.RELATED: (r"\b(?:related|previous|prior) (?:works?|research)\b", "関連研究|先行研究"),
    Kind.CONCLUSION: (r"\bconclu(?:sions?|ding)\b", "結論|おわりに|まとめ"),
    Kind.DISCUSSION: (r"\b(?:discussions?|limitations?|implications)\b", "考察|議論"),
    Kind.RESULTS: (
        r"\b(?:results?|findings|evaluat(?:ion|ing)|experiments?|experimental|performance|comparison)\b",
        r"\bcase stud(?:y|ies)\b",
        "結果|評価|比較",
    ),
    Kind.METHODS: (
        r"\b(?:methods?|methodology|approach|model(?:s|ling|ing)?|algorithms?|architecture|implementation)\b",
        r"\b(?:design|framework|system|data ?sets?|data|training|setup|corpus)\b",
        "手法|方法|実装|設計|提案|方式|実験",
    ),
}
_WORDS = [(kind, re.compile("|".join(hints), re.IGNORECASE)) for kind, hints in _HINTS.items()]

_NUMBER = re.compile(
    r"(?P<decimal>\d{1,2}(?:\.\d{1,2}){0,3})(?:[.)]\s*|\s+|(?=[^\W\d_a-z]))(?=\S)"
    r"|(?P<roman>[IVX]{1,5})(?:\.\s*|\s+)(?=\S)"
    r"|(?P<letter>[A-Z])(?:\.(?P<under>\d{1,2}(?:\.\d{1,2})?)[.]?\s+|\.\s+|\s+)(?=\S)"
    r"|第\s*(?P<chapter>\d{1,2})\s*[章節]\s*"
)
_ROMAN = {"I": 1, "V": 5, "X": 10}
#: A name, and what parts it from the text behind it.
_RUN_IN = re.compile(r"(?P<name>[^.:：—–―]{2,40}?)\s*(?P<mark>[.:]?\s*[—–―]+|[.:：]|\s-\s)\s*(?=\S)")
#: Capitals that begin a word of small capitals and that PDFium parts from it.
_CAPITAL_APART = re.compile(r"\b([A-Z]) (?=[A-Z]{2})")
_SPACED = re.compile(r"(?:\S ){3,}\S")


@dataclass(frozen=True, slots=True)
class Number:
    """The number of a heading: `scheme` is `decimal`, `roman` or `letter`, `parts` from the top level down."""

    scheme: str
    parts: tuple[int, ...]


def plain(text: str) -> str:
    """A heading as it would be typed: wide letters narrow, letters set apart (`A B S T R A C T`) together."""
    text = unicodedata.normalize("NFKC", text).strip()
    return text.replace(" ", "") if _SPACED.fullmatch(text) else text


def numbered(text: str) -> tuple[list[Number], str]:
    """What number a plain heading may have, and its words without it. `I` may be a letter or a Roman one."""
    found = _NUMBER.match(text)
    if found is None:
        return [], text
    rest = text[found.end() :]
    if whole := found["decimal"] or found["chapter"]:
        return [Number("decimal", tuple(int(part) for part in whole.split(".")))], rest
    readings: list[Number] = []
    if found["roman"]:
        readings.append(Number("roman", (_roman(found["roman"]),)))
    letter = found["letter"] or (found["roman"] if found["roman"] and len(found["roman"]) == 1 else None)
    if letter:
        under = tuple(int(part) for part in found["under"].split(".")) if found["under"] else ()
        readings.append(Number("letter", (ord(letter) - ord("A") + 1, *under)))
    return readings, rest


def _roman(text: str) -> int:
    values = [_ROMAN[letter] for letter in text]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))


def known(words: str) -> Kind | None:
    """The kind of a heading that is known as a whole, without its number."""
    words = words.strip(" .:：")
    return next((kind for kind, names in _KNOWN if names.fullmatch(words)), None)


def mended(words: str) -> str:
    """`I NTRODUCTION` as it was meant, where that is a name that is known."""
    joined = _CAPITAL_APART.sub(r"\1", words)
    return joined if joined != words and known(joined) else words


def kind_of(words: str) -> Kind:
    """The kind of any heading, by what it says."""
    return known(words) or next((kind for kind, hint in _WORDS if hint.search(words)), Kind.OTHER)


def run_in(text: str) -> tuple[Kind, str, str, int] | None:
    """The known heading at the start of a line that goes on with text, `Abstract—We …`: its kind, its name, the mark behind
    it, and where the text begins.
    """
    found = _RUN_IN.match(text)
    kind = known(found["name"]) if found else None
    return (kind, found["name"], found["mark"].strip(), found.end()) if found and kind else None
