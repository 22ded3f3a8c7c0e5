"""The composition root of reading papers: from settings to what finds, reads and summarises them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from typing import TYPE_CHECKING

from refnet.adapters.abstracts import AbstractSummarizer
from refnet.domain.extractive import ExtractiveSummarizer
from refnet.pipeline.full_texts import FullTexts
from refnet.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from refnet.adapters.full_text.cache import PdfCache
    from refnet.adapters.full_text.finder import OpenPdfs
    from refnet.adapters.language_model.providers import LanguageModel
    from refnet.ports import DocumentSummarizer, Pace

#: Seconds that a command waits for its turn with a host; what takes longer is passed over, and tried again at the end.
TURN = 60.0
#: Request starts per second to the operator's own hosts.
OWN_RATE = 50.0


@contextmanager
def open_full_texts(
    settings: Settings,
    engine: Engine,
    *,
    model: str | None = None,
    longest: float = TURN,
    waiting: Callable[[float], None] | None = None,
    say: Callable[[str], None] = lambda _: None,
    waits: bool = False,
) -> Iterator[FullTexts]:
    """What reads papers, closed at the end. Nothing is connected before it is used.

    `model` is taken in place of the settings' own. A turn with a host that takes more than `longest` seconds is not waited
    for; `waiting` is told of each wait, `say` of what the user has to know. `waits`: somebody comes again with a paper for
    which a model had no answer.

    Raises ConfigurationError for a model that cannot be used.
    """
    from refnet.adapters.pdf.reader import BoundedPdfReader

    record = AbstractSummarizer()
    offline = ExtractiveSummarizer(record.summarize)
    with closing(BoundedPdfReader()) as reader:
        finder = _finder(settings, engine, longest, waiting)
        chosen = language_model(settings, model)
        if chosen is None:
            if model_key(settings):
                say(f"{model_key(settings)} is set, but no model is asked: REFNET_LLM_MODEL turns it on.")
            yield FullTexts(finder, reader, offline, offline, record)
            return
        if (warning := chosen.warning()) is not None:
            say(warning)
        with closing(chosen.client):
            yield FullTexts(finder, reader, _by_model(settings, engine, chosen, offline, waits=waits), offline, record)


def language_model(
    settings: Settings, model: str | None = None, *, timeout: float | None = None
) -> LanguageModel | None:
    """The model that is turned on, or `model`; None where none is. `timeout` is the longest silence of its server in seconds,
    None for as long as models write. Raises ConfigurationError for one that cannot be used.
    """
    name = model or settings.llm_model
    if name is None:
        return None
    from refnet.adapters.language_model.providers import TIMEOUT
    from refnet.adapters.language_model.providers import language_model as provided

    return provided(
        name,
        openai_key=_clear(settings.openai_key),
        openai_url=settings.openai_url,
        anthropic_key=_clear(settings.anthropic_key),
        timeout=TIMEOUT if timeout is None else timeout,
    )


def look_at_model_key(settings: Settings, model: str | None = None) -> None:
    """Ask the server of the model that is turned on, or of `model`, once whether it takes the key; nothing where none is.

    Raises ConfigurationError for a key that it refuses, and for a model that cannot be used. A server that is away stops
    nothing: summaries are then made offline.
    """
    from refnet.adapters.language_model.looking import SECONDS

    if (chosen := language_model(settings, model, timeout=SECONDS)) is not None:
        with closing(chosen.client):
            chosen.client.look_at_key()


def model_key(settings: Settings) -> str | None:
    """The variable of a key for a language model, where there is one."""
    named: Mapping[str, object] = {"OPENAI_API_KEY": settings.openai_key, "ANTHROPIC_API_KEY": settings.anthropic_key}
    return next((name for name, key in named.items() if key is not None), None)


def pdf_cache(settings: Settings) -> PdfCache:
    from refnet.adapters.full_text.cache import PdfCache

    return PdfCache(settings.data_dir / "pdfs", settings.pdf_cache_mb * 1_000_000)


def _by_model(
    settings: Settings, engine: Engine, model: LanguageModel, offline: DocumentSummarizer, *, waits: bool
) -> DocumentSummarizer:
    from refnet.adapters.database.spending import Spending
    from refnet.adapters.language_model.summarizer import ModelSummarizer

    return ModelSummarizer(model, Spending(engine, settings.spend_cap), offline, waits=waits)


def _finder(settings: Settings, engine: Engine, longest: float, waiting: Callable[[float], None] | None) -> OpenPdfs:
    from refnet.adapters.database.downloads import DownloadTable
    from refnet.adapters.database.pace import DatabasePace
    from refnet.adapters.full_text.download import Downloader
    from refnet.adapters.full_text.finder import OpenPdfs
    from refnet.adapters.full_text.places import usual_places
    from refnet.adapters.full_text.politeness import requests_per_second
    from refnet.adapters.full_text.public_addresses import allow_list

    private = allow_list(settings.allow_private_hosts)
    own = {place.rpartition(":")[0] for place in private}

    @cache
    def pace(host: str) -> Pace:
        rate = OWN_RATE if host in own else requests_per_second(host)
        return DatabasePace(engine, host, rate, longest=longest, waiting=waiting)

    downloader = Downloader(
        pace,
        private=private,
        private_only=settings.private_hosts_only,
        contact=settings.contact,
    )
    return OpenPdfs(usual_places(settings.arxiv_url), downloader, pdf_cache(settings), DownloadTable(engine))


def _clear(secret: object) -> str | None:
    from pydantic import SecretStr

    return secret.get_secret_value() if isinstance(secret, SecretStr) else None
