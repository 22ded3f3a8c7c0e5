"""Whether a text names a place on the network: a URL, a domain without a scheme, a mail address.

A reader might follow it, and programs make links of what looks like one. Names of things are written as domains, too
(`fast.ai`), and cannot be told apart; names of files (`train.py`) and of libraries (`Node.js`, `ASP.NET`) can.
"""

from __future__ import annotations

import re
import unicodedata

#: Endings of names that hosts have, and hardly anything else. Those that are words (`in`, `is`, `so`) or endings of files
#: (`py`, `rs`, `md`, `sh`) are told by what follows them.
_ENDINGS = (
    "com|org|net|edu|gov|mil|info|biz|name|pro|mobi|int|eu|io|ai|co|dev|app|xyz|site|online|website|space|store|shop|club|top"
    "|link|live|click|icu|tech|cloud|blog|wiki|news|page|example|invalid|localhost|onion|arpa"
    "|ac|ar|au|br|ca|ch|cn|cz|de|dk|es|fi|fr|gr|hk|hu|ie|il|ir|jp|ke|kr|lt|lv|mx|my|ng|nl|nz|pk|pt|ro|ru|se|sg|sk|th|tk|tr|tv"
    "|tw|ua|uk|za|xn--[a-z0-9-]+"
)
_ADDRESS = re.compile(
    r"[a-z][a-z0-9+.-]{1,20}:/|(?<![a-z0-9])www\.\S|(?<![a-z0-9])(?:javascript|data|vbscript|mailto|tel|sms):\S"
    # evil.example, and whatever follows it; the case tells the next sentence after a missing space
    rf"|(?<=[^\W_])(?<!\bASP)(?<!\bVB)(?<!\bADO)\.(?-i:(?=[a-z]+(?![A-Za-z])|[A-Z]+(?![A-Za-z])|xn--))(?:{_ENDINGS})(?![a-z0-9_-])"
    # some.thing/path and some.thing:8080, numbers as well
    r"|(?<=[^\W_][^\W_])\.[^\W\d_]{2,24}(?::\d{2,5}(?!\d)|/[^\s/])"
    r"|(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?::\d|/\S)"
    # somebody@some.where, but not recall@10 or mAP@0.5
    r"|[\w.+-]@[^\W\d_][\w-]{0,62}\.[^\W_]",
    re.IGNORECASE,
)
#: The full stops of Japanese, with which browsers write domains as well.
_STOPS = str.maketrans("。｡．", "...")


def names_a_place(text: str) -> bool:
    """Whether an address stands in it, in whatever width it is written."""
    if _ADDRESS.search(unicodedata.normalize("NFKC", text)):
        return True
    wide = text.translate(_STOPS)
    return wide != text and bool(_ADDRESS.search(unicodedata.normalize("NFKC", wide)))
