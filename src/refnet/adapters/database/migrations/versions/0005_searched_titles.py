"""Titles as they are searched, and until when a source is left alone that refused a key, and which one it was."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

#: Papers at a time.
_CHUNK = 5_000


def upgrade() -> None:
    op.add_column("pace", sa.Column("refused_until", sa.Double()))
    op.add_column("pace", sa.Column("refused_key", sa.Text()))
    op.add_column("papers", sa.Column("folded", sa.Text()))
    connection = op.get_bind()
    fill = sa.text("UPDATE papers SET folded = :folded WHERE paper_id = :paper_id")
    for rows in _titles(connection):
        connection.execute(fill, [{"paper_id": row.paper_id, "folded": _folded(row.title or "")} for row in rows])
    collected = sa.text("fetched_at IS NOT NULL")
    op.drop_index("papers_collected", "papers")
    op.create_index(
        "papers_collected",
        "papers",
        ["paper_id", "year", "fetched_at", "folded"],
        postgresql_where=collected,
        sqlite_where=collected,
    )


def _titles(connection: sa.Connection) -> Iterator[list[sa.Row[tuple[str, str]]]]:
    """Of the collected papers, in the order of ids."""
    page = sa.text(
        "SELECT paper_id, title FROM papers WHERE fetched_at IS NOT NULL AND paper_id > :after ORDER BY paper_id LIMIT :most"
    )
    after = ""
    while rows := list(connection.execute(page, {"after": after, "most": _CHUNK})):
        yield rows
        after = rows[-1].paper_id


def _folded(title: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", title).casefold())
    return folded.encode()[:2_000].decode(errors="ignore")
