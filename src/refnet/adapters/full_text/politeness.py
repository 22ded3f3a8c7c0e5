"""How often a host is asked for papers, whoever asks: all processes on a database count together."""

from __future__ import annotations

#: Request starts per second: arXiv asks for one in three seconds, over all machines that one controls (its terms of use for APIs);
#: of others nothing is known.
ARXIV_RATE, USUAL_RATE = 1 / 3, 1.0
_ARXIV = "arxiv.org"


def paced_as(host: str) -> str:
    """The name that the pace of a host is kept under: arXiv's hosts are one."""
    host = host.rstrip(".").lower()
    return _ARXIV if host == _ARXIV or host.endswith(f".{_ARXIV}") else host


def requests_per_second(host: str) -> float:
    return ARXIV_RATE if paced_as(host) == _ARXIV else USUAL_RATE
