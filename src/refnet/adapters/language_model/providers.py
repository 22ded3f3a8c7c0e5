"""Which provider a model is asked at."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from refnet.adapters.language_model.anthropic_client import OWN_URL as ANTHROPIC_URL
from refnet.adapters.language_model.anthropic_client import AnthropicClient
from refnet.adapters.language_model.asking import ModelClient
from refnet.adapters.language_model.openai_client import OWN_URL as OPENAI_URL
from refnet.adapters.language_model.openai_client import OpenAIClient
from refnet.adapters.language_model.prices import Price, price_of
from refnet.adapters.language_model.prompt import MOST_ANSWER
from refnet.domain.errors import ConfigurationError

#: Seconds: models write for minutes where they run on a laptop.
TIMEOUT = 240.0
#: Bytes of a request for a paper of usual length: the median of 97 papers has 31,000 characters without its references.
_USUAL_REQUEST = 36_000


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """A model and its price."""

    client: ModelClient
    price: Price

    def warning(self) -> str | None:
        """A sentence for the user where the spending cap does not bind, since no price is known."""
        if self.price.known:
            return None
        return (
            f"No price is known for the model {self.client.model} at {self.client.place}: its calls count as $0, and "
            "REFNET_SPEND_CAP does not limit them."
        )

    def usual_reservation(self) -> float:
        """US dollars that are set aside for a call on a paper of usual length: the most that it may cost."""
        return self.price.of(_USUAL_REQUEST, MOST_ANSWER)


def language_model(
    model: str,
    *,
    openai_key: str | None = None,
    openai_url: str | None = None,
    anthropic_key: str | None = None,
    timeout: float = TIMEOUT,
    anthropic_url: str = ANTHROPIC_URL,
) -> LanguageModel:
    """The model of that name: at Anthropic if it begins with `claude` or `anthropic/` and there is a key for it, else at the
    server that `openai_url` names, which is OpenAI itself where it is None. Nothing is imported or sent yet.

    Raises ConfigurationError where an extra or a key is missing, or where no price is known at a provider that takes money.
    """
    name = model.strip()
    if not name or not name.isprintable():
        raise ConfigurationError("REFNET_LLM_MODEL is no name of a model.")
    if anthropic_key and name.lower().startswith(("claude", "anthropic/")):
        _installed("anthropic")
        name = name.removeprefix("anthropic/")
        client: ModelClient = AnthropicClient(name, key=anthropic_key, timeout=timeout, base_url=anthropic_url)
        # Whatever the address: the one for tests stands for Anthropic's own.
        return LanguageModel(client, price_of(name, ANTHROPIC_URL))
    _installed("openai")
    if not openai_key and not openai_url:
        other = " or ANTHROPIC_API_KEY" if name.lower().startswith(("claude", "anthropic/")) else ""
        raise ConfigurationError(
            f"REFNET_LLM_MODEL is {name}, but there is no key for it. Set OPENAI_API_KEY{other}; for a local server set "
            "OPENAI_BASE_URL."
        )
    client = OpenAIClient(name, key=openai_key, base_url=openai_url, timeout=timeout)
    return LanguageModel(client, price_of(name, openai_url or OPENAI_URL))


def _installed(extra: str) -> None:
    if find_spec(extra) is None or find_spec("genai_prices") is None:
        raise ConfigurationError(
            f"REFNET_LLM_MODEL needs the extra '{extra}', which is not installed: pip install 'refnet[{extra}]'."
        )
