"""Keywords of a paper: the authors' own, and phrases that it uses often.

A phrase is a run of words between stop words and punctuation, in Japanese a run of kanji, katakana and Latin letters. Its
weight is the C-value (Frantzi, Ananiadou and Mima, Int. J. Digital Libraries 3, 2000): how often it stands alone, not as a
part of longer phrases, and longer ones count more; with log2(1 + words), so that single words take part (Barrón-Cedeño
et al., CICLing 2009).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from refnet.domain.terms import STOPWORDS, is_english, stem, words
from refnet.domain.wording import is_japanese

FEWEST, MOST = 5, 10
#: How many there are in all where the authors give fewer than `FEWEST`.
ENOUGH = 8
_LONGEST_PHRASE = 4
#: Sentences that phrases are counted in; of a book, so many spread over it.
_SAMPLE = 3_000
#: Words of a run that are looked at.
_LONGEST_RUN = 12
_OWN_LONGEST, _MOST_OWN = 60, 40
_LONGEST_FUNCTION_WORD = 8

_TOKEN = re.compile(r"[^\W_]+(?:[-'’/.+#][^\W_]+)*|[^\w\s]|_")
_JAPANESE_RUN = re.compile(r"[\u3005\u3400-\u9fff\u30a1-\u30faーA-Za-z][\u3005\u3400-\u9fff\u30a1-\u30faーA-Za-z0-9-]+")
_JAPANESE_UNIT = re.compile(r"[\u3005\u3400-\u9fff]{1,2}|[\u30a1-\u30faー]+|[A-Za-z0-9-]+")
_BEFORE_NOUN = words(
    """
    the a an of each this these those in for on by with from between our its their some any no every
    """
)
#: One in so many occurrences of a noun stands behind such a word or another noun, and one in so many ends its run.
_AS_NOUN, _AS_HEAD = 4, 3
_ADJECTIVE = re.compile(r"[a-z-]+(?:ic|al|ive|ous|able|ible|ful|less|ed|ing|ary)")
#: Say nothing by themselves.
_GENERAL = words(
    """
    ability accuracy addition advantage aim algorithm amount analysis analyse analyze answer application approach
    area argument aspect assumption attempt attention author average base basis behavior behaviour benefit bit body
    case cause chapter challenge change choice class code column community comparison complexity component
    computation concept conclusion condition consequence consider consideration contain content context contrast
    contribution cost create data dataset day decision definition degree description design detail development
    difference different difficulty direction discussion distance distribution domain document effect effort element
    end environment error evaluation evidence example experiment experience explanation extent fact factor feature
    field finding focus form format framework frequency function future generation goal group hand high higher hour
    idea impact implementation importance improvement increase individual information input instance interest
    interface issue item kind knowledge language large larger learning length level limit limitation line list
    literature long low lower main mean meaning measure mechanism member method minute model month name nature new
    notion number object observation operation opportunity option order output overview page pair paragraph parameter
    part participant pattern people percentage performance period person perspective phase piece place point
    population position possibility possible practice presence present principle probability problem procedure
    process product program project property proportion proposal purpose quality question range rate reader reason
    recent region relation relationship report request requirement research researcher resource response result
    review risk role row rule sample scale score search section sense sentence sequence series service set setting
    shape side similar simple single situation size software solution source space specific stage standard state
    statement step strategy strength structure student study subject subset success support system task technique
    technology term test text theory thing time tool topic total training trend true type understanding unit usage
    user value variable variation version view volume way week word work world year find found propose proposed
    provide provided based including given compared obtained described additional available better best common
    current due early fig general important least likely major multiple necessary original particular previous
    relevant respective significant small useful well-known wide novel key existing prior help need allow read fit
    gain old older newer latest date first second third fourth fifth sixth seventh eighth ninth tenth half quarter
    two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty hundred thousand million billion dozen
    """
)
_GENERAL_JAPANESE = words(
    """
    論文 本論 本研 研究 本研究 本論文 本稿 提案 提案手法 手法 方法 結果 場合 以下 以上 以降 必要 可能 利用 使用 我々 今回 問題 課題
    実験 評価 考察 結論 図 表 例 際 時 者 的 性 化 数 値 部分 全体 対象 目的 内容 状態 情報 処理 実行 実現 実装 作成 記述 定義
    説明 検討 比較 確認 理由 意味 関係 変化 変更 存在 特徴 一般 重要 容易 同様 同時 複数 一方 他方 最後 最初 次 前 後 上 下 中
    間 多 用 機能 構成 種類 環境 大規模 既存 従来 一部 以外 特定 固有 違い 自身 全て 管理者 観点
    """
)


@dataclass(slots=True)
class _Phrase:
    count: int = 0
    #: occurrences inside longer phrases, and how many those are
    inside: int = 0
    longer: int = 0
    as_noun: int = 0
    as_head: int = 0
    forms: dict[str, int] = field(default_factory=dict)


def choose_keywords(own: Sequence[str], sentences: Sequence[str], title: str = "") -> tuple[str, ...]:
    """`FEWEST` to `MOST` keywords, the authors' `own` first, as far as the sentences of the paper give so many."""
    chosen: dict[str, str] = {}
    for word in own[:_MOST_OWN]:
        shown = " ".join(word.split()).strip(" .,;:·•")
        if 1 < len(shown) <= _OWN_LONGEST:
            chosen.setdefault(_key(shown), shown)
    if len(chosen) < FEWEST:
        for phrase in frequent_phrases(sentences, title):
            if len(chosen) >= ENOUGH:
                break
            if not any(_overlap(_key(phrase), key) for key in chosen):
                chosen[_key(phrase)] = phrase
    return tuple(chosen.values())[:MOST]


