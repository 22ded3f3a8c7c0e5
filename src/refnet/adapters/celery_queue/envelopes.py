"""Messages as they were: kept in the envelope that kombu gives them on Redis, from either broker, for either broker."""

from __future__ import annotations

import base64
import binascii
import traceback
from collections.abc import Iterator, Mapping
from hashlib import sha256
from itertools import islice
from typing import Any

from amqp.serialization import GenericContent as Properties
from kombu.compression import compress
from kombu.log import get_logger
from kombu.utils.json import dumps, loads

from refnet.domain.dead_messages import RefusedMessage
from refnet.domain.errors import ConfigurationError, RefnetError

_log = get_logger(__name__)
_STOCK = Properties._load_properties  # noqa: SLF001 - it has no other place to begin at

#: What brokers and transports add to the headers of a message on its way.
_ADDED = ("redelivered", "x-death", "x-first-death-", "x-last-death-")
#: What our transport on Redis adds there to the way that a message came by (see `unacked`).
_OF_DELIVERY = ("redelivered", "losses")
#: Properties of AMQP that a message keeps; its headers and content type stand in the envelope by themselves.
_PROPERTIES = (
    *("delivery_mode", "priority", "correlation_id", "reply_to", "expiration", "message_id", "timestamp", "type"),
    *("user_id", "app_id", "cluster_id"),
)
#: What kombu raises for a value that JSON has no way to write, for one that refers to itself or is nested too deep.
_UNWRITABLE = (TypeError, ValueError, RecursionError)
#: How much of such a message its digest is made of: headers and queue come first, and nothing goes on for ever.
_MOST_PARTS = 100_000


def refused(message: Any, reason: str, *, trace: str | None = None, failed: bool = False) -> RefusedMessage:
    """What is to be told of a message that cannot run, or whose task failed."""
    envelope, queue = envelope_of(message), queue_of(message)
    headers = envelope["headers"] if isinstance(envelope["headers"], dict) else {}
    try:
        kept: bytes | None = dumps(envelope).encode()
    except _UNWRITABLE:
        kept = None
    return RefusedMessage.of(
        digest_of(queue, envelope),
        queue,
        reason,
        task=headers.get("task"),
        task_id=headers.get("id"),
        traceback=trace,
        message=kept,
        failed=failed,
    )


