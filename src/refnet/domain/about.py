"""What the present work is about, for whoever writes it down: ids of requests, crawls, tasks, papers, jobs and claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_ids: ContextVar[Mapping[str, str]] = ContextVar("refnet_ids", default={})  # noqa: B039 - never changed in place


def ids() -> Mapping[str, str]:
    """The ids of what this thread is at, by kind: `request`, `crawl`, `task_id`, `paper`, `job`, `jobs`, `claim`."""
    return _ids.get()


@contextmanager
def about(**more: object) -> Iterator[None]:
    """Let lines of the log name these, too, as long as the context lasts; None is nothing to name."""
    token = _ids.set({**_ids.get(), **{kind: str(one) for kind, one in more.items() if one is not None}})
    try:
        yield
    finally:
        _ids.reset(token)


def now_about(**all_: object) -> None:
    """Let lines of the log name these and nothing else from now on; for work whose end nobody tells."""
    _ids.set({kind: str(one) for kind, one in all_.items() if one is not None})


def also_about(**more: object) -> None:
    """Let lines of the log name these, too, until `now_about` says otherwise, or the context around ends."""
    _ids.set({**_ids.get(), **{kind: str(one) for kind, one in more.items() if one is not None}})
