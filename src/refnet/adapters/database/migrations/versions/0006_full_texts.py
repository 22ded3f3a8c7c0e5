"""Summaries from the full text: what they found and where it stands, what became of downloads, what a model cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    # No full text was read before, nor is one by an older refnet that is still at work.
    op.add_column("crawls", sa.Column("full_texts", sa.Integer(), server_default="0"))
    op.add_column("crawl_requests", sa.Column("full_texts", sa.Integer(), server_default="0"))
    op.add_column("summaries", sa.Column("findings", sa.JSON()))
    op.add_column("summaries", sa.Column("keywords", sa.JSON()))
    op.add_column("summaries", sa.Column("lang", sa.Text()))
    op.add_column("summaries", sa.Column("why", sa.Text()))
    op.add_column("summaries", sa.Column("provenance", sa.JSON()))
    op.create_table(
        "downloads",
        sa.Column("url", sa.Text(), primary_key=True),
        sa.Column("status", sa.SmallInteger()),
        sa.Column("why", sa.Text()),
        sa.Column("sha256", sa.Text()),
        sa.Column("leads_to", sa.Text()),
        sa.Column("etag", sa.Text()),
        sa.Column("asked_at", sa.Double(), nullable=False),
    )
    op.create_table(
        "model_answers",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("usd", sa.Double(), nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
    )
    op.create_table(
        "spending",
        sa.Column("day", sa.Text(), primary_key=True),
        sa.Column("usd", sa.Double(), nullable=False),
    )
    op.create_table(
        "model_usage",
        sa.Column("model", sa.Text(), primary_key=True),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("tokens_in", sa.BigInteger(), nullable=False),
        sa.Column("tokens_out", sa.BigInteger(), nullable=False),
        sa.Column("usd", sa.Double(), nullable=False),
    )
