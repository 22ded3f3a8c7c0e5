"""`refnet dead`: jobs that were given up, and messages that no worker could run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from refnet.domain.dead_messages import DeadMessage, shown
from refnet.domain.errors import BrokerUnavailable, ConfigurationError
from refnet.domain.jobs import DeadLetter, Stage
from refnet.domain.workers import TASKS
from refnet.entrypoints.cli.output import count, iso, minute, note, print_json, say
from refnet.entrypoints.cli.start import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from refnet.adapters.database.store import Store
    from refnet.bootstrap import Application
    from refnet.pipeline.dead_letters import SentAgain

app = typer.Typer(
    help="Dead letters: jobs that were given up, and messages that no worker could run.",
    epilog="Example: refnet dead list",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
#: Characters of a column whose content comes from outside.
_WIDEST = 45
_NO_BROKER = "it is a message, and CELERY_BROKER_URL is not set, so there is no broker to send it to"


@app.command("list", epilog="Example: refnet dead list --json")
def list_dead(as_json: AsJson = False) -> None:
    """List them, the oldest first."""
    letters = _all(opened().store)
    if as_json:
        print_json([_document(letter) for letter in letters])
        return
    if not letters:
        say("No dead letters.")
    rows = [(str(letter.id), *_columns(letter)) for letter in letters]
    widths = [max(len(row[column]) for row in rows) for column in range(3)] if rows else []
    for letter, (identity, what, which) in zip(letters, rows, strict=True):
        start = f"{identity:>{widths[0]}}  {minute(letter.at)}  {what:<{widths[1]}}  {which:<{widths[2]}}"
        say(f"{start}  {letter.reason}{_times(letter)}", indent=widths[0] + 2)


@app.command(epilog="Example: refnet dead show 17")
def show(identity: Annotated[int, typer.Argument(metavar="ID")], as_json: AsJson = False) -> None:
    """Show one with its reason and traceback; of a message, also its headers and where its body begins."""
    store = opened().store
    job = next((letter for letter in store.dead_letters() if letter.id == identity), None)
    if job is not None:
        _show_job(job, as_json=as_json)
    elif (message := store.dead_message(identity)) is not None:
        _show_message(message, as_json=as_json)
    else:
        raise _unknown([identity])


def _show_job(letter: DeadLetter, *, as_json: bool) -> None:
    if as_json:
        print_json({**_document(letter), "traceback": letter.traceback})
        return
    say(
        f"{letter.stage} of {letter.paper_id}, given up {minute(letter.at)} after {letter.attempts} attempts:\n{letter.reason}"
    )
    if letter.traceback:
        say(letter.traceback)


def _show_message(message: DeadMessage, *, as_json: bool) -> None:
    headers, body = _content(message)
    if as_json:
        more = {"queue": message.queue, "times": message.times, "traceback": message.traceback}
        # Through text: what kombu has words for in JSON is more than JSON itself.
        plain = json.loads(json.dumps(headers, default=str))
        print_json({**_document(message), **more, "headers": plain, "body": body})
        return
    name = f" for the task {message.task}" if message.task else ""
    say(f"Message{name} in {message.queue}, refused {minute(message.at)}{_times(message)}:\n{message.reason}")
    if message.traceback:
        say(message.traceback)
    for key, value in headers.items():
        say(f"{shown(str(key))}: {shown(json.dumps(value, default=str, ensure_ascii=False))[:500]}")
    if body:
        say("Its body begins:")
        for line in body.split("\n"):
            say(shown(line))
    elif message.message is None:
        say("Its content was not kept.")


@app.command(epilog="Example: refnet dead retry --all")
def retry(
    identities: Annotated[list[int] | None, typer.Argument(metavar="ID…", show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Queue jobs again, and send messages again as they were.

    The next `refnet map` of their crawl takes the jobs up; on a cluster the workers do, up to the notes. A message that
    is bad in itself is refused again.
    """
    if everything == bool(identities):
        raise ConfigurationError("Name the dead letters to retry by their ids, or give --all.")
    application = opened()
    store = application.store
    if not everything:
        _check(store, identities or [])
    chosen = [letter for letter in _all(store) if everything or letter.id in (identities or [])]
    # The messages first: where the broker is away, nothing is changed.
    messages = [letter for letter in chosen if isinstance(letter, DeadMessage)]
    tried = _send_again(application, messages, picky=not everything)
    jobs = [letter for letter in chosen if isinstance(letter, DeadLetter)]
    found = _settle(application, jobs, store.retry_dead)
    if tried.left and not (everything or found or tried.ids):
        raise _unsendable(tried.left)
    if as_json:
        left = [{"id": identity, "why": why} for identity, why in sorted(tried.left.items())]
        print_json({"queued_again": sorted([*found, *tried.ids]), "not_sent": left})
    else:
        more = f" {count(len(tried.ids), 'message')} sent again." if tried.ids else ""
        say(f"{len(found)} queued again.{more}")
    for identity, why in sorted(tried.left.items()):
        note(f"Dead letter {identity} cannot be sent again and stays: {_sentence(why)}")
    if tried.left:
        raise typer.Exit(1)


