"""The vaults that a database knows of."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, delete, select, update

from refnet.adapters.database.bulk import upsert
from refnet.adapters.database.engine import reading
from refnet.adapters.database.schema import crawl_papers, vault_crawls, vaults

#: In place of the folder that workers write to, as long as none of them has said which.
UNNAMED = ""
#: The language of a vault for which nobody wished for one.
ENGLISH = "en"


def vaults_with(engine: Engine, paper_ids: Sequence[str]) -> list[str]:
    """Paths of the vaults that hold a crawl with any of these papers, sorted."""
    query = (
        select(vault_crawls.c.path)
        .join(crawl_papers, crawl_papers.c.crawl_id == vault_crawls.c.crawl_id)
        .where(crawl_papers.c.paper_id.in_(paper_ids), crawl_papers.c.missing.is_(False))
        .distinct()
    )
    with reading(engine) as connection:
        return sorted(connection.execute(query).scalars())


def language_of(connection: Connection, vault: str) -> str:
    """The language of a vault's headings."""
    return connection.execute(select(vaults.c.lang).where(vaults.c.path == vault)).scalar() or ENGLISH


def set_language(connection: Connection, vault: str, lang: str) -> bool:
    """Give a vault this language; whether it had another. It need not hold anything yet, and an older wish for one that was
    not named is over. The vault is locked before crawls are, by everybody: else two wait for each other.
    """
    if vault != UNNAMED:
        connection.execute(delete(vaults).where(vaults.c.path == UNNAMED))
    other = update(vaults).where(vaults.c.path == vault, vaults.c.lang != lang)
    if connection.execute(other.values(lang=lang)).rowcount:
        return True
    upsert(connection, vaults, ("path", "lang"), [(vault, lang)], "DO NOTHING")
    return False


def ask_language(connection: Connection, vault: str | None, lang: str | None) -> None:
    """What somebody wishes who asks for a crawl, if anything: the vault has that language from now on."""
    if lang is not None:
        set_language(connection, vault or UNNAMED, lang)


def name_vault(connection: Connection, vault: str) -> None:
    """Workers write to this vault: whoever wished for a language without naming one meant it."""
    wished = connection.execute(delete(vaults).where(vaults.c.path == UNNAMED).returning(vaults.c.lang)).scalar()
    if wished is not None:
        set_language(connection, vault, wished)
