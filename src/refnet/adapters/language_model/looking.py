"""Whether a model's server answers, takes the key and knows the model: asked by requests that cost nothing.

OpenAI's and Anthropic's interfaces have a list of models (`GET …/models`), and of each what it is (`GET …/models/NAME`);
servers of others have the first, or neither. Sources: platform.openai.com/docs/api-reference/models,
platform.claude.com/docs/en/api/models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any
from urllib.parse import quote

import httpx2

from refnet.adapters.language_model.asking import FormRefused, GaveUp, TooLong
from refnet.adapters.language_model.refusals import Server, parsed, status_error
from refnet.domain import inert
from refnet.domain.errors import ConfigurationError, RateLimited, RefnetError, SourceUnavailable
from refnet.domain.redaction import redactor

#: Seconds of silence after which a server counts as away. Nobody writes a summary meanwhile.
SECONDS = 10.0
#: What a server answers that lacks a list, or does not look up one model.
_NO_ROUTE = (404, 405, 501)
#: Models that are named where the one asked for is not known, and of how many and of what length they are chosen.
_NAMED, _LOOKED_AT, _LONGEST_NAME, _MOST_OF_A_NAME = 3, 1_000, 80, 1_000

#: Gets what stands at a path, with whatever status; raises what `refusals.connection_error` makes.
Get = Callable[[str], httpx2.Response]


def look_up(get: Get, server: Server) -> str:
    """A sentence on what the server says: that it knows the model, or that it does not tell.

    Raises ConfigurationError, SourceUnavailable or RateLimited, with the cure, where it is away, refuses the key, is no
    server of models, or does not know this one.
    """
    listed = _got(get, "models", server)
    if listed.status_code in _NO_ROUTE:
        where = (
            f"; where summaries fail check {server.url_setting}, which often ends in /v1" if server.url_setting else ""
        )
        return (
            f"{server.place} answers, but has no list of models ({listed.status_code}), so that neither the key nor the "
            f"name {server.model} was tried{where}"
        )
    if _may_not_list(listed):
        return (
            f"{server.place} takes the key, which may not list models: whether it may use {server.model} was not tried"
        )
    if listed.status_code != 200:
        raise _refused(listed, server)
    models = _models(listed, server)
    if any(_same(name, server.model) for name in models):
        return f"{server.place} knows {server.model}{_and_the_key(server)}"
    return _look_up_one(get, server, models)


def look_at_key(get: Get, server: Server) -> None:
    """Ask once, for the list of models, to see whether the server takes the key.

    Raises KeyNotTaken. Where the server is away, has no list, or anything else is the matter, nothing is known of the key,
    and nothing is raised.
    """
    try:
        listed = get("models")
    except RefnetError:
        return
    if listed.status_code in (401, 403) and not _may_not_list(listed):
        raise status_error(listed, server)


def _may_not_list(listed: httpx2.Response) -> bool:
    """A key of OpenAI's may be allowed to write, and not to look up what there is."""
    return listed.status_code in (401, 403) and "api.model.read" in listed.text


def _look_up_one(get: Get, server: Server, models: Mapping[str, Any]) -> str:
    """For a model that is not listed: it may be another name of one that is, or the list may go on."""
    alone = _got(get, f"models/{quote(server.model, safe='')}", server)
    if alone.status_code == 200:
        return f"{server.place} knows {server.model}{_and_the_key(server)}"
    if alone.status_code not in (*_NO_ROUTE, 400):
        raise _refused(alone, server)
    # llama.cpp's server has the one model that it was started with, whatever name it is asked for.
    if list(models.values()) == ["llamacpp"]:
        return (
            f"{server.place} answers; it has one model, {_shown(models, server)}, and takes {server.model} for its name"
        )
    named = f"it has {_shown(models, server)}" if models else "it has none"
    raise ConfigurationError(
        f"{server.place} knows no model {server.model}; {named}. Check REFNET_LLM_MODEL, or load the model there."
    )


def _got(get: Get, path: str, server: Server) -> httpx2.Response:
    try:
        return get(path)
    except SourceUnavailable as error:
        cure = "Check this machine's network and proxy"
        if server.url_setting:
            cure = f"Start the server, or check {server.url_setting} and this machine's network and proxy"
        raise SourceUnavailable(f"{error} {cure}.", reached=error.reached) from error
    except GaveUp as error:
        raise _of_clause(error, server) from error


def _refused(response: httpx2.Response, server: Server) -> RefnetError:
    """The error for an answer that is no 200, with its cure."""
    error = status_error(response, server)
    if isinstance(error, (GaveUp, TooLong, FormRefused)):
        return _of_clause(error, server)
    if isinstance(error, RateLimited):
        return RateLimited(f"{error} Wait a minute, then look again.", retry_after=error.retry_after)
    if isinstance(error, SourceUnavailable):
        return SourceUnavailable(f"{error} Look again later, and see what the server itself says of it.")
    return error


def _of_clause(error: RefnetError, server: Server) -> ConfigurationError:
    """A reason that is otherwise a part of a note's sentence, as a sentence of its own."""
    said = str(error)
    where = f" and {server.url_setting}" if server.url_setting else ""
    return ConfigurationError(f"{said[:1].upper()}{said[1:]}. Check {server.key_setting}{where}.")


def _models(response: httpx2.Response, server: Server) -> dict[str, Any]:
    """Who owns each model, by its name. Raises ConfigurationError for what is no list of models."""
    try:
        body = parsed(response, server)
    except SourceUnavailable:
        body = {}
    data = body.get("data", "")
    # Ollama's, while it has no model.
    data = [] if data is None else data
    if not isinstance(data, list):
        where = server.url_setting or "this machine's network and proxy"
        raise ConfigurationError(f"{server.place} gave no list of models, but something else. Check {where}.")
    return {
        entry["id"]: entry.get("owned_by")
        for entry in data
        if isinstance(entry, Mapping) and isinstance(entry.get("id"), str)
    }


def _same(listed: str, model: str) -> bool:
    """Gemini lists `models/NAME` and takes NAME, Ollama `NAME:latest`."""
    return model in (listed, listed.removeprefix("models/"), listed.removesuffix(":latest"))


def _and_the_key(server: Server) -> str:
    # Some have a list for everybody, whatever the key.
    return " and does not refuse the key" if server.key else ""


def _shown(models: Mapping[str, Any], server: Server) -> str:
    """Some names, those most like the one asked for. They are the server's words, so they may be anything."""
    hidden = redactor([server.key] if server.key else [])
    # What is invisible goes first, and the cut is last: it might part a key so that it is not known for one.
    names = [
        hidden(inert.clean(name))[:_LONGEST_NAME] for name in list(models)[:_LOOKED_AT] if len(name) <= _MOST_OF_A_NAME
    ]
    named = get_close_matches(server.model, names, _NAMED, 0.3) or names[:_NAMED]
    more = len(models) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more else "")
