"""What the providers' clients raise, and what the statuses of their servers mean, said in refnet's words.

The words are ours; of the server's only a short sentence is quoted, and never the key.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from refnet.adapters.http_faults import CLIENT_ERRORS, translate
from refnet.adapters.language_model.asking import AnswerLost, FormRefused, GaveUp, KeyNotTaken, TooLong
from refnet.adapters.language_model.wire import MOST_BYTES, AnswerTooLarge
from refnet.domain import inert
from refnet.domain.errors import ConfigurationError, RateLimited, RefnetError, SourceUnavailable
from refnet.domain.redaction import redactor

_LONGEST_SENTENCE = 200
#: A wait of an hour or more is taken for a mistake, and for this many seconds.
_ABSURD, _INSTEAD = 3_600.0, 600.0
#: How servers say that a text is longer than the model takes; there is no code that all of them give.
_TOO_LONG = ("context length", "context_length", "context window", "too long", "too many tokens", "maximum context")
#: The server did not get its answer in time from what stands behind it, which may have done the work.
_LOST = (408, 499, 502, 504, 520, 524)


@dataclass(frozen=True, slots=True)
class Server:
    """What messages name: `model`, the server's host, and the settings that hold the key and the address (empty: fixed).
    `key` is there to be kept out of them.
    """

    model: str
    place: str
    key_setting: str
    url_setting: str
    key: str | None
    timeout: float

    def __repr__(self) -> str:
        return f"Server({self.model!r}, {self.place!r})"


def connection_error(error: Exception, server: Server) -> Exception:
    """`error` is what a client raises where there is no answer. What is none of the wire's, such as a time limit that
    struck meanwhile, comes back as it was.
    """
    cause = error.__cause__ or error
    if isinstance(cause, AnswerTooLarge):
        return GaveUp(f"the answer of {server.place} is longer than {MOST_BYTES:,} bytes", billed=True)
    if isinstance(cause, CLIENT_ERRORS):
        said = translate(cause, server.place, server.timeout)
        return AnswerLost(str(said)) if said.reached else said
    if isinstance(error.__cause__, Exception):
        return error.__cause__
    return AnswerLost(f"{server.place} gave no answer that can be used ({type(error).__name__}).")


def status_error(response: httpx2.Response, server: Server) -> RefnetError:
    """The error for an answer that is no 200. `response` has been read."""
    status, said = response.status_code, _said(response, server)
    why = _why(status, said)
    if (known := _of_settings(status, why, server)) is not None:
        return known
    if status == 407:
        return SourceUnavailable("The proxy asks for a name and a password (407).", reached=False)
    if status == 402 or (status == 429 and _code(response) == "insufficient_quota"):
        return GaveUp(f"the account at {server.place} has no credit left ({status})")
    if status == 429:
        return RateLimited(f"{server.place} asks for fewer requests (429).", retry_after=_retry_after(response))
    if status in (400, 413, 422) and (status == 413 or any(words in said.lower() for words in _TOO_LONG)):
        return TooLong(f"the paper is longer than {server.model} takes ({why})")
    if status in (400, 422):
        return FormRefused(f"{server.place} refuses the request ({why})")
    if status in _LOST:
        return AnswerLost(f"{server.place} gave no answer in time ({status}).", retry_after=_retry_after(response))
    if status >= 500 or status in (409, 423, 425):
        return SourceUnavailable(
            f"{server.place} gives no answer that can be used ({why}).",
            retry_after=_retry_after(response),
        )
    if 400 <= status < 500:
        return GaveUp(f"{server.place} refuses the request ({why})")
    return ConfigurationError(
        f"{server.place} does not answer as a language model's server does ({why}); redirects are not followed. "
        f"Check {server.url_setting or 'REFNET_LLM_MODEL'}."
    )


def _of_settings(status: int, why: str, server: Server) -> ConfigurationError | None:
    """What the user has to mend."""
    if status == 401 and not server.key:
        return KeyNotTaken(f"{server.place} wants a key ({status}). Set {server.key_setting}.")
    if status == 401:
        return KeyNotTaken(f"{server.place} refuses the key ({status}). Check {server.key_setting}.")
    if status == 403:
        return KeyNotTaken(
            f"{server.place} does not let this key, or this machine, use the model {server.model} ({why}). "
            f"Check {server.key_setting} and REFNET_LLM_MODEL."
        )
    if status in (404, 405, 410):
        where = f" and {server.url_setting}" if server.url_setting else ""
        return ConfigurationError(
            f"{server.place} knows no model {server.model}, or does not answer there ({why}). Check REFNET_LLM_MODEL{where}."
        )
    return None


def unusable(server: Server) -> AnswerLost:
    """For a 200 that holds no answer of a model."""
    return AnswerLost(f"{server.place} gave an answer that is not a language model's.")


def parsed(response: httpx2.Response, server: Server) -> Mapping[str, Any]:
    """The body of a 200 as a JSON object. Raises AnswerLost."""
    try:
        body = json.loads(response.text)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, Mapping):
        raise unusable(server)
    return body


def tokens(count: object) -> int | None:
    """A number of tokens as a server tells it; None for what is none."""
    if isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= 10**9:
        return count
    return None


def _body(response: httpx2.Response) -> Mapping[str, Any]:
    try:
        body = json.loads(response.text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(body, Mapping):
        return {}
    inner = body.get("error")
    return inner if isinstance(inner, Mapping) else body


def _code(response: httpx2.Response) -> str:
    body = _body(response)
    return str(body.get("code") or body.get("type") or "")


def _said(response: httpx2.Response, server: Server) -> str:
    body = _body(response)
    said = body.get("message") or body.get("error") or ""
    if not isinstance(said, str):
        return ""
    # Made plain first, or signs without width would part the letters of a key; and before it is cut, for half a key would
    # not be known for one.
    said = redactor([server.key] if server.key else [])(inert.clean(said))
    return said if len(said) <= _LONGEST_SENTENCE else said[:_LONGEST_SENTENCE] + "…"


def _why(status: int, said: str) -> str:
    return f"{status}: {said.rstrip('.')}" if said else str(status)


def _retry_after(response: httpx2.Response) -> float | None:
    try:
        seconds = float(response.headers.get("retry-after", ""))
    except ValueError:
        return None
    if not (math.isfinite(seconds) and seconds > 0):
        return None if math.isnan(seconds) or seconds <= 0 else _INSTEAD
    return _INSTEAD if seconds >= _ABSURD else seconds
