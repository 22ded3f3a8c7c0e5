"""What refnet itself says in a vault, in each language that it speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from refnet.domain import fallback_words

#: The parts of a note that have a heading, in their order.
SECTIONS = ("abstract", "summary", "findings", "references", "citations", "links")


@dataclass(frozen=True, slots=True)
class Words:
    """Sentences with `{names}` are filled by `str.format`; numbers in them come with thousands separated."""

    headings: Mapping[str, str]
    #: by what a summary rests on
    basis: Mapping[str, str]
    #: the same with the reason for which the full text was not read, and these reasons by `NoFullText`
    basis_why: Mapping[str, str]
    why: Mapping[str, str]
    keywords: str
    page: str
    #: who made a summary from the full text, what was read, and what was left out
    offline: str
    by_model: str
    fallback: str
    pages: str
    #: of the pages not read those that are pictures, and those that are damaged
    picture_pages: str
    damaged_pages: str
    dropped: str
    #: of findings in another language than the paper
    translated: str
    #: why statements were left out, and why a model did not make the summary, by how it is told in English
    faults: Mapping[str, str]
    fallbacks: Mapping[str, str]
    left_out: str
    hidden: str
    #: where the reader's own version of the findings stays below a newer summary
    findings_kept: str
    #: what stands between two of these sentences
    joined: str
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
        "nothing": "No summary",
    },
    basis_why={
        "abstract": "From the abstract; {why}",
        "tldr": "Semantic Scholar's TLDR; {why}",
        "nothing": "No summary: there is no abstract, and {why}",
    },
    why={
        "not open": "no open PDF was found",
        "not reached": "no place that has the PDF answered",
        "needs a password": "the PDF needs a password",
        "a scan": "the PDF holds no text (a scan)",
        "no text": "the PDF holds no text",
        "hardly any prose": "the PDF holds hardly any prose",
        "damaged": "the PDF is damaged",
        "not a PDF": "what stands at its address is not a PDF",
        "too large": "the PDF is too large",
        "too long to read": "the PDF takes too long to read",
    },
    keywords="Keywords: {words}",
    page="p. {page}",
    offline="Sentences of the paper, chosen offline.",
    by_model="By the language model {model} (prompt {prompt}); its findings were held against the paper, of its "
    "sentences the numbers alone.",
    fallback="The language model did not make it: {why}.",
    pages="{read} of {of} pages read.",
    picture_pages="Pages that are pictures and hold no text: {count}.",
    damaged_pages="Damaged pages: {count}.",
    dropped="Statements of the model that the paper does not bear out, left out: {count}{why}.",
    translated="Findings in another language than the words that they rest on: {count}. Of these only numbers, names and what "
    "rises or falls could be compared.",
    faults={},
    fallbacks={},
    left_out="Sentences of the paper that the model was not given, for want of room: {count}.",
    hidden="Text that no reader can see was left out: {count} characters.",
    findings_kept="The key findings below are those of an earlier summary, as you changed them.",
    joined=" ",
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
        "nothing": "要約なし",
    },
    basis_why={
        "abstract": "要旨による({why})",
        "tldr": "Semantic Scholar の TLDR({why})",
        "nothing": "要約なし(要旨がなく、{why})",
    },
    why={
        "not open": "公開された PDF が見つからない",
        "not reached": "PDF のある場所がどこも応答しない",
        "needs a password": "PDF にパスワードが必要",
        "a scan": "PDF に文字がない(スキャン)",
        "no text": "PDF に文字がない",
        "hardly any prose": "PDF に文章がほとんどない",
        "damaged": "PDF が壊れている",
        "not a PDF": "その場所にあるのは PDF ではない",
        "too large": "PDF が大きすぎる",
        "too long to read": "PDF を読むのに時間がかかりすぎる",
    },
    keywords="キーワード: {words}",
    page="p. {page}",
    offline="本文の文をオフラインで選んだもの。",
    by_model="言語モデル {model} による(プロンプト {prompt})。知見は本文と照合したが、要約の文は数値だけを照合した。",
    fallback="言語モデルは使えなかった: {why}。",
    pages="{of} ページのうち {read} ページを読んだ。",
    picture_pages="画像だけで文字のないページ: {count} ページ。",
    damaged_pages="壊れているページ: {count} ページ。",
    dropped="本文に裏づけのないモデルの記述 {count} 件{why}は除いた。",
    translated="原文と言語が異なる知見は {count} 件で、照合したのは数値・名称・増減だけである。",
    faults={
        "with a quote that is not in the paper": "引用が本文にない",
        "whose quote would have taken too long to look for": "引用を探すのに時間がかかりすぎる",
        "with a number that is not in the quote": "数値が引用と合わない",
        "saying more than the one sentence which a quote can bear out": "一文を超える",
        "denying what the quote says, or saying what it denies": "肯定と否定が引用と逆",
        "saying rise for fall, or fall for rise": "増減が引用と逆",
        "about something else than the quote": "引用と別の事柄",
        "on a quote that was there already": "同じ引用の繰り返し",
        "in the summary, with a number that is not in the paper": "要約の数値が本文にない",
        "with an address, words of the prompt or no quote": "アドレスやプロンプトの語を含む、または引用がない",
    },
    fallbacks=fallback_words.JAPANESE,
    left_out="長さの都合でモデルに渡さなかった文は {count} 文。",
    hidden="読者に見えない文字 {count} 字は除いた。",
    findings_kept="下の主な知見は以前の要約のもので、編集されたまま残してある。",
    joined="",
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
