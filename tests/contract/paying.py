"""A process that summarises papers with a model until the day's money is gone, or until it is killed at a moment.

Arguments: database URL, model server, cap, first paper, moment. Prints a line for each summary: its `fallback`, or `made`.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from sqlalchemy import event

from refnet.adapters.database.engine import database_url, open_engine
from refnet.adapters.database.spending import Spending
from refnet.adapters.language_model.providers import language_model
from refnet.adapters.language_model.summarizer import ModelSummarizer
from refnet.domain.spending import Reservation, Use
from tests.adapters.language_model.making import FOUND, PAPER, PRICED, Offline, document_with

#: When a worker dies: once its call is under way the server kills it; the others are its own.
MOMENTS = ("asked", "answered", "settling", "committing", "committed")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Dying(Spending):
    """Dies once a call is settled, for the moment after."""

    def settle(self, held: Reservation, use: Use, key: str | None = None, answer: Any = None) -> None:
        super().settle(held, use, key, answer)
        die()


def main(url: str, server: str, cap: str, first: str, moment: str) -> None:
    engine = open_engine(database_url(url))
    settling = []

    def executing(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if "model_usage" in statement and statement.startswith("INSERT"):
            settling.append(statement)
            if moment == "settling":
                die()

    def committing(connection: Any) -> None:
        if settling and moment == "committing":
            die()

    event.listen(engine, "before_cursor_execute", executing)
    event.listen(engine, "commit", committing)
    purse = (Dying if moment == "committed" else Spending)(engine, float(cap))
    model = language_model(PRICED, openai_url=server, openai_key=f"worker {os.getpid()}", timeout=30.0)
    asking = ModelSummarizer(model, purse, Offline())
    for at in range(int(first), int(first) + 5):
        document = document_with(f"This is number {at} of the papers that are about small harbours and their tides.")
        made = asking.summarize(PAPER, document, FOUND, "en").provenance
        print((made.fallback if made else None) or "made", flush=True)
    model.client.close()
    engine.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
