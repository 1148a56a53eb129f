"""Takes steps until told to stop, or until nothing has come for a while."""

from __future__ import annotations

from collections.abc import Callable

from stream_cl.core.clock import Clock
from stream_cl.pipeline.runner import Pipeline

LOOK_S = 0.2
"""How long an idle pipeline waits at most before it sees that it is asked to stop."""


def run_steps(
    pipeline: Pipeline,
    clock: Clock,
    stop: Callable[[], bool],
    poll_s: float,
    until_idle_s: float | None = None,
    on_step: Callable[[], None] = lambda: None,
) -> None:
    """Run a started pipeline.

    Args:
        pipeline: started.
        clock: for waiting.
        stop: asked between two steps.
        poll_s: seconds between two looks at an idle log that cannot tell when records come.
        until_idle_s: leave after this long without a step; expiry alone is then no reason
            for a step, so that a finite input ends in the same state whenever it is run.
        on_step: called after every step, and now and then while idle.
    """
    idle_since = clock.monotonic_s()
    while not stop():
        if pipeline.step(expiry=until_idle_s is None):
            idle_since = clock.monotonic_s()
        else:
            if until_idle_s is not None and clock.monotonic_s() - idle_since >= until_idle_s:
                return
            pipeline.wait(LOOK_S, poll_s)
        on_step()
