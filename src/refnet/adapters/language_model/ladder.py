"""From a prompt to an answer that can be used: the strictest form that the server knows, then one repair, then no more.

Before each call the most that it may cost is set aside; what it cost is settled together with its answer.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from refnet.adapters.language_model.answers import ModelAnswer, NotUsable, read_answer
from refnet.adapters.language_model.asking import (
    AnswerLost,
    Ended,
    Form,
    FormRefused,
    GaveUp,
    KeyNotTaken,
    ModelClient,
    Reply,
    Request,
    Turn,
)
from refnet.adapters.language_model.packing import most_tokens
from refnet.adapters.language_model.prices import Price
from refnet.adapters.language_model.prompt import MOST_ANSWER, PROMPT, REPAIR, SCHEMA, Prompt
from refnet.domain.errors import RefnetError, TransientError
from refnet.domain.spending import CapReached, Reservation, Use

_log = logging.getLogger(__name__)

#: Tokens of a request beside its texts: a server adds a few around each turn.
_AROUND = 200
#: Characters of a bad answer that are shown to the model again.
_SHOWN = 6_000
#: Tries of a call where nobody comes again, and the longest wait in seconds before the next.
_TRIES, _LONGEST_WAIT = 3, 20.0


class Purse(Protocol):
    """Where money and answers are kept; see `adapters.database.spending`."""

    def answer(self, key: str) -> Any | None: ...

    def reserve(self, usd: float) -> Reservation | CapReached: ...

    def settle(self, held: Reservation, use: Use, key: str | None = None, answer: Any = None) -> None: ...

    def forget(self, key: str) -> None: ...

    def release(self, held: Reservation) -> None: ...


@dataclass(frozen=True, slots=True)
class Patience:
    """What to do when the model is away: `waits` is True where somebody comes again with the same paper. Otherwise a call
    is tried a few times, with `sleep` between.
    """

    waits: bool = True
    sleep: Callable[[float], None] = time.sleep


class Ladder:
    """Asks one model. Remembers which forms its server refused, so that each is tried once, and that it refused the key:
    then it is not asked again.
    """

    def __init__(self, client: ModelClient, price: Price, purse: Purse) -> None:
        self._client = client
        self._price = price
        self._purse = purse
        self._refused: set[Form] = set()
        self._key_refused: str | None = None

    def answer(self, key: str, said: Prompt, patience: Patience) -> ModelAnswer:
        """The answer to a prompt: the one that was paid for before, else a new one, which is kept under `key`.

        Raises GaveUp, TooLong, ConfigurationError, RateLimited, SourceUnavailable, and what the purse raises.
        """
        kept = self._purse.answer(key)
        if kept is not None:
            return ModelAnswer.from_document(kept)
        turns: tuple[Turn, ...] = (Turn("user", said.user),)
        try:
            return self._one(key, said, turns, patience)
        except _Unusable as bad:
            _log.info("%s gave an answer that cannot be used (%s) and is asked once more.", self._client.model, bad)
            repair = Turn("user", REPAIR.format(why=bad))
            try:
                return self._one(key, said, (*turns, Turn("assistant", bad.text or "{}"), repair), patience)
            except _Unusable as again:
                raise GaveUp(f"the model's answer could not be used, twice: {again}") from again

    def forget(self, key: str) -> None:
        """Let an answer go of which nothing was true, so that the model is asked anew when somebody asks again."""
        self._purse.forget(key)

    def _one(self, key: str, said: Prompt, turns: tuple[Turn, ...], patience: Patience) -> ModelAnswer:
        """One answer, in the strictest form that the server takes."""
        why: FormRefused | None = None
        for form in self._client.forms:
            if form in self._refused:
                continue
            system = said.system if form is Form.SCHEMA else said.with_schema()
            request = Request(system, turns, form, SCHEMA, MOST_ANSWER)
            try:
                return self._paid(key, said, request, patience)
            except FormRefused as error:
                why = error
                if form is not self._client.forms[-1]:
                    self._refused.add(form)
        # Refused in every form: the fault is not the form's.
        self._refused.clear()
        raise GaveUp(str(why)) from why

    def _paid(self, key: str, said: Prompt, request: Request, patience: Patience) -> ModelAnswer:
        if self._key_refused is not None:
            raise KeyNotTaken(self._key_refused)
        texts = (request.system, json.dumps(SCHEMA), *(turn.text for turn in request.turns))
        most = self._price.of(sum(map(most_tokens, texts)) + _AROUND, request.most_tokens)
        held = self._purse.reserve(most)
        if isinstance(held, CapReached):
            raise GaveUp(str(held))
        try:
            reply = self._asked(request, patience)
        except AnswerLost:
            raise  # it may have been paid for, so what was set aside stays spent
        except GaveUp as error:
            if not error.billed:
                self._purse.release(held)
            raise
        except RefnetError as error:
            self._purse.release(held)
            if isinstance(error, KeyNotTaken):
                self._key_refused = str(error)
            raise
        use = self._use(reply, held)
        try:
            answer = _usable(reply, said.mark)
        except (_Unusable, GaveUp):
            self._purse.settle(held, use)
            raise
        self._purse.settle(held, use, key, answer.document())
        return answer

    def _asked(self, request: Request, patience: Patience) -> Reply:
        """Only what was certainly not paid for is tried again here."""
        for again in range(_TRIES):
            try:
                return self._client.ask(request)
            except AnswerLost:
                raise
            except TransientError as error:
                wait = error.retry_after or 2.0**again
                if patience.waits or again + 1 == _TRIES or wait > _LONGEST_WAIT:
                    raise
                patience.sleep(wait)
        raise AssertionError("unreachable")

    def _use(self, reply: Reply, held: Reservation) -> Use:
        """What a call took. Where the server does not count, it counts as the most that it may have cost."""
        if reply.tokens_in is None or reply.tokens_out is None:
            return Use(self._client.model, reply.tokens_in or 0, reply.tokens_out or 0, held.usd)
        usd = self._price.of(reply.tokens_in, reply.tokens_out)
        return Use(self._client.model, reply.tokens_in, reply.tokens_out, usd)


class _Unusable(Exception):
    """An answer that is not what was asked for, and why."""

    def __init__(self, why: str, text: str) -> None:
        super().__init__(why)
        self.text = text[:_SHOWN]


def _usable(reply: Reply, mark: str) -> ModelAnswer:
    if reply.ended is Ended.REFUSED:
        raise GaveUp("the model declines to answer")
    if reply.ended is Ended.LENGTH:
        raise _Unusable("it is too long and was cut off", reply.text)
    try:
        return read_answer(reply.text, mark)
    except NotUsable as error:
        raise _Unusable(str(error), reply.text) from error


def answer_key(pdf_sha256: str, model: str, address: str | None, lang: str, role: str, packed: str) -> str:
    """What an answer depends on, as one text. `address` is the server's, None for the provider's own, which is left out:
    so answers from there that were kept before servers were told apart stay paid for.
    """
    parts = [pdf_sha256, PROMPT, model, lang, role, packed]
    if address is not None:
        parts.append(address)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
