"""What every status but 200 means for the work: which error of refnet's it is.

Recorded are 400, 403, 404, 429, 500 and 504, in two shapes: `{"error": …}` from the API and `{"message": …}`
from the gateway before it. A refusal in neither shape is not Semantic Scholar's word but that of something
in between, which passes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from refnet.adapters.http import Response
from refnet.adapters.semantic_scholar_rows import clean_text
from refnet.domain.errors import (
    CredentialsRejected,
    NothingMatched,
    PaperNotFound,
    RateLimited,
    RefnetError,
    RequestRefused,
    RequestTooLarge,
    SourceUnavailable,
)
from refnet.domain.redaction import redactor

_LONGEST_SENTENCE = 300
#: A wait of an hour or more is taken for a mistake, and for this many seconds.
_ABSURD, _INSTEAD = 3_600.0, 600.0
#: The same request may pass later: time-out, conflict, misdirected, locked, too early.
_PASSING = (408, 409, 421, 423, 425)


def refusal(response: Response, key: str | None, *, one_paper: bool = False) -> RefnetError:
    """The error for an answer that is no 200; it quotes the answer's own sentence, never `key`.

    `one_paper` says that the request was about a single paper, which 404 may then mean.
    """
    status, said = response.status, sentence(response, key)
    if status == 429:
        return RateLimited("Semantic Scholar asks for fewer requests (429).", retry_after=_retry_after(response))
    if status in (401, 402, 403):
        return _rejected(status, key)
    if status in (413, 431) or (status == 400 and _asks_for_less(said)):
        return RequestTooLarge(f"The request is too large for Semantic Scholar ({status}: {said}).")
    if status == 400 and "no valid paper ids" in said.lower():
        return NothingMatched("Semantic Scholar knows none of the identifiers asked for, or one spoilt the request.")
    if status == 404 and one_paper and "not found" in said.lower():
        return PaperNotFound(f"Semantic Scholar: {said}.")
    refused = 400 <= status < 500 and status not in _PASSING
    if refused and status not in (404, 407) and said:
        return RequestRefused(f"Semantic Scholar refuses the request ({status}: {said}).")
    return SourceUnavailable(
        _unavailable(status, said),
        retry_after=_retry_after(response),
        reached=status != 407,
        # Of a refusal that is not the source's own nobody knows whether the same request would pass later.
        own_fault_possible=status in (500, 504) or refused,
    )


def sentence(response: Response, key: str | None) -> str:
    """What a refusal says, "" where it says nothing in the API's way."""
    try:
        body = response.json()
    except SourceUnavailable:
        return ""
    said = (body.get("error") or body.get("message")) if isinstance(body, Mapping) else None
    if key and isinstance(said, str):
        said = redactor([key])(said)
    return (clean_text(said, _LONGEST_SENTENCE) or "").rstrip(".")


def _asks_for_less(said: str) -> bool:
    # Documented: "Response would exceed maximum size….". The words for more than 500 ids are not known.
    said = said.lower()
    return "exceed" in said or "too many" in said or "too large" in said or "no more than" in said


def _rejected(status: int, key: str | None) -> CredentialsRejected:
    if key:
        return CredentialsRejected(
            f"Semantic Scholar refuses the key ({status}). Check SEMANTIC_SCHOLAR_API_KEY; "
            "a key unused for some 60 days is withdrawn."
        )
    return CredentialsRejected(
        f"Semantic Scholar refuses this machine without a key ({status}). "
        "Set SEMANTIC_SCHOLAR_API_KEY, or try from another network."
    )


def _unavailable(status: int, said: str) -> str:
    why = f"{status}: {said}" if said else str(status)
    if 300 <= status < 400:
        return f"Semantic Scholar's address answers with a redirect ({why}), which is not followed."
    if status == 407:
        return "The proxy asks for a name and a password (407)."
    if status == 404:
        return f"Nothing answers as Semantic Scholar does at its address ({why}). Check SEMANTIC_SCHOLAR_URL."
    return f"Semantic Scholar gives no answer that can be used ({why})."


def _retry_after(response: Response) -> float | None:
    """Seconds, from a number or a date; None where nothing sensible is asked for."""
    value = response.headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        seconds = _seconds_until(value, response.headers.get("date", ""))
    if not seconds > 0:
        return None
    return _INSTEAD if seconds >= _ABSURD else seconds


def _seconds_until(value: str, now: str) -> float:
    """By the server's own clock where it tells the time, since ours may be wrong; NaN for no date."""
    try:
        then = parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError, OSError):
        return math.nan
    try:
        return then - parsedate_to_datetime(now).timestamp()
    except (ValueError, OverflowError, OSError):
        return then - time.time()
