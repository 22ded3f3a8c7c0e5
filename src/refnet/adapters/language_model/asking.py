"""What a model is asked, and how it may answer: the same for every provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Protocol

from refnet.domain.errors import ConfigurationError, RefnetError, SourceUnavailable


class Form(Enum):
    """How an answer is held to its form: by a schema that the server enforces, as some JSON, or by request alone."""

    SCHEMA = "json_schema"
    OBJECT = "json_object"
    TEXT = "text"


class Ended(StrEnum):
    """Why a model stopped writing."""

    COMPLETE = "complete"
    LENGTH = "length"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said: `role` is `user` or `assistant`."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Request:
    """One request. No tools are ever given. `most_tokens` bounds the answer."""

    system: str
    turns: tuple[Turn, ...]
    form: Form
    schema: Mapping[str, Any]
    most_tokens: int


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; the tokens are as the server counted them, None where it did not."""

    text: str
    ended: Ended = Ended.COMPLETE
    tokens_in: int | None = None
    tokens_out: int | None = None


class ModelClient(Protocol):
    """A language model at a provider."""

    @property
    def model(self) -> str: ...

    @property
    def place(self) -> str:
        """Host and port, for messages."""

    @property
    def address(self) -> str | None:
        """Host, port and path of the server, without anything secret; None for the provider's own."""

    @property
    def forms(self) -> tuple[Form, ...]:
        """The forms that it knows, the strictest first."""

    def ask(self, request: Request) -> Reply:
        """One HTTP request, never repeated here.

        Raises RateLimited, SourceUnavailable (AnswerLost among them), ConfigurationError (KeyNotTaken among them), and
        FormRefused, TooLong or GaveUp, which are for the caller to act on.
        """

    def look(self) -> str:
        """What the server says of the key and the model, as `looking.look_up` tells and raises it."""

    def look_at_key(self) -> None:
        """Raises KeyNotTaken where the server refuses the key, or wants one; whatever else is the matter is not told."""

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""


class AnswerLost(SourceUnavailable):
    """The request was sent and no answer came back whole: it may have been paid for."""


class KeyNotTaken(ConfigurationError):
    """The server refuses the key, or wants one (401, 403)."""


class FormRefused(RefnetError):
    """The server refuses the request as it is (400): it may not know the form asked for."""


class TooLong(RefnetError):
    """The request is longer than the model takes."""


class GaveUp(RefnetError):
    """The model makes no summary of this paper; the message, a clause without a full stop, says why.

    `billed` tells whether the call may have been paid for all the same. `dropped` are findings that it named and that did
    not stand up to the paper.
    """

    def __init__(self, why: str, *, billed: bool = False, dropped: int = 0) -> None:
        super().__init__(why)
        self.billed = billed
        self.dropped = dropped
