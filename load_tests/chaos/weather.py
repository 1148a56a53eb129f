"""What happens to the broker and to the path to it, beside the lives of the pipeline."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from load_tests.chaos.account import Account
from load_tests.chaos.toxiproxy import Toxiproxy
from stream_cl.testing.kafka_broker import KafkaBroker

RESTART: Final = "broker killed and restarted"
_CALM_S: Final = 180.0
_AFTERWARDS_S: Final = 30.0
"""How long what a life ends with may still come from the weather before."""
_PAUSE_S: Final = 1.0


class Weather:
    """Restarts and cuts, one after the other in a thread of its own.

    Args:
        broker: may be killed.
        proxy: the path to it; None where there is none, and then there are no cuts.
        draw: decides how long and how hard.
    """

    def __init__(
        self, broker: KafkaBroker, proxy: Toxiproxy | None, account: Account, draw: random.Random
    ) -> None:
        self._broker = broker
        self._proxy = proxy
        self._account = account
        self._draw = draw
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="weather")
        self._last: Future[None] | None = None
        self._now = ""
        self._before = ""
        self._cleared_s = -1e9

    @property
    def now(self) -> str:
        """What the weather is, or was a moment ago; `clear` if it was not."""
        if self._now:
            return self._now
        recent = time.monotonic() - self._cleared_s < _AFTERWARDS_S
        return f"after {self._before}" if recent else "clear"

    def begin(self, kind: str) -> Future[None]:
        """Have it happen, after what is still happening."""
        seed = self._draw.random()
        self._last = self._thread.submit(self._happen, kind, random.Random(seed))
        return self._last

    def calm(self) -> None:
        """Wait until nothing happens any more; raises what went wrong with it."""
        if self._last is not None:
            self._last.result(_CALM_S)

    def close(self) -> None:
        """Let the last one pass."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _happen(self, kind: str, draw: random.Random) -> None:
        began_s = time.monotonic()
        self._now = kind
        self._account.note(kind)
        try:
            if kind == RESTART:
                self._broker.kill()
                time.sleep(draw.uniform(0.0, 3.0))
                self._broker.start()
            else:
                assert self._proxy is not None, "cuts need the proxy"
                seconds = CUTS[kind](self._proxy, draw)
                time.sleep(seconds)
                self._proxy.heal()
        finally:
            self._now, self._before, self._cleared_s = "", kind, time.monotonic()
            self._account.note(f"over: {kind}")
        self._account.weather[kind] += 1
        self._account.weather_s[kind] += round(time.monotonic() - began_s)
        time.sleep(_PAUSE_S)


def _dropped(proxy: Toxiproxy, draw: random.Random) -> float:
    proxy.connect(False)
    return draw.uniform(0.1, 6.0)


def _latency(proxy: Toxiproxy, draw: random.Random) -> float:
    for stream in ("upstream", "downstream"):
        proxy.add("latency", stream, latency=draw.randint(20, 300), jitter=draw.randint(0, 200))
    return draw.uniform(3.0, 6.0)


def _bandwidth(proxy: Toxiproxy, draw: random.Random) -> float:
    stream = draw.choice(["upstream", "downstream"])
    proxy.add("bandwidth", stream, rate=draw.randint(20, 200))
    return draw.uniform(3.0, 6.0)


def _swallowed(proxy: Toxiproxy, draw: random.Random) -> float:
    for stream in draw.choice([["upstream"], ["downstream"], ["upstream", "downstream"]]):
        proxy.add("timeout", stream, timeout=0)
    return draw.uniform(2.0, 14.0)


def _reset(proxy: Toxiproxy, draw: random.Random) -> float:
    proxy.add("reset_peer", draw.choice(["upstream", "downstream"]), timeout=draw.randint(0, 300))
    return draw.uniform(0.5, 3.0)


def _slices(proxy: Toxiproxy, draw: random.Random) -> float:
    for stream in ("upstream", "downstream"):
        proxy.add(
            "slicer", stream, average_size=draw.randint(50, 2000), size_variation=40, delay=500
        )
    return draw.uniform(2.0, 5.0)


def _limit(proxy: Toxiproxy, draw: random.Random) -> float:
    proxy.add(
        "limit_data", draw.choice(["upstream", "downstream"]), bytes=draw.randint(200, 90_000)
    )
    return draw.uniform(1.0, 4.0)


CUTS: Final[dict[str, Callable[[Toxiproxy, random.Random], float]]] = {
    "cut: connections dropped and refused": _dropped,
    "cut: connections reset": _reset,
    "cut: connections closed inside a message": _limit,
    "cut: all data swallowed": _swallowed,
    "slow: latency with jitter": _latency,
    "slow: 20 to 200 KB/s": _bandwidth,
    "slow: messages in small pieces": _slices,
}
"""What may happen to the path: begins it and says for how many seconds."""


def forecast(restarts: int, cuts: int, draw: random.Random) -> list[str]:
    """So many of each, cuts of every kind alike, in a random order."""
    kinds = list(CUTS)
    some = [RESTART] * restarts + [kinds[i % len(kinds)] for i in range(cuts)]
    draw.shuffle(some)
    return some
