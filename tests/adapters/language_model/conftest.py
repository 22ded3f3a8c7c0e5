"""A stand-in model server, and models at it whose connections are closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from refnet.adapters.language_model.providers import LanguageModel
from tests.adapters.language_model.making import PROVIDERS
from tests.model_server import ModelServer

#: Makes a model at a server: provider, and what `making` takes.
Connect = Callable[..., LanguageModel]


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as started:
        yield started


@pytest.fixture
def connect(server: ModelServer) -> Iterator[Connect]:
    with ExitStack() as closing:

        def model(provider: str = "openai", **options: object) -> LanguageModel:
            made = PROVIDERS[provider](server, **options)
            closing.callback(made.client.close)
            return made

        yield model
