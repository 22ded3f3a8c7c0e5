"""What each process of a worker has of its own: connections must not be shared with the one it was forked from."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from billiard.common import terminate_handler_fired
from celery.exceptions import SoftTimeLimitExceeded

if TYPE_CHECKING:
    from refnet.bootstrap.cluster import Cluster
    from refnet.pipeline.cluster import ClusterWorker


def cluster() -> Cluster:
    """The cluster as this process is connected to it."""
    return _cluster(os.getpid())


def worker() -> ClusterWorker:
    """What this process does its work with."""
    return _worker(os.getpid())


@cache
def _cluster(pid: int) -> Cluster:
    from refnet.bootstrap.cluster import open_cluster
    from refnet.entrypoints.celery.application import app
    from refnet.settings import load_settings

    del pid
    return open_cluster(load_settings(), app)


@cache
def _worker(pid: int) -> ClusterWorker:
    del pid
    return cluster().worker((SoftTimeLimitExceeded,), terminate_handler_fired)
