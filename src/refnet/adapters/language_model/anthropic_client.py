"""Anthropic's messages, by its own client: its imitation of OpenAI's form ignores schemas."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import httpx2

from refnet.adapters.language_model.asking import Ended, Form, Reply, Request
from refnet.adapters.language_model.at_server import ModelAtServer
from refnet.adapters.language_model.refusals import connection_error, parsed, status_error, tokens, unusable
from refnet.adapters.language_model.wire import http_client

if TYPE_CHECKING:
    from anthropic import Anthropic

OWN_URL = "https://api.anthropic.com"
_ENDED = {
    "max_tokens": Ended.LENGTH,
    "model_context_window_exceeded": Ended.LENGTH,
    "refusal": Ended.REFUSED,
}


class AnthropicClient(ModelAtServer):
    """A model of Anthropic's. `base_url` is for tests; the setting for OpenAI's servers has nothing to do with it."""

    forms = (Form.SCHEMA, Form.TEXT)

    def __init__(self, model: str, *, key: str, timeout: float, base_url: str = OWN_URL) -> None:
        super().__init__(
            model,
            base_url,
            own_url=OWN_URL,
            key_setting="ANTHROPIC_API_KEY",
            url_setting="",
            key=key,
            timeout=timeout,
        )
        self._key = key

    @cached_property
    def _client(self) -> Anthropic:
        from anthropic import Anthropic

        return Anthropic(
            api_key=self._key,
            base_url=self._url,
            timeout=self._timeout,
            max_retries=0,  # each would have to be paid for by itself
            http_client=http_client(self._url, self._timeout),
        )

    def ask(self, request: Request) -> Reply:
        from anthropic import AnthropicError, APIStatusError

        messages: list[Any] = [{"role": turn.role, "content": turn.text} for turn in request.turns]
        more: dict[str, Any] = {}
        if request.form is Form.SCHEMA:
            more["output_config"] = {"format": {"type": "json_schema", "schema": dict(request.schema)}}
        try:
            raw = self._client.messages.with_raw_response.create(
                model=self.model, system=request.system, messages=messages, max_tokens=request.most_tokens, **more
            )
            response: Any = raw.http_response
        except APIStatusError as error:
            raise status_error(error.response, self._server) from None
        except AnthropicError as error:
            raise connection_error(error, self._server) from None
        return self._reply(response)

    def _get(self, path: str) -> httpx2.Response:
        from anthropic import AnthropicError, APIStatusError

        try:
            return self._client.get(f"/v1/{path}", cast_to=httpx2.Response)
        except APIStatusError as error:
            return error.response
        except AnthropicError as error:
            raise connection_error(error, self._server) from None

    def _reply(self, response: httpx2.Response) -> Reply:
        body = parsed(response, self._server)
        content = body.get("content")
        if not isinstance(content, list):
            raise unusable(self._server)
        texts = [block.get("text") for block in content if isinstance(block, Mapping) and block.get("type") == "text"]
        usage = body.get("usage")
        counted = usage if isinstance(usage, Mapping) else {}
        read = [tokens(counted.get(name, 0)) for name in _READ]
        return Reply(
            "".join(text for text in texts if isinstance(text, str)),
            _ENDED.get(str(body.get("stop_reason")), Ended.COMPLETE),
            None if "input_tokens" not in counted or None in read else sum(one or 0 for one in read),
            tokens(counted.get("output_tokens")),
        )


#: What of a prompt was read, and from where; caches are not asked for, but a server may use one.
_READ = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
