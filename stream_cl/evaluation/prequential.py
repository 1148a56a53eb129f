"""Test, then train: each prediction is judged by the label that comes for it later.

Source: Dawid 1984 (prequential); Gama, Sebastião and Rodrigues 2013 for streams.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from stream_cl.core.snapshot import Snapshot, Stateful
from stream_cl.evaluation.calibration import Reliability
from stream_cl.evaluation.confusion import Confusion
from stream_cl.evaluation.intervals import Estimate, WeightedSums, terms, wilson
from stream_cl.evaluation.late import Missing, OpenQuestions, missing, standing_for
from stream_cl.evaluation.learning_curve import LearningCurve
from stream_cl.evaluation.scores import Answers, Scores, ScoreSums
from stream_cl.evaluation.sequence import sequence

_COLUMNS: Final[dict[str, str]] = {
    "event": "i8",
    "propensity": "f8",
    "true": "i4",
    "predicted": "i4",
    "last": "i4",
    "probability": "f8",
    "confidence": "f8",
    "held_out": "?",
}


class Prequential:
    """Live figures from answered events, since the start and over a sliding window.

    Args:
        window_events: the window's length in events of the stream (not in labels).
        window_labels: answers remembered for it; the bound of this store.

    Only answers whose event could have been asked (propensity > 0) count. Memory: 45 bytes ×
    window_labels, 128 per class, and 12 KB. Adding costs O(1) per answer, a figure
    O(window_labels).

    What covers the time since the start is computed when somebody looks, or when the answers
    would leave the window: a step with two answers costs what it did without it. All sums are
    taken one answer after another, so when that is done leaves no trace in the bits.

    last: class of the label that was answered last, −1 before the first.
    """

    def __init__(self, window_events: int, window_labels: int) -> None:
        assert window_labels > 0
        self.window_events = window_events
        self.last = -1
        self._held_out = [0, 0]  # answers, of which the prediction was right
        self._size = window_labels
        self._ring = Answers(**{n: np.zeros(window_labels, k) for n, k in _COLUMNS.items()})
        self._added = 0
        self._counted = 0  # of those added, the ones that are in the sums below
        self._sums = WeightedSums()
        self._scores = ScoreSums()
        self._confusion = Confusion()
        self._reliability = Reliability()
        self._curve = LearningCurve()

    def add(self, answers: Answers) -> None:
        """Add n answers, in the order in which they came."""
        self.last = next((n for n in reversed(answers.true.tolist()) if n >= 0), self.last)
        if 0.0 in answers.propensity.tolist():
            answers = answers.take(answers.propensity > 0)
        if True in answers.held_out.tolist():
            self._held_out[0] += int(answers.held_out.sum())
            self._held_out[1] += int(answers.right[answers.held_out].sum())
        direct = self._added + len(answers) - self._counted > self._size
        if direct:
            self._catch_up()
            self._count(answers)
        slots = np.arange(self._added, self._added + len(answers)) % self._size
        for name in _COLUMNS:
            getattr(self._ring, name)[slots] = getattr(answers, name)
        self._added += len(answers)
        if direct:
            self._counted = self._added

    def _catch_up(self) -> None:
        """Take the answers into the sums that are not in them yet."""
        slots = np.arange(self._counted, self._added) % self._size
        if len(slots):
            self._count(self._ring.take(slots))
            self._counted = self._added

    def _count(self, answers: Answers) -> None:
        self._sums.add(answers.right, answers.propensity)
        self._scores.add(answers)
        self._confusion.add(answers)
        self._reliability.add(answers)
        self._curve.add(answers.right, answers.propensity)

    @property
    def since_start(self) -> WeightedSums:
        """The sums over all answers."""
        self._catch_up()
        return self._sums

    @property
    def confusion(self) -> Confusion:
        """Which class was taken for which, since the start."""
        self._catch_up()
        return self._confusion

    @property
    def reliability(self) -> Reliability:
        """Confidence against accuracy, since the start."""
        self._catch_up()
        return self._reliability

    @property
    def curve(self) -> LearningCurve:
        """Accuracy against labels answered."""
        self._catch_up()
        return self._curve

    def window_confusion(self, events_seen: int) -> Confusion:
        """`confusion` over the window."""
        confusion = Confusion()
        confusion.add(self._recent(events_seen))
        return confusion

    def calibration_errors(self, events_seen: int) -> dict[str, float | None]:
        """The expected calibration error since the start and in the window."""
        window = Reliability()
        window.add(self._recent(events_seen))
        return {
            "calibration_error": self.reliability.error(),
            "window_calibration_error": window.error(),
        }

    def window(self, events_seen: int, waiting: OpenQuestions | None = None) -> WeightedSums:
        """The sums over answers whose event is among the last `window_events`; they stand for the
        questions of that window that wait, too."""
        recent, sums = self._recent(events_seen), WeightedSums()
        if waiting is not None:
            waiting = waiting.since(events_seen - self.window_events)
        sums.add(recent.right, standing_for(recent.event, recent.propensity, waiting))
        return sums

    def since_start_with(self, waiting: OpenQuestions | None) -> WeightedSums:
        """`since_start`, where the remembered answers stand for the questions that wait, too."""
        return self._standing(waiting)[0]

    def _standing(self, waiting: OpenQuestions | None) -> tuple[WeightedSums, Missing]:
        """`since_start_with`, and what it lacks."""
        sums = self.since_start
        if waiting is None or not len(waiting.event):
            return sums, Missing()
        ring = self._ring.take(np.arange(self._size) < self._added)
        if self._added > self._size:  # older ones stand beside answers that are forgotten
            waiting = waiting.since(int(ring.event.min()))
        standing = standing_for(ring.event, ring.propensity, waiting)
        more = WeightedSums(sums.sums - terms(ring.right, ring.propensity).sum(axis=0))
        more.add(ring.right, standing)
        more.sums = np.maximum(more.sums, 0.0)  # the last bits of a difference
        return more, missing(ring.right, ring.propensity, standing, float(sums.sums[4]), waiting)

    def figures(
        self, events_seen: int, waiting: OpenQuestions | None = None
    ) -> dict[str, Estimate | None]:
        """Accuracy: naive, unbiased and on held-out events, since the start and in the window;
        `sequence` is unbiased with an interval that holds at all times together.

        waiting: the questions that are open; unbiased figures speak of their events, too (`late`).

        Held-out events are drawn uniformly, so their share of right predictions needs no
        weights and its Wilson interval is sound; there are few of them, so it is wide. Judged
        is what was predicted when they came; what today's learner would say of them is
        `HeldOut.accuracy`.
        """
        window, recent = self.window(events_seen, waiting), self._recent(events_seen)
        since_start, lacking = self._standing(waiting)
        drawn = recent.right[recent.held_out]
        answers, right = self._held_out
        return {
            "naive": self.since_start.naive(),
            "unbiased": since_start.unbiased(),
            "sequence": sequence(since_start, lacking),
            "held_out": wilson(right, answers),
            "window_naive": window.naive(),
            "window_unbiased": window.unbiased(),
            "window_held_out": wilson(float(drawn.sum()), len(drawn)),
        }

    def scores(self) -> Scores:
        """No-change baseline, kappas and log loss since the start; see `scores`."""
        self._catch_up()
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
        self._catch_up()
        filled = min(self._added, self._size)
        return {
            "sums": self._sums.sums.copy(),
            **{name: part.snapshot() for name, part in self._parts().items()},
            "held_out_answers": list(self._held_out),
            "last_label": self.last,
            "added": self._added,
            **{name: getattr(self._ring, name)[:filled].copy() for name in _COLUMNS},
        }

    def restore(self, snapshot: Snapshot) -> None:
        added, filled = snapshot["added"], len(snapshot["event"])
        assert filled == min(added, self._size), f"{filled} answers, where {self._size} are kept"
        self._sums = WeightedSums(snapshot["sums"])
        for name, part in self._parts().items():
            part.restore(snapshot[name])
        self._held_out = list(snapshot["held_out_answers"])
        self.last, self._added, self._counted = snapshot["last_label"], added, added
        for name in _COLUMNS:
            getattr(self._ring, name)[:filled] = snapshot[name]

    def _parts(self) -> dict[str, Stateful]:
        return {
            "scores": self._scores,
            "confusion": self._confusion,
            "reliability": self._reliability,
            "curve": self._curve,
        }
