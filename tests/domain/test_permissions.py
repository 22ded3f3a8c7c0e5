"""Scopes, names of keys, and claims."""

from __future__ import annotations

import pytest

from refnet.domain.errors import ConfigurationError
from refnet.domain.permissions import LONGEST_NAME, Scope, checked_name, why_refused, widest

READ, WRITE, ADMIN = Scope


def test_each_scope_includes_those_before_it() -> None:
    allowed = {(has, needs) for has in Scope for needs in Scope if has.allows(needs)}

    assert allowed == {(READ, READ), (WRITE, READ), (WRITE, WRITE), (ADMIN, READ), (ADMIN, WRITE), (ADMIN, ADMIN)}


@pytest.mark.parametrize("needed", list(Scope))
@pytest.mark.parametrize("claim", list(Scope))
def test_a_claim_permits_what_its_scope_does(claim: Scope, needed: Scope) -> None:
    assert (why_refused(claim.value, needed) is None) == claim.allows(needed)


def test_a_refusal_says_what_is_claimed_and_what_is_needed() -> None:
    assert why_refused("read", ADMIN) == "Its claim is 'read', and it needs 'admin'"


@pytest.mark.parametrize(
    "claim", ["", "root", "READ", "read ", "read,write", None, True, 3, ["admin"], {"admin": 1}, "x" * 9_999]
)
def test_what_is_no_scope_is_refused_whatever_is_needed(claim: object) -> None:
    for needed in Scope:
        why = why_refused(claim, needed)
        assert why is not None
        assert why.startswith("Its claim ")
        assert why.endswith(" is no scope")
        assert len(why) < 100


@pytest.mark.parametrize(
    ("claims", "widest_of_them"),
    [
        (["read"], "read"),
        (["read", "admin", "write"], "admin"),
        (["admin", None], None),
        ([None, "read"], None),
        ([None], None),
        (["root", "read"], "read"),
        (["root"], "root"),
    ],
)
def test_of_several_claims_the_one_that_permits_most_counts_and_the_operators_above_all(
    claims: list[str | None], widest_of_them: str | None
) -> None:
    assert widest(claims) == widest_of_them
    assert widest(reversed(claims)) == widest_of_them


@pytest.mark.parametrize("name", ["", "reading group", "読書会", "a" * LONGEST_NAME])
def test_a_name_of_a_key_fits_into_a_line(name: str) -> None:
    assert checked_name(f" {name}\n") == name


@pytest.mark.parametrize("name", ["a" * (LONGEST_NAME + 1), "two\nlines", "nul\0", "\x1b[31m", "half \ud800"])
def test_one_that_would_not_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="100 printable characters"):
        checked_name(name)
