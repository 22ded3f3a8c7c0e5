"""What the API needs: its keys, whose work a crawl is, the crawls asked for, and the browsers signed in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("revoked_at", sa.Double()),
        sa.Column("used_at", sa.Double()),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.add_column("crawls", sa.Column("claim", sa.Text()))
    op.create_table(
        "task_counts",
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("le", sa.Double(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("task", "state", "le"),
    )
    op.create_table(
        "count_batches",
        sa.Column("writer", sa.Text(), nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("writer"),
    )
    op.create_table(
        "request_counts",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("waited", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("source", "status"),
    )
    op.add_column("crawls", sa.Column("cancelled", sa.Boolean()))
    op.create_table(
        "crawl_requests",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("seeds", sa.JSON(), nullable=False),
        sa.Column("unresolved", sa.JSON(), nullable=False),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("limit", sa.Integer(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("refresh_days", sa.Double()),
        sa.Column("vault", sa.Text()),
        sa.Column("lang", sa.Text(), nullable=False),
        sa.Column("claim", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("found", sa.JSON(), nullable=False),
        sa.Column("crawl_id", sa.Integer()),
        sa.Column("progress", sa.JSON()),
        sa.Column("report", sa.Text()),
        sa.Column("fence", sa.Text()),
        sa.Column("lease_until", sa.Double()),
        sa.Column("hinted_at", sa.Double()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("crawl_requests_state", "crawl_requests", ["state"])
    op.create_index("crawl_requests_crawl", "crawl_requests", ["crawl_id"])
    op.create_table(
        "web_sessions",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index(
        "papers_collected",
        "papers",
        ["paper_id"],
        postgresql_where=sa.text("fetched_at IS NOT NULL"),
        sqlite_where=sa.text("fetched_at IS NOT NULL"),
    )
