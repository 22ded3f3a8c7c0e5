"""Two papers that nobody wrote, as a reader of PDFs would give them."""

from __future__ import annotations

from refnet.domain.documents import Document, DocumentSection, Hidden, SectionKind, Sentence

_ENGLISH: list[tuple[SectionKind, str, int, list[str]]] = [
    (SectionKind.OTHER, "", 1, ["Street Lamps and Moths A. Light B. Wing University of Nowhere light@example.org"]),
    (
        SectionKind.ABSTRACT,
        "Abstract",
        1,
        [
            "We study how the colour of street lamps changes the number of moths that gather at them.",
            "Amber lamps drew far fewer moths than white lamps at all twelve sites.",
        ],
    ),
    (
        SectionKind.INTRODUCTION,
        "Introduction",
        1,
        [
            "Street lamps draw moths away from the flowers that they pollinate (Flutter et al., 2011; Dusk, 2014).",
            "Many towns replace old street lamps by white lamps, which draw more moths than the lamps before [3, 4].",
            "This matters.",
            "In this paper, we measure how the colour of street lamps changes the number of moths in twelve villages.",
            "The rest of this paper is organized as follows.",
            "In Section 2 we describe the lamps that were used in the villages.",
        ],
    ),
    (
        SectionKind.METHODS,
        "LAMPS AND LED TRAPS",
        2,
        [
            "We fitted amber lamps and white lamps to the street lamps of twelve villages for two summers.",
            "Moths were counted every night by LED traps that hung three metres below the lamps.",
            "Let n = 12 and m = n + k, where k ∈ K.",
        ],
    ),
    (
        SectionKind.RESULTS,
        "Results",
        3,
        [
            "However, we found that amber lamps drew 63% fewer moths than white lamps in the same village.1",
            "The difference between amber lamps and white lamps was significant at eleven of the twelve sites (Figure 2).",
            "Figure 2: Moths by colour of lamp.",
            "As shown in Table 1, large moths were counted at amber lamps in only one village.",
            "It was smaller there.",
        ],
    ),
    (
        SectionKind.DISCUSSION,
        "Traffic and safety",
        4,
        [
            "Drivers judged amber lamps to be as bright as white lamps, which suggests that safety is not affected.",
            "A limitation of the study is that all villages lie in one valley with few flowers.",
        ],
    ),
    (
        SectionKind.CONCLUSION,
        "Conclusion",
        5,
        [
            "We have shown that amber street lamps draw fewer moths than white street lamps without harm to traffic.",
            "Towns that replace street lamps can protect moths by the choice of amber lamps.",
            "In future work, we plan to count moths at street lamps in cities.",
        ],
    ),
    (SectionKind.ACKNOWLEDGEMENTS, "Acknowledgements", 5, ["We thank the villages for the lamps that they lent us."]),
    (
        SectionKind.REFERENCES,
        "References",
        6,
        ["Dusk, A. (2014). Moths and street lamps in the valley. Journal of Moths."],
    ),
    (
        SectionKind.APPENDIX,
        "Counts",
        7,
        ["The appendix lists how many moths each of the lamps drew in each of the nights."],
    ),
]

_JAPANESE: list[tuple[SectionKind, str, int, list[str]]] = [
    (
        SectionKind.ABSTRACT,
        "概要",
        1,
        ["本論文では，街灯の色が蛾の数に与える影響を調べる．", "琥珀色の街灯に集まる蛾は白色の街灯より少なかった．"],
    ),
    (
        SectionKind.INTRODUCTION,
        "はじめに",
        1,
        [
            "街灯は花粉を運ぶ蛾を花から引き離す [1][2]．",
            "多くの町では，古い街灯が白色の街灯に置き換えられている．",
            "そのため，蛾の数が減少している．",
            "本研究の目的は，街灯の色と蛾の数の関係を十二の村で明らかにすることである．",
            "本論文の構成は以下の通りである．",
        ],
    ),
    (
        SectionKind.METHODS,
        "街灯と捕虫器",
        2,
        ["十二の村の街灯に琥珀色の電球と白色の電球を取り付けた．", "蛾の数は街灯の下に置いた捕虫器で毎晩数えた．"],
    ),
    (
        SectionKind.RESULTS,
        "結果",
        3,
        [
            "また，琥珀色の街灯に集まる蛾は白色の街灯より 63% 少ないことが分かった．",
            "図 2 に街灯の色ごとの蛾の数を示す．",
            "琥珀色の街灯と白色の街灯の差は十一の村で有意であった．",
        ],
    ),
    (
        SectionKind.CONCLUSION,
        "おわりに",
        4,
        [
            "本論文では，琥珀色の街灯が白色の街灯より蛾を集めないことを示した．",
            "町は街灯の色を選ぶことで蛾を守ることができる．",
            "今後の課題として，都市の街灯における蛾の数の調査が挙げられる．",
        ],
    ),
    (SectionKind.REFERENCES, "参考文献", 5, ["街灯太郎：街灯と蛾の関係について，蛾学会誌，2014．"]),
]


def english(keywords: tuple[str, ...] = ("street lamps", "moths")) -> Document:
    return Document(7, 7, _sections(_ENGLISH), keywords, "en", Hidden(12, (2,), ("white",)))


def japanese(keywords: tuple[str, ...] = ()) -> Document:
    return Document(5, 5, _sections(_JAPANESE), keywords, "ja")


def of_sentences(sentences: list[str], kind: SectionKind = SectionKind.OTHER, lang: str = "en") -> Document:
    """A document of one section."""
    return Document(1, 1, (DocumentSection(kind, "", tuple(Sentence(one, 1) for one in sentences)),), lang=lang)


def _sections(rows: list[tuple[SectionKind, str, int, list[str]]]) -> tuple[DocumentSection, ...]:
    return tuple(
        DocumentSection(kind, title, tuple(Sentence(text, page) for text in texts)) for kind, title, page, texts in rows
    )
