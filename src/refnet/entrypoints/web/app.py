"""The application: its routes, what stands before them, and its OpenAPI document."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute

from refnet import __version__
from refnet.bootstrap import Application
from refnet.domain.permissions import Scope
from refnet.entrypoints.web import crawls, events, health, jobs, login, papers, problems
from refnet.entrypoints.web.figures import Figures
from refnet.entrypoints.web.gate import FAILURES_RATE, MOST_FAILURES, Gate
from refnet.entrypoints.web.key_ring import KeyRing
from refnet.entrypoints.web.limits import Buckets
from refnet.entrypoints.web.proxies import Proxies
from refnet.entrypoints.web.routing import COMMON, Serving, needs, offers
from refnet.entrypoints.web.security import SCHEMES, declared, open_paths

_ABOUT = """Crawls of the literature around papers, what they have found, and how the work stands.

Pages are `{"items": […], "next_cursor"}`. Errors are RFC 9457 problem details. A key is sent as
`Authorization: Bearer …`; each operation says which scope it needs."""
_TAGS = [
    {"name": "crawls", "description": "Ask for a crawl, follow it, stop it."},
    {"name": "papers", "description": "What was collected."},
    {"name": "jobs", "description": "How the work stands, and what was given up."},
    {"name": "health", "description": "For whatever watches the server."},
    {"name": "login", "description": "For browsers."},
    {"name": "operation", "description": "For Prometheus."},
    {"name": "about", "description": "This document."},
]


def create_app(application: Application, serving: Serving | None = None) -> FastAPI:
    """The application over a database; `serving` is what it knows of its process."""
    serving = serving or Serving()
    app = FastAPI(
        title="refnet",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # They would lead to the name and the scheme that the asker gave.
        redirect_slashes=False,
    )
    routes = [
        route
        for router in (*_ROUTERS, _about, *_metrics(application))
        for route in router.routes
        if isinstance(route, APIRoute)
    ]
    # Each has its whole path and what it depends on already: FastAPI keeps included routers apart, and says nothing of
    # what is in them.
    app.router.routes.extend(routes)
    keys = KeyRing(application.store)
    rate = application.settings.api_rps
    requests, failures = Buckets(rate, max(1.0, 2 * rate)), Buckets(FAILURES_RATE, MOST_FAILURES)
    app.state.application = application
    app.state.serving = serving
    app.state.keys = keys
    app.state.look = health.Look()
    app.state.figures = Figures()
    app.state.streams = events.Streams()
    app.state.plain_routes = routes
    problems.install(app)
    app.state.requests, app.state.failures = requests, failures
    app.add_middleware(
        Gate,
        keys=keys,
        open_paths=open_paths(routes),
        loopback=serving.loopback,
        requests=requests,
        failures=failures,
        proxies=Proxies.of(application.settings.trusted_proxies),
    )
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _metrics(application: Application) -> list[APIRouter]:
    """The metrics' routes, where they are part of this version."""
    if find_spec("refnet.entrypoints.web.metrics") is None:
        return []
    from refnet.entrypoints.web import metrics

    router = APIRouter(tags=["operation"], responses=COMMON, dependencies=[needs(Scope.READ), offers("text/plain")])
    for route in metrics.router(application).routes:
        if isinstance(route, APIRoute):
            router.add_api_route(
                route.path,
                route.endpoint,
                summary=route.summary,
                response_class=route.response_class,
                operation_id="get_metrics",
            )
    return [router]


_ROUTERS = (crawls.router, events.router, papers.router, jobs.router, health.router, login.router)
_about = APIRouter(tags=["about"], responses=COMMON)


@_about.get(
    "/openapi.json",
    operation_id="get_openapi",
    dependencies=[needs(Scope.READ), offers("application/json")],
    response_model=dict[str, Any],
)
def get_openapi_document(request: Request) -> Response:
    """This document."""
    return JSONResponse(request.app.openapi())


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is not None:
        return app.openapi_schema
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=_ABOUT,
        routes=app.routes,
        tags=_TAGS,
        separate_input_output_schemas=False,
    )
    components = document.setdefault("components", {})
    components["securitySchemes"] = dict(SCHEMES)
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    fault = problems.ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(fault.pop("$defs"))
    schemas["ProblemDocument"] = fault
    for route in app.state.plain_routes:
        for method in route.methods:
            said = declared(route)
            document["paths"][route.path_format][method.lower()]["security"] = (
                [] if said is None else list(said.security)
            )
    app.openapi_schema = document
    return document
