"""A stand-in for the Semantic Scholar Graph API on loopback, and the bundled corpus that `refnet demo` maps.

Standard library only, so that it runs in the plain install. `server.StandIn` is the server, `graph.Corpus`
what it serves, `switches.Switches` how it misbehaves.
"""

from __future__ import annotations

from pathlib import Path

BUNDLED_CORPUS = Path(__file__).parent / "corpus"
"""Folder of the corpus that comes with refnet."""
