"""Failures on purpose: which request gets one, and what is sent instead of the answer.

Bodies are the recorded ones where there is a recording (403, 429, 500, 504), else the gateway's usual text.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from random import Random
from typing import Any, Literal

from refnet.demo.switches import Switches

Ending = Literal["whole", "cut-early", "hang", "reset"]

JSON = "application/json"
TIMED_OUT = b'{"message": "Endpoint request timed out"}\n'
_NETWORK_ERROR = b'{"message": "Network error communicating with endpoint"}\n'
_KEYED_429 = b'{"message": "Too Many Requests"}\n'
_KEYLESS_429 = (
    b'{"message": "Too Many Requests. Please wait and try again or apply for a key for higher rate limits. '
    b'https://www.semanticscholar.org/product/api#api-key-form", "code": "429"}\n'
)
_SERVER_ERRORS = {
    "500": b'{"message": "Internal Server Error"}\n',
    "502": b'{"message": "Internal server error"}\n',
    "503": b'{"message": "Service Unavailable"}\n',
}
_PAGE = b"<!DOCTYPE html>\n<html><head><title>Maintenance</title></head><body>Back soon.</body></html>\n"


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes over the wire; `rows` are the paper rows in it, nested ones included."""

    status: int
    body: bytes
    rows: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = JSON
    ending: Ending = "whole"
    fault: str | None = None
    asked: tuple[str, ...] = field(default=())
    """The canonical ids of the papers that the request asked for."""
    due: float = 0.0
    """When it goes out, on the monotonic clock."""

    @property
    def sent(self) -> bytes:
        """The part of the body that goes out."""
        return self.body[: len(self.body) // 2] if self.ending == "cut-early" else self.body


class Faults:
    """Draws the fault of each admitted request. Not safe for threads; the caller holds a lock."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._drawn = 0

    def draw(self) -> str | None:
        """The kind of fault of the next request; it depends on the seed and on how many came before."""
        self._drawn += 1
        random = Random(f"{self._switches.seed}:{self._drawn}")
        return random.choice(self._switches.kinds) if random.random() < self._switches.faults else None


def refused(switches: Switches, key: str | None) -> Reply:
    """The limiter's answer."""
    return Reply(429, _KEYLESS_429 if key is None else _KEYED_429, headers=_retry_after(switches.retry_after))


def forbidden() -> Reply:
    return Reply(403, b'{"message": "Forbidden"}\n', headers=(("x-amzn-ErrorType", "ForbiddenException"),))


def own_fault(switches: Switches) -> Reply:
    """The answer to a request that holds one of `fail_ids`."""
    body = TIMED_OUT if switches.fail_status == 504 else b'{"message": "Internal Server Error"}\n'
    return Reply(switches.fail_status, body, fault="own")


def spoil(kind: str, answer: Reply, switches: Switches, key: str | None) -> Reply:
    """What is sent in place of `answer`."""
    too_many = Reply(429, _KEYLESS_429 if key is None else _KEYED_429)
    match kind:
        case "429":
            spoilt = too_many
        case "429-retry-after":
            wait = 1.0 if switches.retry_after is None else switches.retry_after
            spoilt = replace(too_many, headers=_retry_after(wait))
        case "429-date":
            spoilt = replace(too_many, headers=_retry_after("date"))
        case "504":
            spoilt = Reply(504, TIMED_OUT if len(answer.body) % 2 else _NETWORK_ERROR)
        case "cut-early":
            spoilt = replace(answer, ending="cut-early", rows=0)
        case "hang" | "reset":
            spoilt = Reply(0, b"", ending=kind)
        case _ if kind in _SERVER_ERRORS:
            spoilt = Reply(int(kind), _SERVER_ERRORS[kind])
        case _:
            spoilt = _misshapen(kind, answer)
    return replace(spoilt, fault=kind, asked=answer.asked)


def _misshapen(kind: str, answer: Reply) -> Reply:
    """200 with something else than the answer."""
    match kind:
        case "cut-json":
            return replace(answer, body=answer.body[: len(answer.body) // 2], rows=0)
        case "html":
            return Reply(200, _PAGE, content_type="text/html; charset=utf-8")
        case "wrong-id":
            return _changed(answer, _with_wrong_ids)
        case "null-fields":
            return _changed(answer, lambda rows: [row and dict.fromkeys(row) for row in rows])
        case "gzip-bomb":
            return Reply(200, _bomb(), headers=(("Content-Encoding", "gzip"),))
        case _:
            return Reply(200, b'{"error": "Internal error, please try again"}\n')


def _changed(answer: Reply, change: Callable[[list[Any]], list[Any]]) -> Reply:
    """The rows of a batch, changed; what is no batch becomes `null`."""
    rows = json.loads(answer.body) if answer.status == 200 else None
    changed = change(rows) if isinstance(rows, list) else None
    return Reply(200, json.dumps(changed).encode() + b"\n")


def _with_wrong_ids(rows: list[Any]) -> list[Any]:
    """Each row has the id of the next; one that has no other has an id that is none."""
    ids = [row["paperId"] for row in rows if row]
    ids = ids[1:] + ids[:1] if len(set(ids)) > 1 else ["another id"] * len(ids)
    left = iter(ids)
    return [row and {**row, "paperId": next(left)} for row in rows]


@cache
def _bomb() -> bytes:
    """A hundred kilobytes that become a hundred million."""
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    return b"".join(packer.compress(bytes(1_000_000)) for _ in range(100)) + packer.flush()


def _retry_after(wait: float | Literal["date"] | None) -> tuple[tuple[str, str], ...]:
    if wait is None:
        return ()
    if wait == "date":
        then = datetime.now(UTC) + timedelta(seconds=2)
        return (("Retry-After", format_datetime(then, usegmt=True)),)
    return (("Retry-After", f"{wait:g}"),)
