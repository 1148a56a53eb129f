"""What every request and every answer of our HTTP services goes through.

Answers carry headers that leave a browser nothing to do but show our own files: a page runs no
script but those that are packaged with it, asks nobody else, and stands in no frame. Requests are
bounded, in bytes and in the time that they take to arrive; other sites' pages send none but links.
On a loopback address the header `Host` must name it: else a page on the internet whose name is made
to lead here (DNS rebinding) could read what we answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from ipaddress import ip_address
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES: Final = 65_536
BODY_S: Final = 10.0
"""A body must be here whole within this time."""

CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# Not `no-referrer`: a browser then says `Origin: null` when it posts our own forms.
HEADERS: Final = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_NEVER_KEPT: Final = "no-store"
_LAST: Final = {"connection": "close"}
"""What is left of a refused request is not read, so its connection cannot be used again."""


class Guarded:
    """The application `app` behind the rules of this file.

    Args:
        app: an ASGI application.
        loopback: whether it is served on a loopback address only, so that `Host` is checked.
        fault: told of an exception that `app` let through; the client learns nothing of it.
        body_bytes: longest body of a request.
        body_s: seconds within which a body must have come.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        loopback: bool,
        fault: Callable[[Exception], None],
        body_bytes: int = BODY_BYTES,
        body_s: float = BODY_S,
    ) -> None:
        self._app = app
        self._loopback = loopback
        self._fault = fault
        self._body_bytes = body_bytes
        self._body_s = body_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        answer = _Answer(send)
        if self._loopback and not is_loopback_name(header(scope, b"host")):
            refused = "this is served to its own machine only; call it localhost\n"
            await _said(400, refused)(scope, receive, answer)
            return
        if _from_elsewhere(scope):
            await _said(403, "no other site's page may ask here\n")(scope, receive, answer)
            return
        body = _Body(receive, self._body_bytes, self._body_s)
        try:
            body.declared(header(scope, b"content-length"))
            await self._app(scope, body, answer)
        except _BodyRefused as refusal:
            await _finish(scope, receive, answer, refusal.status_code, refusal.detail)
        except Exception as error:
            self._fault(error)
            await _finish(scope, receive, answer, 500, "a fault of the server; its log has more\n")


class _Answer:
    """Sends on what an application answers, with our headers."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            given = {name.lower() for name, _ in message.get("headers", ())}
            ours: MutableMapping[str, str] = {"cache-control": _NEVER_KEPT, **HEADERS}
            more = [(k.encode(), v.encode()) for k, v in ours.items() if k.encode() not in given]
            message = {**message, "headers": [*message.get("headers", ()), *more]}
        await self._send(message)


class _BodyRefused(HTTPException):
    """The body of a request is too long, or too slow; Starlette answers with it by itself."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(status, f"{why}\n", _LAST)


class _Body:
    """Hands on what arrives of a request, up to a length and for a time."""

    def __init__(self, receive: Receive, most: int, within_s: float) -> None:
        self._receive = receive
        self._most = most
        self._within_s = within_s
        self._left = most
        self._whole = False
        self._until_s: float | None = None

    def declared(self, length: str) -> None:
        """Refuse a body that says itself that it is too long."""
        # The server has seen to it that it is a number; a body without it comes in chunks.
        if length.isdecimal() and int(length[:20]) > self._most:
            raise self._too_long()

    async def __call__(self) -> Message:
        if self._whole:  # what comes now is that the client leaves, whenever that is
            return await self._receive()
        now_s = asyncio.get_running_loop().time()
        if self._until_s is None:
            self._until_s = now_s + self._within_s
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, self._until_s - now_s))
        except TimeoutError:
            why = f"the request was not here within {self._within_s:g} s"
            raise _BodyRefused(408, why) from None
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._left < 0:
                raise self._too_long()
        return message

    def _too_long(self) -> _BodyRefused:
        return _BodyRefused(413, f"a request may have {self._most} bytes at most")


def _from_elsewhere(scope: Scope) -> bool:
    """Whether another site's page asks, other than by a link: it would not see the answer, but
    could keep us busy."""
    site, mode = header(scope, b"sec-fetch-site"), header(scope, b"sec-fetch-mode")
    return site in ("cross-site", "same-site") and mode != "navigate"


async def _finish(scope: Scope, receive: Receive, answer: _Answer, status: int, text: str) -> None:
    """Answer with an error where nothing is answered yet; else the connection is all there is to
    break off, which the server does when an application ends in the middle."""
    if not answer.begun:
        await _said(status, text)(scope, receive, answer)


def _said(status: int, text: str) -> PlainTextResponse:
    return PlainTextResponse(text, status, _LAST)


def header(scope: Scope, name: bytes) -> str:
    """The value of a request's header; empty where it is missing or stands there twice."""
    headers: Any = scope["headers"]
    found = [value for key, value in headers if key == name]
    return found[0].decode("latin-1") if len(found) == 1 else ""


def from_our_page(scope: Scope) -> bool:
    """Whether a browser says that a page of ours has sent the request: what changes anything is
    obeyed only then. `Sec-Fetch-Site` is sent on https and on loopback, `Origin` with every post.
    """
    site = header(scope, b"sec-fetch-site")
    if site and site != "same-origin":
        return False
    origin, host = header(scope, b"origin"), header(scope, b"host")
    if not origin:
        return bool(site)
    return bool(host) and origin.partition("://")[2].lower() == host.lower()


def is_loopback_name(host: str) -> bool:
    """Whether the value of a header `Host` is no name that anybody could have made lead here: a
    numeric address, or one below `localhost` (RFC 6761, 6.3)."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    name = name.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
