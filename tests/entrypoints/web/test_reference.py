"""The reference of the API, held against its routes."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi.routing import APIRoute

from refnet.domain.crawls import CrawlState
from refnet.entrypoints.web import events, gate, models, paging, problems
from refnet.entrypoints.web.login import SESSION_SECONDS
from refnet.entrypoints.web.security import Needs, declared
from tests.entrypoints.web.conftest import Api


def page(root: Path) -> str:
    return (root / "docs" / "reference" / "http.md").read_text(encoding="utf-8")


def test_every_route_is_in_the_reference_with_its_scope_and_no_other(api: Api, root: Path) -> None:
    def scope(route: APIRoute) -> str:
        said = declared(route)
        return said.scope.value if isinstance(said, Needs) else ""

    routes = {
        (method, route.path_format, scope(route))
        for route in api.app.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }

    rows = re.findall(r"^\| `([A-Z]+) (/\S*)` \| (\w*) ?\|", page(root), re.MULTILINE)
    assert set(rows) == routes


def test_every_state_and_every_status_is_in_the_reference(root: Path) -> None:
    text = page(root)

    assert re.findall(r"^\| `(\w+)` \|", text.partition("## Crawls")[2].partition("\n## ")[0], re.MULTILINE)[1:] == [
        state.value for state in CrawlState
    ]
    statuses = re.findall(r"^\| ([\d, ]+) \|", text.partition("## Errors")[2], re.MULTILINE)
    assert {int(one) for row in statuses for one in row.split(",")} == set(problems._TITLES)


def test_every_key_of_an_answer_is_in_the_reference(root: Path) -> None:
    text = page(root)
    shown = (models.CrawlWish, models.CrawlDetails, models.Node, models.Edge, models.JobCount)
    ordinary = {"direction", "depth", "limit", "created_at"}

    named = {name for model in shown for name in model.model_fields} - ordinary
    named |= models.PaperDetails.model_fields.keys() - models.PaperDocument.model_fields.keys()
    named |= models.FindingDocument.model_fields.keys() | models.ProvenanceDocument.model_fields.keys()
    assert [name for name in sorted(named) if f"`{name}`" not in text] == []


def test_the_limits_in_the_reference_are_those_of_the_code(root: Path) -> None:
    text = " ".join(page(root).split())

    for said in (
        f"`limit` is 1 to {paging.MOST}, {paging.USUAL} if not given",
        f"(1 to {models.MOST_SEEDS:,} texts",
        f"more than {gate.MOST_BODY:,} bytes",
        f"longer than {gate.BODY_SECONDS:g} s",
        f"`/login`, {gate.UNKNOWN_SECONDS:g} s and {gate.MOST_UNKNOWN_BODY:,} bytes",
        f"Every {events.ALIVE_EVERY:g} s",
        f"have {events.MOST_OF_ONE} streams, all together {events.MOST_STREAMS}",
    ):
        assert said in text
    assert (SESSION_SECONDS, gate.MOST_FAILURES, gate.FAILURES_RATE) == (12 * 3600, 10, 0.1)
