"""T6 of reliability.md: each link in turn falls silent, becomes slow, passes one byte at a time, and is reset."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.command import Refnet, clean_environment, tree
from tests.cluster.conftest import MakeLab
from tests.cluster.faults import Proxy, pauses, port_of
from tests.cluster.lab import Lab, Worker, until
from tests.soak.void import void

pytestmark = pytest.mark.soak

WORDS = ("649def34f8be52c8b66281af98ae884c09aef38b", "--depth", "1", "--limit", "400", "--no-summaries")
#: Seconds within which work goes on, and within which the doctor knows of it where it does not. Source: T6.
RESUMES, KNOWN = 30.0, 45.0
#: The variable by which workers find each link.
LINKS = {
    "redis": "CELERY_BROKER_URL",
    "rabbitmq": "CELERY_BROKER_URL",
    "postgresql": "DATABASE_URL",
    "source": "SEMANTIC_SCHOLAR_URL",
}


@contextmanager
def linked(make_lab: MakeLab, link: str, request: pytest.FixtureRequest) -> Iterator[tuple[Lab, Lab, Proxy]]:
    """A lab; the same as its workers see it, one link of which leads through a proxy; and that."""
    broker = request.getfixturevalue("rabbitmq_url" if link == "rabbitmq" else "redis_url")
    literature = request.getfixturevalue("literature")
    lab = make_lab(broker, literature, environment={"REFNET_BATCH_IDS": "2", "SEMANTIC_SCHOLAR_RPS": "3"}, latency=0.3)
    url = lab.environment[LINKS[link]]
    with Proxy(port_of(url)) as proxy:
        yield lab, lab.with_(**{LINKS[link]: proxy.through(url)}), proxy


def done(lab: Lab) -> int:
    """Jobs that are done."""
    number: int = lab.query("SELECT count(*) FROM jobs WHERE state = 'done'")[0][0]
    return number


def goes_on(lab: Lab, timeout: float = 120.0) -> float:
    """Seconds until three more jobs are done."""
    began, before = time.monotonic(), done(lab)
    until(lambda: done(lab) >= before + 3, timeout, "work to go on")
    return time.monotonic() - began


def false_alarms(worker: Worker) -> int:
    return worker.text.count("This worker does not consume")


@pytest.mark.parametrize("link", LINKS)
def test_work_goes_on_over_a_link_that_falls_silent_or_slow_and_nothing_is_lost(
    make_lab: MakeLab, link: str, request: pytest.FixtureRequest, figures: dict[str, object], tmp_path: Path
) -> None:
    with linked(make_lab, link, request) as (lab, behind, proxy):
        worker = behind.worker()
        mapping = lab.refnet.start("map", *WORDS, "--json")
        goes_on(lab)
        if not proxy.cut():
            void("there was no connection to silence")
        figures["resumes after silence, s"] = round(goes_on(lab), 1)

        proxy.latency, carried = 0.5, proxy.carried
        figures["resumes at 500 ms, s"] = round(goes_on(lab), 1)
        pauses(20.0, lambda: False)
        figures["bytes a second at 500 ms"] = round((proxy.carried - carried) / 20)
        proxy.latency, proxy.slices = 0.0, 1
        figures["resumes byte by byte, s"] = round(goes_on(lab), 1)
        pauses(20.0, lambda: False)
        proxy.slices = 0
        if not proxy.reset():
            void("there was no connection to reset")
        figures["resumes after resets, s"] = round(goes_on(lab), 1)
        figures["false alarms"] = false_alarms(worker)

        lab.stand_in.switches = type(lab.stand_in.switches)()
        ended = mapping.wait(600)
        assert ended.code == 0, ended.err
        assert not worker.is_over
        figures["jobs lost"] = len(lab.query("SELECT 1 FROM jobs WHERE state <> 'done' OR losses > 0"))
        worker.kill()
    folder = tmp_path / "alone"
    folder.mkdir()
    settings = {"SEMANTIC_SCHOLAR_URL": lab.stand_in.url, "SEMANTIC_SCHOLAR_RPS": "1000"}
    Refnet(folder, clean_environment(folder / "data", **settings)).map(*WORDS)
    assert tree(lab.vault) == tree(folder / "vault")
    assert figures["jobs lost"] == 0
    assert figures["false alarms"] == 0
    assert max(float(str(told)) for name, told in figures.items() if name.startswith("resumes")) <= RESUMES


@pytest.mark.parametrize("link", ["redis", "rabbitmq", "postgresql"])
def test_the_doctor_says_so_while_a_link_stays_silent(
    make_lab: MakeLab, link: str, request: pytest.FixtureRequest, figures: dict[str, object]
) -> None:
    """From where its own links work, and from where they are as dead as the worker's."""
    with linked(make_lab, link, request) as (lab, behind, proxy):
        behind.worker(name="cut-off")
        until(lambda: lab.refnet("doctor", "--worker", "cut-off").code == 0, what="the worker to be well")
        pauses(15.0, lambda: False)
        with proxy.dark():
            began = time.monotonic()
            until(lambda: any(worker.fault for worker in lab.store.workers()), 120.0, "the doctor to know")
            figures["known after s"] = round(time.monotonic() - began, 1)
            seen = lab.refnet("doctor", "--worker", "cut-off")
            whole = lab.refnet("doctor")
            blind = behind.refnet("doctor")
            near = behind.refnet("doctor", "--worker", "cut-off")
            figures["doctor over dead links, s"] = round(blind.seconds, 1)
            figures["doctor --worker over dead links, s"] = round(near.seconds, 1)
        until(lambda: lab.refnet("doctor", "--worker", "cut-off").code == 0, 90.0, "the worker to be well again")
    assert seen.code == whole.code == blind.code == near.code == 1
    assert float(str(figures["known after s"])) <= KNOWN
    assert blind.seconds <= 60.0
    assert near.seconds <= 25.0
