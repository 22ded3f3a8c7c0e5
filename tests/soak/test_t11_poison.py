"""T11 of reliability.md: five jobs of 200 whose task harms its process are dead letters within a minute, and the other
195 are done.
"""

from __future__ import annotations

import json
from random import Random

import pytest

from refnet.demo.graph import Corpus
from refnet.domain.jobs import Stage
from tests.cluster.conftest import MakeLab
from tests.cluster.lab import until
from tests.cluster.poisoned import Poisoned, collected
from tests.soak.void import void

pytestmark = pytest.mark.soak

SEED_PAPER = "649def34f8be52c8b66281af98ae884c09aef38b"
KINDS = ("segfault", "exit", "memory", "loop", "forks")
PAPERS = 200
#: Processes that the fork bomb comes to. The limit that the documentation asks for leaves it twice as many.
BOMB = 120
#: Processes of the worker.
POOL = 4
#: Seconds within which the poison is among the dead letters.
SOON = 60.0


@pytest.mark.parametrize("stage", [Stage.CRAWL, Stage.SUMMARIZE])
def test_t11_five_kinds_of_poison_among_two_hundred_jobs(
    make_lab: MakeLab, redis_url: str, literature: Corpus, stage: Stage, seed: int, figures: dict[str, object]
) -> None:
    # Requests of 20 papers, as in all soaks; summaries are made of all 200 at a time.
    lab = make_lab(redis_url, literature, {"REFNET_BATCH_IDS": "20"})
    known = sorted(set.union(*lab.stand_in.truth(SEED_PAPER, 2)))
    random = Random(seed)
    poisoned = Poisoned(lab, stage, concurrency=POOL, bomb=BOMB)
    papers = random.sample(known, PAPERS)
    before = spare = papers
    if stage is Stage.CRAWL:  # each once
        others = [paper_id for paper_id in known if paper_id not in set(papers)]
        before, spare = others[:PAPERS], others[PAPERS:]
    else:
        collected(lab, papers)
    worker = poisoned.start()
    # First without poison, so that the worker has loaded what it needs and holds what it holds.
    poisoned.queue(before)
    until(lambda: poisoned.states(before) == {"done": len(before)}, 180, "the healthy run")
    poisoned.all_work(spare[:POOL])
    rest = poisoned.resident()
    children = len(poisoned.processes())
    poisoned.spread(dict(zip(random.sample(papers, len(KINDS)), KINDS, strict=True)))

    took, most = poisoned.survive(papers, 300)

    figures.update({"seconds to the last dead letter": took, "acts": len(poisoned.acts()), "processes at most": most})
    if {kind for kind, _ in poisoned.acts()} != set(KINDS):
        void("not every kind acted")
    if most < BOMB:
        void(f"the bomb came to {most} processes only")
    print(figures)
    assert poisoned.states(papers) == {"done": PAPERS - len(KINDS), "dead": len(KINDS)}
    poisoned.check_letters()
    shown = json.loads(lab.refnet.done("dead", "list", "--json").out)
    assert {letter["paper_id"] for letter in shown} == poisoned.poison.keys()
    # Nothing of the bomb is left, no child is missing, and nobody keeps what it took.
    assert not worker.is_over
    until(lambda: len(poisoned.processes()) == children, 30, "a whole pool and nothing else")

    poisoned.clean()
    poisoned.retry()
    until(lambda: poisoned.states(papers) == {"done": PAPERS}, 60, "the poison, which is none any more")
    poisoned.all_work(spare[-POOL:])
    after = poisoned.resident()
    figures["memory, times what it was"] = after / rest
    assert after <= 1.1 * rest
    assert took <= SOON
