"""What is known, as metrics in the sense of Prometheus. Labels come from closed sets: every value is a series for ever."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from refnet.adapters.database.figures import Figures
from refnet.domain.counts import BOUNDS, COUNTED, NOT_BEGUN, OTHER, TaskCount, totals
from refnet.domain.crawls import CrawlState
from refnet.domain.jobs import JobState, Stage
from refnet.domain.workers import BY_QUEUE, VAULT_FAULT, WorkerReport


@dataclass(frozen=True, slots=True)
class Shown(Collector):
    """Asks anew at every scrape."""

    ask: Callable[[], Iterable[Metric]]

    def collect(self) -> Iterable[Metric]:
        return self.ask()


def task_families(counts: Iterable[TaskCount]) -> list[Metric]:
    """Tasks by how they ended, and how long they took."""
    counts = list(counts)
    # From 0 on: what first appears with a number has not grown, as Prometheus sees it.
    ended_as = {(task, state): 0 for task in COUNTED for state in ("success", "failure", "retry")} | totals(counts)
    ended = CounterMetricFamily("celery_tasks", "Messages of tasks that workers settled.", labels=["task", "state"])
    for key, number in sorted(ended_as.items()):
        ended.add_metric(key, number)
    took = HistogramMetricFamily(
        "celery_task_duration_seconds", "From a task's begin to its end, whatever that was.", labels=["task"]
    )
    begun = [one for one in counts if one.le != NOT_BEGUN]
    # Bounds of an earlier version, too.
    bounds = sorted({*BOUNDS, *(one.le for one in begun)})
    for task in sorted({one.task for one in begun}):
        own = [one for one in begun if one.task == task]
        buckets = [(_bound(bound), sum(one.count for one in own if one.le <= bound)) for bound in bounds]
        took.add_metric([task], buckets, sum(one.seconds for one in own))
    return [ended, took]


def _bound(bound: float) -> str:
    return "+Inf" if math.isinf(bound) else str(float(bound))


def ledger_families(figures: Figures) -> list[Metric]:
    """What the ledger holds; not counted on the way, but read where it is true."""
    jobs = GaugeMetricFamily("refnet_jobs", "Jobs of the ledger.", labels=["stage", "state"])
    oldest = GaugeMetricFamily(
        "refnet_oldest_due_seconds", "Since when the oldest due job waits; 0 where none is due.", labels=["stage"]
    )
    quiet = GaugeMetricFamily(
        "refnet_quiet_seconds", "Since a worker last did something with a job, or renewed its lease.", labels=["stage"]
    )
    for stage in Stage:
        for state in JobState:
            jobs.add_metric([stage, state], figures.jobs.get((stage, state), 0))
        oldest.add_metric([stage], figures.oldest_due.get(stage, 0.0))
        quiet.add_metric([stage], figures.quiet.get(stage, 0.0))
    crawls = GaugeMetricFamily("refnet_crawls", "Crawls.", labels=["state"])
    for named in CrawlState:
        crawls.add_metric([named], figures.crawls.get(named, 0))
    dead = GaugeMetricFamily("refnet_dead_letters", "What was given up.", labels=["kind"])
    dead.add_metric(["job"], sum(number for (_, state), number in figures.jobs.items() if state == JobState.DEAD))
    dead.add_metric(["message"], figures.dead_messages)
    return [jobs, oldest, quiet, crawls, dead]


def source_families(figures: Figures, sources: Mapping[str, str]) -> list[Metric]:
    """How sources are asked, and answer. `sources` are the names of those in use, by host."""
    blocked = GaugeMetricFamily("refnet_source_blocked_seconds", "For how long it is left alone.", labels=["source"])
    failures = GaugeMetricFamily("refnet_source_failures", "Failures in a row.", labels=["source"])
    for pace in figures.paces:
        if (source := sources.get(pace.host)) is not None:
            blocked.add_metric([source], pace.blocked)
            failures.add_metric([source], pace.failures)
    requests = CounterMetricFamily("refnet_requests", "Requests to sources.", labels=["source", "status"])
    waited: dict[str, float] = {}
    for one in figures.requests:
        source = one.source if one.source in sources.values() else OTHER
        requests.add_metric([source, one.status], one.count)
        waited[source] = waited.get(source, 0.0) + one.waited
    waits = CounterMetricFamily("refnet_request_wait_seconds", "Waited for the rate limit.", labels=["source"])
    for source, seconds in waited.items():
        waits.add_metric([source], seconds)
    return [blocked, failures, requests, waits]


def model_families(figures: Figures, cap: float) -> list[Metric]:
    """What language models were asked for, and what that cost; `cap` is in US dollars a day."""
    calls = CounterMetricFamily("refnet_model_calls", "Calls of a language model.", labels=["model"])
    tokens = CounterMetricFamily("refnet_model_tokens", "Tokens sent and received.", labels=["model", "direction"])
    dollars = CounterMetricFamily("refnet_model_dollars", "US dollars that its calls cost.", labels=["model"])
    for one in figures.models:
        calls.add_metric([one.model], one.calls)
        tokens.add_metric([one.model, "in"], one.tokens_in)
        tokens.add_metric([one.model, "out"], one.tokens_out)
        dollars.add_metric([one.model], one.usd)
    spent = GaugeMetricFamily(
        "refnet_model_spent_today_dollars", "US dollars spent or set aside today (UTC).", value=figures.spent
    )
    most = GaugeMetricFamily("refnet_model_spend_cap_dollars", "US dollars that may be spent a day.", value=cap)
    return [calls, tokens, dollars, spent, most]


def worker_families(workers: Iterable[WorkerReport]) -> list[Metric]:
    """Workers by queue: how many are alive, and how many of those take work."""
    workers = list(workers)
    found = GaugeMetricFamily(
        "refnet_workers",
        "Workers: alive, of these consuming, and lost ones that said nothing at their end.",
        labels=["queue", "state"],
    )
    for queue in BY_QUEUE:
        own = [worker for worker in workers if queue in worker.queues]
        found.add_metric([queue, "alive"], sum(worker.lives for worker in own))
        found.add_metric([queue, "consuming"], sum(map(_consumes, own)))
        found.add_metric([queue, "lost"], sum(not worker.lives for worker in own))
    alive = [worker for worker in workers if worker.lives]
    slots = GaugeMetricFamily("refnet_worker_slots", "Processes of all workers that are alive.", labels=["state"])
    slots.add_metric(["busy"], sum(worker.running for worker in alive))
    slots.add_metric(["free"], sum(max(0, worker.slots - worker.running) for worker in alive))
    return [found, slots]


def _consumes(worker: WorkerReport) -> bool:
    return worker.lives and (worker.reason is None or worker.reason.startswith(VAULT_FAULT))


def queue_families(depths: Mapping[str, int]) -> list[Metric]:
    """Messages that wait, whatever their priority."""
    found = GaugeMetricFamily("refnet_queue_messages", "Messages that wait in a queue.", labels=["queue"])
    for queue, number in depths.items():
        found.add_metric([queue], number)
    return [found]


def up(name: str, of: str, *, value: bool) -> Metric:
    """Whether something answered at this scrape."""
    return GaugeMetricFamily(f"refnet_{name}_up", f"Whether the {of} answered in time.", value=float(value))
