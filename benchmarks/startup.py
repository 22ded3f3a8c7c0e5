"""CPU seconds of `refnet --help`, beside those of Python doing nothing.

python benchmarks/startup.py [--runs 7]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from statistics import median

from measuring import note, table

GOAL = 0.3
SHOWN = 12


def cpu_seconds(command: Sequence[str]) -> float:
    """Of one run of a command that must succeed, its children's included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def heaviest_imports(command: Sequence[str]) -> list[tuple[str, float]]:
    """The modules that a command imports, with the seconds that each takes with what it imports, the slowest first."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command[1:]], check=True, capture_output=True, text=True, env=os.environ
    )
    found = []
    for line in done.stderr.splitlines():
        parts = line.removeprefix("import time:").split("|")
        if len(parts) == 3 and parts[1].strip().isdigit():
            found.append((parts[2].strip(), int(parts[1]) / 1e6))
    return sorted(found, key=lambda pair: -pair[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=7)
    given = parser.parse_args()
    help_command = [sys.executable, "-m", "refnet", "--help"]
    commands = {
        "`python -c pass`": [sys.executable, "-c", "pass"],
        "`refnet --help`": help_command,
        "`refnet map --help`": [sys.executable, "-m", "refnet", "map", "--help"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for name, command in commands.items():
        cpu_seconds(command)  # fills the caches, and writes bytecode
        note(f"{name} runs")
    for _ in range(given.runs):
        for name, command in commands.items():
            times[name].append(cpu_seconds(command))
    rows = [
        (name, f"{median(taken):.3f}", f"{min(taken):.3f}–{max(taken):.3f}", f"< {GOAL}" if "-c" not in name else "")
        for name, taken in times.items()
    ]
    print(table(("command", "CPU, s (median)", "range", "goal"), rows))
    print(f"\nMedians of {given.runs} runs, taking turns.")
    if median(times["`refnet --help`"]) >= GOAL:
        print("\nThe slowest imports, with what they import:\n")
        print(table(("module", "s"), [(n, f"{s:.3f}") for n, s in heaviest_imports(help_command)[:SHOWN]]))


if __name__ == "__main__":
    main()
