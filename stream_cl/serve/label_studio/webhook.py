"""Takes Label Studio's webhook: a knock on the door, after which the answers are asked for.

Nothing of what it brings is believed or even read. It comes once and within a second or not at all,
may come from anybody, and may overtake another; Label Studio itself is asked then, as it is by the
clock.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable
from typing import Final

from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from stream_cl.serve.headers import Guarded, header

PATH: Final = "/label-studio"
BODY_BYTES: Final = 2_000_000
"""Label Studio puts a task into it, whatever it is told."""


class Knock:
    """Set by the webhook, waited for by the bridge."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def __call__(self) -> None:
        self._event.set()

    def wait(self, timeout_s: float) -> bool:
        """Whether there was a knock since the last one that was answered, within this time."""
        knocked = self._event.wait(timeout_s)
        self._event.clear()
        return knocked


class _Door:
    def __init__(self, secret: str, knock: Callable[[], None]) -> None:
        self._secret = f"Bearer {secret}".encode("latin-1")
        self._knock = knock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = header(scope, b"authorization").encode("latin-1")
        answer: Response
        if scope["path"].rstrip("/") != PATH:
            answer = PlainTextResponse(f"there is {PATH}\n", 404)
        elif scope["method"] != "POST":
            answer = PlainTextResponse("POST it\n", 405, {"allow": "POST"})
        elif not hmac.compare_digest(given, self._secret):
            answer = PlainTextResponse("the secret is needed\n", 401)
        else:
            self._knock()
            answer = Response(status_code=204)
        if answer.status_code != 204:
            answer.headers["connection"] = "close"  # the body is not read
        else:
            while (await receive()).get("more_body", False):
                pass
        await answer(scope, receive, send)


def webhook_app(
    secret: str, knock: Callable[[], None], loopback: bool, fault: Callable[[Exception], None]
) -> ASGIApp:
    """The application that takes the webhook.

    Args:
        secret: what a request must bring as `Authorization: Bearer`.
        knock: called for each that does.
        loopback: whether it is served on a loopback address only.
        fault: told of exceptions.
    """
    door = _Door(secret, knock)
    return Guarded(door, loopback=loopback, fault=fault, body_bytes=BODY_BYTES)
