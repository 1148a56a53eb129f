"""The HTTP side of the labelling page.

| path         | who may      | what                                              |
|--------------|--------------|---------------------------------------------------|
| /            | a session    | the page                                          |
| /login       | everybody    | the form for the token; a post opens a session    |
| /logout      | a session    | a post ends it                                    |
| /api/page    | a session    | what the page needs once, the CSRF token in it    |
| /api/sync    | a session, * | renew questions and get more                      |
| /api/answer  | a session, * | answers                                           |
| /api/undo    | a session, * | the question of an answer, to be answered again   |
| /live        | everybody    | 200                                               |
| /static/     | everybody    | scripts and styles                                |

`*`: a POST whose `X-CSRF-Token` belongs to the session, sent by our own page. What changes
something is a POST; JSON is read and written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import parse_qs

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from stream_cl.core.clock import Clock
from stream_cl.serve.headers import Guarded, from_our_page, header
from stream_cl.serve.label.journal_file import JournalFailed
from stream_cl.serve.label.office import NAME_CHARS, PREFETCHED, Office
from stream_cl.serve.label.people import SESSION_S, Tries
from stream_cl.serve.pages import not_found, page, static_files

_OURS: Final = {"referrer-policy": "same-origin"}
"""On pages with a form: without a referrer at all, browsers send `Origin: null` with it."""
BODY_BYTES: Final = 262_144
"""A batch of answers with their tickets fits."""
TOKEN_CHARS: Final = 65_536
_REQUEST_CHARS: Final = 512


def label_app(
    office: Office,
    clock: Clock,
    *,
    loopback: bool,
    fault: Callable[[Exception], None],
    extra: Callable[[], Mapping[str, Any]] = dict,
) -> ASGIApp:
    """The application.

    Args:
        office: what people can do.
        clock: wrong tokens are counted by it.
        loopback: whether it is served on a loopback address.
        fault: told of what should not have happened.
        extra: what else `/api/sync` tells of how it goes.
    """
    api = _Api(office, extra)
    door = _Door(office, clock)
    routes = [
        Route("/", door.show, methods=["GET"]),
        Route("/login", door.form, methods=["GET"]),
        Route("/login", door.login, methods=["POST"]),
        Route("/logout", door.logout, methods=["POST"]),
        Route("/api/page", api.page, methods=["GET"]),
        Route("/api/sync", api.sync, methods=["POST"]),
        Route("/api/answer", api.answer, methods=["POST"]),
        Route("/api/undo", api.undo, methods=["POST"]),
        Route("/live", _live, methods=["GET"]),
        static_files(),
    ]
    known = not_found("/", "/live")
    handlers: Any = {404: known, 405: known, JournalFailed: _Unwritten(fault)}
    app = Starlette(routes=routes, exception_handlers=handlers)
    return Guarded(app, loopback=loopback, fault=fault, body_bytes=BODY_BYTES)


class _Unwritten:
    """An answer could not be kept: the browser keeps it and tries again."""

    def __init__(self, fault: Callable[[Exception], None]) -> None:
        self._fault = fault

    def __call__(self, request: Request, error: Exception) -> Response:
        self._fault(error)
        return PlainTextResponse("nothing can be written now; try again later\n", 503)


async def _live(request: Request) -> Response:
    return PlainTextResponse("alive\n")


def _cookie_name(request: Request) -> str:
    # Browsers do not tell the ports of a machine apart, and several servers may run on it.
    server = request.scope.get("server")
    return f"stream_cl_label_{server[1] if server else 0}"


def _session(request: Request) -> str:
    try:
        cookie = SimpleCookie(header(request.scope, b"cookie")).get(_cookie_name(request))
    except CookieError:
        return ""
    return cookie.value if cookie is not None else ""


class _Door:
    """Lets people in and out."""

    def __init__(self, office: Office, clock: Clock) -> None:
        self._people = office.people
        self._tries = Tries(clock)

    async def show(self, request: Request) -> Response:
        session = _session(request)
        name = self._people.who(session)
        if name is None and self._people.alone is None:
            return RedirectResponse("/login", 303)
        shown = page("label", person=name or self._people.alone, leave=self._people.alone is None)
        response = Response(shown, headers=_OURS, media_type="text/html")
        if name is None:
            assert self._people.alone is not None
            self._open(request, response, self._people.alone)
        return response

    async def form(self, request: Request) -> Response:
        if self._people.alone is not None:
            return RedirectResponse("/", 303)
        return _form("")

    async def login(self, request: Request) -> Response:
        if not from_our_page(request.scope):
            return PlainTextResponse("this form is sent from its own page only\n", 403)
        address = request.client.host if request.client else ""
        wait_s = self._tries.wait_s(address)
        if wait_s > 0:
            waited = {"retry-after": str(math.ceil(wait_s))}
            return _form(f"Too many wrong tokens. Try again in {wait_s:.0f} s.", 429, waited)
        try:
            fields = parse_qs((await request.body()).decode(), max_num_fields=4)
        except ValueError:
            return PlainTextResponse("this is no form\n", 400)
        name = self._people.login(fields.get("token", [""])[0].strip())
        if name is None:
            self._tries.failed(address)
            return _form("Nobody has this token.", 401)
        response = RedirectResponse("/", 303)
        self._open(request, response, name)
        return response

    async def logout(self, request: Request) -> Response:
        if not from_our_page(request.scope):
            return PlainTextResponse("this form is sent from its own page only\n", 403)
        response = RedirectResponse("/login", 303)
        response.delete_cookie(_cookie_name(request), httponly=True, samesite="strict")
        return response

    def _open(self, request: Request, response: Response, name: str) -> None:
        response.set_cookie(
            _cookie_name(request),
            self._people.session(name),
            max_age=SESSION_S,
            httponly=True,
            samesite="strict",
        )


class _Api:
    """What the page's script asks for."""

    def __init__(self, office: Office, extra: Callable[[], Mapping[str, Any]]) -> None:
        self._office = office
        self._extra = extra

    async def page(self, request: Request) -> Response:
        name, session = self._who(request)
        form = self._office.form
        return _json({**form.page(name), "csrf": self._office.people.csrf(name, session)})

    async def sync(self, request: Request) -> Response:
        name, asked = await self._read(request)
        have, want = asked.get("have"), asked.get("want")
        if (
            not isinstance(have, list)
            or not _are_requests(have)
            or type(want) is not int
            or not 0 <= want <= PREFETCHED
        ):
            raise HTTPException(400, "give `have`, a list of requests, and `want`, a number")
        told = await run_in_threadpool(self._office.sync, name, have, want)
        told["progress"] |= self._extra()
        return _json(told)

    async def answer(self, request: Request) -> Response:
        name, asked = await self._read(request)
        answers = asked.get("answers")
        if not isinstance(answers, list):
            raise HTTPException(400, "give `answers`, a list")
        taken = await run_in_threadpool(self._office.answer, name, answers)
        return _json({"answers": taken})

    async def undo(self, request: Request) -> Response:
        name, asked = await self._read(request)
        answer = asked.get("answer")
        if not isinstance(answer, str) or len(answer) > NAME_CHARS:
            raise HTTPException(400, "give `answer`, the name of an answer")
        return _json(await run_in_threadpool(self._office.undo, name, answer))

    def _who(self, request: Request) -> tuple[str, str]:
        session = _session(request)
        name = self._office.people.who(session)
        if name is None:
            raise HTTPException(401, "log in first")
        return name, session

    async def _read(self, request: Request) -> tuple[str, dict[str, Any]]:
        """Who asks for a change, and what; the body is read only once that is allowed."""
        name, session = self._who(request)
        given = header(request.scope, b"x-csrf-token")
        right = self._office.people.is_csrf(name, session, given)
        if not right or not from_our_page(request.scope):
            raise HTTPException(403, "this is sent by the page itself only")
        try:
            asked = orjson.loads(await request.body())
        except orjson.JSONDecodeError:
            raise HTTPException(400, "this is no JSON") from None
        if not isinstance(asked, dict):
            raise HTTPException(400, "this is no JSON object")
        return name, asked


def _are_requests(have: list[Any]) -> bool:
    return len(have) <= 2 * PREFETCHED and all(
        isinstance(one, str) and len(one) <= _REQUEST_CHARS for one in have
    )


def _form(wrong: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    given = {**_OURS, **(headers or {})}
    return Response(page("label_login", wrong=wrong), status, given, media_type="text/html")


def _json(value: Any) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
