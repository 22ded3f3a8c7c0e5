"""Celery as the queue of a cluster, mended where it loses, drops or disorders messages."""
