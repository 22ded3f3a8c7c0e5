"""Run the measurements, all or those named, and print their tables as Markdown.

    python benchmarks/run.py                     # all, an hour or more
    python benchmarks/run.py startup notes       # these two
    python benchmarks/run.py startup --write     # … and put their tables into docs/explanation

Each runs in a process of its own; `python benchmarks/NAME.py --help` tells what can be set.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs" / "explanation"
_OF_CRAWLS = ("startup", "requests", "storage", "memory", "notes", "transport", "results", "cluster", "api_load")
#: Each with the page that shows its tables.
MEASUREMENTS = {
    **dict.fromkeys(_OF_CRAWLS, "figures.md"),
    "pdf_reading": "reading-pdfs.md",
    "sections": "reading-pdfs.md",
    "summaries": "summaries.md",
}


def measure(name: str) -> str | None:
    """What a measurement prints, None if it failed."""
    done = subprocess.run([sys.executable, str(HERE / f"{name}.py")], stdout=subprocess.PIPE, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def circumstances() -> str:
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs."
    )


def put(text: str, name: str, tables: str) -> str:
    """The page with the tables of one measurement replaced. Raises ValueError where its markers are not there."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise ValueError(f"the page needs {begin} and {end}, once each")
    return pattern.sub(lambda _: f"{begin}\n{tables}\n{end}", text)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", nargs="*", metavar="NAME", help=", ".join(MEASUREMENTS))
    parser.add_argument("--write", action="store_true", help="put the tables into their pages, too")
    given = parser.parse_args()
    if unknown := [name for name in given.name if name not in MEASUREMENTS]:
        parser.error(f"no such measurement: {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}")
    failed = []
    for name in given.name or MEASUREMENTS:
        found = measure(name)
        if found is None:
            failed.append(name)
            continue
        tables = f"{found}\n\n{circumstances()}"
        print(f"## {name}\n\n{tables}\n", flush=True)
        if given.write:
            # Read each time: another measurement may have been written meanwhile.
            page = DOCS / MEASUREMENTS[name]
            page.write_text(put(page.read_text("utf-8"), name, tables), "utf-8")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
