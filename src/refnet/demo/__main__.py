"""`python -m refnet.demo`: the stand-in as a process of its own.

Prints one line with its URL once it listens, and ends on SIGINT or SIGTERM.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

from refnet.demo import BUNDLED_CORPUS
from refnet.demo.bundled import demo_corpus, demo_downloads
from refnet.demo.downloads import Downloads
from refnet.demo.graph import Corpus
from refnet.demo.server import StandIn
from refnet.demo.switches import FAULT_KINDS, Switches
from refnet.domain.errors import ConfigurationError

_DEFAULTS = Switches()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop. Exit code 2 where the arguments or the corpus are no good."""
    given = vars(_parser().parse_args(arguments))
    folder, host, port = given.pop("corpus"), given.pop("host"), given.pop("port")
    try:
        if given.pop("pdfs"):
            if folder is not None:
                raise ConfigurationError(
                    "--pdfs are those of the bundled corpus: leave one of --pdfs and --corpus out."
                )
            corpus, downloads = demo_corpus(), demo_downloads()
        else:
            corpus, downloads = Corpus.load(folder or BUNDLED_CORPUS), Downloads()
        stand_in = StandIn(corpus, Switches(**given), host, port, downloads=downloads)
    except (ConfigurationError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    with stand_in:
        print(stand_in.url, flush=True)
        told.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m refnet.demo",
        description="A stand-in for the Semantic Scholar Graph API on loopback.",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "--corpus", default=None, help="folder of papers.jsonl and edges.jsonl (default: the bundled one)"
    )
    parser.add_argument("--pdfs", action="store_true", default=False, help="the invented papers too, with their PDFs")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    for name, kind, text in (
        ("rps", float, "requests per second and key"),
        ("keys", _ids, "accepted keys, separated by commas"),
        ("retry-after", _retry_after, "Retry-After of the limiter's 429: seconds, or `date`"),
        ("max-ids", int, "ids in one batch"),
        ("max-citations", int, "nested citations in one batch"),
        ("max-bytes", int, "length of an answer"),
        ("timeout", float, "seconds until the gateway gives up"),
        ("latency", float, "seconds per request"),
        ("latency-per-row", float, "seconds per row"),
        ("count-drift", int, "how far counts may be off"),
        ("elided", _share_or_ids, "papers with references withheld: a share, or ids separated by commas"),
        ("null-rows", float, "share of rows without id in reference lists"),
        ("missing", _ids, "ids that are listed but not found"),
        ("faults", float, "share of requests that fail"),
        ("kinds", _kinds, f"kinds of fault, of {','.join(FAULT_KINDS)}"),
        ("seed", int, "of everything that is drawn"),
        ("hang-seconds", float, "length of a hang"),
        ("fail-ids", _ids, "ids whose presence fails a request"),
        ("fail-status", int, "500 or 504"),
    ):
        attribute = name.replace("-", "_")
        shown = _shown(getattr(_DEFAULTS, attribute))
        parser.add_argument(f"--{name}", dest=attribute, type=kind, help=f"{text} (default {shown})")
    parser.add_argument("--recorded-counts", action="store_true", help="counts are those of the corpus file")
    parser.add_argument("--no-keyless", dest="keyless", action="store_false", help="no answer without a key")
    return parser


def _ids(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def _kinds(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _share_or_ids(text: str) -> frozenset[str] | float:
    try:
        return float(text)
    except ValueError:
        return _ids(text)


def _retry_after(text: str) -> float | str:
    return text if text == "date" else float(text)


def _shown(default: Any) -> str:
    if isinstance(default, tuple):
        return "all"
    return "none" if default is None or default == frozenset() else str(default)


if __name__ == "__main__":
    raise SystemExit(main())
