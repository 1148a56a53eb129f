"""The HTTP endpoints of a running pipeline: /metrics, /live, /ready.

Read-only. Answers come from callables that are handed in, so this file knows nothing of
pipelines. A thread a connection, with a time limit each; nothing is read but the request line
and headers, whose sizes the standard library bounds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final, NamedTuple

from stream_cl.core.errors import UserError

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
TEXT_TYPE: Final = "text/plain; charset=utf-8"
_CONNECTION_S: Final = 10


class Answer(NamedTuple):
    """Status, media type and body of a response."""

    status: HTTPStatus
    media_type: str
    body: bytes


Page = Callable[[], Answer]


class StatusServer:
    """Serves `pages` (path → page) from a thread of its own until it is closed.

    Raises:
        UserError: host and port cannot be taken.
    """

    def __init__(self, host: str, port: int, pages: Mapping[str, Page]) -> None:
        handler = type("Handler", (_Handler,), {"pages": dict(pages)})
        try:
            self._server = _Server((host, port), handler)
        except OSError as error:
            raise UserError(
                f"http: {host}:{port} cannot be taken ({error.strerror}); choose another "
                "http.port, or 0 for none"
            ) from None
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving and give the port back."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away or sent rubbish is no event worth a traceback."""


class _Handler(BaseHTTPRequestHandler):
    pages: ClassVar[dict[str, Page]]
    server_version = "stream_cl"
    sys_version = ""
    timeout = _CONNECTION_S
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._respond(with_body=True)

    def do_HEAD(self) -> None:
        self._respond(with_body=False)

    def _respond(self, with_body: bool) -> None:
        page = self.pages.get(self.path.partition("?")[0])
        if page is None:
            known = ", ".join(self.pages)
            answer = Answer(HTTPStatus.NOT_FOUND, TEXT_TYPE, f"there is {known}\n".encode())
        else:
            answer = page()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if with_body:
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes every few seconds would drown the log."""
