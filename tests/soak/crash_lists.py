"""Which crash points are tried in which run, and which in none, with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.soak.crash_points import all_sites

#: Points that no run of these soaks comes to, and why; a name may stand for several.
NOT_REACHED = {
    "adapters/vault.py:_replace:remove*": "after a rename that failed; tests/acceptance/small_disk.py",
    "adapters/vault.py:_try_to_write:remove*": "where there are no files without a name; tests/adapters/test_vault.py",
    "adapters/vault.py:_write_beside:remove*": "after a write that failed; tests/acceptance/small_disk.py",
    "adapters/database/migrate.py:_copy:remove*": "after a copy that failed; tests/adapters/test_migrate.py",
    "entrypoints/cli/export.py:_replacing:remove*": "after an export that failed; tests/acceptance/test_streams.py",
    "adapters/celery_queue/announcer.py:CeleryAnnouncer.probe:*": "of `refnet doctor`; its queue ends with its connection",
    "adapters/database/cluster.py:ClusterStore.untell:*": "the broker is lost between two calls; test_announce.py",
    "adapters/database/cluster_notes.py:ClusterNotes.untell_vaults:*": "as `untell`",
    "adapters/database/crawl_requests.py:CrawlRequestTable.untell_requests:*": "as `untell`; test_crawl_requests.py",
    "adapters/database/cluster.py:ClusterStore.taking_dead_message:commit#3:*": "unsent; contract/test_dead_messages.py",
    "adapters/database/cluster.py:ClusterStore.refuse:*": "of a claim that the API gives nobody; test_s21_permission.py",
    "adapters/database/cluster_notes.py:ClusterNotes.charge_turn:*": "after minutes over a vault; test_vault_turns.py",
    "adapters/celery_queue/dead_letters.py:_trim_on_redis:*": "with more than 10,000 dead letters",
    "adapters/celery_queue/resending.py:Resending._publish:*": "on RabbitMQ; on Redis it is `Channel._put`",
    "adapters/celery_queue/burying.py:bury:*": "on RabbitMQ; cluster/test_s17_dead_letters.py",
    "adapters/celery_queue/fetching.py:FetchingChannel._take:*": "for one who gets messages singly; no worker does",
    "adapters/database/cluster_notes.py:ClusterNotes.fail_crawls:*": "a bug of refnet's own; tests/cluster/test_failed_crawls.py",
    "adapters/database/cluster_notes.py:ClusterNotes.redirect:*": "after OUTPUT_DIR was changed; test_vault_turns.py",
    "adapters/full_text/cache.py:PdfCache.trial:*": "of `refnet doctor`; the cache tidies up what it leaves",
    "adapters/database/notes.py:NoteTables.rename_notes:*": "after a reader renamed a note; contract/test_notes.py",
    "adapters/database/spending.py:Spending.forget:*": "an answer of which nothing is true; language_model/test_summarizer.py",
    "adapters/language_model/anthropic_client.py:*": "at Anthropic alone; adapters/language_model/test_refusals.py",
    "entrypoints/cli/summarize.py:_look_at_vault:remove:*": "a folder made to see whether it can be; acceptance/test_model_cost.py",
    "adapters/celery_queue/beat.py:*": "beat, which T16 kills",
    "adapters/database/periodic.py:*": "beat, which T16 kills",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """Die in `scenario`, at `point`, when a process of `role` comes there for the `nth` time."""

    scenario: str
    role: str
    point: str
    nth: int = 1

    def __str__(self) -> str:
        again = f" ({self.nth}.)" if self.nth > 1 else ""
        return f"{self.scenario}: {self.role} {self.point}{again}"

    @property
    def kind(self) -> str:
        """What happens there, such as `commit`."""
        return self.point.split(":")[2].partition("#")[0]

    @property
    def stage(self) -> str:
        return self.point.rpartition("@")[2]


def plans(surveys: Mapping[str, Counter[tuple[str, str]]], *, middle: bool) -> list[Plan]:
    """Each role and point once, in the first scenario that comes there; with `middle` also halfway, where often."""
    found: dict[tuple[str, str], Plan] = {}
    later: list[Plan] = []
    for scenario, survey in surveys.items():
        for (role, point), count in sorted(survey.items()):
            if (role, point) in found:
                continue
            found[role, point] = Plan(scenario, role, point)
            if middle and count >= 3:
                later.append(Plan(scenario, role, point, (count + 1) // 2))
    return [*found.values(), *later]


def unaccounted(reached: set[str]) -> list[str]:
    """Points of the code that no process came to and that no reason is given for."""
    came = {point.rpartition("@")[0] for point in reached}
    points = [point for site in all_sites() for point in site.points]
    return [one for one in points if one not in came and not any(fnmatchcase(one, name) for name in NOT_REACHED)]


def out_of_date(reached: set[str]) -> list[str]:
    """Names in `NOT_REACHED` that stand for no point of the code, or for one that was reached after all."""
    came = {point.rpartition("@")[0] for point in reached}
    points = {point for site in all_sites() for point in site.points}
    return [
        name
        for name in NOT_REACHED
        if not any(fnmatchcase(one, name) for one in points) or any(fnmatchcase(one, name) for one in came)
    ]
