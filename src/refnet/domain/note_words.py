"""What refnet itself says in a vault, in each language that it speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: The parts of a note that have a heading, in their order.
SECTIONS = ("abstract", "summary", "findings", "references", "citations", "links")


@dataclass(frozen=True, slots=True)
class Words:
    """Sentences with `{names}` are filled by `str.format`; numbers in them come with thousands separated."""

    headings: Mapping[str, str]
    #: by what a summary rests on
    basis: Mapping[str, str]
    #: in place of a summary that would only repeat the abstract
    same_as_abstract: str
    untitled: str
    et_al: str
    more: str
    newest: str
    withheld: str
    withheld_count: str
    short: Mapping[str, str]
    found_so_far: str
    index: Mapping[str, str]


ENGLISH = Words(
    headings={
        "abstract": "Abstract",
        "summary": "Summary",
        "findings": "Key findings",
        "references": "References",
        "citations": "Cited by",
        "links": "Links",
    },
    basis={
        "full text": "From the full text",
        "abstract": "From the abstract; the full text was not read",
        "tldr": "Semantic Scholar's TLDR; the full text was not read",
    },
    same_as_abstract="The abstract is short enough to stand for itself.",
    untitled="untitled",
    et_al="{names} et al. ({count} authors)",
    more="and {count} more",
    newest="The newest {have} of {of} papers that cite this one.",
    withheld="The publisher withholds this list.",
    withheld_count="The publisher withholds this list; it has {of} entries.",
    short={
        "references": "{have} of {of} references are known; Semantic Scholar does not hand out the others.",
        "citations": "{have} of {of} citing papers are known; Semantic Scholar does not hand out the others.",
    },
    found_so_far="{have} met so far, of {of} that Semantic Scholar counts.",
    index={
        "intro": "Notes: {notes}. Citations among them: {links}.",
        "deleted": "Notes that you deleted, and that stay so: {count}.",
        "seeds": "Seeds",
        "linked": "Most linked",
        "linked_intro": "The papers of this vault that most other papers of this vault cite.",
        "paper": "Paper",
        "cited_here": "Cited here",
        "cited_all": "Cited in all",
        "years": "By year",
        "year": "Year",
        "papers": "Papers",
        "most_cited": "Most linked of the year",
        "no_year": "unknown",
        "incomplete": "Incomplete lists",
        "incomplete_intro": "Lists that are not whole, and why.",
        "about": "About",
        "attribution": "Papers and citations come from [Semantic Scholar](https://www.semanticscholar.org/?utm_source=api).",
        "ours": "This note is written anew whenever the vault changes; keep your own notes elsewhere.",
    },
)

JAPANESE = Words(
    headings={
        "abstract": "要旨",
        "summary": "要約",
        "findings": "主な知見",
        "references": "参考文献",
        "citations": "被引用",
        "links": "リンク",
    },
    basis={
        "full text": "本文による",
        "abstract": "要旨による(本文は読んでいない)",
        "tldr": "Semantic Scholar の TLDR(本文は読んでいない)",
    },
    same_as_abstract="要旨がそのまま要約になる。",
    untitled="題名なし",
    et_al="{names} ほか(著者 {count} 名)",
    more="ほか {count} 件",
    newest="この論文を引用する {of} 件のうち、新しい {have} 件。",
    withheld="この一覧は出版社が公開していない。",
    withheld_count="この一覧({of} 件)は出版社が公開していない。",
    short={
        "references": "参考文献 {of} 件のうち {have} 件。残りは Semantic Scholar から得られない。",
        "citations": "引用する論文 {of} 件のうち {have} 件。残りは Semantic Scholar から得られない。",
    },
    found_so_far="Semantic Scholar が数える {of} 件のうち、これまでに見つかった {have} 件。",
    index={
        "intro": "ノート {notes} 件、その間の引用 {links} 件。",
        "deleted": "削除されたままのノート {count} 件。",
        "seeds": "出発点",
        "linked": "最も多く引用された論文",
        "linked_intro": "この保管庫の中で最も多く引用されている論文。",
        "paper": "論文",
        "cited_here": "保管庫内の引用",
        "cited_all": "全引用数",
        "years": "年別",
        "year": "年",
        "papers": "件数",
        "most_cited": "その年に最も多く引用された論文",
        "no_year": "不明",
        "incomplete": "不完全な一覧",
        "incomplete_intro": "すべては揃っていない一覧とその理由。",
        "about": "このノートについて",
        "attribution": "論文と引用の情報は [Semantic Scholar](https://www.semanticscholar.org/?utm_source=api) による。",
        "ours": "このノートは保管庫が変わるたびに書き直される。自分の書き込みは別のノートへ。",
    },
)

LANGUAGES: Mapping[str, Words] = {"en": ENGLISH, "ja": JAPANESE}


def words(lang: str) -> Words:
    """Headings and sentences of a language; English for one that refnet does not speak."""
    return LANGUAGES.get(lang, ENGLISH)
