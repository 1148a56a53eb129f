"""`console`: what a pipeline over SQLite loses to people who watch its console.

One pipeline with its HTTP service, as `stream-cl run` has it, takes blocks of steps in turn: nobody
watches, and 20 viewers do, each with a connection of its own that gets everything twice a second.
The viewers are a process of their own, on another core where there is one; pipeline and service
share one core, so that all of the cost is the pipeline's. What the pipeline asks is answered
between two blocks, and viewers come and go there, off the clock.

On a shared machine the ratio of two blocks is uncertain by more than what is looked for. What
viewers take of the processor is not: the time of the service's thread, and what the pipeline's
thread does for it between two steps. It is shown by the second, as the share of a core; what the
threads cost each other beyond that, only the clock has.
"""

from __future__ import annotations

import selectors
import socket
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import clock_gettime, perf_counter, pthread_getcpuclockid, thread_time
from typing import Final, NamedTuple

from load_tests.report import Options, one_core, say, table, target
from load_tests.scrape import Program, beside

TARGET_PERCENT: Final = 3.0
_VIEWERS: Final = (0, 20)
_STEP: Final = 1000
_STEPS: Final = 200
"""Steps in a block: some seconds."""
_ROUNDS: Final = 8


class Watched(NamedTuple):
    """A block: how long it took by the clock, what was done for viewers by the processor, and what
    they got."""

    seconds: float
    for_viewers_s: float
    ticks: int
    bytes: int


def run(options: Options) -> None:
    """Print the table."""
    say(
        "10 numeric features (columns), 5 % labels, softmax, steps of 1,000; medians over "
        f"{_ROUNDS} rounds of one block of {_STEPS} steps each"
    )
    blocks: dict[int, list[Watched]] = {viewers: [] for viewers in _VIEWERS}
    Path("var").mkdir(exist_ok=True)
    with beside(_watch) as (audience, port), TemporaryDirectory(dir="var") as folder, one_core():
        program = _Program(Path(folder), port)
        with program.endpoints.serving(program.pipeline):
            program.start()
            program.watched(audience, 0)
            for number in range(_ROUNDS):
                for viewers in _VIEWERS if number % 2 else _VIEWERS[::-1]:
                    blocks[viewers].append(program.watched(audience, viewers))
        program.close()
    _report(blocks)


def _report(blocks: dict[int, list[Watched]]) -> None:
    alone, n = blocks[0], _STEPS * _STEP
    rows, by_clock, by_processor = [], 0.0, 0.0
    for viewers, found in blocks.items():
        pairs = list(zip(alone, found, strict=True))
        by_clock = 100 * (median(b.seconds / a.seconds for a, b in pairs) - 1)
        by_processor = 100 * median(
            b.for_viewers_s / b.seconds - a.for_viewers_s / a.seconds for a, b in pairs
        )
        rows.append(
            [
                f"{viewers} viewers",
                f"{median(n / b.seconds for b in found):,.0f}",
                f"{median(b.ticks / b.seconds for b in found):.1f}",
                f"{median(b.bytes / b.seconds for b in found) / 1000:,.0f}",
                f"{by_clock:+.2f}",
                f"{by_processor:+.2f}",
            ]
        )
    head = ["", "events/s", "ticks/s, all", "kB/s, all", "time more, %", "of a core, %"]
    table(head, rows)
    what = f"{_VIEWERS[-1]} viewers"
    target(f"{what}, of the throughput", by_clock, TARGET_PERCENT, at_least=False, unit=" %")
    target(f"{what}, of a core", by_processor, TARGET_PERCENT, at_least=False, unit=" %")


class _Program(Program):
    def watched(self, audience: Connection, viewers: int) -> Watched:
        """A block of steps while so many watch."""
        self.feed(_STEPS * _STEP)
        audience.send(viewers)
        while not audience.poll(0.001):
            self.endpoints.turn()  # until all of them see something
        audience.recv()
        began_s, turns_s, service_s = perf_counter(), 0.0, _service_s()
        for _ in range(_STEPS):
            self.pipeline.step()
            turn_s = thread_time()
            self.endpoints.turn()
            turns_s += thread_time() - turn_s
        seconds, for_viewers_s = perf_counter() - began_s, turns_s + _service_s() - service_s
        audience.send(None)
        ticks, size = audience.recv()
        self._answer()
        return Watched(seconds, for_viewers_s, ticks, size)


def _service_s() -> float:
    """Processor time of the thread that serves HTTP."""
    (thread,) = [one for one in threading.enumerate() if one.name == "http"]
    assert thread.ident is not None
    return clock_gettime(pthread_getcpuclockid(thread.ident))


def _watch(orders: Connection, port: int) -> None:
    """Viewers of a port: told how many begin, and answer when all see something; told None end, and
    say how often they were told something and how much."""
    while True:
        viewers = orders.recv()
        sockets = [_viewer(port) for _ in range(viewers)]
        with selectors.DefaultSelector() as selector:
            for one in sockets:
                selector.register(one, selectors.EVENT_READ)
            selector.register(orders, selectors.EVENT_READ)
            seen: set[int] = set()
            while len(seen) < viewers:
                for key, _ in selector.select():
                    if b"event: whole" in key.fileobj.recv(1 << 20):  # type: ignore[union-attr]
                        seen.add(key.fd)
            orders.send(None)
            ticks = size = 0
            while not orders.poll():
                for key, _ in selector.select():
                    if key.fileobj is not orders:
                        part = key.fileobj.recv(1 << 20)  # type: ignore[union-attr]
                        ticks, size = ticks + part.count(b"event: "), size + len(part)
        orders.recv()
        for one in sockets:
            one.close()
        orders.send((ticks, size))


def _viewer(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port))
    made.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return made
