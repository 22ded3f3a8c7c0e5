"""The application: what it leaves behind in its database, however it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from refnet.adapters.database.engine import reading
from refnet.adapters.database.migrate import upgrade
from refnet.bootstrap import build
from refnet.bootstrap.application import _owner
from refnet.settings import load_settings
from tests.contract.making import FULL, LEAF, LIMITS, enqueue


@pytest.mark.parametrize("server", [False, True])
def test_an_interrupt_that_strikes_as_jobs_are_claimed_gives_them_back_uncharged(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: bool
) -> None:
    """Whoever claims does not know of them yet."""
    monkeypatch.setenv("REFNET_DATA_DIR", str(tmp_path))
    if server:
        monkeypatch.setenv("DATABASE_URL", request.getfixturevalue("postgres_database"))
    application = build(load_settings())
    request.addfinalizer(application.engine.dispose)
    upgrade(application.engine)

    def interrupted() -> None:
        with application.at_work():
            enqueue(application.store, {"a": LEAF, "b": LEAF, "c": FULL})
            assert application.store.claim(_owner(), LIMITS) is not None
            assert application.store.claim("somebody else", LIMITS) is not None
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    with reading(application.engine) as connection:
        rows = connection.execute(text("SELECT state, owner, attempts, losses, share FROM jobs")).all()
    # What others have claimed since, should the lock have been lost, is theirs.
    assert {tuple(row) for row in rows} == {("queued", None, 0, 0, 1), ("running", "somebody else", 0, 0, 2)}
