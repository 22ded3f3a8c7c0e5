"""What the doctor asks of each outside thing. Each returns what it found, or raises the fault with its cure."""

from __future__ import annotations

from sqlalchemy import Engine, text

from refnet.adapters.database.engine import reading, shown, sqlite_file
from refnet.adapters.database.migrate import HEAD, current_revision, open_at_head
from refnet.domain.crawl import Ask
from refnet.domain.errors import ConfigurationError, StoreUnavailable
from refnet.ports import PaperSource, Vault

#: "Attention Is All You Need": any paper that is sure to be known would do.
KNOWN = "ARXIV:1706.03762"


def look_at_database(engine: Engine) -> str:
    where = shown(engine.url)
    file = sqlite_file(engine.url)
    if file is not None and current_revision(engine) is None:
        open_at_head(engine)
    try:
        revision = current_revision(engine)
    except StoreUnavailable as error:
        cure = "" if file is not None else " Start PostgreSQL, and check host, port and this machine's network."
        raise StoreUnavailable(f"{str(error).removesuffix('.')}.{cure}") from error
    if revision != HEAD:
        raise ConfigurationError(
            f"{where} is at schema {revision or 'none'}, this version needs {HEAD}. Run: refnet db upgrade"
        )
    if file is not None:
        with reading(engine) as connection:
            damage = connection.execute(text("PRAGMA quick_check(1)")).scalar()
        if damage != "ok":
            raise ConfigurationError(f"{file} is damaged ({damage}). Put back a copy, or move it away and crawl again.")
    return f"{where}, schema {revision}"


def look_at_source(source: PaperSource) -> str:
    found = source.fetch([KNOWN], Ask.NOTHING)
    return "answers" if found and found[0] is not None else "answers, but does not know a paper that it should know"


def look_at_vault(vault: Vault) -> str:
    vault.prepare()
    return f"{vault.path} can be written"
