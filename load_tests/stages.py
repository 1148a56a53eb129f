"""Where the time of a step goes, by stage, measured without slowing down what is inside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from time import perf_counter
from typing import Any


class Stages:
    """Wraps functions where they stand and adds up the time spent in each.

    A stage's time is its own: what a wrapped function inside it takes is counted there.

    Args:
        clock: seconds; that of the CPU where other work on the machine must not count.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside: list[float] = []
        self._undo: list[Callable[[], None]] = []

    def wrap(self, owner: Any, name: str, stage: str) -> None:
        """Measure `owner.name` (a function of a module, or an object's method) as `stage`."""
        original = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            self._inside.append(0.0)
            began = self._clock()
            try:
                return original(*args, **kwargs)
            finally:
                took = self._clock() - began
                self.seconds[stage] += took - self._inside.pop()
                if self._inside:
                    self._inside[-1] += took

        owned = name in vars(owner)
        setattr(owner, name, timed)
        self._undo.append(
            (lambda: setattr(owner, name, original)) if owned else lambda: delattr(owner, name)
        )

    def unwrap(self) -> None:
        """Put every function back."""
        for undo in reversed(self._undo):
            undo()
        self._undo.clear()

    def table(self, events: int) -> list[list[str]]:
        """Rows of stage, microseconds per event, share; the longest first."""
        total = sum(self.seconds.values())
        ordered = sorted(self.seconds.items(), key=lambda item: -item[1])
        return [
            [stage, f"{seconds / events * 1e6:.2f}", f"{seconds / total:.0%}"]
            for stage, seconds in ordered
        ]
