"""A pace of requests whose waits are told to who watches."""

from __future__ import annotations

from refnet.domain.errors import OutageTooLong, SourceUnavailable, TransientError
from refnet.ports import Pace, Progress
from refnet.settings import Settings

#: Seconds between two tries of a host that cannot be reached at all.
UNREACHED = 5.0


class ToldPace:
    """A pace whose waits are told together with what they are for, and are no longer than a command waits."""

    inner: Pace

    def __init__(self, progress: Progress, settings: Settings) -> None:
        self._progress = progress
        self._why = ""
        # The pace itself may be ten times as wide as asked for.
        self._longest = max(settings.outage_seconds, 11 / settings.requests_per_second)
        self._unreached = min(UNREACHED, settings.no_network_seconds / 4)

    def waiting(self, seconds: float) -> None:
        """Raises OutageTooLong where the source, now or in an earlier run, asked to be left alone for so long."""
        if seconds > self._longest:
            raise OutageTooLong(
                f"Semantic Scholar asks to be left alone for {seconds / 60:,.0f} min more. "
                "What is collected is kept; run the same command then and it resumes."
            )
        self._progress.waiting(seconds, self._why or "the rate limit")

    def start(self) -> None:
        self.inner.start()

    def succeeded(self) -> None:
        self._why = ""
        self.inner.succeeded()

    def successes(self) -> int:
        return self.inner.successes()

    def failed(self, error: TransientError) -> None:
        self._why = f"another try: {error}"
        if isinstance(error, SourceUnavailable) and not error.reached and error.retry_after is None:
            # Growing waits would spare nobody, and the network may be back at any moment.
            error = SourceUnavailable(str(error), reached=False, retry_after=self._unreached)
        self.inner.failed(error)
