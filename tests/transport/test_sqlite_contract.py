"""The embedded log by the contract of all transports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_cl.core.protocols import Transport
from stream_cl.testing.transport_contract import OpenTransport, SetClock, TransportContract
from stream_cl.transport.sqlite import SqliteTransport


class SettableClock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.time_ms = 1_700_000_000_000

    def now_ms(self) -> int:
        return self.time_ms

    def monotonic_s(self) -> float:
        return self.time_ms / 1000

    def sleep(self, seconds: float) -> None:
        self.time_ms += max(1, round(seconds * 1000))


class TestSqliteTransport(TransportContract):
    @pytest.fixture
    def clock(self) -> SettableClock:
        return SettableClock()

    @pytest.fixture
    def set_clock(self, clock: SettableClock) -> SetClock:
        return lambda now_ms: setattr(clock, "time_ms", now_ms)

    @pytest.fixture
    def open_transport(self, tmp_path: Path, clock: SettableClock) -> Iterator[OpenTransport]:
        opened: list[Transport] = []

        def open_again() -> Transport:
            opened.append(SqliteTransport(tmp_path / "log.db", clock))
            return opened[-1]

        yield open_again
        for transport in opened:
            transport.close()
