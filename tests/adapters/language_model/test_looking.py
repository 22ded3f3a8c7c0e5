"""What a model's server says of itself, by requests that cost nothing."""

from __future__ import annotations

import pytest

from refnet.adapters.language_model.asking import KeyNotTaken
from refnet.domain.errors import ConfigurationError, RateLimited, RefnetError, SourceUnavailable
from tests.adapters.language_model.conftest import Connect
from tests.adapters.language_model.making import PROVIDERS
from tests.model_server import ModelServer

KEY = "sk-of-the-tests-0123456789"
MODELS = {"openai": "stand-in", "anthropic": "claude-haiku-4-5"}
#: The variable that each provider's key is in.
VARIABLES = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}

each_provider = pytest.mark.parametrize("provider", PROVIDERS)


@each_provider
def test_a_listed_model_is_known_after_one_request_that_asks_for_nothing_else(
    provider: str, server: ModelServer, connect: Connect
) -> None:
    server.key, server.models = KEY, {MODELS[provider]: "the tests"}

    said = connect(provider, key=KEY).client.look()

    assert said.endswith(f" knows {MODELS[provider]} and does not refuse the key")
    assert [asked.path for asked in server.asked] == ["/v1/models"]
    assert server.billed == 0


@each_provider
def test_a_model_of_another_name_than_the_listed_is_looked_up_alone(
    provider: str, server: ModelServer, connect: Connect
) -> None:
    server.models, server.aliases = {"a-model-20260101": "the tests"}, (MODELS[provider],)

    assert f"knows {MODELS[provider]}" in connect(provider, key=KEY).client.look()
    assert [asked.path for asked in server.asked] == ["/v1/models", f"/v1/models/{MODELS[provider]}"]


def test_a_name_with_signs_of_its_own_is_looked_up_whole(server: ModelServer, connect: Connect) -> None:
    server.models, server.aliases = {}, ("some/one's model:8b?#",)

    assert "knows some/one's model:8b?#" in connect(model="some/one's model:8b?#").client.look()


@pytest.mark.parametrize(("listed", "model"), [("models/gemini-9", "gemini-9"), ("llama9:latest", "llama9")])
def test_names_that_servers_list_otherwise_than_they_take_them_are_known(
    listed: str, model: str, server: ModelServer, connect: Connect
) -> None:
    server.models = {listed: "the tests"}

    assert f"knows {model}" in connect(model=model).client.look()
    assert len(server.asked) == 1


@each_provider
def test_a_model_that_nobody_knows_is_a_fault_that_names_the_nearest_that_there_are(
    provider: str, server: ModelServer, connect: Connect
) -> None:
    names = ("claude-haiku-4-6", "stand-out", "claude-haiku-4-7", "claude-haiku-4-8", "stand-by", "stand-up", "x", "y")
    server.models = dict.fromkeys(names, "the tests")

    with pytest.raises(
        ConfigurationError, match=r"knows no model \S+; it has .* and \d more\. Check REFNET_LLM_MODEL"
    ) as met:
        connect(provider, key=KEY).client.look()
    near = "claude-haiku-4-" if provider == "anthropic" else "stand-"
    assert str(met.value).count(near) >= 3


def test_a_server_without_any_model_is_a_fault(server: ModelServer, connect: Connect) -> None:
    server.models = {}

    with pytest.raises(ConfigurationError, match=r"it has none\. Check REFNET_LLM_MODEL, or load the model there"):
        connect().client.look()


def test_a_server_that_takes_any_name_for_its_one_model_is_no_fault(server: ModelServer, connect: Connect) -> None:
    server.models = {"/models/some.gguf": "llamacpp"}

    assert "it has one model, /models/some.gguf, and takes stand-in for its name" in connect().client.look()
    server.models["another"] = "llamacpp"
    with pytest.raises(ConfigurationError, match="knows no model stand-in"):
        connect().client.look()


@each_provider
def test_a_server_without_a_list_counts_as_reached_and_what_was_not_tried_is_told(
    provider: str, server: ModelServer, connect: Connect
) -> None:
    server.models = None

    said = connect(provider, key=KEY).client.look()

    assert f"has no list of models (404), so that neither the key nor the name {MODELS[provider]} was tried" in said
    assert ("check OPENAI_BASE_URL, which often ends in /v1" in said) is (provider == "openai")


