"""What other programs ask a running pipeline: /metrics, /live, /ready.

Answers come from callables that are handed in, so this file knows nothing of pipelines. They are
called in threads, of which there are few, since they may wait for a step to end; what never waits
is answered at once, so that /live does not queue behind what does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
TEXT_TYPE: Final = "text/plain; charset=utf-8"


class Answer(NamedTuple):
    """Status, media type and body of a response."""

    status: HTTPStatus
    media_type: str
    body: bytes


Page = Callable[[], Answer]


def status_routes(pages: Mapping[str, Page], at_once: Collection[str]) -> list[Route]:
    """A route for each path; those in `at_once` have pages that never wait."""
    return [
        Route(path, _at_once(page) if path in at_once else _in_a_thread(page), methods=["GET"])
        for path, page in pages.items()
    ]


def _at_once(page: Page) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return _response(page())

    return endpoint


def _in_a_thread(page: Page) -> Callable[[Request], Response]:
    def endpoint(request: Request) -> Response:
        return _response(page())

    return endpoint


def _response(answer: Answer) -> Response:
    # The media type as it stands: Response would add a charset of its own.
    return Response(answer.body, answer.status, {"content-type": answer.media_type})
