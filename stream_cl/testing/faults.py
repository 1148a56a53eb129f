"""Crashing at named places: in the process, or for real."""

from __future__ import annotations

import os
import signal

from stream_cl.core.faults import FAULT_POINTS


class SimulatedCrash(BaseException):
    """Raised at a fault point. Not an `Exception`, so nothing on the way handles it."""


class CrashAt:
    """Raises `SimulatedCrash` when `point` is reached for the `nth` time.

    >>> faults = CrashAt("committed", nth=2)
    >>> faults.reach("committed")
    >>> faults.reach("committed")
    Traceback (most recent call last):
    stream_cl.testing.faults.SimulatedCrash: committed, time 2
    """

    def __init__(self, point: str, nth: int = 1) -> None:
        assert point in FAULT_POINTS, f"{point} is none of {FAULT_POINTS}"
        self._point = point
        self._left = nth
        self._nth = nth

    def reach(self, point: str) -> None:
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                self._crash()

    def _crash(self) -> None:
        raise SimulatedCrash(f"{self._point}, time {self._nth}")


class KillAt(CrashAt):
    """The same, but the process ends as by `kill -9`: no cleanup of any kind runs."""

    def _crash(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)
