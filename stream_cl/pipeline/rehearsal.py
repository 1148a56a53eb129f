"""How often a learner rehearses when the time for it is bounded (`learner.compute_ms`).

The count is chosen from how long earlier steps took to learn, before this step's labels are
learned, and stands in the manifest: a replay learns as often as the run did, however fast its
machine is.
"""

from __future__ import annotations

from typing import Final

from stream_cl.core.protocols import Learner, Rehearses

_SMOOTHING: Final = 0.2


class RehearsalPace:
    """Keeps a running mean of the milliseconds per label and rehearsal.

    Args:
        learner: whose `rehearsals` are the most that are ever chosen; 0 is chosen for one that
            does not rehearse.
        compute_ms: milliseconds that learning a step's labels may take, None for no bound.
    """

    def __init__(self, learner: Learner, compute_ms: float | None) -> None:
        self._most = learner.rehearsals if isinstance(learner, Rehearses) else 0
        self._compute_ms = compute_ms
        self._ms_each: float | None = None

    def choose(self, labels: int) -> int:
        """Rehearsals for a step with so many labels; at least 1 where there are any at all."""
        if self._compute_ms is None or self._ms_each is None or not self._most or not labels:
            return self._most
        return max(1, min(self._most, int(self._compute_ms / (self._ms_each * labels))))

    def took(self, labels: int, rehearsals: int, seconds: float) -> None:
        """Learn from one step."""
        if self._compute_ms is not None and labels and rehearsals:
            each, before = seconds * 1e3 / (labels * rehearsals), self._ms_each
            # The clock may not have moved; nothing takes no time at all.
            each = max(each, 1e-6)
            self._ms_each = each if before is None else before + _SMOOTHING * (each - before)
