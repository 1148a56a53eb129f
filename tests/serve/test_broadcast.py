"""Many viewers of one pipeline: all see the same, none can slow it down, nobody costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson

from stream_cl.serve.broadcast import Broadcaster
from tests.serve.asgi import Asked, scope

PATIENCE_S = 20.0


class Counting:
    """A source whose news are whole numbers; everything is all of them so far."""

    def __init__(self) -> None:
        self.at = 0
        self.wanted = 0
        self.broken = False

    def want(self, answered: Callable[[], None]) -> None:
        self.wanted += 1
        answered()

    def refresh(self) -> bytes:
        if self.broken:
            raise ValueError("broken")
        self.at += 1
        return orjson.dumps([self.at])

    def whole(self) -> bytes:
        return orjson.dumps(list(range(1, self.at + 1)))


class Viewer(Asked):
    """Somebody who watches: keeps what it was told, leaves when it is asked to.

    slow: takes nothing while it is set.
    """

    def __init__(self) -> None:
        super().__init__()
        self.leave = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.ended = False

    async def receive(self) -> dict[str, Any]:
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.go_on.wait()
        await super().send(message)
        self.ended = message["type"] == "http.response.body" and not message.get("more_body")

    def numbers(self) -> list[int]:
        """What it knows: `whole` begins anew, `more` goes on."""
        known: list[int] = []
        for event in self.body.decode().split("\n\n"):
            lines = dict(line.partition(": ")[::2] for line in event.splitlines())
            if lines.get("event") == "whole":
                known = orjson.loads(lines["data"])
            elif lines.get("event") == "more":
                known += orjson.loads(lines["data"])
        return known


@asynccontextmanager
async def watching(broadcaster: Broadcaster) -> AsyncIterator[Viewer]:
    viewer = Viewer()
    task = asyncio.create_task(broadcaster(scope(path="/stream"), viewer.receive, viewer.send))
    try:
        yield viewer
    finally:
        viewer.leave.set()
        viewer.go_on.set()
        await asyncio.wait_for(task, PATIENCE_S)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.005)


def played(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 2 * PATIENCE_S))


def made(source: Counting, **settings: Any) -> tuple[Broadcaster, list[Exception]]:
    faults: list[Exception] = []
    return Broadcaster(source, faults.append, **{"tick_s": 0.01, **settings}), faults


def test_a_viewer_who_comes_late_knows_what_the_others_know() -> None:
    async def story() -> None:
        source = Counting()
        broadcaster, _ = made(source)
        async with watching(broadcaster) as first:
            await until(lambda: len(first.numbers()) > 3)
            async with watching(broadcaster) as second:
                await until(lambda: len(second.numbers()) > len(first.numbers()) // 2)
            for viewer in (first, second):
                numbers = viewer.numbers()
                assert numbers == list(range(1, len(numbers) + 1))

    played(story)


def test_nothing_is_done_while_nobody_watches() -> None:
    async def story() -> None:
        source = Counting()
        broadcaster, _ = made(source)
        async with watching(broadcaster) as viewer:
            await until(lambda: len(viewer.numbers()) > 1)
        await asyncio.sleep(0.05)
        wanted = source.wanted
        await asyncio.sleep(0.1)
        assert source.wanted == wanted
        async with watching(broadcaster) as viewer:
            await until(lambda: len(viewer.numbers()) > 1)

    played(story)


def test_a_slow_viewer_neither_queues_nor_misses_anything() -> None:
    async def story() -> None:
        source = Counting()
        broadcaster, _ = made(source)
        async with watching(broadcaster) as slow, watching(broadcaster) as quick:
            await until(lambda: len(slow.numbers()) > 1)
            slow.go_on.clear()
            asleep = source.at
            await until(lambda: len(quick.numbers()) > asleep + 20)
            before = len(slow.body)
            slow.go_on.set()
            await until(lambda: len(slow.numbers()) > asleep + 20)
            assert slow.numbers() == list(range(1, len(slow.numbers()) + 1))
            assert slow.body[before:].count(b"event: ") < 10

    played(story)


def test_a_viewer_who_takes_nothing_is_dropped() -> None:
    async def story() -> None:
        broadcaster, _ = made(Counting(), patience_s=0.05)
        async with watching(broadcaster) as viewer:
            viewer.go_on.clear()
            await until(lambda: not broadcaster._viewers)

    played(story)


def test_there_is_a_bound_on_viewers() -> None:
    async def story() -> None:
        broadcaster, _ = made(Counting(), viewers=2)
        async with watching(broadcaster) as one, watching(broadcaster) as two:
            await until(lambda: bool(one.body and two.body))
            async with watching(broadcaster) as three:
                await until(lambda: three.ended)
                assert three.status == 503
        async with watching(broadcaster) as four:
            await until(lambda: four.status == 200)

    played(story)


def test_a_quiet_pipeline_keeps_its_connection() -> None:
    async def story() -> None:
        source = Counting()
        source.refresh = lambda: b""  # type: ignore[method-assign]
        broadcaster, _ = made(source, heartbeat_s=0.02)
        async with watching(broadcaster) as viewer:
            await until(lambda: viewer.body.count(b": still here\n\n") > 1)

    played(story)


def test_a_server_that_closes_sends_everybody_home() -> None:
    async def story() -> None:
        broadcaster, _ = made(Counting(), heartbeat_s=60)
        async with watching(broadcaster) as viewer:
            await until(lambda: bool(viewer.numbers()))
            broadcaster.close()
            await until(lambda: viewer.ended)

    played(story)


def test_a_fault_of_the_source_is_told_and_viewers_come_again() -> None:
    async def story() -> None:
        source = Counting()
        broadcaster, faults = made(source, heartbeat_s=60)
        async with watching(broadcaster) as viewer:
            await until(lambda: bool(viewer.numbers()))
            source.broken = True
            await until(lambda: viewer.ended)
        assert [str(fault) for fault in faults] == ["broken"]
        source.broken = False
        async with watching(broadcaster) as viewer:
            await until(lambda: len(viewer.numbers()) > 1)

    played(story)


def test_a_head_becomes_no_viewer() -> None:
    async def story() -> None:
        source = Counting()
        broadcaster, _ = made(source)
        viewer = Viewer()
        await broadcaster(scope("HEAD", "/stream"), viewer.receive, viewer.send)
        assert (viewer.status, source.wanted) == (200, 0)

    played(story)
