"""The schedule of the periodic tasks."""

from __future__ import annotations

from celery import beat as stock


class Scheduler(stock.Scheduler):
    """Keeps nothing on a disk, since the schedule begins anew without harm, and has Celery's own entries, too.

    Those clear results that have expired. Celery's plain scheduler adds them, and drops them again when it merges the
    configured ones (celery 5.7.0, not reported upstream). For the setting `beat_scheduler`.
    """

    def setup_schedule(self) -> None:
        super().setup_schedule()
        self.install_default_entries(self.schedule)
