"""Why a language model did not make a summary, in the language of a note.

It is kept in English, as the programs that read it expect; a note in another language says it by the English sentence, whose
names and numbers stand at `{…}`. So what was kept before is said in that language, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

#: What may stand inside another reason is a reason of its own, or words of a server, which stay as they are.
JAPANESE: Mapping[str, str] = {
    "the model gave no answer: {why}": "モデルの応答がなかった({why})",
    "the model declines to answer": "モデルが回答を拒んだ",
    "the model's answer could not be used, twice: {why}": "モデルの回答が二度とも使えなかった({why})",
    "the paper has no text that a model could be given": "モデルに渡せる文章が論文にない",
    "the one finding that the model named does not stand in the paper ({why})": "モデルの挙げた知見 1 件は本文にない({why})",
    "none of the {count} findings that the model named stands in the paper ({why})": (
        "モデルの挙げた知見 {count} 件はどれも本文にない({why})"
    ),
    "every sentence of the model's summary has a number that is not in the paper ({why})": (
        "モデルの要約のどの文にも本文にない数値がある({why})"
    ),
    "the day's spending cap of {cap} is reached ({spent} is spent or set aside, and the call may cost {wanted})": (
        "一日の支出上限 {cap} に達した(使用・確保済み {spent}、今回の見込み {wanted})"
    ),
    "the account at {place} has no credit left ({status})": "{place} の口座に残高がない({status})",
    "the paper is longer than {model} takes ({why})": "論文が {model} の扱える長さを超える({why})",
    "the answer of {place} is longer than {most} bytes": "{place} の応答が {most} バイトを超える",
    "it is too long and was cut off": "長すぎて途中で切れた",
    "it is not a JSON object": "JSON オブジェクトでない",
    "there are no findings": "知見がない",
    "there are too many findings": "知見が多すぎる",
    "there is no summary": "要約がない",
    "the summary is too long": "要約が長すぎる",
    "there is no {name}, or it is not a list of texts": "{name} がないか、文字列の一覧でない",
    "{place} refuses the request ({why})": "{place} が要求を拒んだ({why})",
    "{place} wants a key ({status}). Set {setting}": "{place} には鍵が必要({status})。{setting} を設定のこと",
    "{place} refuses the key ({status}). Check {setting}": "{place} が鍵を拒んだ({status})。{setting} を確認のこと",
    "{place} does not let this key, or this machine, use the model {model} ({why}). Check {setting} and REFNET_LLM_MODEL": (
        "{place} はこの鍵またはこの機械にモデル {model} を使わせない({why})。{setting} と REFNET_LLM_MODEL を確認のこと"
    ),
    "{place} knows no model {model}, or does not answer there ({why}). Check {setting}": (
        "{place} にモデル {model} がないか、その場所で応答しない({why})。{setting} を確認のこと"
    ),
    "{place} does not answer as a language model's server does ({why}); redirects are not followed. Check {setting}": (
        "{place} の応答は言語モデルのサーバーのものでない({why})。転送には従わない。{setting} を確認のこと"
    ),
    "{place} asks for fewer requests (429)": "{place} が要求を減らすよう求めている(429)",
    "{place} gave no answer in time ({status})": "{place} が時間内に応答しなかった({status})",
    "{place} gave no answer within {seconds} s": "{place} が {seconds} 秒以内に応答しなかった",
    "{place} gives no answer that can be used ({why})": "{place} の応答が使えない({why})",
    "{place} gave no answer that can be used ({why})": "{place} の応答が使えない({why})",
    "{place} gave an answer that is not a language model's": "{place} の応答は言語モデルのものでない",
    "The proxy does not let {place} be reached": "プロキシが {place} への接続を許さない",
    "The proxy asks for a name and a password (407)": "プロキシが名前とパスワードを求めている(407)",
    "No connection to {place} came about in time": "{place} に時間内に接続できなかった",
    "No connection to {place} came about: {why}": "{place} に接続できなかった({why})",
    "No connection to {place} came about": "{place} に接続できなかった",
    "No secure connection (TLS) to {place} came about": "{place} に安全な接続(TLS)ができなかった",
    "The connection to {place} broke off ({why})": "{place} との接続が切れた({why})",
    "The name {place} cannot be resolved. Is there a network?": "{place} の名前を解決できない(ネットワークの確認を)",
    "The certificate of {place} cannot be verified: {why}": "{place} の証明書を確認できない({why})",
}


_OF_SEVERAL_WORDS = ("why", "setting", "name")


def worded(why: str, words: Mapping[str, str], faults: Mapping[str, str]) -> str:
    """The reason in the words of a language; `faults` are those for which statements were left out. What is not known stays
    as it is.
    """
    told = why.rstrip(".")
    for english, ours in words.items():
        found = _pattern(english).fullmatch(told)
        if found:
            return ours.format(**{name: worded(said, words, faults) for name, said in found.groupdict().items()})
    for english, ours in faults.items():
        told = told.replace(english, ours)
    return told


@cache
def _pattern(english: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+)\}", english)
    for at in range(1, len(pieces), 2):
        # A place or a number is one word; only a reason is several.
        pieces[at] = f"(?P<{pieces[at]}>{'.+' if pieces[at] in _OF_SEVERAL_WORDS else '[^ ]+'})"
    pieces[::2] = [re.escape(piece) for piece in pieces[::2]]
    return re.compile("".join(pieces), re.DOTALL)