def test_a_key_that_may_not_list_models_is_no_fault(server: ModelServer, connect: Connect) -> None:
    server.modes = ["403 scope"]

    assert "which may not list models: whether it may use stand-in was not tried" in connect(key=KEY).client.look()


@each_provider
@pytest.mark.parametrize(
    ("mode", "kind", "said"),
    [
        ("401", ConfigurationError, r"refuses the key \(401\)\. Check {variable}\."),
        ("403", ConfigurationError, r"does not let this key, or this machine, use the model .*Check {variable}"),
        ("400", ConfigurationError, r"^127\.0\.0\.1:\d+ refuses the request \(400: .*Check {variable}"),
        ("402", ConfigurationError, r"^The account at .* has no credit left \(402\)\. Check {variable}"),
        ("429", RateLimited, r"asks for fewer requests \(429\)\. Wait a minute"),
        ("503", SourceUnavailable, r"503.*Look again later"),
        ("redirect", ConfigurationError, r"redirects are not followed"),
        ("not json", ConfigurationError, r"gave no list of models, but something else\. Check "),
        ("hang", SourceUnavailable, r"gave no answer within 0\.5 s\. .*network and proxy"),
    ],
)
def test_each_refusal_is_named_with_its_cure_and_without_the_key(
    provider: str, mode: str, kind: type[RefnetError], said: str, server: ModelServer, connect: Connect
) -> None:
    server.modes = [mode]

    with pytest.raises(kind, match=said.format(variable=VARIABLES[provider])) as met:
        connect(provider, key=KEY, timeout=0.5 if mode == "hang" else 20.0).client.look()
    assert KEY not in str(met.value)
    assert str(met.value).endswith(".")


@each_provider
@pytest.mark.parametrize("mode", ["401", "403"])
def test_a_key_that_is_refused_is_told_after_one_request_with_its_variable(
    provider: str, mode: str, server: ModelServer, connect: Connect
) -> None:
    server.modes = [mode]

    with pytest.raises(KeyNotTaken, match=f"Check {VARIABLES[provider]}") as met:
        connect(provider, key=KEY).client.look_at_key()
    assert KEY not in str(met.value)
    assert [asked.path for asked in server.asked] == ["/v1/models"]


@each_provider
@pytest.mark.parametrize(
    "mode", ["good", "400", "402", "404", "429", "500", "503", "403 scope", "redirect", "not json", "hang", "huge"]
)
def test_nothing_but_a_refused_key_is_told_where_the_key_alone_is_looked_at(
    provider: str, mode: str, server: ModelServer, connect: Connect
) -> None:
    server.modes = [mode]

    connect(provider, key=KEY, timeout=0.5 if mode == "hang" else 20.0).client.look_at_key()

    assert len(server.asked) == 1


def test_a_server_that_wants_a_key_is_told_from_one_that_refuses_it(server: ModelServer, connect: Connect) -> None:
    server.key = KEY

    with pytest.raises(ConfigurationError, match=r"wants a key \(401\)\. Set OPENAI_API_KEY"):
        connect().client.look()
    assert "authorization" not in server.asked[0].headers
    with pytest.raises(ConfigurationError, match="refuses the key"):
        connect(key="another").client.look()


@pytest.mark.parametrize("hidden", ["{key}", "\u200b".join(KEY), "x" * 58 + "{key}"])
def test_a_server_that_puts_the_key_or_controls_into_its_list_has_them_shown_by_nobody(
    hidden: str, server: ModelServer, connect: Connect
) -> None:
    server.models = {f"stand-\x1b[2J{hidden.format(key=KEY)}": "the tests", "y" * 500_000: "the tests"}

    with pytest.raises(ConfigurationError, match="knows no model") as met:
        connect(key=KEY).client.look()
    said = str(met.value)
    assert not any(KEY[at : at + 8] in said for at in range(len(KEY) - 7))
    assert said.isprintable()
    assert len(said) < 500
