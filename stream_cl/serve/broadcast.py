"""Server-sent events for many viewers, made once for all of them.

While somebody watches, a tick comes twice a second: what is new is put together once, and every
viewer gets the same bytes. A viewer has one place for what is to be sent: who has not taken the
tick before is given everything anew instead, so nothing piles up, and who takes nothing for long is
dropped. While nobody watches nothing is done.

Format: HTML Living Standard, section 9.2. Browsers connect again by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

TICK_S: Final = 0.5
HEARTBEAT_S: Final = 15.0
"""After this long without anything to tell a comment is sent, so that no proxy hangs up."""
PATIENCE_S: Final = 20.0
"""A viewer that takes nothing for this long is dropped."""
VIEWERS: Final = 100
AGAIN_MS: Final = 2000
"""After this long a browser whose connection was cut comes again."""


class Source(Protocol):
    """What is told. Called by one thread only."""

    def want(self, answered: Callable[[], None]) -> None:
        """Somebody watches; `answered` may be called, by any thread, when there is news."""
        ...

    def refresh(self) -> bytes:
        """What is new since the last call, as JSON without line breaks; empty for nothing."""
        ...

    def whole(self) -> bytes:
        """Everything as of the last `refresh`."""
        ...


class _Viewer:
    """What one viewer is to be sent next, and whether it knows what came before."""

    def __init__(self) -> None:
        self.next = b""
        self.knows = False
        self.dropped = False
        self.ready = asyncio.Event()

    def give(self, data: bytes) -> None:
        self.next = data
        self.ready.set()

    def take(self) -> bytes:
        data, self.next = self.next, b""
        self.ready.clear()
        return data


class Broadcaster:
    """An ASGI application: every request becomes a viewer.

    Args:
        source: what is told.
        fault: told of an exception of the source; every viewer is sent away, and comes again.
        viewers: at one time; who comes then is told 503.
        tick_s, heartbeat_s, patience_s: as above.
    """

    def __init__(
        self,
        source: Source,
        fault: Callable[[Exception], None],
        viewers: int = VIEWERS,
        tick_s: float = TICK_S,
        heartbeat_s: float = HEARTBEAT_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._source = source
        self._fault = fault
        self._most = viewers
        self._tick_s = tick_s
        self._heartbeat_s = heartbeat_s
        self._patience_s = patience_s
        self._viewers: set[_Viewer] = set()
        self._ticking: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def close(self) -> None:
        """Send every viewer home; may be called by any thread."""
        self._closed = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for viewer in self._viewers:
            viewer.ready.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if len(self._viewers) >= self._most or self._closed:
            text = "too many watch already\n" if not self._closed else "this is closing\n"
            busy = PlainTextResponse(text, 503, {"retry-after": "10"})
            await busy(scope, receive, send)
            return
        headers = [(b"content-type", b"text/event-stream"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        self._loop = asyncio.get_running_loop()
        viewer = _Viewer()
        self._viewers.add(viewer)
        leaving = asyncio.create_task(_gone(receive, viewer))
        try:
            if self._ticking is None or self._ticking.done():
                self._ticking = asyncio.create_task(self._tick())
            with suppress(TimeoutError):  # it takes nothing: the connection ends with us
                await self._feed(viewer, leaving, send)
        finally:
            self._viewers.discard(viewer)
            leaving.cancel()

    async def _feed(self, viewer: _Viewer, leaving: asyncio.Task[None], send: Send) -> None:
        await self._send(send, b"retry: %d\n\n" % AGAIN_MS)
        while not (leaving.done() or viewer.dropped or self._closed):
            try:
                async with asyncio.timeout(self._heartbeat_s):
                    await viewer.ready.wait()
            except TimeoutError:
                await self._send(send, b": still here\n\n")
                continue
            data = viewer.take()
            if data:
                await self._send(send, data)
        if not leaving.done():
            await send({"type": "http.response.body", "body": b""})

    async def _send(self, send: Send, data: bytes) -> None:
        message: Message = {"type": "http.response.body", "body": data, "more_body": True}
        async with asyncio.timeout(self._patience_s):
            await send(message)

    async def _tick(self) -> None:
        """Tell the news as long as somebody watches."""
        loop, answered = asyncio.get_running_loop(), asyncio.Event()

        def answer() -> None:
            with suppress(RuntimeError):  # the loop may have closed meanwhile
                loop.call_soon_threadsafe(answered.set)

        while self._viewers and not self._closed:
            began_s = loop.time()
            answered.clear()
            try:
                self._source.want(answer)
                with suppress(TimeoutError):  # a long step: what is known by now is told
                    async with asyncio.timeout(self._tick_s):
                        await answered.wait()
                self._hand_out()
            except Exception as error:
                self._fault(error)
                for viewer in self._viewers:
                    viewer.dropped = True
                    viewer.ready.set()
                return
            await asyncio.sleep(max(0.01, began_s + self._tick_s - loop.time()))

    def _hand_out(self) -> None:
        more, whole = _event(b"more", self._source.refresh()), b""
        for viewer in self._viewers:
            if viewer.next:  # the tick before was not taken
                viewer.knows = False
            if viewer.knows:
                if more:
                    viewer.give(more)
                continue
            whole = whole or _event(b"whole", self._source.whole())
            viewer.knows = True
            viewer.give(whole)


def _event(name: bytes, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name, data) if data else b""


async def _gone(receive: Receive, viewer: _Viewer) -> None:
    """Ends when the viewer has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
    viewer.ready.set()
