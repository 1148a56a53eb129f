"""The control that knows nothing but how frequent each class has been.

    p_c = n_c / Σ n,    n_c ← n_c + w for an event of class c and weight w

A classifier has to beat it to have learned anything from the features (it is the chance
level of kappa-M: Bifet et al. 2015, *Efficient online evaluation of big data stream
classifiers*, section 4).

Memory: 8 · max_classes bytes at most. Cost: O(1) per event for learning, O(k) for predicting.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stream_cl.core.errors import LearnerFailed
from stream_cl.core.records import FloatMatrix, Probabilities
from stream_cl.core.snapshot import Snapshot


class Majority:
    """Predicts the class frequencies so far.

    Args:
        width: numbers in an encoded event; not looked at.
        seed: not needed; every learner takes one.
        max_classes: most classes that it may ever be given.

    >>> import numpy as np
    >>> learner = Majority(width=1, seed=0, max_classes=2)
    >>> learner.learn(np.zeros((4, 1), dtype=np.float32), np.array([0, 1, 1, 1]), np.ones(4))
    >>> learner.predict(np.zeros((1, 1), dtype=np.float32)).tolist()
    [[0.25, 0.75]]
    """

    def __init__(self, width: int, seed: int, max_classes: int) -> None:
        assert max_classes >= 1
        self._width = width
        self._max_classes = max_classes
        self._counts: npt.NDArray[np.float64] = np.zeros(0)

    @property
    def n_classes(self) -> int:
        """One more than the largest class ever learned; 0 before the first label."""
        return len(self._counts)

    @property
    def memory_bytes_max(self) -> int:
        """What its arrays never exceed."""
        return 8 * self._max_classes

    def predict(self, x: FloatMatrix) -> Probabilities:
        """Class probabilities `float64 [n, k]` of `x [n, width]`. Pure."""
        assert x.shape[1] == self._width
        out = np.empty((len(x), len(self._counts)))
        if len(self._counts):
            out[:] = self._counts / self._counts.sum()
        return out

    def learn(
        self, x: FloatMatrix, y: npt.NDArray[np.int64], weight: npt.NDArray[np.float64]
    ) -> None:
        """Count `y [n]` with `weight [n]` (larger than 0).

        Raises:
            LearnerFailed: a weight is not finite; nothing of the batch was learned.
        """
        if not len(y):
            return
        if not weight.max() <= 1e150:  # so that NaN fails it too
            raise LearnerFailed("a weight of the batch is NaN, infinite or larger than 1e150")
        assert weight.min() > 0.0, "weights are larger than 0"
        assert y.min() >= 0, "classes are whole numbers from 0"
        assert y.max() < self._max_classes, f"max_classes is {self._max_classes}"
        counts = np.zeros(max(len(self._counts), int(y.max()) + 1))
        counts[: len(self._counts)] = self._counts
        # Adds one after the other; a sum per class first would end in other bits.
        np.add.at(counts, y, weight)
        self._counts = counts

    def snapshot(self) -> Snapshot:
        """The weight of each class, `[k]`."""
        return {"counts": self._counts.copy()}

    def fingerprint(self) -> Snapshot:
        """What goes into a digest of the state: the snapshot itself."""
        return self.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Become what `snapshot` was taken from, in memory of its own."""
        assert len(snapshot["counts"]) <= self._max_classes
        self._counts = np.array(snapshot["counts"], dtype=np.float64)
