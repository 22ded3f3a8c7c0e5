"""What a call may cost and has cost, by the prices that come with genai-prices. They are never looked up on the network."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from refnet.adapters.language_model.wire import is_own_machine, place_of
from refnet.domain.errors import ConfigurationError

#: Beginnings of names that no model has that runs on one's own machine: a server of such a one there passes it on.
_CLOSED = ("gpt-", "chatgpt-", "o1", "o3", "o4", "claude", "gemini", "grok")
_OPEN = ("gpt-oss",)


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one model. `name` and `provider` are as genai-prices has them, None for a model without a price, whose
    calls count as $0.
    """

    name: str | None = None
    provider: str | None = None

    @property
    def known(self) -> bool:
        return self.name is not None

    def of(self, tokens_in: int, tokens_out: int) -> float:
        """US dollars."""
        if self.name is None:
            return 0.0
        from genai_prices import Usage, calc_price

        usage = Usage(input_tokens=tokens_in, output_tokens=tokens_out)
        total = calc_price(usage, self.name, provider_id=self.provider).total_price
        return float(max(total, Decimal(0)))


def price_of(model: str, base_url: str) -> Price:
    """The price of a model at the server of that address.

    One's own server is free, unless the model's name tells that it is somebody else's. Raises ConfigurationError for a
    model without a price at a provider that takes money: the spending cap could not hold.
    """
    known = _provider(base_url)
    if known is not None:
        found = _find(model, url=base_url)
        if found is None:
            raise ConfigurationError(
                f"No price is known for the model {model} at {place_of(base_url)}, so that REFNET_SPEND_CAP could not hold. "
                "Check REFNET_LLM_MODEL, or get newer prices: pip install -U genai-prices."
            )
        return found
    plain = model.rpartition("/")[2].lower()
    if is_own_machine(base_url) and (not plain.startswith(_CLOSED) or plain.startswith(_OPEN)):
        return Price()
    return _find(model) or _find(plain) or Price()


def _find(model: str, url: str | None = None) -> Price | None:
    from genai_prices.data_snapshot import get_snapshot

    try:
        provider, found = get_snapshot().find_provider_model(model, None, None, url)
    except LookupError:
        return None
    return Price(found.id, provider.id)


def _provider(url: str) -> str | None:
    from genai_prices.data_snapshot import get_snapshot

    try:
        return get_snapshot().find_provider(None, None, url).id
    except LookupError:
        return None
