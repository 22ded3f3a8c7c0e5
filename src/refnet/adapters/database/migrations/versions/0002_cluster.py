"""What a cluster needs: crawls that go on through stages, hints, workers, results of Celery tasks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import CreateSequence

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for name in ("stage", "vault", "lang"):
        op.add_column("crawls", sa.Column(name, sa.Text()))
    op.add_column("crawls", sa.Column("again", sa.Boolean()))
    op.add_column("crawls", sa.Column("hinted_at", sa.Double()))
    op.add_column("jobs", sa.Column("hinted_at", sa.Double()))
    op.add_column("vault_notes", sa.Column("problem", sa.Text()))
    op.add_column("vault_notes", sa.Column("conflicts", sa.JSON()))
    op.add_column("vaults", sa.Column("problems", sa.JSON()))
    op.add_column("pace", sa.Column("starts", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "workers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("queues", sa.JSON(), nullable=False),
        sa.Column("output_dir", sa.Text()),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("running", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.Column("idle_since", sa.Double()),
        sa.Column("reason", sa.Text()),
        sa.PrimaryKeyConstraint("name"),
    )
    ids = sa.Sequence("task_id_sequence", maxvalue=2**31 - 1, cycle=True)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(CreateSequence(ids, if_not_exists=True))
    op.create_table(
        "celery_taskmeta",
        # The default lets other clients of the table, Celery's own backend among them, go on with the same sequence.
        sa.Column("id", sa.Integer(), ids, nullable=False, autoincrement=True),
        sa.Column("task_id", sa.String(155)),
        sa.Column("status", sa.String(50)),
        sa.Column("result", sa.LargeBinary()),
        sa.Column("date_done", sa.DateTime()),
        sa.Column("traceback", sa.Text()),
        sa.Column("children", sa.LargeBinary()),
        sa.Column("name", sa.String(155)),
        sa.Column("args", sa.LargeBinary()),
        sa.Column("kwargs", sa.LargeBinary()),
        sa.Column("worker", sa.String(155)),
        sa.Column("retries", sa.Integer()),
        sa.Column("queue", sa.String(155)),
        sa.Column("stamps", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("task_id"),
    )
    op.create_index("ix_celery_taskmeta_date_done", "celery_taskmeta", ["date_done"])
