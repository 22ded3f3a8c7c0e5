from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.adapters.celery_queue.hint_mark import HEADER, is_marked, mark

KEY, OLD, FOREIGN = b"k" * 32, b"o" * 32, b"f" * 32
ABOUT = ("crawler.tasks.fetch_paper_metadata", "0f7c7d2e-task", "paper1")


def test_the_header_has_the_name_that_the_contract_gives_it() -> None:
    assert HEADER == "refnet_hint"


def test_a_mark_is_an_hmac_that_others_can_compute() -> None:
    """Written out, so that a change of the format is seen: workers of two releases may meet at one broker."""
    assert mark(KEY, "task", "id", "paper") == "c7c834d678d56aabf5ca4fbcf19b35b3e457758727632d5a7b2caa3b7c07756c"


def test_what_one_of_the_keys_marked_is_a_hint() -> None:
    for signer in (KEY, OLD):
        assert is_marked((KEY, OLD), mark(signer, *ABOUT), *ABOUT)


def test_what_another_key_marked_is_not() -> None:
    assert not is_marked((KEY, OLD), mark(FOREIGN, *ABOUT), *ABOUT)
    assert not is_marked((), mark(KEY, *ABOUT), *ABOUT)


@pytest.mark.parametrize("place", range(3))
def test_a_mark_holds_for_one_task_one_message_and_one_paper(place: int) -> None:
    other = [*ABOUT]
    other[place] += "x"
    assert not is_marked((KEY,), mark(KEY, *ABOUT), *other)


@pytest.mark.parametrize("found", [None, True, 7, b"bytes", ["list"], {}, "", "0" * 64, "é" * 64, "\0"])
def test_what_is_no_mark_is_refused_whatever_it_is(found: object) -> None:
    assert not is_marked((KEY,), found, *ABOUT)


def test_a_mark_in_capitals_or_with_more_at_its_end_is_refused() -> None:
    made = mark(KEY, *ABOUT)
    assert not is_marked((KEY,), made.upper(), *ABOUT)
    assert not is_marked((KEY,), made + "0", *ABOUT)
    assert not is_marked((KEY,), made[:-1], *ABOUT)


@given(st.text(), st.text(), st.text())
def test_any_text_can_be_marked(task: str, task_id: str, paper_id: str) -> None:
    assert is_marked((KEY,), mark(KEY, task, task_id, paper_id), task, task_id, paper_id)
