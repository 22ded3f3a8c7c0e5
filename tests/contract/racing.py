"""A process that takes as much of the day's money as it gets, beside others.

Arguments: database URL, cap, dollars a call, `hold` or `settle`. Begins when a line comes in; prints how often it got some.
"""

from __future__ import annotations

import sys

from refnet.adapters.database.engine import database_url, open_engine
from refnet.adapters.database.spending import Spending
from refnet.domain.spending import CapReached, Use


def main(url: str, cap: str, usd: str, how: str) -> None:
    engine = open_engine(database_url(url))
    purse = Spending(engine, float(cap))
    purse.spent_today()
    print("ready", flush=True)
    sys.stdin.readline()
    got = 0
    while not isinstance(held := purse.reserve(float(usd)), CapReached):
        got += 1
        if how == "settle":
            purse.settle(held, Use("m", 10, 1, float(usd) / 2), f"{got}", {"said": got})
    print(got, flush=True)
    engine.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
