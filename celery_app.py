"""`celery -A celery_app …`, from this folder and in the container; elsewhere it is `celery -A refnet …`."""

from refnet.celery import app

__all__ = ["app"]
