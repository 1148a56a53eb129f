"""Waiting for what a broker says, by a process that may itself be stopped meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_SLICE_S: Final = 0.5


class Patience:
    """Waits `limit_s` in all, by slices.

    A process that was stopped (SIGSTOP, a laptop that slept) finds the slice over in which that
    happened and goes on waiting: it can still hear that it was fenced.
    """

    def __init__(self, limit_s: float) -> None:
        self._left_s = limit_s

    def wait(self, call: Callable[[float], bool]) -> bool:
        """Whether `call`, given the seconds that it may wait, says within the limit that what it
        waits for is there."""
        while self._left_s > 0:
            slice_s = min(_SLICE_S, self._left_s)
            if call(slice_s):
                return True
            self._left_s -= slice_s
        return call(0.0)
