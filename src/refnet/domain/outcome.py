"""What an answer leaves to be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from refnet.domain.crawl import FLAGS, Ask, Limits, needs
from refnet.domain.papers import Answer, ListName, ListState, Page, is_short, state_of


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one answer amounts to: the state of each list that may be stored, and what the job has left to ask."""

    states: Mapping[ListName, ListState]
    remaining: Ask


def overflowed(answers: list[Answer | None], limits: Limits) -> bool:
    """Whether a batch reached the source's silent cap on the citations of all its papers together."""
    total = sum(len(answer.citations.rows) for answer in answers if answer and answer.citations)
    return len(answers) > 1 and total > limits.citations


def of_answer(answer: Answer, job: Ask, wave: Ask, *, capped: bool, limits: Limits) -> Outcome:
    """Hold the lists of an answer against its counts.

    `job` is what the job asks, `wave` what its request asked. Where the request was `capped`, citations that came
    short are asked for once more in another batch before they are believed to be. Those of a hub that was not known
    for one are left to pages: how many of them are followed must not hang on how they were first asked for.
    """
    states: dict[ListName, ListState] = {}
    again = Ask.NOTHING
    for name, (nested, _) in FLAGS.items():
        listing = answer.listing(name)
        if nested not in wave or listing is None:
            continue
        if name is ListName.CITATIONS:
            count = answer.citation_count or 0
            if count > limits.hub:
                again |= Ask.PAGE_CITATIONS
                continue
            if capped and len(listing.rows) < count and Ask.ASKED_AGAIN not in job:
                again |= Ask.CITATIONS | Ask.ASKED_AGAIN
                continue
        states[name] = state_of(listing, answer.count(name))
    remaining = needs(
        job & (Ask.DETAILS | Ask.REFERENCES | Ask.CITATIONS | Ask.EXPAND),
        fetched=Ask.DETAILS in wave,
        references=_known(ListName.REFERENCES, states, wave),
        citations=_known(ListName.CITATIONS, states, wave),
        citation_count=answer.citation_count,
        hub=limits.hub,
    )
    # Pages that were due before this request still are.
    remaining |= job.pages | again
    return Outcome(states, remaining | (job & Ask.EXPAND) if remaining.open else Ask.NOTHING)


def _known(name: ListName, states: Mapping[ListName, ListState], wave: Ask) -> ListState | None:
    if name in states:
        return states[name]
    # Asked for and yet not given, or not believed: what follows of that is no matter of what is held.
    return ListState.WITHHELD if FLAGS[name][0] in wave else None


def of_page(
    page: Page, name: ListName, job: Ask, *, have: int, count: int | None, limits: Limits
) -> tuple[ListState | None, Ask, int]:
    """After a page: the list's state once it is finished, what the job has left to ask, and where the next page
    begins.

    `have` counts the entries held after this page. Of a hub the newest are enough.
    """
    rest = job & ~FLAGS[name][1]
    after = rest if rest.open else Ask.NOTHING
    if page.listing.withheld:
        return ListState.WITHHELD, after, 0
    is_hub = name is ListName.CITATIONS and (count or 0) > limits.hub
    # By the place in the list, not by what is held: rows may be of no use, or known from elsewhere.
    if is_hub and (page.next_offset is None or page.next_offset >= limits.newest):
        return (ListState.NEWEST if is_short(have, count) else ListState.COMPLETE), after, 0
    if page.next_offset is not None:
        return None, job, page.next_offset if job.next_list is name else 0
    return (ListState.SHORT if is_short(have, count) else ListState.COMPLETE), after, 0
