"""The HTTP service of a running pipeline: the console at `/`, and what it and programs ask for.

Read-only. Everything that is shown comes from callables that are handed in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from stream_cl.core.clock import Clock
from stream_cl.core.errors import StreamClError
from stream_cl.core.limits import ID_BYTES
from stream_cl.serve.access import LOGIN, Gate, Login, Tokens
from stream_cl.serve.broadcast import Broadcaster
from stream_cl.serve.headers import Guarded
from stream_cl.serve.pages import STATIC, not_found, page, static_files
from stream_cl.serve.status import Page, status_routes

STREAM: Final = "/stream"
EXPLAIN: Final = "/explain"
OPEN_TO_ALL: Final = ("/live", "/ready", LOGIN, STATIC)
"""What is answered without a token: whether the process lives, and what has nothing to hide."""

Explain = Callable[[str], bytes | None]
"""An event's id → what the log knows of it, as JSON; None where it knows nothing."""


def console_app(
    *,
    status: Mapping[str, Page],
    broadcaster: Broadcaster,
    explain: Explain,
    about: Mapping[str, Any],
    token: str | None,
    loopback: bool,
    clock: Clock,
    fault: Callable[[Exception], None],
) -> ASGIApp:
    """The application.

    Args:
        status: path → what programs ask; /live never waits.
        broadcaster: tells viewers what is new.
        explain: called in a thread, one at a time.
        about: what the page says of the pipeline before anything has come.
        token: what is asked for; None lets everybody in.
        loopback: whether it is served on a loopback address.
        clock: sessions have an end.
        fault: told of what should not have happened.
    """
    tokens = None if token is None else Tokens(token, clock)

    async def show(request: Request) -> Response:
        return Response(page("console", about=about), media_type="text/html")

    routes: list[Any] = [
        Route("/", show, methods=["GET"]),
        Route(STREAM, broadcaster, methods=["GET"]),
        Route(EXPLAIN, _Explained(explain), methods=["GET"]),
        *status_routes(status, at_once=("/live",)),
        static_files(),
    ]
    if tokens is not None:
        login = Login(tokens, lambda wrong: page("login", wrong=wrong))
        routes += [Route(LOGIN, login.show), Route(LOGIN, login.take, methods=["POST"])]
    known = not_found("/", *status)
    app: ASGIApp = Starlette(routes=routes, exception_handlers={404: known, 405: known})
    if tokens is not None:
        app = Gate(app, tokens, OPEN_TO_ALL)
    return Guarded(app, loopback=loopback, fault=fault)


class _Explained:
    """Answers `?id=` with what the log knows of an event."""

    def __init__(self, explain: Explain) -> None:
        self._explain = explain
        self._busy = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await (await self._response(Request(scope)))(scope, receive, send)

    async def _response(self, request: Request) -> Response:
        id_ = request.query_params.get("id", "")
        if not 0 < len(id_.encode(errors="replace")) <= ID_BYTES:
            return PlainTextResponse(f"id: give one of 1 to {ID_BYTES} bytes\n", 400)
        if self._busy:
            again = {"retry-after": "2"}
            return PlainTextResponse("another search is going on; try again\n", 503, again)
        self._busy = True
        try:
            found = await asyncio.to_thread(self._explain, id_)
        except StreamClError as error:
            return PlainTextResponse(f"{error}\n", 503)
        finally:
            self._busy = False
        if found is None:
            return PlainTextResponse("the log has no record of this id\n", 404)
        return Response(found, media_type="application/json")
