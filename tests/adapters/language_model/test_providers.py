"""Which model is asked where, and at what price."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from refnet.adapters.language_model.anthropic_client import AnthropicClient
from refnet.adapters.language_model.openai_client import OpenAIClient
from refnet.adapters.language_model.prices import Price, price_of
from refnet.adapters.language_model.providers import language_model
from refnet.domain.errors import ConfigurationError
from tests.adapters.language_model.conftest import Connect
from tests.adapters.language_model.making import DOCUMENT, FOUND, PAPER, PRICED, PROVIDERS, summarizer
from tests.model_server import ModelServer

OPENAI = "https://api.openai.com/v1"


@pytest.mark.parametrize(
    ("model", "keys", "client", "name", "place"),
    [
        ("claude-haiku-4-5", {"anthropic_key": "k" * 9}, AnthropicClient, "claude-haiku-4-5", "api.anthropic.com"),
        ("anthropic/claude-haiku-4-5", {"anthropic_key": "k" * 9}, AnthropicClient, "claude-haiku-4-5", "api.anthropic.com"),
        ("gpt-4o-mini", {"anthropic_key": "k" * 9, "openai_key": "o" * 9}, OpenAIClient, "gpt-4o-mini", "api.openai.com"),
        ("gpt-4o-mini", {"openai_key": "o" * 9}, OpenAIClient, "gpt-4o-mini", "api.openai.com"),
        ("llama3.1:8b", {"openai_url": "http://localhost:11434/v1"}, OpenAIClient, "llama3.1:8b", "localhost:11434"),
        (
            "anthropic/claude-sonnet-4.5",
            {"openai_key": "o" * 9, "openai_url": "https://openrouter.ai/api/v1"},
            OpenAIClient,
            "anthropic/claude-sonnet-4.5",
            "openrouter.ai",
        ),
    ],
)  # fmt: skip
def test_a_model_is_asked_where_its_name_and_the_keys_say(
    model: str, keys: dict[str, Any], client: type, name: str, place: str
) -> None:
    made = language_model(model, **keys).client

    assert (type(made), made.model, made.place) == (client, name, place)
    assert not any(key in repr(made) for key in keys.values())


def test_openai_without_a_key_is_refused_with_the_settings_name() -> None:
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY; for a local server set OPENAI_BASE_URL"):
        language_model("gpt-4o-mini", anthropic_key="k" * 9)
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY or ANTHROPIC_API_KEY"):
        language_model("claude-haiku-4-5")


@pytest.mark.parametrize("model", ["", "  ", "a\nb"])
def test_a_name_that_is_none_is_refused(model: str) -> None:
    with pytest.raises(ConfigurationError, match="REFNET_LLM_MODEL"):
        language_model(model, openai_key="o" * 9)


def test_nothing_is_imported_before_a_model_is_asked() -> None:
    code = (
        "import sys; from refnet.adapters.language_model.providers import language_model; "
        "language_model('llama', openai_url='http://127.0.0.1:1/v1'); language_model('claude-haiku-4-5', anthropic_key='k' * 9);"
        "print([name for name in ('openai', 'anthropic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("hidden", "model", "extra"),
    [
        ("openai", "gpt-4o-mini", "openai"),
        ("genai_prices", "gpt-4o-mini", "openai"),
        ("anthropic", "claude-haiku-4-5", "anthropic"),
    ],
)
def test_an_extra_that_is_not_installed_is_named_with_the_cure(hidden: str, model: str, extra: str) -> None:
    code = f"""
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == {hidden!r} else found(name, *more)
from refnet.adapters.language_model.providers import language_model
from refnet.domain.errors import ConfigurationError
try:
    language_model({model!r}, openai_key="o" * 9, anthropic_key="k" * 9)
except ConfigurationError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert f"pip install 'refnet[{extra}]'" in done.stdout


@pytest.mark.parametrize(
    ("model", "url", "known"),
    [
        ("gpt-4o-mini", OPENAI, True),
        ("claude-haiku-4-5", "https://api.anthropic.com", True),
        ("anthropic/claude-sonnet-4.5", "https://openrouter.ai/api/v1", True),
        ("gemini-2.5-flash-lite", "https://generativelanguage.googleapis.com/v1beta/openai", True),
        ("gpt-4o-mini", "https://llm.example.org/v1", True),
        ("openai/gpt-4o-mini", "https://llm.example.org/v1", True),
        ("gpt-4o-mini", "http://127.0.0.1:4000/v1", True),
        ("our-own-8b", "https://llm.example.org/v1", False),
        ("llama3.1:8b", "http://127.0.0.1:11434/v1", False),
        ("deepseek-r1:8b", "http://localhost:11434/v1", False),
        ("gpt-oss-20b", "http://[::1]:1234/v1", False),
    ],
)
def test_whose_price_is_known_and_whose_is_not(model: str, url: str, known: bool) -> None:
    price = price_of(model, url)

    assert price.known is known
    assert (price.of(12_000, 1_200) > 0) is known


def test_the_price_of_a_call_is_that_of_its_tokens() -> None:
    # $0.15 and $0.60 for a million. Source: genai-prices 0.2.3.
    assert price_of("gpt-4o-mini", OPENAI).of(1_000_000, 100_000) == pytest.approx(0.15 + 0.06)
    assert Price().of(10**9, 10**9) == 0.0


def test_a_model_without_a_price_at_a_provider_that_takes_money_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"REFNET_SPEND_CAP could not hold.*pip install -U genai-prices"):
        language_model("gpt-99", openai_key="o" * 9)


def test_a_model_without_a_price_is_said_to_be_without() -> None:
    free = language_model("llama3.1:8b", openai_url="http://localhost:11434/v1")

    assert "llama3.1:8b at localhost:11434" in (free.warning() or "")
    assert "REFNET_SPEND_CAP does not limit" in (free.warning() or "")
    assert language_model("gpt-4o-mini", openai_key="o" * 9).warning() is None


@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_provider_is_asked_in_its_own_way_over_http(server: ModelServer, connect: Connect, provider: str) -> None:
    summary = summarizer(connect(provider, key="key-of-the-tests")).summarize(PAPER, DOCUMENT, FOUND, "en")

    (asked,) = server.asked
    assert summary.provenance is not None
    assert summary.provenance.model == asked.body["model"]
    assert asked.path == {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}[provider]
    assert "key-of-the-tests" in asked.headers.get("authorization", "") + asked.headers.get("x-api-key", "")
    assert asked.form == "json_schema"
    assert asked.system.startswith("You read one scientific paper")
    assert 0 < asked.body["max_tokens"] <= 4_000
    assert not {"tools", "tool_choice", "functions", "stream", "web_search_options"} & set(asked.body)


def test_a_local_server_is_asked_without_a_key(server: ModelServer, connect: Connect) -> None:
    summarizer(connect("openai")).summarize(PAPER, DOCUMENT, FOUND, "en")

    assert not {"authorization", "x-api-key"} & set(server.asked[0].headers)


def test_the_model_of_another_host_than_loopback_has_its_own_price(connect: Connect) -> None:
    assert connect("openai", model=PRICED).price.known
    assert connect("anthropic").price.known
    assert not connect("openai").price.known
