"""The composition root: from settings to what entrypoints work with."""

from refnet.bootstrap.application import Application, build

__all__ = ["Application", "build"]
