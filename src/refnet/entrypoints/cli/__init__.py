"""The command line: parse, call, print. Nothing heavy is imported until a command runs."""

from __future__ import annotations

from refnet.entrypoints.cli.main import main

__all__ = ["main"]
