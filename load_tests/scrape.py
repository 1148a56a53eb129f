"""`scrape`: what a pipeline over SQLite loses to being scraped.

One pipeline with its HTTP endpoints, as `stream-cl run` has them, takes blocks of steps in turn:
not scraped, scraped every second, and ten times a second, which is nobody's setting and shows the
cost above the noise. Somebody who scrapes is a process of its own, on another core where there is
one. What the pipeline asks is answered between two blocks, off the clock.

Most people scrape every 15 s, which costs a fifteenth of every second. On a shared machine the
ratio of two blocks is uncertain by more than what is looked for, so the promised figures are those
of ten scrapes a second, scaled; beside them stands the processor time that a scrape costs, of all
threads together.
"""

from __future__ import annotations

import http.client
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter, process_time
from typing import Any, Final, NamedTuple

import orjson

from load_tests.programs import send
from load_tests.report import Options, one_core, say, table, target
from load_tests.synthetic import answer, config, events
from stream_cl import build
from stream_cl.cli.endpoints import Endpoints
from stream_cl.config import Config
from stream_cl.core.clock import SystemClock
from stream_cl.core.records import Outgoing
from stream_cl.pipeline import heap
from stream_cl.testing.kafka_process import free_ports

TARGET_PERCENT: Final = 1.0
_STEP: Final = 1000
_STEPS: Final = 150
"""Steps in a block: a second or two."""
_ROUNDS: Final = 12
_INTERVALS: Final = {"not scraped": 0.0, "every second": 1.0, "ten times a second": 0.1}
_EVERY_S: Final = 15.0
"""What most people set as Prometheus' `scrape_interval`."""


class Block(NamedTuple):
    seconds: float
    processor_s: float
    scrapes: int


def run(options: Options) -> None:
    """Print the table."""
    say(
        "10 numeric features (columns), 5 % labels, softmax, steps of 1,000; medians over "
        f"{_ROUNDS} rounds of one block of {_STEPS} steps each"
    )
    blocks: dict[str, list[Block]] = {name: [] for name in _INTERVALS}
    Path("var").mkdir(exist_ok=True)
    with beside(_scrape) as (scraper, port), TemporaryDirectory(dir="var") as folder, one_core():
        program = Program(Path(folder), port)
        with program.endpoints.serving(program.pipeline):
            program.start()
            program.block(scraper, 0.0)
            for number in range(_ROUNDS):
                names = [*_INTERVALS][number % 3 :] + [*_INTERVALS][: number % 3]
                for name in names:
                    blocks[name].append(program.block(scraper, _INTERVALS[name]))
        program.close()
    _report(blocks)


def _report(blocks: dict[str, list[Block]]) -> None:
    alone, n = blocks["not scraped"], _STEPS * _STEP
    rows, lost, cost_ms = [], 0.0, 0.0
    for name, found in blocks.items():
        ratio = median(b.seconds / a.seconds for a, b in zip(alone, found, strict=True))
        more_s = median(b.processor_s - a.processor_s for a, b in zip(alone, found, strict=True))
        scrapes = median(b.scrapes for b in found)
        each_ms = 1000 * more_s / scrapes if scrapes else 0.0
        if name == "ten times a second":  # where the noise is least
            lost, cost_ms = 100 * (ratio - 1) / 10, each_ms
        rate = median(n / b.seconds for b in found)
        rows.append(
            [name, f"{rate:,.0f}", f"{scrapes:.0f}", f"{100 * (ratio - 1):+.2f}", f"{each_ms:.2f}"]
        )
    table(["", "events/s", "scrapes", "time more, %", "processor ms a scrape"], rows)
    what = "scraped every second, by the clock (a tenth of ten times a second)"
    target(what, lost, TARGET_PERCENT, at_least=False, unit=" %")
    what = "scraped every second, by the processor time of a scrape"
    target(what, cost_ms / 10, TARGET_PERCENT, at_least=False, unit=" %")
    what = f"scraped every {_EVERY_S:.0f} s, by the clock (a fifteenth of that)"
    target(what, lost / _EVERY_S, TARGET_PERCENT, at_least=False, unit=" %")


class Program:
    """A pipeline as `stream-cl run` has it, and what it asks answered after each block."""

    def __init__(self, folder: Path, port: int) -> None:
        settings = {**config("columns", _STEP), "http": {"port": port}}
        loaded = Config.model_validate(settings).beside(folder)
        clock = SystemClock()
        self.log: Any = build.open_transport(loaded, clock)
        self._side = build.open_transport(loaded, clock)
        self.endpoints = Endpoints(loaded, clock)
        self.pipeline = build.pipeline(loaded, self.log, clock, watch=self.endpoints.watch)
        self._sent = self._read = 0

    def start(self) -> None:
        self.pipeline.start()
        heap.settle()
        self.endpoints.running()

    def feed(self, count: int) -> None:
        """So many more events into the log."""
        values = events(self._sent, self._sent + count)
        self._sent += count
        send(self._side, self.pipeline.plan.topics.events, values)

    def block(self, scraper: Connection, interval_s: float) -> Block:
        """So many steps while somebody scrapes; an interval of 0 is never."""
        self.feed(_STEPS * _STEP)
        scraper.send(interval_s)
        began_s, processor_s = perf_counter(), process_time()
        for _ in range(_STEPS):
            self.pipeline.step()
            self.endpoints.turn()
        seconds, processor_s = perf_counter() - began_s, process_time() - processor_s
        scraper.send(None)
        while not scraper.poll(0.001):
            self.endpoints.turn()  # a scrape that has begun is answered
        scrapes = scraper.recv()
        self._answer()
        return Block(seconds, processor_s, scrapes)

    def _answer(self) -> None:
        """Label every request since the last time."""
        topics = self.pipeline.plan.topics
        while len(chunk := self.log.read(topics.label_requests, 0, self._read, 10_000)):
            asked = [orjson.loads(value) for value in chunk.values]
            values = [answer(one["id"], one["features"]) for one in asked]
            self._side.append([Outgoing(topics.labels, 0, chunk.keys, values)])
            self._read = chunk.offsets[-1] + 1

    def close(self) -> None:
        self.pipeline.abandon()
        self.log.close()
        self._side.close()


@contextmanager
def beside(
    target: Callable[[Connection, int], None],
) -> Iterator[tuple[Connection, int]]:
    """A process that runs `target` with its orders and a free port: our end, and the port."""
    (port,) = free_ports(1)
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=target, args=(there, port), daemon=True)
    process.start()
    there.close()
    try:
        yield here, port
    finally:
        process.kill()
        process.join()


def _scrape(orders: Connection, port: int) -> None:
    """Scrape a port: told seconds begin, told None end and say how often it was."""
    interval_s, scrapes, due_s = None, 0, 0.0
    while True:
        wait_s = max(0.0, due_s - monotonic()) if interval_s else None
        if orders.poll(wait_s):
            interval_s = orders.recv()
            if interval_s is None:
                orders.send(scrapes)
            scrapes, due_s = 0, monotonic() + (interval_s or 0.0) / 2
            continue
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        body = response.read()
        assert response.status == http.client.OK, body
        connection.close()
        scrapes += 1
        due_s += interval_s or 0.0