def said(error: BaseException) -> str:
    """The error in words, with its kind where it is not one of ours."""
    text = str(error).strip()
    if isinstance(error, RefnetError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def trace_of(error: BaseException) -> str | None:
    """The traceback of what nobody foresaw."""
    if error.__traceback__ is None or isinstance(error, RefnetError):
        return None
    return "".join(traceback.format_exception(error))


def queue_of(message: Any) -> str:
    """The queue that a message was consumed from."""
    queue = getattr(message, "queue", None) or (message.delivery_info or {}).get("routing_key")
    return queue if isinstance(queue, str) else ""


def envelope_of(message: Any) -> dict[str, Any]:
    """The message in kombu's envelope, without what is of this delivery only."""
    raw = getattr(message, "_raw", None)  # kombu's virtual transports keep what they took out of the list
    if isinstance(raw, dict):
        properties = {key: value for key, value in raw["properties"].items() if key != "delivery_tag"}
        if isinstance(came := properties.get("delivery_info"), dict):
            properties["delivery_info"] = {key: value for key, value in came.items() if key not in _OF_DELIVERY}
        return {**raw, "headers": _own_headers(raw.get("headers")), "properties": properties}
    headers = _own_headers(message.headers)
    body = message.body.encode() if isinstance(message.body, str) else bytes(message.body or b"")
    if isinstance(headers, dict) and isinstance(method := headers.get("compression"), str) and not message.errors:
        body = compress(body, method)[0]  # kombu has unpacked it
    return {
        "body": base64.b64encode(body).decode(),
        "content-type": message.content_type,
        "content-encoding": message.content_encoding,
        "headers": headers,
        "properties": {
            **{key: message.properties[key] for key in _PROPERTIES if key in message.properties},
            "body_encoding": "base64",
            "delivery_info": {"exchange": "", "routing_key": queue_of(message)},
        },
    }


def digest_of(queue: str, envelope: Mapping[str, Any]) -> str:
    """The same for the same message of a queue, however often and by whichever way it comes."""
    found = envelope.get("properties")
    properties = found if isinstance(found, dict) else {}
    # RabbitMQ leaves out a property that is None, and Celery sends an empty reply address where there is none.
    about = [envelope.get(key) or "" for key in ("content-type", "content-encoding")]
    addresses = [properties.get(key) or "" for key in ("correlation_id", "reply_to")]
    parts = [queue, _own_headers(envelope.get("headers")), *about, *addresses, envelope.get("body")]
    try:
        text = dumps(parts, sort_keys=True)
    except _UNWRITABLE:
        text = "\n".join(islice(_flat(parts), _MOST_PARTS))
    return sha256(text.encode(errors="replace")).hexdigest()


def opened(kept: bytes) -> dict[str, Any]:
    """The envelope out of what was kept of it. Raises ConfigurationError."""
    try:
        envelope = loads(kept)
        if not isinstance(envelope["properties"]["delivery_info"], dict):
            raise TypeError("delivery_info")
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigurationError("What was kept of this message cannot be read, so it cannot be sent again.") from error
    return dict(envelope)


def body_of(envelope: Mapping[str, Any]) -> bytes:
    """The body's own bytes. Raises ConfigurationError."""
    body = envelope.get("body")
    if not isinstance(body, str):
        return str(dumps(body)).encode()
    if envelope["properties"].get("body_encoding") != "base64":
        return body.encode(errors="surrogatepass")
    try:
        return base64.b64decode(body)
    except binascii.Error as error:
        raise ConfigurationError("The body of this message is no base64, so only Redis can take it.") from error


def for_amqp(envelope: Mapping[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """Body and options of `Channel.prepare_message` for a message in an envelope. Raises ConfigurationError."""
    headers, properties = envelope.get("headers"), envelope["properties"]
    if not isinstance(headers, dict):
        raise ConfigurationError("The headers of this message are of a shape that RabbitMQ cannot take.")
    options = {
        "content_type": envelope.get("content-type"),
        "content_encoding": envelope.get("content-encoding"),
        "headers": headers,
        "priority": properties.get("priority"),
        "properties": {key: properties[key] for key in _PROPERTIES if key in properties and key != "priority"},
    }
    return body_of(envelope), options


def beginning(kept: bytes, most: int = 2_000) -> tuple[dict[str, Any], str]:
    """Headers, and the first characters of the body, of what was kept of a message; both for people to look at."""
    try:
        envelope = opened(kept)
        body = body_of(envelope)
    except ConfigurationError:
        return {}, kept[:most].decode(errors="replace")
    headers = envelope.get("headers")
    return headers if isinstance(headers, dict) else {"": headers}, body[:most].decode(errors="replace")


def read_any_properties() -> None:
    """Let py-amqp take a message whose properties it cannot read for one without any, in this process.

    It raises inside the event loop, and takes the worker with it: where tables are nested too deep, a time is of a year
    that Python does not know, or text is no UTF-8 (amqp 5.4.2, not reported upstream).
    """
    Properties._load_properties = _load_properties  # noqa: SLF001 - as above


def _load_properties(message: Any, class_id: int, content: bytes, offset: int) -> int:
    try:
        return int(_STOCK(message, class_id, content, offset))
    except Exception as error:  # noqa: BLE001 - nothing but the sender's bytes is read here
        _log.warning("A message came whose properties cannot be read: %s", type(error).__name__)
        message.properties = {}
        return len(content)


def _flat(value: Any) -> Iterator[str]:
    """What is in it, one after another; not by recursion, of which a sender could ask too much."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            yield f"{{{len(one)}"
            for key in sorted(one, key=str):
                todo += [one[key], str(key)]
        elif isinstance(one, list | tuple):
            yield f"[{len(one)}"
            todo += reversed(one)
        else:
            yield repr(one)


def _own_headers(headers: Any) -> Any:
    """What the sender wrote, before a message was buried and after; none are the same as empty ones."""
    if not headers:
        return {}
    if not isinstance(headers, dict):
        return headers
    own = {key: value for key, value in headers.items() if not str(key).startswith(_ADDED)}
    # As `unacked.with_death` makes it of headers that are no table; a sender may have written it, too.
    wrapped = own.get("x-not-headers") if len(own) == 1 else None
    return wrapped if wrapped and not isinstance(wrapped, dict) else own
