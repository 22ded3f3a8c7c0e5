"""What a command's calls of a language model cost, by the ledger of spending."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from refnet.domain.errors import RefnetError
from refnet.domain.spending import Spent, dollars
from refnet.entrypoints.cli.output import count

if TYPE_CHECKING:
    from refnet.bootstrap import Application
    from refnet.ports import Progress

#: Seconds between two looks at what was spent, for the sake of a line that moves.
EVERY = 1.0


class Meter:
    """Progress that tells what models have cost meanwhile, too."""

    def __init__(
        self, shown: Progress, spent: Callable[[], Spent], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.spent = spent
        self._shown = shown
        self._clock = clock
        self._next = clock() + EVERY
        self._millionths = 0

    def show(self, phase: str, **figures: int) -> None:
        # The last look of a phase is the one that stays.
        if self._clock() >= self._next or ("of" in figures and figures["of"] == figures.get("notes")):
            self._next = self._clock() + EVERY
            # Without the database the work itself stops, or waits, and says so.
            with suppress(RefnetError):
                self._millionths = round(self.spent().usd * 1_000_000)
        self._shown.show(phase, **figures, **({"cost": self._millionths} if self._millionths else {}))

    def waiting(self, seconds: float, why: str) -> None:
        self._shown.waiting(seconds, why)

    def say(self, line: str) -> None:
        self._shown.say(line)


@contextmanager
def metered(app: Application, shown: Progress) -> Iterator[Meter]:
    """Gives what shows progress with the cost since now, and tells it. Where the work is stopped, by an interrupt or an
    error, what it cost until then is told: it is paid for all the same.

    The database is there, at the present schema. Raises StoreUnavailable.
    """
    from refnet.adapters.database.spending import Spending

    purse = Spending(app.engine, app.settings.spend_cap)
    before = purse.in_all()

    def so_far() -> Spent:
        return purse.in_all().since(before)

    try:
        yield Meter(shown, so_far)
    except BaseException:
        # The error is what has to be told; the cost may be as unknown as all else where the database is away.
        with suppress(RefnetError):
            if not (spent := so_far()).is_nothing:
                shown.say(f"The language model cost {in_words(spent)} so far.")
        raise


def in_words(spent: Spent) -> str:
    """`$0.0096 (3 requests)`. A call of which nobody tells what it took is in the sum, and not in the number."""
    asked = f" ({count(spent.calls, 'request')})" if spent.calls else ""
    return f"{dollars(spent.usd)}{asked}"
