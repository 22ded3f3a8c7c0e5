"""`refnet status`: what is stored, and how far the work is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from refnet.domain.crawls import CrawlState
from refnet.domain.errors import BrokerUnavailable
from refnet.entrypoints.cli.output import print_json, say
from refnet.entrypoints.cli.start import opened

if TYPE_CHECKING:
    from refnet.bootstrap import Application
    from refnet.domain.workers import WorkerReport

EXAMPLE = "Example: refnet status --json"


def status(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """Show crawls, jobs per stage and state, queues and workers, rate limit, dead letters."""
    app = opened()
    crawls = app.store.crawls()
    jobs = app.store.job_counts()
    messages = app.store.dead_message_count()
    paces = app.store.paces()
    queues, workers, away = _cluster(app)
    if as_json:
        print_json(
            {
                "database": app.place,
                "crawls": [
                    {
                        "id": crawl.id,
                        "state": crawl.state.value,
                        "direction": crawl.direction.value,
                        "depth": crawl.depth,
                        "limit": crawl.limit,
                        "seeds": [seed.input for seed in app.store.seeds(crawl.id)],
                        "papers": crawl.collected,
                        "waiting": crawl.members - crawl.collected,
                        "citations": crawl.citations,
                        "missing": crawl.missing,
                        "dead": crawl.dead,
                        "reason": crawl.reason,
                        "traceback": crawl.traceback,
                    }
                    for crawl in crawls
                ],
                "jobs": [
                    {"stage": stage, "state": state, "count": count} for (stage, state), count in sorted(jobs.items())
                ],
                "queues": queues,
                "broker": away,
                "workers": [
                    {
                        "name": worker.name,
                        "queues": list(worker.queues),
                        "running": worker.running,
                        "slots": worker.slots,
                        "fault": worker.fault,
                    }
                    for worker in workers
                ],
                "rate": [
                    {"host": pace.host, "blocked_seconds": pace.blocked, "failures": pace.failures} for pace in paces
                ],
                "dead": sum(count for (_, state), count in jobs.items() if state == "dead") + messages,
            }
        )
        return
    say(f"Database: {app.place}")
    if not crawls:
        say("No crawl yet. Begin with: refnet map arXiv:2005.11401")
    for crawl in crawls:
        seeds = app.store.seeds(crawl.id)
        first = (seeds[0].title or seeds[0].input) if seeds else "no seed"
        more = f" and {len(seeds) - 1} more" if len(seeds) > 1 else ""
        say(
            f"Crawl {crawl.id}, {crawl.state}: {first}{more}; depth {crawl.depth}, {_limit(crawl.limit)}, {crawl.direction}; "
            f"{crawl.collected:,} papers, {crawl.members - crawl.collected:,} waiting, {crawl.dead:,} dead"
        )
        if crawl.state is CrawlState.FAILED:
            reason = (crawl.reason or "nobody knows why").rstrip(".")
            say(f"Crawl {crawl.id} failed: {reason}. Mend that, and give the same command again: it goes on.")
    for (stage, state), count in sorted(jobs.items()):
        say(f"Jobs: {stage} {state} {count:,}")
    if messages:
        say(f"Messages that no worker could run: {messages:,}. See: refnet dead list")
    for queue, number in queues.items():
        say(f"Queue: {queue} {number:,} waiting")
    for worker in workers:
        say(f"Worker: {worker.fault or f'{worker.name}, {worker.running} of {worker.slots} at work'}")
    if away:
        say(away)
    for pace in paces:
        if pace.blocked > 0:
            say(f"{pace.host} is left alone for {pace.blocked:.0f} s more after {pace.failures} failures in a row.")


def _limit(limit: int) -> str:
    """The papers fetched by hand have none, but the greatest number that the database holds."""
    return "no limit" if limit >= 2**31 - 1 else f"limit {limit}"


def _cluster(app: Application) -> tuple[dict[str, int], list[WorkerReport], str | None]:
    """Messages that wait in each queue, the workers, and in words what keeps us from knowing."""
    if not app.is_cluster:
        return {}, [], None
    with app.cluster() as cluster:
        workers = cluster.store.workers()
        try:
            return cluster.depths(), workers, None
        except BrokerUnavailable as error:
            return {}, workers, str(error)
