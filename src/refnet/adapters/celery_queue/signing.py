"""Signatures of task messages: who holds a key may give workers work, and who can write to the broker may not.

A signature is HMAC-SHA256 over everything of a message that decides what is done: all its headers, among them the
task's name and id, its ETA, retries and limits; content type and encoding; correlation id and reply address; and the
body. Not covered is what brokers add or change on the way: headers `x-…` and `redelivered`, the queue, the priority.
So a copy may be put into another queue, or before others, where it is the same task with the same id.

Celery's own serializer `auth` signs the arguments alone: a captured message ran under another task's name (celery
5.7.0). It needs RSA, too, and makes messages three times as long.

What this leaves open. Whoever can write to the broker can delete, delay and repeat messages, fill it up, send control
commands (revoke, shut down, rate limits: Celery does not sign those of `inspect`, `control` and the events) and read
everything. None of it makes a worker run what nobody with a key asked for; the one command that would, `election`, is
dropped (see `broadcasts`). Let nobody but refnet reach the broker.

A message sent again, intact, does nothing twice. Hints only say that something may be due, which the ledger knows
better. The id of any other task has a result, and with one that is final it does not run (see `once`). Results are
kept for some days; so a message is refused when it, or its ETA, is almost as old. Two copies at the same moment meet
in the ledger, as two calls by hand do. Left to the sender: an id that fits no result (longer than 155 characters), or
a wish for none (`ignore_result`), is one that only the ledger protects.
"""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from refnet.domain.errors import ConfigurationError, Forged

#: The headers that hold the signature, and when it was made: seconds since 1970 (UTC).
SIGNATURE, SIGNED_AT = "refnet_signature", "refnet_signed_at"
#: The header that makes a task a hint of the ledger's; without it, somebody asks for it by hand.
HINT = "refnet_hint"
#: The header of a hint that says which job of the ledger it is about, for the log; of a vault or a request there is none.
JOB = "refnet_job"
#: Seconds that the clocks of two machines may differ: a day and an hour, as where a wrong date was set.
SKEW = 90_000.0

#: Headers that a transport sets when it gives a message back.
_CHANGED = frozenset({SIGNATURE, "redelivered"})
#: Why a message is refused that is nobody's, or may be one of ours under another key.
NOT_SIGNED = "It carries no signature of refnet's."
WRONGLY_SIGNED = (
    "Its signature does not fit: either it was changed or forged, or its sender has another key, and "
    "REFNET_SIGNING_KEYS must be the same on all machines."
)
_SCALARS = frozenset({str, int, float, bool, type(None)})
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


class Signer:
    """Signs with the first of its keys, and takes what any of them signed: two are valid while they are changed.

    `longest` is the age in seconds from which a task that is no hint is refused.
    """

    def __init__(self, keys: Sequence[bytes], longest: float, clock: Callable[[], float] = time.time) -> None:
        if not keys:
            raise ConfigurationError("There is no key to sign tasks with. Set REFNET_SIGNING_KEYS.")
        self._keys = tuple(keys)
        self._longest = longest
        self._clock = clock

    def signed(
        self,
        headers: Mapping[str, Any],
        body: bytes | str,
        content_type: str | None,
        content_encoding: str | None,
        properties: Mapping[str, Any],
    ) -> dict[str, Any]:
        """The headers with a signature, in place of any other.

        Raises TypeError for headers that brokers would not carry as they are, and for a compressed body; ValueError for
        infinity and NaN among them, for which RabbitMQ drops the message without a word.
        """
        if headers.get("compression"):
            raise TypeError("refnet's workers take no compressed messages: leave out the option compression.")
        _check_plain(headers)
        made = {**headers, SIGNED_AT: int(self._clock())}
        text = canonical(made, body, content_type, content_encoding, properties)
        made[SIGNATURE] = _hmac(self._keys[0], text)
        return made

    def check(self, message: Any) -> None:
        """Raises Forged for a message, as kombu received it, that no worker may run or decode."""
        headers = message.headers
        found = headers.get(SIGNATURE) if isinstance(headers, dict) else None
        if found is None:
            raise Forged(NOT_SIGNED)
        if not self._fits(message, found):
            raise Forged(WRONGLY_SIGNED)
        if message.content_type != "application/json":
            raise Forged(f"It is not JSON but {str(message.content_type)[:80]!r}.")
        if HINT not in headers:
            self._check_age(headers)

    def _check_age(self, headers: Mapping[str, Any]) -> None:
        now, signed_at = self._clock(), float(headers[SIGNED_AT])
        age = now - max(signed_at, _due(headers))
        if age >= self._longest - SKEW:
            raise Forged(
                f"It is {age / 86_400:.1f} days old, and results are kept for {self._longest / 86_400:g}: by another clock "
                "nobody could tell any more whether it has been run."
            )
        if signed_at - now >= SKEW:
            raise Forged("It was signed in the future: the clock of its sender, or of this worker, is wrong.")

    def _fits(self, message: Any, found: object) -> bool:
        if not isinstance(found, str) or not found.isascii():
            return False
        try:
            text = canonical(
                message.headers, message.body, message.content_type, message.content_encoding, message.properties
            )
        except (AttributeError, TypeError, ValueError, RecursionError):
            return False  # of a shape that `signed` never makes
        return any(hmac.compare_digest(_hmac(key, text), found) for key in self._keys)


def canonical(
    headers: Mapping[str, Any],
    body: bytes | str,
    content_type: str | None,
    content_encoding: str | None,
    properties: Mapping[str, Any],
) -> bytes:
    """What is signed: the same before and after any broker, and never the same for two different messages.

    A line of JSON with sorted keys, which holds no line break of its own, and the body. Redis carries headers as JSON
    and RabbitMQ as a table; both keep texts, numbers, truth values, None, lists (made of tuples, too) and dictionaries.
    """
    covered = {name: value for name, value in headers.items() if name[:2] != "x-" and name not in _CHANGED}
    # RabbitMQ leaves out a property that is None, and Celery sends an empty reply address where there is none.
    addresses = (properties.get("correlation_id") or "", properties.get("reply_to") or "")
    about = _encode(("refnet task 1", covered, content_type, content_encoding, *addresses))
    return about.encode() + b"\n" + (body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body)


def _hmac(key: bytes, text: bytes) -> str:
    return hmac.digest(key, text, "sha256").hex()


def _check_plain(value: Mapping[Any, Any] | list[Any] | tuple[Any, ...]) -> None:
    """Raises TypeError for what JSON or AMQP would change: keys that are no texts, times, bytes, and the like."""
    parts: Iterable[Any] = value
    if isinstance(value, Mapping):
        if wrong := [key for key in value if type(key) is not str]:
            raise TypeError(f"A header's keys have to be texts, not {wrong[0]!r}.")
        parts = value.values()
    for part in parts:
        if type(part) in _SCALARS:
            continue
        if not isinstance(part, (dict, list, tuple)):
            raise TypeError(f"A header may not hold {type(part).__name__}: brokers do not carry it as it is.")
        _check_plain(part)


def _due(headers: Mapping[str, Any]) -> float:
    """When the message is due; 0 where it says nothing of that, or nothing that Celery takes."""
    eta = headers.get("eta")
    try:
        return datetime.fromisoformat(eta).timestamp() if isinstance(eta, str) else 0.0
    except ValueError:
        return 0.0
