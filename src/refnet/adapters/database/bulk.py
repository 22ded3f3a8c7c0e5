"""Many rows in one statement, on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, ColumnElement, Connection, Double, Integer, SmallInteger, Table
from sqlalchemy.types import TypeEngine

from refnet.adapters.database.engine import UNREAD

#: Rows a statement on PostgreSQL, so that its arrays stay small.
CHUNK = 5_000


def upsert(
    connection: Connection,
    table: Table,
    columns: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
    conflict: str,
) -> None:
    """Insert `rows`, whose values stand in the order of `columns`; `conflict` is what follows ON CONFLICT.

    On PostgreSQL one statement takes a whole chunk as arrays, several times as fast as the driver's executemany;
    therefore no two rows may
    have the same key. JSON values must be text already. What goes wrong may be raised later; see `unread`.
    """
    if not rows:
        return
    statement = _statement(table, columns, conflict, connection.dialect.name)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(statement, list(rows))
        return
    for start in range(0, len(rows), CHUNK):
        arrays = tuple(list(values) for values in zip(*rows[start : start + CHUNK], strict=True))
        connection.exec_driver_sql(statement, arrays, execution_options=UNREAD)


@cache
def _statement(table: Table, columns: tuple[str, ...], conflict: str, dialect: str) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    if dialect == "sqlite":
        marks = ", ".join("?" for _ in columns)
        return f'INSERT INTO "{table.name}" ({names}) VALUES ({marks}) ON CONFLICT {conflict}'  # noqa: S608 - names are ours
    arrays = ", ".join(f"%s::{_element(table.c[name].type)}[]" for name in columns)
    chosen = ", ".join(
        f'u."{name}"::json' if isinstance(table.c[name].type, JSON) else f'u."{name}"' for name in columns
    )
    return f'INSERT INTO "{table.name}" ({names}) SELECT {chosen} FROM unnest({arrays}) AS u({names}) ON CONFLICT {conflict}'  # noqa: S608


def _element(kind: TypeEngine[Any]) -> str:
    if isinstance(kind, SmallInteger):
        return "smallint"
    if isinstance(kind, BigInteger):
        return "bigint"
    if isinstance(kind, Integer):
        return "integer"
    if isinstance(kind, Boolean):
        return "boolean"
    if isinstance(kind, Double):
        return "double precision"
    return "text"


def in_order(connection: Connection, column: ColumnElement[str]) -> ColumnElement[str]:
    """Texts as Python sorts them; a PostgreSQL server may sort by the rules of a language."""
    return column.collate("C") if connection.dialect.name == "postgresql" else column
