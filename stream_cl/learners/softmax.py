"""Softmax regression that learns event by event, with a learning rate of its own per weight.

The model is multinomial logistic regression, p = softmax(Wᵀx + b). Every event takes one
AdaGrad step (Duchi, Hazan and Singer 2011, *Adaptive Subgradient Methods for Online Learning
and Stochastic Optimization*, section 1.3, diagonal form), with two changes:

    g     = weight · (p_c − [c = y]) · x_j + l2 · W_jc     (no l2 for the bias; x = 1 there)
    G_jc ← forget · G_jc + (1 − forget) · epsilon + g²      (starts at epsilon)
    W_jc ← W_jc − rate / √m · g / √G_jc                     for every j with x_j ≠ 0

- m is the number of inputs that are not zero, the bias among them. A step moves the logit by
  a sum over m inputs, so without √m a rate that suits 8 features is too large for 700 and too
  small for one (compare Ross, Mineiro and Langford 2013, *Normalized Online Learning*).
- G may forget, with a window of 1 / (1 − forget) events: else the rates die, and a stream whose
  classes move is followed ever more slowly. `forget=1` is AdaGrad.

No one rate suits classes that stay, classes that move, and labels that are noise. There are two
sets of weights, one of a low rate that forgets nothing and one of a high rate that forgets soon,
and what they say is averaged with weights by how many of the labels of late each had wrong
(exponentially weighted averaging: Cesa-Bianchi and Lugosi 2006, *Prediction, Learning, and Games*,
section 2.2; discounted losses, section 2.11):

    L ← 0.99 · L + [argmax p_set ≠ y]          for each label of a class that had one before
    p = Σ over sets of exp(−L) · p_set, divided by Σ exp(−L)

The log loss would not do in place of errors: it is low for a set that is never sure, which is what
the low rate makes of one where labels are few. The defaults are those that did well in the mean of
eleven streams, real and made, with 1 to 10 % of the labels (decision 0027), not the best for any.

A class that appears gets zero weights and the first rate; one that was never learned has
probability 0. One step moves a weight by at most its rate, because G ≥ g², so weights
and logits stay finite for every batch that is taken.

Memory: 32 · (width + 2) · max_classes bytes at most, allocated as classes appear, half of it where
there is one set. Cost: O(m·k) per event and set for predicting and for learning.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stream_cl.core.records import FloatMatrix, Probabilities
from stream_cl.core.snapshot import Snapshot
from stream_cl.learners._compiled import as_column, as_rows, classes_in
from stream_cl.learners._softmax_loops import Flags, Floats, learn_rows, predict_rows


class Softmax:
    """Multinomial logistic regression by AdaGrad; the formula stands above.

    Args:
        width: numbers in an encoded event.
        seed: not needed, weights start at zero; every learner takes one.
        max_classes: most classes that it may ever be given.
        learning_rate: the size of a weight's first step, times the root of m; of the first set.
        epsilon: where the sum of squared gradients starts; damps the first steps.
        forget: how much of that sum stays with every event; 1 forgets nothing. Of the first set.
        learning_rate_fast: the rate of the second set.
        forget_fast: what stays of its sum. Where rate and this are those of the first set, there
            is no second one.
        l2: pull of the weights towards zero.

    >>> import numpy as np
    >>> learner = Softmax(width=1, seed=0, max_classes=2)
    >>> x = np.array([[-1.0], [1.0]], dtype=np.float32)
    >>> for _ in range(20):
    ...     learner.learn(x, np.array([0, 1]), np.ones(2))
    >>> learner.predict(x).argmax(axis=1).tolist()
    [0, 1]
    """

    def __init__(
        self,
        width: int,
        seed: int,
        max_classes: int,
        learning_rate: float = 0.5,
        epsilon: float = 0.1,
        forget: float = 1.0,
        learning_rate_fast: float = 2.0,
        forget_fast: float = 0.995,
        l2: float = 0.0,
    ) -> None:
        assert width >= 1
        assert max_classes >= 1
        assert 0.0 < learning_rate <= 1e6
        assert 0.0 < learning_rate_fast <= 1e6
        assert 1e-12 <= epsilon <= 1e12
        assert 0.0 < forget <= 1.0
        assert 0.0 < forget_fast <= 1.0
        assert 0.0 <= l2 <= 1e6
        self._width = width
        self._max_classes = max_classes
        slow, fast = (learning_rate, forget), (learning_rate_fast, forget_fast)
        self._sets = np.array([slow] if slow == fast else [slow, fast], dtype=np.float64)
        self._epsilon, self._l2 = float(epsilon), float(l2)
        self._classes = 0
        self._losses: Floats = np.zeros(len(self._sets))
        self._allocate(0)

    def _allocate(self, classes: int) -> None:
        # The sets stand side by side, so that one pass over an event's inputs serves both.
        shape = (self._width + 1, len(self._sets) * classes)
        self._weights: Floats = np.zeros(shape)
        self._squares: Floats = np.full(shape, self._epsilon)
        self._learned: Flags = np.zeros(classes, dtype=np.bool_)
        self._rates, self._forgets = np.repeat(self._sets, classes, axis=0).T.copy()

    @property
    def n_classes(self) -> int:
        """One more than the largest class ever learned; 0 before the first label."""
        return self._classes

    @property
    def memory_bytes_max(self) -> int:
        """What its arrays never exceed."""
        sets = len(self._sets)
        return (16 * sets * (self._width + 2) + 1) * self._max_classes + 24 * sets

    def predict(self, x: FloatMatrix) -> Probabilities:
        """Class probabilities `float64 [n, k]` of `x [n, width]`. Pure."""
        assert x.shape[1] == self._width
        out = np.empty((len(x), self._classes))
        if self._classes:
            predict_rows(as_rows(x), self._weights, self._learned, self._losses, out)
        return out

    def learn(
        self, x: FloatMatrix, y: npt.NDArray[np.int64], weight: npt.NDArray[np.float64]
    ) -> None:
        """Learn `x [n, width]`, `y [n]`, `weight [n]` (larger than 0) event after event.

        Raises:
            LearnerFailed: an input is not finite; nothing of the batch was learned.
        """
        x, y, weight = as_rows(x), as_column(y, np.int64), as_column(weight, np.float64)
        classes = classes_in(x, y, weight, self._width, self._max_classes)
        if classes > len(self._learned):
            room = len(self._learned) + len(self._learned) // 4
            self._grow(min(max(classes, room), self._max_classes))
        self._classes = learn_rows(
            x,
            y,
            weight,
            self._weights,
            self._squares,
            self._learned,
            self._losses,
            self._classes,
            self._rates,
            self._forgets,
            self._epsilon,
            self._l2,
        )

    def _grow(self, capacity: int) -> None:
        known = self.snapshot()
        self._allocate(capacity)
        self._fill(known)

    def snapshot(self) -> Snapshot:
        """Weights and sums of squares `[sets, width + 1, k]`, the bias last, what was learned, and
        the losses `[sets]`."""
        k = self._classes
        return {
            "weights": self._by_set(self._weights)[:, :, :k].copy(),
            "squares": self._by_set(self._squares)[:, :, :k].copy(),
            "learned": self._learned[:k].copy(),
            "losses": self._losses.copy(),
        }

    def _by_set(self, columns: Floats) -> Floats:
        """A view of weights or squares as `[sets, width + 1, room]`."""
        apart = columns.reshape(self._width + 1, len(self._sets), len(self._learned))
        return apart.transpose(1, 0, 2)

    def fingerprint(self) -> Snapshot:
        """What goes into a digest of the state: the snapshot itself."""
        return self.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Become what `snapshot` was taken from, in memory of its own."""
        shape = len(self._sets), self._width + 1, len(snapshot["learned"])
        assert snapshot["weights"].shape == shape, "a snapshot of another width, or of other sets"
        self._classes = len(snapshot["learned"])
        assert self._classes <= self._max_classes
        self._allocate(self._classes)
        self._fill(snapshot)

    def _fill(self, known: Snapshot) -> None:
        k = self._classes
        self._by_set(self._weights)[:, :, :k] = known["weights"]
        self._by_set(self._squares)[:, :, :k] = known["squares"]
        self._learned[:k] = known["learned"]
        self._losses = known["losses"].copy()
