"""T7 of reliability.md: three requests of ten fail, in every way there is, and all 2,000 papers come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean, pstdev

import pytest

from refnet.demo.log import Entry
from refnet.demo.switches import FAULT_KINDS
from tests.acceptance.command import what_was_asked
from tests.cluster.lab import until
from tests.soak.conftest import MakeRig
from tests.soak.graph import PAPERS, SEED
from tests.soak.rig import Laboratory, finished
from tests.soak.void import void

pytestmark = pytest.mark.soak

SHARE = 0.3
#: One paper a request: more than 2,000 requests, so that chance evens out.
SETTINGS = {"REFNET_BATCH_IDS": "1", "SEMANTIC_SCHOLAR_RPS": "40", "REFNET_REQUEST_SECONDS": "1"}
#: Seconds that the source asks to be left alone for.
LEFT_ALONE = 1.5
#: Seconds in which requests may still come that were on their way when another was refused.
UNDER_WAY = 0.5


def test_two_thousand_papers_come_from_a_source_that_fails_in_every_way(
    seed: int, figures: dict[str, object], make_rig: MakeRig, laboratory: Laboratory
) -> None:
    expected = laboratory.undisturbed(batch=1)
    rig = make_rig(SETTINGS, faults=SHARE, seed=seed, hang_seconds=5, retry_after=LEFT_ALONE)
    with rig.supervised() as supervisor:
        mapping = rig.start()
        ended = finished(mapping)
        exits = list(supervisor.exits)

    log, oracle = rig.source.log, rig.oracle(expected)
    faults = Counter(entry.fault for entry in log if entry.fault)
    gaps, early = retry_gaps(log), too_early(log)
    spread = pstdev(gaps) / fmean(gaps)
    figures |= {
        "requests": len(log),
        "of the ideal": len(log) / expected.requests,
        "failed": faults.total(),
        "spread of the waits before a retry": spread,
        "requests before Retry-After was over": early,
        "within a second": oracle.most,
        "papers lost": oracle.lost(),
        "crawl (s)": ended.seconds,
    }
    if set(faults) != set(FAULT_KINDS) or faults.total() < 0.25 * len(log):
        void(f"these faults came: {dict(faults)}")
    assert len(expected.paper_ids) == PAPERS
    assert oracle.complaints(rerun=False) == []  # a rerun would have to ask the seed of this very source
    assert exits == []
    assert len(log) <= 1.5 * expected.requests
    assert early == 0
    assert spread >= 0.2


def test_an_absurd_wait_is_not_believed(figures: dict[str, object], make_rig: MakeRig) -> None:
    words = (SEED, "--depth", "0", "--no-summaries")
    # The map itself asks first, and waits; the workers are asked by hand.
    rig = make_rig({"SEMANTIC_SCHOLAR_RPS": "5"}, words=words, faults=1, kinds="429-retry-after", retry_after="9e9")
    with rig.supervised(), rig.lab.cluster() as cluster:
        cluster.store.add_by_hand([SEED], None, 1, str(rig.lab.vault))
        until(lambda: rig.source.requests >= 2, 900, "a second try")
        arrivals = [entry.arrived for entry in rig.source.log]
    figures["tried again after (s)"] = arrivals[1] - arrivals[0]
    assert 500 <= arrivals[1] - arrivals[0] <= 700


def retry_gaps(log: Sequence[Entry]) -> list[float]:
    """Seconds from each request that failed without saying for how long until the same was asked again."""
    failed: dict[tuple[str, ...], float] = {}
    gaps = []
    for entry in log:
        for asked in what_was_asked(entry):
            if (before := failed.pop(asked, None)) is not None:
                gaps.append(entry.arrived - before)
            if entry.fault and not entry.fault.startswith("429"):
                failed[asked] = entry.arrived
    return gaps


def too_early(log: Sequence[Entry]) -> int:
    """Requests that came while the source had asked to be left alone."""
    refused = [entry.arrived for entry in log if entry.fault == "429-retry-after"]
    return sum(any(since + UNDER_WAY < entry.arrived < since + LEFT_ALONE for since in refused) for entry in log)
