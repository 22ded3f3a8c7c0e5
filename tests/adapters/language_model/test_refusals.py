"""What goes wrong at a provider, and what it is called: every exception of both clients, every status."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import anthropic
import httpcore2
import httpx2
import openai
import pytest

from refnet.adapters.http_faults import CLIENT_ERRORS
from refnet.adapters.language_model.asking import (
    AnswerLost,
    Form,
    FormRefused,
    GaveUp,
    KeyNotTaken,
    Request,
    TooLong,
    Turn,
)
from refnet.adapters.language_model.providers import language_model
from refnet.adapters.language_model.refusals import Server, connection_error, status_error
from refnet.domain.errors import ConfigurationError, RateLimited, RefnetError, SourceUnavailable
from tests.adapters.language_model.conftest import Connect
from tests.adapters.language_model.making import PROVIDERS
from tests.model_server import ModelServer
from tests.servers import free_port

KEY = "sk-canary-0123456789"
SERVER = Server("some-model", "llm.example.org", "OPENAI_API_KEY", "OPENAI_BASE_URL", KEY, 7.0)
REQUEST = Request("system", (Turn("user", "text"),), Form.SCHEMA, {}, 100)
ASKED = httpx2.Request("POST", "https://llm.example.org/v1/chat/completions")


def subclasses(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    for one in kind.__subclasses__():
        yield one
        yield from subclasses(one)


def of_status(status: int) -> type[RefnetError]:
    """The table."""
    fixed: dict[int, type[RefnetError]] = {
        400: FormRefused, 401: KeyNotTaken, 402: GaveUp, 403: KeyNotTaken, 404: ConfigurationError,
        405: ConfigurationError, 407: SourceUnavailable, 408: AnswerLost, 409: SourceUnavailable, 410: ConfigurationError,
        413: TooLong, 422: FormRefused, 423: SourceUnavailable, 425: SourceUnavailable, 429: RateLimited, 499: AnswerLost,
        502: AnswerLost, 504: AnswerLost, 520: AnswerLost, 524: AnswerLost,
    }  # fmt: skip
    if status in fixed:
        return fixed[status]
    if status < 400:
        return ConfigurationError
    return SourceUnavailable if status >= 500 else GaveUp


@pytest.mark.parametrize("status", [*range(300, 600)])
def test_every_status_has_its_meaning(status: int) -> None:
    response = httpx2.Response(status, json={"error": {"message": f"no, {KEY}!"}}, request=ASKED)
    error = status_error(response, SERVER)

    assert type(error) is of_status(status)
    assert str(status) in str(error)
    assert KEY not in str(error)
    assert KEY not in repr(SERVER)


@pytest.mark.parametrize("library", [openai, anthropic])
def test_every_exception_of_a_client_is_told_in_our_words(library: object) -> None:
    base = {openai: openai.OpenAIError, anthropic: anthropic.AnthropicError}[library]  # type: ignore[index]
    kinds = [*subclasses(base)]
    assert len(kinds) >= 15
    for kind in kinds:
        # Each is built in its own way, and only what it is matters here.
        error = kind.__new__(kind)
        if issubclass(kind, (openai.APIStatusError, anthropic.APIStatusError)):
            continue  # by their status: above
        assert isinstance(error, Exception)
        for cause in (None, httpx2.ConnectError("no"), httpx2.ReadTimeout("late")):
            error.__cause__ = cause
            assert isinstance(connection_error(error, SERVER), SourceUnavailable)


@pytest.mark.parametrize("kind", CLIENT_ERRORS)
def test_every_exception_of_the_wire_is_told_in_our_words(kind: type[Exception]) -> None:
    error = openai.APIConnectionError(request=ASKED)
    for cause in [kind, *subclasses(kind)]:
        error.__cause__ = cause.__new__(cause)
        if isinstance(error.__cause__, UnicodeError):
            error.__cause__ = UnicodeError("no host")
        told = connection_error(error, SERVER)
        assert isinstance(told, (SourceUnavailable, GaveUp))
        assert "llm.example.org" in str(told) or "proxy" in str(told)


def test_only_what_never_reached_the_server_is_certainly_not_paid_for() -> None:
    error = openai.APIConnectionError(request=ASKED)
    for cause, lost in (
        (httpx2.ConnectError("no"), False),
        (httpx2.ConnectTimeout("late"), False),
        (httpcore2.ProxyError("no"), False),
        (httpx2.ReadTimeout("late"), True),
        (httpx2.ReadError("off"), True),
        (httpx2.WriteError("off"), True),
        (httpx2.RemoteProtocolError("off"), True),
    ):
        error.__cause__ = cause
        assert isinstance(connection_error(error, SERVER), AnswerLost) is lost


def test_what_struck_meanwhile_is_not_taken_for_the_wires() -> None:
    class TimeLimit(Exception):
        pass

    error = anthropic.APIConnectionError(request=ASKED)
    error.__cause__ = TimeLimit()

    assert connection_error(error, SERVER) is error.__cause__


@pytest.mark.parametrize(
    ("after", "seconds"),
    [("3", 3.0), ("0", None), ("-1", None), ("nan", None), ("9e9", 600.0), ("inf", 600.0), ("soon", None), ("", None)],
)
def test_the_wait_that_a_server_asks_for_is_bounded(after: str, seconds: float | None) -> None:
    error = status_error(httpx2.Response(429, headers={"Retry-After": after}, json={}, request=ASKED), SERVER)

    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    "said",
    [
        "This model's maximum context length is 8192 tokens",
        "prompt is too long: 9 tokens > 8",
        "context_length_exceeded",
    ],
)
def test_a_paper_that_is_too_long_is_told_from_a_form_that_is_not_known(said: str) -> None:
    response = httpx2.Response(400, json={"error": {"message": said}}, request=ASKED)

    assert type(status_error(response, SERVER)) is TooLong


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b'{"error": 7}', b'{"error": {"message": [1]}}', b"\xff\xfe", b'{"message": "x"}']
)
def test_a_refusal_of_any_shape_is_told(body: bytes) -> None:
    for status in (400, 404, 429, 500):
        assert isinstance(status_error(httpx2.Response(status, content=body, request=ASKED), SERVER), RefnetError)


@pytest.mark.parametrize(
    ("status", "names"),
    [
        (401, ["KEY"]),
        (403, ["KEY", "REFNET_LLM_MODEL"]),
        (404, ["REFNET_LLM_MODEL", "OPENAI_BASE_URL"]),
        (307, ["OPENAI_BASE_URL"]),
    ],
)
def test_what_the_user_has_to_mend_is_named(status: int, names: list[str]) -> None:
    error = status_error(httpx2.Response(status, request=ASKED), SERVER)

    assert all(name in str(error) for name in names)


def test_without_a_key_a_server_that_wants_one_is_told_from_one_that_refuses_it() -> None:
    keyless = Server("m", "llm.example.org", "OPENAI_API_KEY", "OPENAI_BASE_URL", None, 7.0)
    refused = httpx2.Response(401, request=ASKED)

    assert "wants a key" in str(status_error(refused, keyless))
    assert "refuses the key" in str(status_error(refused, SERVER))


# ---- over HTTP


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503, 529, 504, 413, 418])
def test_a_status_over_http_is_what_the_table_says(
    server: ModelServer, connect: Connect, provider: str, status: int
) -> None:
    server.modes = [str(status)]
    with pytest.raises(of_status(status)) as caught:
        connect(provider, key=KEY).client.ask(REQUEST)

    assert type(caught.value) is of_status(status)
    assert len(server.asked) == 1  # tried once: the clients' own retries are off


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("mode", ["hang", "reset", "not json"])
def test_an_answer_that_does_not_come_is_lost(server: ModelServer, connect: Connect, provider: str, mode: str) -> None:
    server.modes = [mode]
    with pytest.raises(AnswerLost):
        connect(provider, timeout=0.3).client.ask(REQUEST)
    assert len(server.asked) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_redirect_is_not_followed(server: ModelServer, connect: Connect, provider: str) -> None:
    server.modes = ["redirect", "good"]
    with pytest.raises(ConfigurationError, match="redirects are not followed"):
        connect(provider, key=KEY).client.ask(REQUEST)

    assert len(server.asked) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_without_end_is_not_read_to_it(server: ModelServer, connect: Connect, provider: str) -> None:
    server.modes = ["huge"]
    with pytest.raises(GaveUp, match="longer than 2,000,000 bytes") as caught:
        connect(provider).client.ask(REQUEST)

    assert caught.value.billed


def test_where_nobody_listens_nothing_was_paid_for() -> None:
    client = language_model("m", openai_url=f"http://127.0.0.1:{free_port()}/v1").client
    with pytest.raises(SourceUnavailable) as caught:
        client.ask(REQUEST)
    client.close()

    assert not isinstance(caught.value, AnswerLost)
    assert not caught.value.reached


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("mode", ["good", "401", "403", "429", "500", "400", "hang", "redirect", "huge", "reset"])
def test_the_key_is_in_no_log_and_no_error(
    server: ModelServer, connect: Connect, provider: str, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.modes = [mode]
    client = connect(provider, key=KEY, timeout=0.5).client
    told = ""
    try:
        client.ask(REQUEST)
    except RefnetError as error:
        caught: BaseException | None = error
        while caught is not None:
            told += f"{caught!r} {caught} {caught.__dict__}"
            caught = caught.__cause__ or (None if caught.__suppress_context__ else caught.__context__)

    assert KEY in "".join(f"{asked.headers}" for asked in server.asked)  # or nothing would be shown here
    assert KEY not in told + repr(client)
    assert KEY not in caplog.text
