"""A source that fails in every way it can."""

from __future__ import annotations

import pytest

from refnet.demo.bundled import SEED
from refnet.demo.graph import Corpus
from refnet.demo.switches import FAULT_KINDS
from tests.acceptance.command import asked_twice, tree
from tests.acceptance.conftest import Serve, User

#: Many runs of the whole command.
pytestmark = pytest.mark.slow


@pytest.mark.slow
def test_with_three_requests_of_ten_failing_all_papers_come_with_half_as_many_requests_again(
    serve: Serve, user: User, literature: Corpus
) -> None:
    words = ("649def34f8be52c8b66281af98ae884c09aef38b", "--depth", "2", "--limit", "5000", "--no-summaries")
    calm = user(serve(literature), "calm", REFNET_BATCH_IDS="20")
    faulty = serve(literature, faults=0.3, seed=7, hang_seconds=6.0, retry_after=0.2)
    tried = user(faulty, "tried", REFNET_BATCH_IDS="20", REFNET_REQUEST_SECONDS="5")

    expected = calm.map(*words, "--vault", "vault")
    document = tried.map(*words, "--vault", "vault")

    requests = expected["requests"]["semantic_scholar"]
    assert requests >= 200
    assert document["requests"]["semantic_scholar"] == len(faulty.log) <= 1.5 * requests
    assert {entry.fault for entry in faulty.log} - {None} == set(FAULT_KINDS)
    assert document["papers"] == 4_245
    assert document["dead"] == 0
    assert tried.exported() == calm.exported()
    assert tree(tried.folder / "vault") == tree(calm.folder / "vault")
    assert asked_twice(faulty.log) == set()


@pytest.mark.slow
def test_each_kind_of_fault_is_survived(serve: Serve, user: User) -> None:
    for kind in FAULT_KINDS:
        stand_in = serve(faults=0.5, kinds=(kind,), seed=3, hang_seconds=1.0, retry_after=0.2)
        document = user(stand_in, kind, REFNET_BATCH_IDS="20", REFNET_REQUEST_SECONDS="0.7").map(SEED)
        assert {entry.fault for entry in stand_in.log} == {None, kind}
        assert document["papers"] == 57
        assert document["dead"] == 0
