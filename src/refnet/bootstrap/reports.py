"""The report of a map as text, for a process that did not make it."""

from __future__ import annotations

from functools import cache

from pydantic import TypeAdapter

from refnet.pipeline.map_papers import MapReport


def report_text(report: MapReport) -> str:
    return _adapter().dump_json(report).decode()


def report_of(text: str) -> MapReport:
    return _adapter().validate_json(text)


@cache
def _adapter() -> TypeAdapter[MapReport]:
    return TypeAdapter(MapReport)
