"""`refnet serve`: the HTTP API."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

from refnet.domain.errors import ConfigurationError
from refnet.entrypoints.cli.output import note
from refnet.entrypoints.cli.start import opened
from refnet.entrypoints.exit_codes import DONE

EXAMPLE = "Example: refnet serve --port 8000"
_BACKLOG = 256


def serve(
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen at; 0 takes any that is free.")] = 8000,
) -> None:
    """Serve the HTTP API until the process is asked to end.

    Without a broker it also does the crawls that are asked for. On loopback nobody is asked for a key until one is made
    (refnet keys create); any other address needs keys.
    """
    try:
        _serve(host, port)
    except KeyboardInterrupt:
        # Asked to end before it listened: it ends as well as it would have a moment later.
        raise typer.Exit(DONE) from None


def _serve(host: str, port: int) -> None:
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            f"The server needs the extra 'web' ({error.name} is not installed): pip install 'refnet[web]'"
        ) from error
    from refnet.entrypoints.logs import configure
    from refnet.entrypoints.web.app import create_app
    from refnet.entrypoints.web.routing import Serving
    from refnet.entrypoints.web.security import is_loopback
    from refnet.entrypoints.web.serving import Engine, EngineEnded, Server, config

    app = opened()
    serving = Serving(loopback=is_loopback(host))
    has_keys = app.store.has_keys()
    if not serving.loopback and not has_keys:
        raise ConfigurationError(
            f"At {host} others can reach the server, and no key is made. Make one first (refnet keys create --scope "
            "admin), or leave out --host."
        )
    configure(app.settings, "serve.log")
    listening = _listen(host, port)
    if app.is_cluster:
        app.take_up_left()
    engine = None if app.is_cluster else Engine(serving)
    try:
        if engine is not None:
            engine.start()
        _say(listening, serving.loopback, has_keys=has_keys)
        Server(config(create_app(app, serving), host, port), serving).run(sockets=[listening])
    except EngineEnded as ended:
        raise typer.Exit(ended.code) from None
    finally:
        listening.close()
        if engine is not None:
            engine.end()


def _listen(host: str, port: int) -> socket.socket:
    """Raises ConfigurationError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(_BACKLOG)
        except OSError:
            listening.close()
            raise
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigurationError(f"Nothing can listen at {host}, port {port} ({why}). Choose another.") from error
    return listening


def _say(listening: socket.socket, loopback: bool, *, has_keys: bool) -> None:
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    note(f"Serving at http://{shown}:{port}")
    if loopback and not has_keys:
        note("No key is made: every user and program of this machine may use it. To change that: refnet keys create")
