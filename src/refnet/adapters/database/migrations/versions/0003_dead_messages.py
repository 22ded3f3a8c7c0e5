"""Messages that no worker could run, crawls that failed, turns of periodic tasks, and papers by their external ids."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "dead_messages",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("task", sa.Text()),
        sa.Column("task_id", sa.Text()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("traceback", sa.Text()),
        sa.Column("message", sa.LargeBinary()),
        sa.Column("failed", sa.Boolean(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.add_column("crawls", sa.Column("reason", sa.Text()))
    op.add_column("crawls", sa.Column("traceback", sa.Text()))
    op.add_column("crawls", sa.Column("losses", sa.Integer()))
    op.add_column("crawls", sa.Column("owner", sa.Text()))
    op.create_table(
        "periodic",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_index(
        "jobs_owner",
        "jobs",
        ["owner"],
        postgresql_where=sa.text("owner IS NOT NULL"),
        sqlite_where=sa.text("owner IS NOT NULL"),
    )
    op.create_table(
        "paper_identifiers",
        sa.Column("identifier", sa.Text(), nullable=False),
        sa.Column("paper_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("identifier", "paper_id"),
        sqlite_with_rowid=False,
    )
    fill = (
        "INSERT INTO paper_identifiers (identifier, paper_id) SELECT DISTINCT lower(told.key || ':' || told.value), paper_id"
        " FROM papers, json_each(papers.external_ids) told WHERE told.value IS NOT NULL"
    )
    on_server = op.get_bind().dialect.name == "postgresql"
    op.execute(fill.replace("json_each(", "json_each_text(") if on_server else fill)
