"""What became of addresses that PDFs were sought at, for all processes and after restarts."""

from __future__ import annotations

from sqlalchemy import Engine, select

from refnet.adapters.database.bulk import upsert
from refnet.adapters.database.clock import Clock, database_time
from refnet.adapters.database.engine import reading, writing
from refnet.adapters.database.schema import downloads
from refnet.domain.downloads import Download

_COLUMNS = ("url", "status", "why", "sha256", "leads_to", "etag", "asked_at")


class DownloadTable:
    """The last answer of each address. Both methods raise what the store raises."""

    def __init__(self, engine: Engine, *, clock: Clock = database_time) -> None:
        self._engine = engine
        self._clock = clock

    def last(self, url: str) -> Download | None:
        """The last answer of an address, None for one that was never asked."""
        with reading(self._engine) as connection:
            row = connection.execute(select(downloads).where(downloads.c.url == url)).one_or_none()
            if row is None:
                return None
            age = self._clock(connection) - row.asked_at
        return Download(row.url, row.status, row.why, row.sha256, row.leads_to, row.etag, age)

    def keep(self, answer: Download) -> None:
        """Put an answer, just got, in the place of the last one. Its URL is of at most 2,000 characters, in ASCII."""
        with writing(self._engine) as connection:
            now = self._clock(connection)
            upsert(
                connection,
                downloads,
                _COLUMNS,
                [(answer.url, answer.status, answer.why, answer.sha256, answer.leads_to, answer.etag, now)],
                "(url) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:]),
            )
