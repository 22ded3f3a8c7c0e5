"""Keys of the API: made, known again, noted as used, revoked."""

from __future__ import annotations

import hashlib
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, event, select

from refnet.adapters.database.api_keys import NOTED_EVERY
from refnet.adapters.database.engine import reading
from refnet.adapters.database.schema import api_keys
from refnet.adapters.database.store import Store
from refnet.domain.errors import ConfigurationError
from refnet.domain.permissions import ApiKey, Scope
from refnet.ports import KeyStore
from tests.contract.conftest import Clock


@pytest.fixture
def known(store: Store) -> KeyStore:
    return store


def list_of(known: KeyStore) -> list[ApiKey]:
    return known.keys()


def test_a_key_is_known_by_its_token_alone(known: KeyStore, clock: Clock) -> None:
    first, token = known.make_key(Scope.READ, "reading group")
    second, another = known.make_key(Scope.ADMIN)

    assert first == ApiKey(first.id, "reading group", Scope.READ, clock.now)
    assert (second.name, second.scope) == ("", Scope.ADMIN)
    assert known.key_of(token) == first
    assert known.key_of(another) == second
    assert [key.id for key in list_of(known)] == [first.id, second.id]


def test_a_token_is_long_random_and_never_the_same(known: KeyStore) -> None:
    tokens = {known.make_key(Scope.READ)[1] for _ in range(20)}

    assert len(tokens) == 20
    assert [token for token in tokens if not re.fullmatch(r"refnet_[A-Za-z0-9_-]{43}", token)] == []


def test_only_the_hash_of_a_token_is_kept(known: KeyStore, engine: Engine) -> None:
    _, token = known.make_key(Scope.WRITE, "x")

    with reading(engine) as connection:
        [row] = connection.execute(select(api_keys)).all()
    assert row.digest == hashlib.sha256(token.encode()).hexdigest()
    assert [value for value in row if token in str(value)] == []


def test_whatever_else_is_shown_is_no_key(known: KeyStore, engine: Engine) -> None:
    key, token = known.make_key(Scope.READ)
    with reading(engine) as connection:
        digest = connection.execute(select(api_keys.c.digest)).scalar_one()

    for shown in (
        "",
        token[:-1],
        f"{token} ",
        token.upper(),
        digest,
        str(key.id),
        "\0",
        "\ud800",
        "' OR 1=1",
        "x" * 99_999,
    ):
        assert known.key_of(shown) is None


def test_a_revoked_key_is_none_for_good_but_stays_in_the_list(known: KeyStore, clock: Clock) -> None:
    key, token = known.make_key(Scope.READ)
    other, still = known.make_key(Scope.READ)
    clock.move(5)

    assert known.revoke_key(key.id)
    revoked = clock.now
    clock.move(5)
    assert known.revoke_key(key.id), "it is there"

    assert known.key_of(token) is None
    assert known.key_of(still) == other
    assert [each.revoked_at for each in list_of(known)] == [revoked, None], "when it was first revoked"


@pytest.mark.parametrize("identity", [0, -1, 17_000, 2**31, 2**63, 10**30])
def test_what_is_not_there_cannot_be_revoked(known: KeyStore, identity: int) -> None:
    known.make_key(Scope.READ)

    assert not known.revoke_key(identity)
    assert [key.revoked_at for key in list_of(known)] == [None]


def test_whether_a_key_was_ever_made_is_known_revoked_or_not(known: KeyStore) -> None:
    assert not known.has_keys()
    key, _ = known.make_key(Scope.READ)
    assert known.has_keys()
    known.revoke_key(key.id)
    assert known.has_keys()


def test_a_name_that_fits_no_line_makes_no_key(known: KeyStore) -> None:
    with pytest.raises(ConfigurationError):
        known.make_key(Scope.READ, "a\nb")
    assert not known.has_keys()


def used(known: KeyStore) -> float | None:
    [key] = known.keys()
    return key.used_at


def test_that_a_key_was_used_is_noted_once_a_minute(known: KeyStore, engine: Engine, clock: Clock) -> None:
    _, token = known.make_key(Scope.READ)
    assert used(known) is None
    updates: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        updates.extend([statement] if statement.startswith("UPDATE api_keys") else [])

    event.listen(engine, "before_cursor_execute", note)
    try:
        began = clock.now
        for _ in range(60):
            known.key_of(token)
            clock.move(NOTED_EVERY / 60)
        assert (used(known), len(updates)) == (began, 1)
        known.key_of(token)
        assert (used(known), len(updates)) == (clock.now, 2)
        clock.move(-86_400)
        known.key_of(token)
        assert (used(known), len(updates)) == (clock.now, 3), "the clock was set back"
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_an_unknown_or_revoked_token_notes_nothing(known: KeyStore) -> None:
    key, token = known.make_key(Scope.READ)
    known.revoke_key(key.id)
    known.key_of(token)
    known.key_of("refnet_another")
    assert used(known) is None


def test_many_who_use_one_key_at_once_all_come_in(known: KeyStore) -> None:
    key, token = known.make_key(Scope.READ)
    start = threading.Barrier(6)

    def use(_: int) -> list[ApiKey | None]:
        start.wait(60)
        return [known.key_of(token) for _ in range(5)]

    with ThreadPoolExecutor(6) as pool:
        found = [each for many in pool.map(use, range(6)) for each in many]
    assert [each for each in found if each is None or each.id != key.id] == []