@app.command(epilog="Example: refnet dead purge 17 18")
def purge(identities: Annotated[list[int], typer.Argument(metavar="ID…")], as_json: AsJson = False) -> None:
    """Forget them, also in the broker's queue of dead letters."""
    application = opened()
    store = application.store
    _check(store, identities)
    jobs = [letter for letter in store.dead_letters() if letter.id in identities]
    messages = store.purge_dead_messages(identities)
    found = sorted([*_settle(application, jobs, store.purge_dead), *(message.id for message in messages)])
    if messages:
        _remove_from_broker(application, messages)
    if as_json:
        print_json({"purged": found})
    else:
        say(f"{len(found)} purged.")


def _all(store: Store) -> list[DeadLetter | DeadMessage]:
    """The oldest first: both have their ids from one sequence."""
    return sorted([*store.dead_letters(), *store.dead_messages()], key=lambda letter: letter.id)


def _check(store: Store, identities: list[int]) -> None:
    """Raises ConfigurationError before anything is changed."""
    absent = sorted(set(identities) - {letter.id for letter in _all(store)})
    if absent:
        raise _unknown(absent)


def _send_again(application: Application, messages: Sequence[DeadMessage], *, picky: bool) -> SentAgain:
    """Where `picky`, raises ConfigurationError before anything is sent if it is known that some cannot be."""
    from refnet.pipeline.dead_letters import SentAgain, cannot_be_sent, send_again

    reasons = {message.id: cannot_be_sent(message) for message in messages}
    if not application.is_cluster:
        reasons = {identity: why or _NO_BROKER for identity, why in reasons.items()}
    left = {identity: why for identity, why in reasons.items() if why is not None}
    if picky and left:
        raise _unsendable(left)
    sendable = [message for message in messages if message.id not in left]
    if not sendable:
        return SentAgain([], left)
    with application.cluster() as cluster:
        tried = send_again(cluster.store, cluster.dead_letters, sendable)
    return SentAgain(tried.ids, {**left, **tried.left})


def _settle(
    application: Application, jobs: Sequence[DeadLetter], settle: Callable[[list[int]], list[int]]
) -> list[int]:
    """Retry or purge jobs; the ids of those that there were."""
    from refnet.pipeline.dead_letters import settle_jobs

    if not (jobs and application.is_cluster):
        return settle([job.id for job in jobs]) if jobs else []
    with application.cluster() as cluster:
        settled, why = settle_jobs(cluster.store, cluster.dead_letters, jobs, settle)
    if why is not None:
        note(f"{why} In the broker's queue dlq the messages of these jobs stay; they do not become dead letters again.")
    return settled


def _unsendable(left: Mapping[int, str]) -> ConfigurationError:
    first = min(left)
    return ConfigurationError(
        f"Dead letter {first} cannot be sent again: {_sentence(left[first])} Nothing was changed."
    )


def _sentence(why: str) -> str:
    return f"{why.rstrip('.')}."


def _remove_from_broker(application: Application, messages: Sequence[DeadMessage]) -> None:
    why = "CELERY_BROKER_URL is not set."
    if application.is_cluster:
        try:
            with application.cluster() as cluster:
                cluster.dead_letters.remove([message.digest for message in messages])
        except BrokerUnavailable as error:
            why = str(error)
        else:
            return
    note(f"{why} In the broker's queue dlq the messages stay; they do not become dead letters again.")


def _content(message: DeadMessage) -> tuple[dict[str, Any], str]:
    if message.message is None:
        return {}, ""
    from refnet.adapters.celery_queue.envelopes import beginning

    return beginning(message.message)


def _unknown(identities: list[int]) -> ConfigurationError:
    return ConfigurationError(f"No dead letter has the id {', '.join(map(str, identities))}. See: refnet dead list")


def _columns(letter: DeadLetter | DeadMessage) -> tuple[str, str]:
    """What it is, and which."""
    if isinstance(letter, DeadLetter):
        what, which = letter.stage, shown(letter.paper_id)
    else:
        what, which = "message", letter.task or letter.queue
    return what, which if len(which) <= _WIDEST else which[: _WIDEST - 1] + "…"


def _times(letter: DeadLetter | DeadMessage) -> str:
    return f" ({letter.times} times)" if isinstance(letter, DeadMessage) and letter.times > 1 else ""


def _document(letter: DeadLetter | DeadMessage) -> dict[str, Any]:
    task: str | None
    if isinstance(letter, DeadLetter):
        task, stage, paper_id, attempts = TASKS[Stage(letter.stage)], letter.stage, letter.paper_id, letter.attempts
    else:
        task, stage, paper_id, attempts = letter.task, None, None, None
    return {
        "id": letter.id,
        "task": task,
        "stage": stage,
        "paper_id": paper_id,
        "reason": letter.reason,
        "attempts": attempts,
        "at": iso(letter.at),
    }
