"""How many workers were lost at a crawl that was asked for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("crawl_requests", sa.Column("losses", sa.Integer()))
