"""Is the process alive, and may it be relied on: the answers behind /live and /ready."""

from __future__ import annotations

from enum import Enum
from typing import Final

from stream_cl.core.clock import Clock

LIVE_S: Final = 60.0
"""A loop that has not turned for this long hangs; no step may take as long."""


class Phase(Enum):
    """Where a pipeline stands between its start and its end."""

    STARTING = "starting: reading the manifest and replaying"
    RUNNING = "running"
    STOPPING = "stopping: writing the last checkpoint"


class Health:
    """Written by the pipeline's thread, read by others.

    Args:
        max_lag: unread records up to which the pipeline counts as caught up.
    """

    def __init__(self, clock: Clock, max_lag: int) -> None:
        self.phase = Phase.STARTING
        self._clock = clock
        self._max_lag = max_lag
        self._beat_s = clock.monotonic_s()

    def beat(self) -> None:
        """The loop has turned once more."""
        self._beat_s = self._clock.monotonic_s()

    def live(self) -> tuple[bool, str]:
        """Whether the loop moves, and why not. A start may take as long as its replay."""
        since_s = self._clock.monotonic_s() - self._beat_s
        if self.phase is Phase.RUNNING and since_s > LIVE_S:
            return False, f"the loop has not turned for {since_s:.0f} s"
        return True, self.phase.value

    def ready(self, lag: int) -> tuple[bool, str]:
        """Whether it is fenced, replayed and caught up, and why not."""
        if self.phase is not Phase.RUNNING:
            return False, self.phase.value
        if lag > self._max_lag:
            return False, f"{lag} records behind, more than {self._max_lag} (http.ready_lag)"
        return True, f"ready, {lag} records behind"
