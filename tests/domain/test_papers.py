from __future__ import annotations

import pytest

from refnet.domain.papers import Answer, Direction, Listing, ListName, ListState, Paper, Stub, is_short, state_of


@pytest.mark.parametrize(
    ("have", "of", "short"),
    [
        (0, None, False),  # a count that nobody knows is never missed
        (0, 0, False),
        (0, 2, False),
        (0, 3, True),
        (98, 100, False),
        (97, 100, True),
        (980, 1_000, False),
        (979, 1_000, True),
        (120, 100, False),  # more than counted
    ],
)
def test_a_list_is_short_when_it_lacks_more_than_two_and_more_than_two_percent(
    have: int, of: int | None, short: bool
) -> None:
    assert is_short(have, of) is short


def test_a_hidden_list_is_told_from_an_empty_one() -> None:
    assert state_of(Listing(withheld=True), 87) is ListState.WITHHELD
    assert state_of(Listing(), 87) is ListState.PARTIAL
    assert state_of(Listing(), 0) is ListState.COMPLETE


def test_unmatched_rows_count_as_rows() -> None:
    assert state_of(Listing(tuple(Stub(None, f"Title {n}") for n in range(10))), 10) is ListState.COMPLETE


def test_a_direction_follows_its_own_list_and_both_follows_both() -> None:
    followed = {direction: {name for name in ListName if direction.follows(name)} for direction in Direction}
    assert followed == {
        Direction.BOTH: {ListName.REFERENCES, ListName.CITATIONS},
        Direction.REFERENCES: {ListName.REFERENCES},
        Direction.CITATIONS: {ListName.CITATIONS},
    }


def test_an_answer_names_its_lists_and_counts_alike() -> None:
    references, citations = Listing((Stub("r"),)), Listing((Stub("c"),))
    answer = Answer("p", None, references, citations, citation_count=7, reference_count=3)
    assert (answer.listing(ListName.REFERENCES), answer.count(ListName.REFERENCES)) == (references, 3)
    assert (answer.listing(ListName.CITATIONS), answer.count(ListName.CITATIONS)) == (citations, 7)


def test_a_paper_knows_its_doi_and_arxiv_id_where_it_has_them() -> None:
    known = Paper("p", "T", external_ids={"DOI": "10.1/x", "ArXiv": "2005.11401"})
    assert (known.doi, known.arxiv_id) == ("10.1/x", "2005.11401")
    assert (Paper("p", "T").doi, Paper("p", "T").arxiv_id) == (None, None)
