"""What whoever can write to the broker may broadcast unsigned, in any shape: control commands, events, and answers.

Celery's worker is ended by an event without `hostname`, by a time that is a text, and by what cannot be decoded at all
(celery 5.7.0, not reported upstream). Here what is none is logged and dropped: nobody waits for it, and it is in no
queue from which it could come again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import kombu.pidbox
from celery.app import control as client
from celery.utils.log import get_logger
from celery.worker import pidbox
from celery.worker.consumer import control, gossip
from kombu.clocks import LamportClock

from refnet.domain.dead_messages import shown

_log = get_logger(__name__)

#: A number from which on a count of events, a time or a frequency is none: double precision is exact below it.
MOST = 2**53
#: What is logged of an error, and the longest name of a worker: characters.
_WORDS, _LONGEST = 300, 255
#: What Celery knows of a control command; the rest of it would be arguments of a function of Celery's.
_COMMAND = ("method", "arguments", "destination", "pattern", "matcher", "ticket", "reply_to")
#: What gossip needs of an event. Celery makes attributes of a worker out of all that is in it.
_EVENT = ("type", "hostname", "timestamp", "clock", "freq", "pid")


class Clock(LamportClock):
    """The count of events that workers have in common, which is moved by plausible numbers alone.

    kombu's takes over any (kombu 5.7.0, not reported upstream): infinity, or an integer that RabbitMQ has no form for,
    would go on to all others, and nothing more could be sent.
    """

    def adjust(self, other: object) -> int:
        if type(other) is int and other < MOST:
            return int(super().adjust(other))
        return int(self.forward())


class Answers(kombu.pidbox.Mailbox):  # type: ignore[misc,unused-ignore]
    """Where commands are sent from and answered to; an answer that is none is dropped, whoever asked.

    kombu's raises for it, and a worker that asks the others at its start is ended by it (kombu 5.7.0, not reported
    upstream).
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"clock": Clock(), **options})

    def _collect(self, *args: Any, **options: Any) -> list[Any]:
        try:
            answers = super()._collect(*args, **options)
        except not_of_messages(self.connection.connection_errors + self.connection.channel_errors):
            raise
        except Exception as error:  # noqa: BLE001 - anybody may answer anything
            _dropped("answer", _said(error))
            return []
        return [told for told in answers if isinstance(told, dict) and all(map(_is_name, told))]


class Control(client.Control):  # type: ignore[misc,unused-ignore]
    """For the argument `control` of an application."""

    Mailbox = Answers


class Commands(control.Control):  # type: ignore[misc,unused-ignore]
    """A worker's mailbox for control commands."""

    def __init__(self, c: Any, **options: Any) -> None:
        super().__init__(c, **options)
        if not self.is_green:
            self.box = Mailbox(c)
            self.start, self.stop, self.shutdown = self.box.start, self.box.stop, self.box.shutdown


class Mailbox(pidbox.Pidbox):  # type: ignore[misc,unused-ignore]
    """Drops what is no control command.

    Celery rejects what it cannot decode, although it said that it acknowledges nothing here: RabbitMQ ends the
    connection (celery 5.7.0, not reported upstream). An answer asked for at another exchange than that of answers is
    tried for ever, while the worker does nothing else (kombu 5.7.0, not reported upstream).
    """

    def start(self, c: Any) -> None:
        super().start(c)
        self.consumer.on_decode_error = _drop_undecodable

    def on_message(self, body: Any, message: Any) -> None:
        answers = self.node.mailbox.reply_exchange.name
        if (fault := _fault_of_command(body, message.headers, answers)) is not None:
            _dropped("control command", fault)
        else:
            super().on_message({name: body.get(name) for name in _COMMAND}, message)


class Gossip(gossip.Gossip):  # type: ignore[misc,unused-ignore]
    """Notices that other workers come and go, whatever else is told, and holds no elections.

    Celery's lets any control command `election` make a worker send a task of anybody's choice, which that worker would
    sign.
    """

    def __init__(self, c: Any, **options: Any) -> None:
        super().__init__(c, **options)
        self.event_handlers: dict[str, Any] = {}
        self.election_handlers: dict[str, Any] = {}

    def election(self, id: object, topic: object, action: object = None) -> None:
        del id, topic, action
        _dropped("control command", "workers of refnet hold no elections")

    def get_consumers(self, channel: Any) -> list[Any]:
        consumers: list[Any] = super().get_consumers(channel)
        for consumer in consumers:
            consumer.on_decode_error = _drop_undecodable
        return consumers

    def on_message(self, prepare: Callable[[Any], tuple[str, Any]], message: Any) -> None:
        try:
            if (event := _event_of(message.payload)) is None:
                return
            if event["hostname"] == self.hostname:
                self.clock.forward()
            else:
                self.update_state(prepare(event)[1])
        except Exception as error:  # noqa: BLE001 - whatever an event does, the worker goes on
            _dropped("event", _said(error))


def not_of_messages(errors: tuple[type[BaseException], ...]) -> tuple[type[BaseException], ...]:
    """Those that are never a message's fault: kombu counts KeyError among the connection errors of Redis (kombu#2582)."""
    return tuple(error for error in errors if not issubclass(KeyError, error))


def _drop_undecodable(message: Any, error: Exception) -> None:
    del message
    _dropped("broadcast", _said(error))


def _dropped(what: str, why: str) -> None:
    _log.warning("A message that is no %s was dropped: %s", what, shown(why[:_WORDS]))


def _said(error: Exception) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - such as what is nested too deep
        return type(error).__name__


def _fault_of_command(body: Any, headers: Any, answers: str) -> str | None:
    """What makes a message no control command; None for one."""
    if not isinstance(body, dict) or not isinstance(headers, dict):
        return "it is no table"
    if not isinstance(body.get("method"), str):
        return "it names no command"
    if not isinstance(body.get("arguments") or {}, dict):
        return "its arguments are no table"
    destination = body.get("destination") or []
    if not isinstance(destination, list) or not all(isinstance(name, str) for name in destination):
        return "its destination is no list of names"
    if not all(isinstance(body.get(name) or "", str) for name in ("pattern", "matcher", "ticket")):
        return "pattern, matcher and ticket are texts"
    if (reply_to := body.get("reply_to") or None) is not None:
        key = reply_to.get("routing_key") if isinstance(reply_to, dict) else None
        if not _is_name(key) or reply_to.get("exchange") != answers:
            return "it wants an answer elsewhere than where answers go"
    return None


def _event_of(payload: Any) -> Mapping[str, Any] | None:
    """What gossip needs of a worker's event; None for one that is about a task.

    Raises TypeError or ValueError for what is none.
    """
    if not isinstance(payload, dict) or not isinstance(payload.get("type"), str):
        raise TypeError("it has no type")
    if payload["type"].startswith("task-"):
        return None
    if not payload["type"].startswith("worker-"):
        raise ValueError("it is neither a worker's nor a task's")
    if not _is_name(payload.get("hostname")):
        raise ValueError("it has no hostname")
    for name in ("timestamp", "freq"):
        if name in payload and not _is_number(payload[name]):
            raise ValueError(f"its {name} is no number")
    return {name: payload[name] for name in _EVENT if name in payload}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value < MOST


def _is_name(value: object) -> bool:
    """Whether it is a text that fits into a line of the log, and into AMQP."""
    return isinstance(value, str) and value.isprintable() and 0 < len(value.encode()) <= _LONGEST