def frequent_phrases(sentences: Sequence[str], title: str = "", most: int = 30) -> list[str]:
    """Phrases by weight, the heaviest first; of equals that which stands first in the paper."""
    looked_at = sentences[:: 1 + len(sentences) // _SAMPLE]
    english = is_english(looked_at)
    stopwords = STOPWORDS if english else STOPWORDS | _function_words(looked_at)
    phrases: dict[tuple[str, ...], _Phrase] = {}
    for sentence in looked_at:
        for run in _japanese_runs(sentence) if is_japanese(sentence) else _runs(sentence, stopwords):
            _count(run, phrases)
    for key, phrase in phrases.items():
        if len(key) > 1 and phrase.count > 1:
            for size in range(1, len(key)):
                for at in range(len(key) - size + 1):
                    part = phrases[key[at : at + size]]
                    part.inside += phrase.count
                    part.longer += 1
    titled = {stem(word.lower()) for word in _TOKEN.findall(title)}
    weighed = []
    for key, phrase in phrases.items():
        if phrase.count > 1 and _says_something(key, phrase, english):
            alone = phrase.count - (phrase.inside / phrase.longer if phrase.longer else 0)
            boost = 1.5 if titled.issuperset(key) or "".join(key) in title else 1.0
            weighed.append((boost * math.log2(1 + len(key)) * alone, phrase))
    weighed.sort(key=lambda one: -one[0])
    return [_shown(phrase.forms) for _, phrase in weighed[:most]]


def _function_words(sentences: Sequence[str]) -> frozenset[str]:
    """Short words in small letters that stand in many sentences: the stop words of whatever language this is."""
    having = Counter(
        word for one in sentences for word in dict.fromkeys(one.split()) if len(word) <= _LONGEST_FUNCTION_WORD
    )
    many = max(2, len(sentences) // 50)
    return frozenset(word for word, count in having.items() if word.islower() and count > many)


def _runs(sentence: str, stopwords: frozenset[str]) -> Iterable[list[tuple[str, str, bool]]]:
    """Runs of (key, as written, whether it stands behind what stands before a noun)."""
    run: list[tuple[str, str, bool]] = []
    before = ""
    for number, token in enumerate(_TOKEN.findall(sentence)):
        word = token.lower()
        if not word[0].isalpha() or len(word) < 2 or word in stopwords or word.endswith(("ly", "'s", "’s")):
            if run:
                yield run[:_LONGEST_RUN]
            run = []
        else:
            # What begins a sentence has a capital for that alone.
            written = word if number == 0 and token[1:].islower() else token
            run.append((stem(word), written, before in _BEFORE_NOUN))
        before = word
    if run:
        yield run[:_LONGEST_RUN]


def _japanese_runs(sentence: str) -> Iterable[list[tuple[str, str, bool]]]:
    for run in _JAPANESE_RUN.findall(sentence):
        yield [(unit, unit, True) for unit in _JAPANESE_UNIT.findall(run)][:_LONGEST_RUN]


def _count(run: Sequence[tuple[str, str, bool]], phrases: dict[tuple[str, ...], _Phrase]) -> None:
    for at in range(len(run)):
        for end in range(at + 1, min(at + _LONGEST_PHRASE, len(run)) + 1):
            part = run[at:end]
            phrase = phrases.setdefault(tuple(key for key, _, _ in part), _Phrase())
            phrase.count += 1
            phrase.as_noun += part[0][2] or (at > 0 and len(part) > 1)
            phrase.as_head += end == len(run)
            wide = is_japanese(part[0][1]) or is_japanese(part[-1][1])
            form = ("" if wide else " ").join(written for _, written, _ in part)
            phrase.forms[form] = phrase.forms.get(form, 0) + 1


def _says_something(key: tuple[str, ...], phrase: _Phrase, english: bool) -> bool:
    written = _shown(phrase.forms)
    is_noun = not english or (phrase.as_noun * _AS_NOUN >= phrase.count and phrase.as_head * _AS_HEAD >= phrase.count)
    if is_japanese(written):
        return (
            len(written) > 1
            and written not in _GENERAL_JAPANESE
            and not (len(key) == 1 and len(written) < 3 and not written.isalpha())
        )
    if len(key) == 1:
        return len(written) > 2 and key[0] not in _GENERAL and not _ADJECTIVE.fullmatch(written) and is_noun
    return (
        is_noun
        and not written.endswith(("ed", " new", " different", " other"))
        and not all(word in _GENERAL for word in key)
    )


def _shown(forms: dict[str, int]) -> str:
    """As it is written most often; of equals as it is first."""
    return max(forms, key=lambda form: forms[form])


def _key(phrase: str) -> str:
    return " ".join(stem(word.lower()) for word in _TOKEN.findall(phrase))


def _overlap(one: str, other: str) -> bool:
    """Whether one is a part of the other."""
    return (
        f" {one} " in f" {other} "
        or f" {other} " in f" {one} "
        or (is_japanese(one) and (one in other or other in one))
    )
