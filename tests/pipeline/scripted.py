"""A source that answers as a test says, and a pace that only counts: the ports themselves, with nothing behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from refnet.domain.crawl import Ask, Limits
from refnet.domain.errors import PermanentError, TransientError
from refnet.domain.papers import Answer, Listing, ListName, Page
from refnet.ports import TitleMatch
from tests.contract.making import as_asked


@dataclass(frozen=True, slots=True)
class Request:
    ids: tuple[str, ...]
    ask: Ask = Ask.NOTHING
    page: ListName | None = None
    offset: int = 0
    title: str | None = None


#: What a request raises, if anything; it is called with the request and the number of those before it.
Script = Callable[[Request, int], BaseException | None]


def all_well(request: Request, number: int) -> None:
    return None


def failing(error: BaseException, *papers: str) -> Script:
    """Every request that holds one of these papers fails."""
    return lambda request, number: error if set(papers) & set(request.ids) else None


def one_after_another(errors: Iterable[BaseException | None]) -> Script:
    """The first requests fail like this, all others do not."""
    rest = list(errors)
    return lambda request, number: rest[number] if number < len(rest) else None


class Tally:
    """The port `Pace`: requests start at once."""

    def __init__(self) -> None:
        self.count = 0
        self.failures: list[TransientError] = []

    def start(self) -> None: ...

    def succeeded(self) -> None:
        self.count += 1

    def successes(self) -> int:
        return self.count

    def failed(self, error: TransientError) -> None:
        self.failures.append(error)


class Scripted:
    """The port `PaperSource`, over answers by the text that is asked for."""

    name = "semantic_scholar"

    def __init__(
        self,
        answers: Mapping[str, Answer | None],
        script: Script = all_well,
        *,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        titles: Mapping[str, TitleMatch] | None = None,
        page_size: int = 1_000,
    ) -> None:
        self.answers = answers
        self.script = script
        self.pace = Tally()
        self.asked: list[Request] = []
        self._limits = limits
        self._titles = titles or {}
        self._page_size = page_size

    @property
    def limits(self) -> Limits:
        return self._limits

    @property
    def requests(self) -> int:
        return len(self.asked)

    def fetch(self, ids: Sequence[str], ask: Ask) -> list[Answer | None]:
        self._request(Request(tuple(ids), ask))
        return [as_asked(self.answers.get(text), ask) for text in ids]

    def page(self, paper_id: str, name: ListName, offset: int) -> Page:
        self._request(Request((paper_id,), page=name, offset=offset))
        known = self.answers[paper_id]
        rows = ((known and known.listing(name)) or Listing()).rows
        end = offset + self._page_size
        return Page(Listing(rows[offset:end]), end if end < len(rows) else None)

    def match(self, title: str) -> TitleMatch | None:
        self._request(Request((), title=title))
        return self._titles.get(title)

    def _request(self, request: Request) -> None:
        number = len(self.asked)
        self.asked.append(request)
        error = self.script(request, number)
        if error is None or isinstance(error, PermanentError):
            self.pace.succeeded()
        if isinstance(error, TransientError):
            self.pace.failed(error)
        if error is not None:
            raise error


class Quiet:
    """The port `Progress`; what was told is kept."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def show(self, phase: str, **figures: int) -> None:
        self.said.append(phase)

    def waiting(self, seconds: float, why: str) -> None:
        self.said.append(why)

    def say(self, line: str) -> None:
        self.said.append(line)
