"""Serves an ASGI application from a thread of its own: uvicorn, without its claim to signals and
logs."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from stream_cl.core.errors import UserError

CONNECTIONS: Final = 256
"""Connections at one time; who comes then is told 503."""
IDLE_S: Final = 10.0
"""A connection that has not sent a whole request within this time, or the next one within as
much again, is closed."""
GOODBYE_S: Final = 2
"""What is being answered while the server closes may take this long."""
HEADER_BYTES: Final = 16_384
"""Longest request line with its headers."""


class HttpServer:
    """Serves `app` on `host` and `port` until it is closed; port 0 takes any that is free.

    Raises:
        UserError: host and port cannot be taken.
    """

    def __init__(self, host: str, port: int, app: ASGIApp, key: str = "http.port") -> None:
        self._socket = _bound(host, port, key)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"
        # Whoever sends rubbish would fill the log; faults of `app` are told where it is made.
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
        config = uvicorn.Config(
            app,
            http=_Patient,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level=logging.CRITICAL,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=int(IDLE_S),
            timeout_graceful_shutdown=GOODBYE_S,
            h11_max_incomplete_event_size=HEADER_BYTES,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="http", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        # Outside of the main thread uvicorn takes no signals.
        asyncio.run(self._server.serve(sockets=[self._socket]))

    def close(self) -> None:
        """Stop serving and give the port back. What never ends by itself, like a stream of
        events, is to be ended before."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


class _Patient(H11Protocol):
    """Closes connections that keep their request to themselves; uvicorn waits forever for the
    first one, and for the rest of one that has begun."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._waited = False
        self._look_again()

    def _look_again(self) -> None:
        self._look_at = self.loop.call_later(IDLE_S, self._look)

    def _look(self) -> None:
        waits = self.cycle is None or self.cycle.response_complete
        if waits and (self._waited or self.cycle is None):
            self.transport.abort()
            return
        self._waited = waits
        self._look_again()

    def connection_lost(self, exc: Exception | None) -> None:
        self._look_at.cancel()
        super().connection_lost(exc)


def _bound(host: str, port: int, key: str) -> socket.socket:
    """A socket that has the address.

    Raises:
        UserError: it cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, protocol)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(address)
            made.listen(CONNECTIONS)
        except OSError:
            made.close()
            raise
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"http: {host}:{port} cannot be taken ({reason}); choose another {key}, or 0 for none"
        ) from None
    return made
