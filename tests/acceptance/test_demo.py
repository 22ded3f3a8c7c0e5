"""The demonstration: what a newcomer sees first."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from refnet.demo.bundled import PDFS, demo_corpus
from tests.acceptance.command import Refnet, stamps
from tests.acceptance.conftest import User

#: Each runs the whole command, most several times.
pytestmark = pytest.mark.slow

LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.fixture
def newcomer(user: User) -> Refnet:
    """Somebody whose settings lead nowhere: the demonstration needs none of them."""
    return user(
        "http://127.0.0.1:9/graph/v1", SEMANTIC_SCHOLAR_API_KEY="s3cret", DATABASE_URL="postgresql://me@127.0.0.1:9/x"
    )


def test_the_demonstration_ends_with_a_vault_and_says_where(newcomer: Refnet) -> None:
    ended = newcomer.done("demo")

    assert ended.seconds < 60
    assert ended.out.splitlines()[-1] == f"Vault: {newcomer.folder / 'demo-vault'}"
    notes = list((newcomer.folder / "demo-vault" / "papers").glob("*.md"))
    assert len(notes) >= 80
    assert len(notes) <= len(demo_corpus())
    assert list((newcomer.folder / "demo-vault" / "refnet").glob("*.md")) != []


def test_the_demonstration_says_what_it_is_and_claims_no_request_to_anybody(newcomer: Refnet) -> None:
    ended = newcomer.done("demo")

    assert "demonstration" in ended.err
    assert "Nothing is sent over the network" in ended.err
    assert "Seven papers are invented, and say so" in ended.err
    assert "to the stand-in on this machine" in ended.out
    assert "to Semantic Scholar" not in ended.out
    assert "Data: Semantic Scholar" not in ended.out
    assert "s3cret" not in ended.out + ended.err


@pytest.mark.slow
def test_a_second_demonstration_changes_nothing(newcomer: Refnet) -> None:
    first = newcomer.done("demo", "--json").json
    before = stamps(newcomer.folder / "demo-vault")

    second = newcomer.done("demo", "--json").json

    assert stamps(newcomer.folder / "demo-vault") == before
    assert second == first | {"requests": {"semantic_scholar": 0}}


@pytest.mark.slow
def test_links_to_pdfs_lead_to_copies_in_the_vault_that_outlast_the_demonstration(newcomer: Refnet) -> None:
    newcomer.done("demo")
    vault = newcomer.folder / "demo-vault"
    notes = [file.read_text(encoding="utf-8") for file in (vault / "papers").glob("*.md")]

    links = [link for note in notes for link in LINK.findall(note)]
    copies = {file.name for file in PDFS.glob("*.pdf")}
    assert {link.removeprefix("../refnet/").partition("#")[0] for link in links if "#page=" in link} == copies
    assert [link for link in links if "127.0.0.1" in link or "localhost" in link] == []
    assert [note for note in notes if "127.0.0.1" in note] == []
    for name in copies:
        assert (vault / "refnet" / name).read_bytes() == (PDFS / name).read_bytes()


def test_the_demonstration_leaves_the_users_own_crawls_alone(refnet: Refnet) -> None:
    refnet.map("arXiv:2005.11401", "--limit", "5")
    database, vault = refnet.database.read_bytes(), stamps(refnet.folder / "vault")

    refnet.done("demo", "--vault", "elsewhere")

    assert refnet.database.read_bytes() == database
    assert stamps(refnet.folder / "vault") == vault
    assert len(refnet.done("status", "--json").json["crawls"]) == 1
    databases = [path for path in Path(refnet.data).rglob("*.db") if path != refnet.database]
    assert len(databases) == 1


@pytest.mark.slow
def test_the_vault_of_the_demonstration_has_no_fault(newcomer: Refnet) -> None:
    newcomer.done("demo")
    (database,) = newcomer.data.rglob("*.db")

    own = newcomer.with_(DATABASE_URL=f"sqlite:///{database}")

    assert own.done("vault", "check", "--vault", "demo-vault").code == 0
    assert len(own.exported()[0]) >= 80
