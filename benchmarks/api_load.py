"""The API under wrk while it crawls, beside a bare FastAPI route; and what the load costs a crawl.

    python benchmarks/api_load.py [--papers 50000] [--rounds 5] [--seconds 10] [--crawls 3] [--limit 5000]

`refnet serve` as users start it, over a PostgreSQL of its own with that many synthetic papers, does crawls of a graph
that a stand-in serves; keys are needed, and may ask as often as they like. wrk asks it and `bare_app.py`, on the same
database, over as many connections, for random papers and random pages, in turns; a crawl goes on all the while.

Then the same crawl is done again and again, each time on a fresh copy of the database, with nobody asking and with wrk
asking for papers until it ends, as often as a key may by default and as often as it can: at the pace that Semantic
Scholar allows, and as fast as it can.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httpx2
from api_lab import CONNECTIONS, Databases, Found, Served, bare_serving, fill, refnet_serving, script, wrk
from measuring import FAST, note, synthetic_stand_in, table

from refnet.entrypoints.web.paging import USUAL, cursor_behind
from tests.servers import postgres_binaries, running_postgres

GOAL_RATIO, GOAL_SLOWER = 0.6, 20
#: Requests a second of a crawl, by what the table calls it.
PACES = {"1 request/s": 1.0, "as fast as it can": float(FAST)}
#: Requests a second that wrk makes of a server that crawls: REFNET_API_RPS as it comes, and all that are answered.
LOADS = (100, None)
#: Addresses that wrk takes at random.
ADDRESSES = 5_000
#: Papers of each crawl that goes on while wrk asks, and seeds of them.
MOST, SEEDS = 10_000, 16
#: Seconds that a crawl may take.
TOO_LONG = 600.0


@dataclass(frozen=True)
class Way:
    """Something to ask for: a name for the table, and where refnet and the bare application have it."""

    name: str
    ours: Sequence[str]
    bare: Sequence[str]
    seen: tuple[list[Found], list[Found]] = field(default_factory=lambda: ([], []))


@dataclass(frozen=True)
class Lab:
    folder: Path
    databases: Databases
    filled: str
    key: str
    source: str
    seeds: Sequence[str]

    @contextmanager
    def serving(self, database: str, pace: float) -> Iterator[tuple[Served, Crawls]]:
        """refnet at work, and its crawls."""
        with refnet_serving(self.folder, database, self.source, pace) as served, self.client(served) as client:
            yield served, Crawls(client)

    def client(self, served: Served) -> httpx2.Client:
        return httpx2.Client(base_url=served.url, headers={"Authorization": f"Bearer {self.key}"}, timeout=60)


@dataclass
class Crawls:
    """Crawls asked for of a server, and how they stand."""

    client: httpx2.Client
    asked: list[str] = field(default_factory=list)

    def ask(self, seed: str, limit: int) -> None:
        answer = self.client.post("/api/v1/crawls", json={"seeds": [seed], "depth": 2, "limit": limit})
        assert answer.status_code == 202, answer.text
        self.asked.append(str(answer.headers["Location"]))

    def states(self) -> list[str]:
        answers = [self.client.get(place) for place in self.asked]
        assert {answer.status_code for answer in answers} <= {200}, answers
        return [answer.json()["state"] for answer in answers]

    def keep_going(self, seeds: Sequence[str]) -> None:
        """Have one at work, and another that waits for its end."""
        while sum(state in ("queued", "running") for state in self.states()) < 2:
            self.ask(seeds[len(self.asked)], MOST)


def ways(ids: Sequence[str]) -> list[Way]:
    chance = random.Random(1)
    some = chance.sample(ids, min(ADDRESSES, len(ids)))
    # Each has a whole page behind it.
    ends = chance.sample(ids[: -USUAL - 1], min(ADDRESSES, len(ids) - USUAL - 1))
    return [
        Way("one paper", [f"/api/v1/papers/{one}" for one in some], [f"/papers/{one}" for one in some]),
        Way(
            f"a page of {USUAL} papers",
            [f"/api/v1/papers?cursor={cursor_behind(one, '', None)}" for one in ends],
            [f"/papers?after={one}&limit={USUAL}" for one in ends],
        ),
    ]


def ask_both(lab: Lab, database: str, asked: Sequence[Way], rounds: int, seconds: float) -> None:
    """Let wrk ask for each way, of refnet and of the bare application in turns, while crawls go on."""
    with lab.serving(database, PACES["1 request/s"]) as (ours, crawls), bare_serving(lab.folder, database) as bare:
        scripts = {}
        for way in asked:
            check_same(lab, way, ours, bare)
            scripts[way.name] = script(lab.folder, ours, lab.key, way.ours), script(lab.folder, bare, lab.key, way.bare)
        for turn in range(-1, rounds):
            for way in asked:
                for side, served in enumerate((ours, bare)):
                    crawls.keep_going(lab.seeds)
                    with wrk(served, scripts[way.name][side], seconds if turn >= 0 else 2) as asking:
                        found = asking.wait()
                    assert "running" in crawls.states(), "no crawl was at work"
                    if turn >= 0:  # the first is for warming up
                        way.seen[side].append(found)
                        note(f"round {turn + 1}, {way.name}, {('refnet', 'bare')[side]}: {found}")


def check_same(lab: Lab, way: Way, ours: Served, bare: Served) -> None:
    """Both answer with the very same papers, but for the form of their cursors."""
    with lab.client(ours) as client, lab.client(bare) as peer:
        told, wanted = client.get(way.ours[0]).json(), peer.get(way.bare[0]).json()
    assert told | {"next_cursor": None} == wanted | {"next_cursor": None}, f"{told} is not {wanted}"


def crawl_alone(lab: Lab, pace: float, limit: int) -> float:
    """Seconds from asking for a crawl to its last note."""
    with lab.serving(lab.databases.copy(lab.filled), pace) as (_, crawls):
        begun = time.perf_counter()
        crawls.ask(lab.seeds[0], limit)
        return until_over(crawls, begun)


def crawl_with(lab: Lab, pace: float, limit: int, load: Way, rate: int | None) -> tuple[float, Found]:
    """The same, and what wrk saw meanwhile."""
    with lab.serving(lab.databases.copy(lab.filled), pace) as (served, crawls):
        asked = script(lab.folder, served, lab.key, load.ours, rate)
        begun = time.perf_counter()
        crawls.ask(lab.seeds[0], limit)
        with wrk(served, asked, TOO_LONG) as asking:
            return until_over(crawls, begun), asking.stop()


def until_over(crawls: Crawls, begun: float) -> float:
    while (state := crawls.states()[0]) in ("queued", "running"):
        assert time.perf_counter() - begun < TOO_LONG
        time.sleep(0.1)
    assert state == "finished", state
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--papers", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--crawls", type=int, default=3, help="crawls at each pace with each load, and without")
    parser.add_argument("--limit", type=int, default=5_000, help="papers of each of these crawls")
    given = parser.parse_args()
    binaries = postgres_binaries()
    if binaries is None or which("wrk") is None:
        raise SystemExit("it needs PostgreSQL and wrk")
    with (
        tempfile.TemporaryDirectory(prefix="refnet-bench-") as folder,
        running_postgres(binaries) as postgres,
        synthetic_stand_in("moderate", SEEDS) as (source, seeds),
    ):
        databases = Databases(postgres)
        filled = databases.empty()
        ids, key = fill(filled, given.papers)
        lab = Lab(Path(folder), databases, filled, key, source, seeds)
        asked = ways(ids)
        ask_both(lab, databases.copy(filled), asked, given.rounds, given.seconds)
        print(_beside_bare(asked))
        print(
            f"\nMedians of {given.rounds} rounds of {given.seconds:g} s, refnet and the bare application taking turns "
            f"on {given.papers:,} papers in PostgreSQL: wrk with {CONNECTIONS} connections, a crawl at work.\n"
        )
        rows: list[tuple[str, ...]] = []
        for name, pace in PACES.items():
            alone: list[float] = []
            loaded: dict[int | None, list[tuple[float, Found]]] = {rate: [] for rate in LOADS}
            for _ in range(given.crawls):
                alone.append(crawl_alone(lab, pace, given.limit))
                for rate, found in loaded.items():
                    found.append(crawl_with(lab, pace, given.limit, asked[0], rate))
                    note(f"{name}: {alone[-1]:.1f} s alone, {found[-1][0]:.1f} s with {found[-1][1]}")
            rows += _slowed(name, alone, loaded)
        head = (
            "crawl",
            "asked for meanwhile",
            "s",
            f"slowed (goal ≤ {GOAL_SLOWER} %)",
            "answered, requests/s",
            "failed",
        )
        print(table(head, rows))
        print(
            f"\nMedians of {given.crawls} crawls of {given.limit:,} papers with their notes, taking turns, on fresh copies "
            f"of these {given.papers:,}; asked for is one paper, over {CONNECTIONS} connections."
        )


def _beside_bare(asked: Sequence[Way]) -> str:
    rows = []
    for way in asked:
        ours, bare = way.seen
        # Of neighbours in time: the machine may have had more to do in other rounds.
        ratio = median(one.per_second / peer.per_second for one, peer in zip(ours, bare, strict=True))
        rows.append(
            (
                way.name,
                *(f"{median(one.per_second for one in side):,.0f}" for side in way.seen),
                f"{ratio:.2f}",
                " / ".join(f"{median(one.cpu for one in side):.1f}" for side in way.seen),
                *(
                    f"{median(one.p50 for one in side):.0f} / {median(one.p99 for one in side):.0f}"
                    for side in way.seen
                ),
                " / ".join(str(sum(one.failed for one in side)) for side in way.seen),
            )
        )
    head = (
        "asked for",
        "refnet, requests/s",
        "bare FastAPI, requests/s",
        f"ratio (goal ≥ {GOAL_RATIO})",
        "CPU of an answer, ms, refnet / bare",
        "p50 / p99, ms",
        "bare, p50 / p99, ms",
        "failed, refnet / bare",
    )
    return table(head, rows)


def _slowed(
    name: str, alone: Sequence[float], loaded: Mapping[int | None, Sequence[tuple[float, Found]]]
) -> Iterator[tuple[str, ...]]:
    yield name, "nothing", f"{median(alone):.1f}", "", "", ""
    for rate, found in loaded.items():
        seconds = median(took for took, _ in found)
        yield (
            name,
            "all it can" if rate is None else f"{rate} a second",
            f"{seconds:.1f}",
            f"{100 * (seconds / median(alone) - 1):.0f} %",
            f"{median(seen.per_second for _, seen in found):,.0f}",
            str(sum(seen.failed for _, seen in found)),
        )


if __name__ == "__main__":
    main()
