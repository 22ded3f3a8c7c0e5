"""What most people would write: one Celery task a paper, stock Redis transport, and no ledger.

`PLAIN_LATE=1` sets what the manual advises against lost workers: `task_acks_late` and `task_reject_on_worker_lost`.
A finished paper is one line in the file that `PLAIN_DONE` names. The names of queue and database are not refnet's.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from celery import Celery

app = Celery("plain", broker=os.environ["CELERY_BROKER_URL"], set_as_current=False)
if os.environ.get("PLAIN_LATE") == "1":
    app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True)

#: Seconds that a request may take.
_PATIENCE = 30


@app.task(name="plain.fetch", bind=True, max_retries=10, default_retry_delay=1)  # type: ignore[untyped-decorator]
def fetch(self: Any, paper_id: str) -> None:
    """Ask for a paper, and write it down."""
    url = os.environ["SEMANTIC_SCHOLAR_URL"] + "/paper/batch?fields=title,year,references.title"
    request = Request(url, json.dumps({"ids": [paper_id]}).encode(), {"Content-Type": "application/json"})  # noqa: S310
    try:
        with urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310
            json.loads(answer.read())
    except OSError as error:
        raise self.retry(exc=error) from error
    # One write, which the system does whole.
    with Path(os.environ["PLAIN_DONE"]).open("a") as done:
        done.write(f"{paper_id}\n")
