"""Asks for a token: as `Authorization: Bearer`, or once in a form that leaves a cookie.

The cookie does not hold the token but a sign that it was given, with an end (HMAC-SHA-256, keyed
with the token): it outlives a restart, and another token makes it worthless. Scripts do not see it,
and no other site's page can make a browser send it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from stream_cl.core.clock import Clock
from stream_cl.serve.headers import from_our_page, header

LOGIN: Final = "/login"
SESSION_S: Final = 12 * 3600
"""How long a form that was filled in is remembered."""
_COOKIE: Final = "stream_cl"


class Tokens:
    """Knows whether a request carries the token, and makes cookies that stand for it.

    Args:
        token: what is asked for.
        clock: cookies have an end.
    """

    def __init__(self, token: str, clock: Clock) -> None:
        self._token = token.encode()
        self._clock = clock

    def known(self, scope: Scope) -> bool:
        """Whether the request has the token, or a cookie that stands for it."""
        kind, _, given = header(scope, b"authorization").partition(" ")
        if kind.lower() == "bearer":
            return self.right(given.strip().encode("latin-1"))
        try:
            cookie = SimpleCookie(header(scope, b"cookie")).get(_name(scope))
        except CookieError:
            return False
        return cookie is not None and self._stands(scope, cookie.value)

    def right(self, given: bytes) -> bool:
        """Whether it is the token, in a time that tells nothing of how much of it is right."""
        return hmac.compare_digest(given, self._token)

    def remember(self, scope: Scope, response: Response) -> None:
        """Let the browser that gets this response in for a while."""
        until = str(self._clock.now_ms() // 1000 + SESSION_S)
        value = f"{until}.{self._sign(scope, until)}"
        response.set_cookie(_name(scope), value, httponly=True, samesite="strict")

    def _stands(self, scope: Scope, value: str) -> bool:
        until, _, sign = value.partition(".")
        if not hmac.compare_digest(sign.encode(), self._sign(scope, until).encode()):
            return False
        return int(until) > self._clock.now_ms() // 1000

    def _sign(self, scope: Scope, until: str) -> str:
        return hmac.new(self._token, f"{_name(scope)}.{until}".encode(), "sha256").hexdigest()


def _name(scope: Scope) -> str:
    # Browsers do not tell the ports of a machine apart, and several pipelines may run on it.
    server = scope.get("server")
    return f"{_COOKIE}_{server[1] if server else 0}"


class Gate:
    """Lets `app` be seen by those who have the token, but for what stands `open` to all.

    Args:
        app: an ASGI application.
        tokens: who is let in.
        open_to_all: paths; one that ends in a slash stands for all below it.
    """

    def __init__(self, app: ASGIApp, tokens: Tokens, open_to_all: tuple[str, ...]) -> None:
        self._app = app
        self._tokens = tokens
        self._open = frozenset(path for path in open_to_all if not path.endswith("/"))
        self._below = tuple(path for path in open_to_all if path.endswith("/"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        is_open = path in self._open or bool(self._below and path.startswith(self._below))
        if is_open or self._tokens.known(scope):
            await self._app(scope, receive, send)
            return
        refusal: Response = PlainTextResponse(
            "a token is needed: Authorization: Bearer TOKEN\n",
            401,
            {"www-authenticate": "Bearer", "vary": "accept"},
        )
        if scope["method"] == "GET" and "text/html" in header(scope, b"accept"):
            refusal = RedirectResponse(LOGIN, 303)
        await refusal(scope, receive, send)


class Login:
    """The form that asks for the token, and what takes it.

    Args:
        tokens: who is let in.
        page: the form as HTML; its argument says whether a wrong token was given.
        after: path to go to with the right one.
    """

    def __init__(self, tokens: Tokens, page: Callable[[bool], str], after: str = "/") -> None:
        self._tokens = tokens
        self._page = page
        self._after = after

    async def show(self, request: Request) -> Response:
        return Response(self._page(False), media_type="text/html")

    async def take(self, request: Request) -> Response:
        if not from_our_page(request.scope):
            return PlainTextResponse("this form is sent from its own page only\n", 403)
        try:
            fields = parse_qs((await request.body()).decode(), max_num_fields=4)
        except ValueError:
            return PlainTextResponse("this is no form\n", 400)
        given = fields.get("token", [""])[0].strip()
        if not self._tokens.right(given.encode()):
            return Response(self._page(True), 401, media_type="text/html")
        response = RedirectResponse(self._after, 303)
        self._tokens.remember(request.scope, response)
        return response
