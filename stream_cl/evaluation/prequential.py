"""Test, then train: each prediction is judged by the label that comes for it later.

Source: Dawid 1984 (prequential); Gama, Sebastião and Rodrigues 2013 for streams.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from stream_cl.core.snapshot import Snapshot
from stream_cl.evaluation.intervals import Estimate, WeightedSums, wilson
from stream_cl.evaluation.scores import Answers, Scores, ScoreSums

_COLUMNS: Final[dict[str, str]] = {
    "event": "i8",
    "propensity": "f8",
    "true": "i4",
    "predicted": "i4",
    "last": "i4",
    "probability": "f8",
    "held_out": "?",
}


class Prequential:
    """Live figures from answered events, since the start and over a sliding window.

    Args:
        window_events: the window's length in events of the stream (not in labels).
        window_labels: answers remembered for it; the bound of this store.

    Only answers whose event could have been asked (propensity > 0) count. Memory: 37 bytes ×
    window_labels, 16 per class. Adding costs O(1) per answer, a figure O(window_labels).

    last: class of the label that was answered last, −1 before the first.
    """

    def __init__(self, window_events: int, window_labels: int) -> None:
        assert window_labels > 0
        self.window_events = window_events
        self.last = -1
        self.since_start = WeightedSums()
        self._scores = ScoreSums()
        self._held_out = [0, 0]  # answers, of which the prediction was right
        self._size = window_labels
        self._ring = Answers(**{n: np.zeros(window_labels, k) for n, k in _COLUMNS.items()})
        self._added = 0

    def add(self, answers: Answers) -> None:
        """Add n answers, in the order in which they came."""
        self.last = next((n for n in reversed(answers.true.tolist()) if n >= 0), self.last)
        if 0.0 in answers.propensity.tolist():
            answers = answers.take(answers.propensity > 0)
        right = answers.right
        self.since_start.add(right, answers.propensity)
        self._scores.add(answers)
        if True in answers.held_out.tolist():
            self._held_out[0] += int(answers.held_out.sum())
            self._held_out[1] += int(right[answers.held_out].sum())
        slots = np.arange(self._added, self._added + len(answers)) % self._size
        for name in _COLUMNS:
            getattr(self._ring, name)[slots] = getattr(answers, name)
        self._added += len(answers)

    def window(self, events_seen: int) -> WeightedSums:
        """The sums over answers whose event is among the last `window_events`."""
        recent, sums = self._recent(events_seen), WeightedSums()
        sums.add(recent.right, recent.propensity)
        return sums

    def figures(self, events_seen: int) -> dict[str, Estimate | None]:
        """Accuracy: naive, unbiased and on held-out events, since the start and in the window.

        Held-out events are drawn uniformly, so their share of right predictions needs no
        weights and its Wilson interval is sound; there are few of them, so it is wide. Judged
        is what was predicted when they came; what today's learner would say of them is
        `HeldOut.accuracy`.
        """
        window, recent = self.window(events_seen), self._recent(events_seen)
        drawn = recent.right[recent.held_out]
        answers, right = self._held_out
        return {
            "naive": self.since_start.naive(),
            "unbiased": self.since_start.unbiased(),
            "held_out": wilson(right, answers),
            "window_naive": window.naive(),
            "window_unbiased": window.unbiased(),
            "window_held_out": wilson(float(drawn.sum()), len(drawn)),
        }

    def scores(self) -> Scores:
        """No-change baseline, kappas and log loss since the start; see `scores`."""
        return self._scores.scores()

    def window_scores(self, events_seen: int) -> Scores:
        """The same over the window."""
        sums = ScoreSums()
        sums.add(self._recent(events_seen))
        return sums.scores()

    def _recent(self, events_seen: int) -> Answers:
        filled = np.arange(self._size) < self._added
        return self._ring.take(filled & (self._ring.event >= events_seen - self.window_events))

    def snapshot(self) -> Snapshot:
        filled = min(self._added, self._size)
        return {
            "sums": self.since_start.sums.copy(),
            "scores": self._scores.snapshot(),
            "held_out_answers": list(self._held_out),
            "last_label": self.last,
            "added": self._added,
            **{name: getattr(self._ring, name)[:filled].copy() for name in _COLUMNS},
        }

    def restore(self, snapshot: Snapshot) -> None:
        added, filled = snapshot["added"], len(snapshot["event"])
        assert filled == min(added, self._size), f"{filled} answers, where {self._size} are kept"
        self.since_start.sums = snapshot["sums"].copy()
        self._scores.restore(snapshot["scores"])
        self._held_out = list(snapshot["held_out_answers"])
        self.last, self._added = snapshot["last_label"], added
        for name in _COLUMNS:
            getattr(self._ring, name)[:filled] = snapshot[name]
