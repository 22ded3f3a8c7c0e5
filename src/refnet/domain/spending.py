"""Money for language models: what is set aside for a call, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log10

#: Digits behind the point at the most: less than that is noise.
_MOST_PLACES = 9


@dataclass(frozen=True, slots=True)
class Reservation:
    """US dollars set aside for one call, on a day (UTC, as 2026-01-31). They count as spent until the call is settled."""

    day: str
    usd: float


@dataclass(frozen=True, slots=True)
class CapReached:
    """No call may be made: `wanted` on top of what is spent or set aside today would pass the cap. US dollars."""

    cap: float
    spent: float
    wanted: float

    def __str__(self) -> str:
        places = max(_places(self.spent), _places(self.wanted))
        # As many digits as it takes for the two to add up to more than the cap: else the sentence contradicts itself.
        while places < _MOST_PLACES and _sum(self.spent, self.wanted, places) <= self.cap:
            places += 1
        return (
            f"the day's spending cap of ${self.cap:g} is reached ({dollars(self.spent, places)} is spent or set aside, "
            f"and the call may cost {dollars(self.wanted, places)})"
        )


@dataclass(frozen=True, slots=True)
class Use:
    """What a call took: tokens as the server counted them, US dollars."""

    model: str
    tokens_in: int
    tokens_out: int
    usd: float


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """The calls of one model in all."""

    model: str
    calls: int
    tokens_in: int
    tokens_out: int
    usd: float


@dataclass(frozen=True, slots=True)
class Spent:
    """What models were asked and cost up to a moment: calls whose cost is known, and US dollars spent or set aside."""

    calls: int = 0
    usd: float = 0.0

    def since(self, before: Spent) -> Spent:
        """What came on top of `before`; never less than nothing, for others may have given back what they set aside."""
        # The sums are binary fractions: without the rounding their difference has a tail of digits that mean nothing.
        usd = round(self.usd - before.usd, _MOST_PLACES)
        return Spent(max(0, self.calls - before.calls), max(0.0, usd))

    @property
    def is_nothing(self) -> bool:
        """Whether no model was asked."""
        return not self.calls and not self.usd


def dollars(usd: float, places: int | None = None) -> str:
    """`$1.25`; of less than ten cents the first two digits that count (`$0.0096`), or `places` behind the point."""
    if not usd:
        return "$0"
    text = f"{usd:.{_places(usd) if places is None else places}f}"
    whole, _, digits = text.partition(".")
    return f"${whole}.{digits.rstrip('0'):0<2}"


def _places(usd: float) -> int:
    """Digits behind the point that a sum needs."""
    return 2 if usd >= 0.1 or usd <= 0 else min(_MOST_PLACES, 1 - floor(log10(usd)))


def _sum(one: float, other: float, places: int) -> float:
    """What two sums add up to for somebody who reads them with so many places."""
    return round(round(one, places) + round(other, places), _MOST_PLACES)
