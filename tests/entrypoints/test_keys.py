"""`refnet keys`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from refnet.adapters.signing_keys import signing_keys
from refnet.domain.permissions import Scope
from refnet.entrypoints.cli.main import run
from refnet.entrypoints.cli.start import opened


def test_a_signing_key_stands_alone_on_the_last_line_and_is_taken(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    printed = []
    for _ in range(2):
        assert run(["keys", "signing"]) == 0
        printed.append(capsys.readouterr().out)
    first, second = (lines.splitlines()[-1] for lines in printed)

    assert signing_keys(f"{first},{second}", tmp_path) == (first.encode(), second.encode())
    assert len(first) == len(second) == 64
    assert first != second
    assert not any(tmp_path.iterdir())


def test_the_lines_before_say_how_a_key_is_changed(capsys: pytest.CaptureFixture[str]) -> None:
    run(["keys", "signing"])
    *before, _ = capsys.readouterr().out.splitlines()

    steps = [line.split()[0] for line in before if "REFNET_SIGNING_KEYS=" in line]
    assert steps == [f"REFNET_SIGNING_KEYS={keys}" for keys in ("old,new", "new,old", "new")]


# ---------------------------------------------------------------- keys of the API


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """What `refnet keys` says on both streams, ending with `code`."""
    assert run(["keys", *words]) == code
    out, err = capsys.readouterr()
    assert bool(err) == bool(code)
    return out + err


def document(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    return json.loads(told(capsys, *words, "--json"))


@pytest.mark.parametrize("scope", list(Scope))
def test_a_key_is_made_printed_on_the_last_line_and_known(capsys: pytest.CaptureFixture[str], scope: Scope) -> None:
    *_, token = told(capsys, "create", "--scope", scope.value, "--name", "reading group").splitlines()

    key = opened().store.key_of(token)
    assert key is not None
    assert (key.scope, key.name) == (scope, "reading group")


def test_a_key_made_for_scripts_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    made = document(capsys, "create", "--scope", "write")

    assert sorted(made) == ["id", "key", "scope"]
    key = opened().store.key_of(made["key"])
    assert key is not None
    assert (key.id, key.scope, key.name) == (made["id"], Scope.WRITE, "")
    assert made["scope"] == "write"


def test_the_key_itself_is_shown_this_once(capsys: pytest.CaptureFixture[str]) -> None:
    token = document(capsys, "create", "--scope", "read")["key"]

    assert token not in told(capsys, "list") + told(capsys, "list", "--json")


def test_keys_are_listed_with_what_became_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert (told(capsys, "list"), document(capsys, "list")) == ("No keys.\n", [])
    first = document(capsys, "create", "--scope", "read", "--name", "group")
    second = document(capsys, "create", "--scope", "admin")
    opened().store.key_of(first["key"])
    told(capsys, "revoke", str(second["id"]))

    group, admin = document(capsys, "list")
    lines = told(capsys, "list").splitlines()

    assert [group["id"], group["name"], group["scope"], group["revoked_at"]] == [first["id"], "group", "read", None]
    assert [admin["id"], admin["name"], admin["scope"], admin["used_at"]] == [second["id"], "", "admin", None]
    for moment in (group["created_at"], group["used_at"], admin["revoked_at"]):
        assert abs((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()) < 120
    assert ["used" in lines[0], "revoked" in lines[0], lines[0].endswith("  group")] == [True, False, True]
    assert ["never used" in lines[1], "revoked" in lines[1]] == [True, True]


def test_a_revoked_key_is_none_and_revoking_it_again_does_no_harm(capsys: pytest.CaptureFixture[str]) -> None:
    made = document(capsys, "create", "--scope", "read")

    for _ in range(2):
        assert told(capsys, "revoke", str(made["id"])) == f"Key {made['id']} is revoked.\n"
    assert opened().store.key_of(made["key"]) is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("revoke", "17"), "refnet: No key has the id 17. See: refnet keys list"),
        (("revoke", "99999999999999999999"), "No key has the id 99999999999999999999."),
        (("revoke", "first"), "Invalid value for 'ID'"),
        (("revoke",), "Missing argument 'ID'"),
        (("create",), "Missing option '--scope'"),
        (("create", "--scope", "root"), "'root' is not one of 'read', 'write', 'admin'"),
        (("create", "--scope", "read", "--name", "a\nb"), "The name of a key is at most 100 printable characters"),
    ],
)
def test_bad_input_is_named_and_changes_nothing(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert said in " ".join(told(capsys, *words, code=2).split())
    assert opened().store.keys() == []
