"""An ASGI application asked without a server, message by message."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.types import ASGIApp


class Asked:
    """What one request was answered."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            pairs = message.get("headers", ())
            self.headers = {k.decode().lower(): v.decode() for k, v in pairs}
        else:
            self.body += message.get("body", b"")


def scope(method: str = "GET", path: str = "/", **headers: str) -> dict[str, Any]:
    """Of a request; in the names of headers `_` stands for `-`."""
    given = {"host": "localhost:8080", **headers}
    pairs = [(k.replace("_", "-").lower().encode(), v.encode()) for k, v in given.items()]
    target, _, query = path.partition("?")
    return {
        "type": "http", "method": method, "path": target, "query_string": query.encode(),
        "headers": pairs, "server": ("127.0.0.1", 8080), "root_path": "", "scheme": "http",
    }  # fmt: skip


def ask(app: ASGIApp, about: dict[str, Any], body: Sequence[bytes] = (b"",)) -> Asked:
    """The answer to a request whose body comes in these parts; None stands for a client that
    sends nothing more and stays."""
    asked = Asked()
    parts = list(body)

    async def receive() -> dict[str, Any]:
        if not parts:
            await asyncio.sleep(3600)
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    asyncio.run(asyncio.wait_for(app(about, receive, asked.send), 30))
    return asked
