"""Keys of the API on a disk that is full."""

from __future__ import annotations

from pathlib import Path

from refnet.adapters.database.engine import database_url, open_engine
from refnet.adapters.database.migrate import upgrade
from refnet.adapters.database.store import Store
from refnet.domain.permissions import Scope
from tests.adapters.disks import fill, mounts_a_disk, small_disk


@mounts_a_disk
def test_a_key_opens_also_where_no_room_is_left_to_note_that_it_was_used(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        engine = open_engine(database_url(f"sqlite:///{disk}/refnet.db"))
        upgrade(engine)
        store = Store(engine)
        key, token = store.make_key(Scope.READ)
        fill(disk)

        assert store.key_of(token) == key

        assert store.keys()[0].used_at is None
        (disk / "filling").unlink()
        store.key_of(token)
        assert store.keys()[0].used_at is not None
        engine.dispose()
