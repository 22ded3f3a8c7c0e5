"""Every task says which scope it needs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

#: Prints by task the scope that its class or its decorator says, null for none. Its own process, for Celery reads its
#: settings once.
SCRIPT = """
import json
from refnet.adapters.celery_queue.permission import PermittedTask
from refnet.celery import app

@app.task(name="undeclared")
def undeclared(): ...

def said(task):
    kinds = type(task).__mro__
    return next((kind.needs for kind in kinds[: kinds.index(PermittedTask)] if "needs" in vars(kind)), None)

print(json.dumps({name: said(task) for name, task in app.tasks.items() if not name.startswith("celery.")}))
"""
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "celery.md"


@pytest.fixture(scope="module")
def scopes() -> dict[str, str | None]:
    """By task, what it says; among them one that says nothing."""
    settings = {"CELERY_BROKER_URL": "redis://localhost:1", "DATABASE_URL": "postgresql://localhost:1/x"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=os.environ | settings, capture_output=True, text=True, check=True
    )
    found: dict[str, str | None] = json.loads(done.stdout)
    return found


def test_every_task_says_which_scope_it_needs(scopes: dict[str, str | None]) -> None:
    silent = [name for name, scope in scopes.items() if scope is None]

    assert silent == ["undeclared"], "give it `needs=Scope.…`"


def test_dead_letters_need_admin_and_the_works_tasks_write(scopes: dict[str, str | None]) -> None:
    expected = {"process_failed_tasks": "admin", "health_check": "read"}

    assert {name: expected.get(name, "write") for name in scopes if name != "undeclared"} == {
        name: scope for name, scope in scopes.items() if name != "undeclared"
    }


def test_the_scopes_are_in_the_reference(scopes: dict[str, str | None]) -> None:
    rows = re.findall(r"^\| `([^`(]+)\([^`]*` \| \w+ \| (\w+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    assert dict(rows) == {name: scope for name, scope in scopes.items() if scope is not None}
