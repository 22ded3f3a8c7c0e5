"""Any server that speaks OpenAI's chat completions: OpenAI, Gemini, OpenRouter, vLLM, llama.cpp, Ollama, …"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import httpx2

from refnet.adapters.language_model.asking import Ended, Form, FormRefused, Reply, Request
from refnet.adapters.language_model.at_server import ModelAtServer
from refnet.adapters.language_model.refusals import connection_error, parsed, status_error, tokens, unusable
from refnet.adapters.language_model.wire import http_client

if TYPE_CHECKING:
    from openai import OpenAI

#: Where OpenAI itself is; its newer models want another name for the bound on the answer than everybody else's.
OWN_URL = "https://api.openai.com/v1"
_BOUNDS = ("max_tokens", "max_completion_tokens")


class OpenAIClient(ModelAtServer):
    """A model at a server. Without a key no Authorization is sent, as local servers like it."""

    forms = (Form.SCHEMA, Form.OBJECT, Form.TEXT)

    def __init__(self, model: str, *, key: str | None, base_url: str | None, timeout: float) -> None:
        super().__init__(
            model,
            base_url or OWN_URL,
            own_url=OWN_URL,
            key_setting="OPENAI_API_KEY",
            url_setting="OPENAI_BASE_URL",
            key=key,
            timeout=timeout,
        )
        self._key = key
        self._bound = _BOUNDS[self._url.startswith("https://api.openai.com/")]

    @cached_property
    def _client(self) -> OpenAI:
        from openai import OpenAI

        return OpenAI(
            api_key=self._key or "none",
            base_url=self._url,
            timeout=self._timeout,
            max_retries=0,  # each would have to be paid for by itself
            http_client=http_client(self._url, self._timeout),
        )

    def ask(self, request: Request) -> Reply:
        try:
            return self._ask(request)
        except FormRefused as error:
            other = _BOUNDS[1 - _BOUNDS.index(self._bound)]
            if other not in str(error) and f"'{self._bound}'" not in str(error):
                raise
            self._bound = other
            return self._ask(request)

    def _get(self, path: str) -> httpx2.Response:
        from openai import APIStatusError, Omit, OpenAIError

        try:
            return self._client.get(
                f"/{path}",
                cast_to=httpx2.Response,
                options={"headers": {"Authorization": Omit()}} if self._key is None else {},
            )
        except APIStatusError as error:
            return _read(error.response)
        except OpenAIError as error:
            raise connection_error(error, self._server) from None

    def _ask(self, request: Request) -> Reply:
        from openai import APIStatusError, Omit, OpenAIError

        messages: list[Any] = [{"role": "system", "content": request.system}]
        messages += [{"role": turn.role, "content": turn.text} for turn in request.turns]
        more: dict[str, Any] = {self._bound: request.most_tokens}
        if request.form is not Form.TEXT:
            more["response_format"] = _response_format(request)
        if self._key is None:
            more["extra_headers"] = {"Authorization": Omit()}
        try:
            raw = self._client.chat.completions.with_raw_response.create(model=self.model, messages=messages, **more)
            response: Any = raw.http_response
        except APIStatusError as error:
            raise status_error(_read(error.response), self._server) from None
        except OpenAIError as error:
            raise connection_error(error, self._server) from None
        return self._reply(_read(response))

    def _reply(self, response: httpx2.Response) -> Reply:
        body = parsed(response, self._server)
        choices = body.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = choice.get("message") if isinstance(choice, Mapping) else None
        if not isinstance(choice, Mapping) or not isinstance(message, Mapping):
            raise unusable(self._server)
        content = message.get("content")
        reason = choice.get("finish_reason")
        ended = Ended.LENGTH if reason == "length" else Ended.COMPLETE
        if reason == "content_filter" or message.get("refusal"):
            ended = Ended.REFUSED
        usage = body.get("usage")
        counted = usage if isinstance(usage, Mapping) else {}
        return Reply(
            content if isinstance(content, str) else "",
            ended,
            tokens(counted.get("prompt_tokens")),
            tokens(counted.get("completion_tokens")),
        )


def _response_format(request: Request) -> dict[str, Any]:
    if request.form is Form.OBJECT:
        return {"type": "json_object"}
    schema = {"name": "summary", "strict": True, "schema": dict(request.schema)}
    return {"type": "json_schema", "json_schema": schema}


def _read(response: Any) -> httpx2.Response:
    if not isinstance(response, httpx2.Response):
        raise TypeError(f"openai answers with {type(response).__name__}, not with httpx2's Response")
    return response
