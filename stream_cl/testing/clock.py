"""A clock that moves only when it is told to."""

from __future__ import annotations


class FakeClock:
    """Starts at `now_ms`; `sleep` and `advance` move it.

    >>> clock = FakeClock(now_ms=1000)
    >>> clock.advance(seconds=2.5)
    >>> clock.now_ms()
    3500
    """

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = float(now_ms)

    def now_ms(self) -> int:
        return int(self._now_ms)

    def monotonic_s(self) -> float:
        return self._now_ms / 1000

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move forward."""
        assert seconds >= 0
        self._now_ms += seconds * 1000
