"""How far annotators agree beyond chance: Krippendorff's alpha for classes.

Krippendorff 2011, *Computing Krippendorff's Alpha-Reliability*, section C (nominal data, any
number of observers, missing answers). An event with m ≥ 2 answers, m_c of them of class c, adds
to the coincidences

    o[c, d] += m_c · (m_d − [c = d]) / (m − 1)        n_c = Σ_d o[c, d],   n = Σ_c n_c

    alpha = 1 − (n − 1) · (n − Σ_c o[c, c]) / (n² − Σ_c n_c²)

1 is agreement, 0 is chance. Only n_c and o[c, c] are kept: 16 bytes per class. Adding an event, or
taking it out before its answers change, costs O(m).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream_cl.core.snapshot import Snapshot


class Agreement:
    """Alpha of a stream of answered events.

    >>> agreement = Agreement()
    >>> for answers in ([0, 0], [1, 1], [0, 1], [1, 1, 1]):
    ...     agreement.add(answers)
    >>> round(agreement.alpha(), 4)
    0.5556
    """

    def __init__(self) -> None:
        self._all = np.zeros(0)  # n_c
        self._same = np.zeros(0)  # o[c, c]

    def add(self, classes: Sequence[int], sign: int = 1) -> None:
        """Add an event's answers; with sign −1 take out what they had added."""
        m = len(classes)
        if m < 2:
            return
        more = 1 + max(classes) - len(self._all)
        if more > 0:
            self._all, self._same = np.pad(self._all, (0, more)), np.pad(self._same, (0, more))
        for class_ in sorted(set(classes)):
            count = classes.count(class_)
            self._all[class_] += sign * count
            self._same[class_] += sign * count * (count - 1) / (m - 1)

    def alpha(self) -> float | None:
        """None while no event has two answers, or all answers are of one class."""
        n = float(self._all.sum())
        chance = n * n - float((self._all * self._all).sum())
        if chance <= 0.0:
            return None
        return 1.0 - (n - 1.0) * (n - float(self._same.sum())) / chance

    def snapshot(self) -> Snapshot:
        return {"all": self._all.copy(), "same": self._same.copy()}

    def restore(self, snapshot: Snapshot) -> None:
        self._all, self._same = snapshot["all"].copy(), snapshot["same"].copy()
