"""Which of two summaries of a paper is kept."""

from __future__ import annotations

import pytest

from refnet.domain.summaries import FULL_TEXT, Provenance, Summary, is_worse


def made(pages: int, *, sha256: str = "a", model: str | None = None, lang: str = "en") -> Summary:
    return Summary("Text.", FULL_TEXT, lang=lang, provenance=Provenance("u", sha256, 40, pages, model=model))


@pytest.mark.parametrize(
    ("new", "old", "worse"),
    [
        (made(2), made(40), True),
        (made(40), made(2), False),
        # Of a long PDF a page more or less is read each time.
        (made(39), made(40), False),
        # Another PDF, or what somebody asked for.
        (made(2, sha256="b"), made(40), False),
        (made(2, model="m"), made(40), False),
        (made(2, lang="ja"), made(40), False),
    ],
)
def test_a_summary_of_clearly_fewer_pages_replaces_none_that_was_made_in_the_same_way(
    new: Summary, old: Summary, worse: bool
) -> None:
    assert is_worse(new, old) is worse


def test_pages_counted_as_read_before_pictures_were_told_apart_are_no_more_than_those_now_seen() -> None:
    old = made(40)
    honest = Summary("Text.", FULL_TEXT, provenance=Provenance("u", "a", 40, 4, damaged_pages=1, picture_pages=35))
    assert not is_worse(honest, old)
