"""What all groups of routes have in common: how they declare their scope, what they need, and what may go wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from refnet.domain.permissions import Scope
from refnet.entrypoints.web.problems import Problem, responses
from refnet.entrypoints.web.security import Anyone, Needs

if TYPE_CHECKING:
    from refnet.adapters.database.store import Store
    from refnet.bootstrap import Application

#: Where the routes of the API stand.
API = "/api/v1"
#: The largest id that the databases hold.
LARGEST_ID = 2**31 - 1


def _decimal(text: Any) -> Any:
    """As it is written in answers: one thing has one address. pydantic would take `01`, `+1` and `1_0`, too."""
    if isinstance(text, str) and re.fullmatch(r"0|-?[1-9][0-9]*", text) is None:
        raise PydanticCustomError("id", "it is no decimal number as ids are")
    return text


#: For an id in a path. It comes last: of what stands behind it the OpenAPI document says nothing.
DECIMAL = BeforeValidator(_decimal)


@dataclass(slots=True)
class Serving:
    """What the routes know of the process that they are in.

    `loopback` is whether only this machine reaches it; `draining` is set when it is asked to end; `crawler` says what
    is wrong with the process that does the work where there are no workers, None where nothing is.
    """

    loopback: bool = True
    draining: Event = field(default_factory=Event)
    crawler: str | None = None


def needs(scope: Scope) -> Any:
    """For a route: whoever asks has to have this scope."""
    return Depends(Needs(scope))


def anyone() -> Any:
    """For a route: nobody is asked for a key."""
    return Depends(Anyone())


#: What may be the answer of every operation, beside its own.
COMMON = responses(400, 401, 403, 406, 422, 429, 500, 503)
#: And of every one that may have a body: it is read before anything else.
WITH_BODY = responses(408, 413)


def application_of(request: Request) -> Application:
    found: Application = request.app.state.application
    return found


# Not in a thread: it only looks it up.
async def _store(request: Request) -> Store:
    return application_of(request).store


StoreOf = Annotated["Store", Depends(_store)]


def offers(*types: str) -> Any:
    """For a route: the forms in which it answers. Raises Problem for a request that takes none of them."""

    async def check(request: Request) -> None:
        # An empty one says nothing.
        accepted = ",".join(request.headers.getlist("accept")).strip()
        if accepted and not _takes(accepted, types):
            raise Problem(406, f"The answer is {' or '.join(types)}.")

    return Depends(check)


def takes(media_type: str) -> Any:
    """For a route: the form of the body that it takes."""

    async def check(request: Request) -> None:
        given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if given != media_type:
            raise Problem(415, f"Send the body as {media_type}.")

    return Depends(check)


def _takes(accepted: str, types: tuple[str, ...]) -> bool:
    ranges = []
    for one in accepted.split(","):
        name, _, parameters = one.strip().partition(";")
        if not any(
            part.strip().replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for part in parameters.split(";")
        ):
            ranges.append(name.strip().lower())
    wildcards = {f"{name.partition('/')[0]}/*" for name in types}
    return bool({*types, *wildcards, "*/*"} & set(ranges))


def not_found(what: str, identity: object) -> Problem:
    return Problem(404, f"There is no {what} {identity}.")
