"""The control that repeats the last label.

On a stream whose labels come in runs this is hard to beat, and a classifier that does not
beat it has learned nothing but the runs (Žliobaitė, Bifet, Read, Pfahringer and Holmes 2015,
*Evaluation methods and decision theory for classification of streaming data with temporal
dependence*, section 4).

    p_c = [c = y of the event learned last]

Memory: two numbers. Cost: O(1) per event for learning, O(k) for predicting.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stream_cl.core.records import FloatMatrix, Probabilities
from stream_cl.core.snapshot import Snapshot


class NoChange:
    """Predicts the label that it learned last, with probability 1.

    Args:
        width: numbers in an encoded event; not looked at.
        seed: not needed; every learner takes one.
        max_classes: most classes that it may ever be given.

    >>> import numpy as np
    >>> learner = NoChange(width=1, seed=0, max_classes=3)
    >>> x = np.zeros((1, 1), dtype=np.float32)
    >>> learner.learn(x, np.array([2]), np.ones(1))
    >>> learner.predict(x).tolist()
    [[0.0, 0.0, 1.0]]
    """

    def __init__(self, width: int, seed: int, max_classes: int) -> None:
        assert max_classes >= 1
        self._width = width
        self._max_classes = max_classes
        self._classes = 0
        self._last = -1

    @property
    def n_classes(self) -> int:
        """One more than the largest class ever learned; 0 before the first label."""
        return self._classes

    @property
    def memory_bytes_max(self) -> int:
        """It holds no arrays."""
        return 0

    def predict(self, x: FloatMatrix) -> Probabilities:
        """Class probabilities `float64 [n, k]` of `x [n, width]`. Pure."""
        assert x.shape[1] == self._width
        out = np.zeros((len(x), self._classes))
        if self._classes:
            out[:, self._last] = 1.0
        return out

    def learn(
        self, x: FloatMatrix, y: npt.NDArray[np.int64], weight: npt.NDArray[np.float64]
    ) -> None:
        """Remember the last of `y [n]`; features and weights say nothing to it."""
        if not len(y):
            return
        assert y.min() >= 0, "classes are whole numbers from 0"
        assert y.max() < self._max_classes, f"max_classes is {self._max_classes}"
        self._last = int(y[-1])
        self._classes = max(self._classes, int(y.max()) + 1)

    def snapshot(self) -> Snapshot:
        """The last class and the number of classes."""
        return {"last": self._last, "classes": self._classes}

    def fingerprint(self) -> Snapshot:
        """What goes into a digest of the state: the snapshot itself."""
        return self.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Become what `snapshot` was taken from."""
        self._last, self._classes = int(snapshot["last"]), int(snapshot["classes"])
