"""Forgetting and the worst case, on held-out events that are never learned from.

There are no tasks in a stream, so a class takes a task's place. At look t the learner predicts the
whole held-out set; a(c, t) is its accuracy on the events of class c, of classes that have
MIN_EVENTS of them.

    forgetting   mean over c of  max over earlier looks of a(c, ·)  −  a(c, t)
                 (Chaudhry, Dokania, Ajanthan and Torr 2018, section 3.2; in [−1, 1], below 0
                 where classes are known better than ever)
    worst case   mean over c of  min of a(c, ·) since c was learned
                 (De Lange, van de Ven and Tuytelaars 2023, section 3: WC-ACC)

There a task counts for the minimum once its training is over; here a class does from the first look
at which more than half of its events are right, and until then with what it has now, as the task
that is being learned does there. Over looks at a sample of m events a maximum is too high, and a
minimum too low, by up to about √(ln(looks) / 2m); the sample itself changes slowly.

Nothing in a step looks at it. A look costs a prediction of every held-out event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stream_cl.core.snapshot import Snapshot
from stream_cl.evaluation.intervals import Estimate, wilson

MIN_EVENTS: Final = 10
"""Held-out events below which a class has no figure."""
LEARNED: Final = 0.5
"""A class with more than this has been learned once."""


@dataclass(frozen=True, slots=True)
class ClassLook:
    """One class at the last look: its held-out events, and accuracies. worst is None until it has
    been learned."""

    number: int
    events: int
    now: float
    best: float
    worst: float | None


@dataclass(frozen=True, slots=True)
class Look:
    """What the last look gave; figures are None where no class has one.

    step: after which it was taken. accuracy: on all held-out events. classes: those with most
    held-out events first.
    """

    step: int = 0
    accuracy: Estimate | None = None
    forgetting: float | None = None
    worst_case: float | None = None
    classes: list[ClassLook] = field(default_factory=list)


class Forgetting:
    """Remembers the best and the worst accuracy of each class over all looks.

    Memory: 16 bytes a class. A look costs O(n + classes) besides the prediction.
    """

    def __init__(self) -> None:
        self.last = Look()
        # [class]; NaN before the first look, and of `worst` before the class was learned.
        self._best = np.zeros(0)
        self._worst = np.zeros(0)

    def look(self, step: int, y: npt.NDArray[np.int64], right: npt.NDArray[np.bool_]) -> Look:
        """Take what the learner makes of n held-out events after a step: their classes `y [n]`,
        and whether each prediction was right, `right [n]`. Returns what is `last` then."""
        events = np.bincount(y, minlength=len(self._best))
        self._grow(len(events))
        hits = np.bincount(y, weights=right, minlength=len(events))
        shown = np.flatnonzero(events >= MIN_EVENTS)
        now = hits[shown] / events[shown]
        drop = self._best[shown] - now  # of the looks before
        self._best[shown] = np.fmax(self._best[shown], now)
        learned = (now > LEARNED) | ~np.isnan(self._worst[shown])
        self._worst[shown[learned]] = np.fmin(self._worst[shown[learned]], now[learned])
        worst = np.where(np.isnan(self._worst[shown]), now, self._worst[shown])
        self.last = Look(
            step,
            wilson(float(right.sum()), len(y)),
            _mean(drop[~np.isnan(drop)]),
            _mean(worst),
            self._classes(shown, events, now),
        )
        return self.last

    def _grow(self, classes: int) -> None:
        new = np.full(classes - len(self._best), np.nan)
        self._best = np.concatenate([self._best, new])
        self._worst = np.concatenate([self._worst, new])

    def _classes(
        self,
        shown: npt.NDArray[np.int64],
        events: npt.NDArray[np.int64],
        now: npt.NDArray[np.float64],
    ) -> list[ClassLook]:
        order = np.argsort(-events[shown], kind="stable")
        return [
            ClassLook(
                int(c), int(events[c]), float(a), float(self._best[c]), _known(self._worst[c])
            )
            for c, a in zip(shown[order].tolist(), now[order].tolist(), strict=True)
        ]

    def snapshot(self) -> Snapshot:
        last = self.last
        return {
            "best": self._best.copy(),
            "worst": self._worst.copy(),
            "step": last.step,
            "accuracy": None if last.accuracy is None else list(last.accuracy),
            "figures": [last.forgetting, last.worst_case],
            "classes": [[c.number, c.events, c.now, c.best, c.worst] for c in last.classes],
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Become what `snapshot` was taken from."""
        self._best, self._worst = snapshot["best"].copy(), snapshot["worst"].copy()
        accuracy, (forgetting, worst_case) = snapshot["accuracy"], snapshot["figures"]
        self.last = Look(
            snapshot["step"],
            None if accuracy is None else Estimate(*accuracy),
            forgetting,
            worst_case,
            [ClassLook(*row) for row in snapshot["classes"]],
        )


def _mean(values: npt.NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
