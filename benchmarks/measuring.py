"""What the measurements share: Markdown tables, child processes, an application on a database of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from refnet.bootstrap import Application, build
from refnet.settings import load_settings

HERE = Path(__file__).parent
ROOT = HERE.parent
#: Request starts per second of crawls whose pace is not what is measured.
FAST = 1_000


class Silent:
    """Progress that nobody watches."""

    def show(self, phase: str, **figures: int) -> None: ...

    def waiting(self, seconds: float, why: str) -> None: ...

    def say(self, line: str) -> None: ...


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; the first column is text, the others are figures."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def note(text: str) -> None:
    """Tell whoever watches what is being done; standard output is for tables."""
    print(text, file=sys.stderr, flush=True)


def open_application(database: str, source_url: str = "http://127.0.0.1:9/graph/v1") -> Application:
    """refnet as the command line builds it, on this database and source, with nothing of the user's environment."""
    for name in list(os.environ):
        if name.startswith(("REFNET_", "SEMANTIC_SCHOLAR_", "DATABASE_URL", "CELERY_", "OUTPUT_DIR")):
            del os.environ[name]
    os.environ |= {
        "DATABASE_URL": database,
        "SEMANTIC_SCHOLAR_URL": source_url,
        "SEMANTIC_SCHOLAR_RPS": str(FAST),
        "SEMANTIC_SCHOLAR_API_KEY": "of-no-use",
        "REFNET_DATA_DIR": tempfile.gettempdir(),
    }
    settings = load_settings()
    assert settings.source_url.startswith("http://127.0.0.1:"), "measurements stay on this machine"
    return build(settings)


@contextmanager
def synthetic_stand_in(kind: str, seeds: int) -> Iterator[tuple[str, list[str]]]:
    """A process that serves a synthetic graph; yields its URL and seeds of crawls. Its memory is not ours."""
    command = [sys.executable, str(HERE / "synthetic.py"), "--kind", kind, "--serve", "--seeds", str(seeds)]
    with _process(command) as lines:
        found: list[str] = []
        for line in lines:
            if seed := re.match(r"  seed ([0-9a-f]{40}):", line):
                found.append(seed[1])
            if line.startswith("http://"):
                yield line.strip(), found
                return
    raise RuntimeError("the stand-in did not start")


@contextmanager
def corpus_stand_in(corpus: Path, *options: str) -> Iterator[str]:
    """A process that serves the corpus in a folder; yields its URL."""
    with _process([sys.executable, "-m", "refnet.demo", "--corpus", str(corpus), *options]) as lines:
        yield next(lines).strip()


@contextmanager
def _process(command: Sequence[str]) -> Iterator[Iterator[str]]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    assert process.stdout is not None
    try:
        yield iter(process.stdout)
    finally:
        process.terminate()
        process.stdout.close()
        process.wait()
