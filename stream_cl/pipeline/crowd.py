"""Simulated annotators: who answers a recorded question, and with which class.

Draws depend on the seed, the event and the annotator alone, so the same annotator is wrong about
the same events whatever else is asked.
"""

from __future__ import annotations

from typing import Any

from stream_cl.core.draws import keyed_unit


class Crowd:
    """Answers from a recorded truth.

    A question that is asked again goes to another annotator each time, as long as there are others.

    Args:
        annotators: how many there are; one alone has no name.
        error_rate: share of the answers that are wrong, any other class that was seen so far.
    """

    def __init__(self, seed: int, annotators: int = 1, error_rate: float = 0.0) -> None:
        assert annotators >= 1
        assert 0.0 <= error_rate <= 1.0
        self._seed, self._annotators, self._error_rate = seed, annotators, error_rate
        self._classes: dict[str, None] = {}  # in the order in which they were seen

    def saw(self, truth: str) -> None:
        """An event of this class came."""
        if self._error_rate and truth not in self._classes:
            self._classes[truth] = None

    def answer(self, id_: str, truth: str, attempt: int = 1) -> dict[str, Any]:
        """The label record for an event."""
        if self._annotators == 1:
            return {"id": id_, "label": self._label(id_, truth, 0)}
        first = int(keyed_unit(self._seed, "crowd who", id_) * self._annotators)
        who = (first + attempt - 1) % self._annotators
        label = self._label(id_, truth, who)
        return {"id": id_, "label": label, "annotator": f"annotator-{who}"}

    def _label(self, id_: str, truth: str, who: int) -> str:
        if not self._error_rate:
            return truth
        if keyed_unit(self._seed, "crowd error", id_, who) >= self._error_rate:
            return truth
        others = [name for name in self._classes if name != truth]
        which = keyed_unit(self._seed, "crowd wrong", id_, who)
        return others[int(which * len(others))] if others else truth
