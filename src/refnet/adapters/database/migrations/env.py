"""How Alembic runs refnet's migrations: on the engine it is given, all in one transaction."""

from __future__ import annotations

from alembic import context

from refnet.adapters.database.engine import writing
from refnet.adapters.database.schema import metadata

with writing(context.config.attributes["engine"]) as connection:
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    context.run_migrations()
