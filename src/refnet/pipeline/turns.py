"""What becomes of crawls when seeing to their vault fails, decided as the runners decide the fate of jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from refnet.domain.crawls import MOST_LOST_TURNS
from refnet.domain.errors import PermanentError, RefnetError
from refnet.domain.jobs import MOST_LOSSES
from refnet.pipeline.runner import bug, too_long, trace_of


class TurnStore(Protocol):
    """The part of the store that counts turns; each is by one process, `owner`, over some crawls."""

    def begin_turn(self, crawl_ids: Sequence[int], owner: str) -> dict[int, int]:
        """How many turns over each were lost before."""

    def end_turn(self, owner: str) -> None: ...

    def give_back_turn(self, owner: str) -> None: ...

    def charge_turn(self, owner: str) -> None: ...

    def fail_crawls(self, crawl_ids: Sequence[int], reason: str, traceback: str | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of one process. `passing` and `ending` are as in `OfflineRunner`.

    Nobody can be told of a failed turn but the crawls whose turn it was: there is no job to bury.
    """

    store: TurnStore
    owner: str
    passing: tuple[type[Exception], ...] = ()
    ending: Callable[[], bool] = lambda: True

    @contextmanager
    def over(self, crawl_ids: Sequence[int]) -> Iterator[list[int]]:
        """See to a vault for crawls; for those that are yielded, since of others too many turns were lost.

        What is raised is raised on. A bug, or what no further try will help, fails the crawls at once, a time limit at
        the third time; an outage, a full disk, a vault that cannot be written and an end in order are charged nothing.
        """
        lost = self.store.begin_turn(crawl_ids, self.owner)
        if worn := [one for one, losses in lost.items() if losses >= MOST_LOST_TURNS]:
            self.store.fail_crawls(worn, f"The process that saw to its vault died {MOST_LOST_TURNS} times.")
        left = [one for one in lost if one not in worn]
        try:
            yield left
        except self.passing as error:
            # The process lives on, and may be asked to end before its next turn: that must not take the charge back.
            self.store.charge_turn(self.owner)
            last = [one for one in left if lost[one] + 1 >= MOST_LOSSES]
            reason = f"{too_long(error)} That, or the loss of its process, came {MOST_LOSSES} times."
            self.store.fail_crawls(last, reason)
            raise
        except PermanentError as error:
            self.store.fail_crawls(left, str(error))
            raise
        except (RefnetError, KeyboardInterrupt):
            self._give_back()
            raise
        except (Exception, SystemExit) as error:
            if isinstance(error, SystemExit) and self.ending():
                self._give_back()
            else:
                self.store.fail_crawls(left, str(bug(error)), trace_of(error))
            raise
        self.store.end_turn(self.owner)

    def _give_back(self) -> None:
        with suppress(RefnetError):
            self.store.give_back_turn(self.owner)
