"""A network with one hidden layer that learns each mini-batch together with remembered events.

Experience replay (Rolnick et al. 2019, *Experience Replay for Continual Learning*; Chaudhry et
al. 2019, *On Tiny Episodic Memories in Continual Learning*, algorithm 1). With m the number of
inputs of an event that are not zero, one more for the bias, and classes never learned left out:

    h = max(0, x/√m · V + v)        p = softmax(h · W + w)

Labelled events are taken in their order in mini-batches of n ≤ `batch`. Each makes `rehearsals`
steps; every step draws r ≤ `replay` other events from memory and descends the gradient of

    L = (Σ_new weight · −log p_y / n  +  replay_weight · Σ_drawn −log p_y / r) / (1 + replay_weight)

(the first sum alone while memory is empty); then the new events enter memory. As in `softmax`
every parameter θ with gradient g has a rate of its own, AdaGrad that forgets (Duchi, Hazan and
Singer 2011, section 1.3), all in float32:

    G ← forget · G + (1 − forget) · epsilon + g²      (starts at epsilon)
    θ ← θ − learning_rate · g / √G

One step moves a parameter by at most `learning_rate`. x/√m makes the rate fit 8 inputs as well
as 784, and unused columns harmless. V starts as standard normal draws of the seed, all else at
zero, a class that appears too, so nothing depends on when arrays grow.

The defaults did well on seven real streams of 8 to 110 features together, with all labels and
with one in twenty; none is the best for one. Tried besides: Adam and momentum (follow change too
slowly), one mean over new and drawn events (with one new event among ten it hardly counts), no
replay (better on streams that drift, worse on the others), 32 or 128 units, direct weights from
input to output (no gain). Classes that come one after another and do not return want a
`replay_weight` near 8.

Bits: a step is a dozen torch operations on one thread over freshly laid out memory whose shape
depends on the number of classes alone. torch's products give other bits for another number of
rows, so predictions come from a loop that adds up row by row in a written order.

Memory: 16 · ((width + 1) · hidden + (hidden + 1) · classes) bytes, classes rounded up to a power
of two, and that of `memory`. Cost: O(m · hidden) per prediction; per step one pass over all
parameters and 3 · (n + r) · width · hidden multiplications.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from stream_cl.core.errors import LearnerFailed
from stream_cl.core.protocols import Memory
from stream_cl.core.records import FloatMatrix, Probabilities
from stream_cl.core.snapshot import Snapshot
from stream_cl.learners._compiled import as_column, as_rows, classes_in
from stream_cl.learners._mlp_layers import (
    Flags,
    Layers,
    hidden_rows,
    one_thread,
    predict_rows,
    scale_rows,
    thinned_rows,
)

DROPPED: Final = 0.2
"""Share of the hidden units that a sample of the posterior does without."""
INPUT_MAX: Final = 1e9
"""Largest |feature| and weight that is learned: squares of gradients stay within float32."""


class ReplayMlp:
    """Experience replay with one hidden layer; formulas and sources stand above.

    Args:
        width: numbers in an encoded event.
        seed: of the weights that the hidden layer starts with; memory has its own.
        max_classes: most classes that it may ever be given.
        memory: what is rehearsed from; becomes part of this learner's state.
        hidden: units of the hidden layer.
        learning_rate: the most that a step moves a parameter.
        epsilon: where the sum of squared gradients starts; damps the first steps.
        forget: how much of that sum stays with every step; 1 forgets nothing.
        batch: labelled events in a mini-batch at most. With 1 it does not matter how many
            labels come at once, to the bit; larger ones are cheaper and learn less per event.
        replay: events drawn from memory for each step.
        replay_weight: what they count for together, where the new ones count 1. Large against
            forgetting, small where old events mislead because the stream drifts.
        rehearsals: steps per mini-batch. May be set at any time; counts from the next `learn`.

    >>> from stream_cl.memory.reservoir import Reservoir
    >>> learner = ReplayMlp(2, seed=0, max_classes=2, memory=Reservoir(2, capacity=4, seed=0))
    >>> x = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], dtype=np.float32)
    >>> for _ in range(20):
    ...     learner.learn(x, np.array([0, 1, 1, 0]), np.ones(4))
    >>> learner.predict(x).argmax(axis=1).tolist()
    [0, 1, 1, 0]
    """

    def __init__(
        self,
        width: int,
        seed: int,
        max_classes: int,
        memory: Memory,
        hidden: int = 64,
        learning_rate: float = 0.05,
        epsilon: float = 1e-4,
        forget: float = 0.9999,
        batch: int = 10,
        replay: int = 10,
        replay_weight: float = 0.5,
        rehearsals: int = 4,
    ) -> None:
        assert min(width, max_classes, hidden, batch) >= 1
        assert replay >= 0
        assert 0.0 < learning_rate <= 1e3
        assert 1e-12 <= epsilon <= 1e12
        assert 0.0 < forget <= 1.0
        assert 0.0 <= replay_weight <= 1e6
        self._width, self._hidden, self._max_classes = width, hidden, max_classes
        self._memory, self._seed = memory, seed
        self._learning_rate, self._epsilon, self._forget = learning_rate, epsilon, forget
        self._batch, self._replay, self._replay_weight = batch, replay, replay_weight
        self.rehearsals = rehearsals
        self._classes = 0
        self._allocate()
        draws = np.random.default_rng(seed).standard_normal((width, hidden), dtype=np.float32)
        self._weights.inner.numpy()[...] = draws

    def _capacity(self, classes: int) -> int:
        """Columns for so many classes. A function of nothing else: bits depend on shapes."""
        return min(self._max_classes, 1 << max(1, (classes - 1).bit_length()))

    def _allocate(self) -> None:
        self._room = self._capacity(self._classes)
        shape = (self._width, self._hidden, self._room)
        self._weights = Layers(*shape)
        self._squares = Layers(*shape, value=self._epsilon)
        self._gradient = Layers(*shape)
        self._scratch = torch.empty_like(self._gradient.flat)
        self._learned: Flags = np.zeros(self._room, dtype=np.bool_)
        self._mask = torch.full((self._room,), -math.inf)

    @property
    def n_classes(self) -> int:
        """One more than the largest class ever learned; 0 before the first label."""
        return self._classes

    @property
    def memory(self) -> Memory:
        """What it rehearses from; to be looked at only."""
        return self._memory

    @property
    def memory_bytes_max(self) -> int:
        """What its arrays and its memory never exceed."""
        parameters = (self._width + 1) * self._hidden + (self._hidden + 1) * self._max_classes
        return 16 * parameters + 5 * self._max_classes + self._memory.bytes_max

    def predict(self, x: FloatMatrix) -> Probabilities:
        """Class probabilities `float64 [n, k]` of `x [n, width]`. Pure."""
        assert x.shape[1] == self._width
        out = np.empty((len(x), self._classes))
        if self._classes:
            predict_rows(as_rows(x), *self._weights.parts(self._room), self._learned, out)
        return out

    def sample_posterior(self, x: FloatMatrix, samples: int) -> npt.NDArray[np.float64]:
        """Class probabilities `float64 [samples, n, k]` of as many thinned networks. Pure.

        Dropout as samples of the posterior (Gal and Ghahramani 2016, *Dropout as a Bayesian
        Approximation*), put in after training (Ledda, Fumera and Roli 2023, *Dropout Injection at
        Test Time for Post Hoc Uncertainty Quantification*): each leaves out DROPPED of the
        hidden units. Which ones is fixed by the seed, so a sample is one network for all events.
        """
        assert x.shape[1] == self._width
        out = np.empty((samples, len(x), self._classes))
        if self._classes:
            draws = np.random.default_rng([self._seed, 1]).random((samples, self._hidden))
            masks = (draws >= DROPPED) / (1.0 - DROPPED)
            inner, inner_bias, outer, outer_bias = self._weights.parts(self._room)
            hidden = np.empty((len(x), self._hidden))
            hidden_rows(as_rows(x), inner, inner_bias, hidden)
            thinned_rows(hidden, masks, outer, outer_bias, self._learned, out)
        return out

    def learn(
        self, x: FloatMatrix, y: npt.NDArray[np.int64], weight: npt.NDArray[np.float64]
    ) -> None:
        """Learn `x [n, width]`, `y [n]`, `weight [n]` (larger than 0) in mini-batches.

        Raises:
            LearnerFailed: an input is not finite or beyond INPUT_MAX, and nothing was learned;
                or a parameter is no longer finite.
        """
        assert self.rehearsals >= 1
        x, y, weight = as_rows(x), as_column(y, np.int64), as_column(weight, np.float64)
        classes = classes_in(x, y, weight, self._width, self._max_classes)
        if not len(y):
            return
        if max(x.max(), -x.min(), weight.max()) > INPUT_MAX:
            raise LearnerFailed(f"a feature or weight of the batch is beyond {INPUT_MAX:.0e}")
        with one_thread():
            for start in range(0, len(y), self._batch):
                part = slice(start, start + self._batch)
                self._know(y[part])
                for _ in range(self.rehearsals):
                    self._step(x[part], y[part], weight[part])
                self._memory.add(x[part], y[part])
            if not math.isfinite(float(self._weights.flat.sum())):
                raise LearnerFailed("a parameter is no longer finite")
        assert self._classes >= classes

    def _know(self, y: npt.NDArray[np.int64]) -> None:
        """Make room for the classes of a mini-batch and let them have a probability."""
        before, classes = self._classes, max(self._classes, int(y.max()) + 1)
        if self._capacity(classes) > self._room:
            known = self._layers()
            self._classes = classes
            self._allocate()
            self._fill(known)
        elif classes > before:
            self._classes = classes
            # Columns in waiting had gradients of zero, but sums of squares drift by rounding.
            self._squares.outer[:, before:classes] = self._epsilon
            self._squares.outer_bias[before:classes] = self._epsilon
        self._learned[y] = True
        self._mask[torch.from_numpy(y)] = 0.0

    def _step(
        self, x: FloatMatrix, y: npt.NDArray[np.int64], weight: npt.NDArray[np.float64]
    ) -> None:
        old_x, old_y = self._memory.sample(self._replay)
        n, r = len(y), len(old_y)
        inputs = torch.empty((n + r, self._width), dtype=torch.float32)
        scale_rows(x, inputs[:n].numpy())
        scale_rows(old_x, inputs[n:].numpy())
        share = np.empty((n + r, 1), dtype=np.float32)
        total = 1.0 + (self._replay_weight if r else 0.0)
        share[:n, 0] = weight / (n * total)
        share[n:] = self._replay_weight / (max(r, 1) * total)
        self._gradient_of(inputs, torch.from_numpy(np.concatenate((y, old_y))), share)
        gradient, squares = self._gradient.flat, self._squares.flat
        squares.mul_(self._forget).addcmul_(gradient, gradient)
        squares.add_((1.0 - self._forget) * self._epsilon)
        torch.sqrt(squares, out=self._scratch)
        self._weights.flat.addcdiv_(gradient, self._scratch, value=-self._learning_rate)

    def _gradient_of(self, x: torch.Tensor, y: torch.Tensor, share: FloatMatrix) -> None:
        """Write down the gradient of Σ share · −log p_y, backwards by hand."""
        weights, gradient = self._weights, self._gradient
        hidden = torch.addmm(weights.inner_bias, x, weights.inner).relu_()
        error = torch.addmm(weights.outer_bias, hidden, weights.outer).add_(self._mask)
        error = torch.softmax(error, dim=1)
        shares = torch.from_numpy(share)
        error.mul_(shares).scatter_add_(1, y.view(-1, 1), -shares)
        torch.mm(hidden.t(), error, out=gradient.outer)
        torch.sum(error, dim=0, out=gradient.outer_bias)
        inner = torch.mm(error, weights.outer.t()).mul_(hidden > 0.0)
        torch.mm(x.t(), inner, out=gradient.inner)
        torch.sum(inner, dim=0, out=gradient.inner_bias)

    def _layers(self) -> Snapshot:
        k = self._classes
        return {
            "weights": [part.copy() for part in self._weights.parts(k)],
            "squares": [part.copy() for part in self._squares.parts(k)],
            "learned": self._learned[:k].copy(),
        }

    def snapshot(self) -> Snapshot:
        """Weights and sums of squares of the classes known, what was learned, the memory."""
        return {**self._layers(), "memory": self._memory.snapshot()}

    def fingerprint(self) -> Snapshot:
        """The snapshot, but of the memory its own fingerprint."""
        return {**self._layers(), "memory": self._memory.fingerprint()}

    def restore(self, snapshot: Snapshot) -> None:
        """Become what `snapshot` was taken from, in memory of its own."""
        shape = snapshot["weights"][0].shape
        assert shape == (self._width, self._hidden), f"a snapshot of layers {shape}"
        self._classes = len(snapshot["learned"])
        assert self._classes <= self._max_classes
        self._allocate()
        self._fill(snapshot)
        self._memory.restore(snapshot["memory"])

    def _fill(self, known: Snapshot) -> None:
        k = len(known["learned"])
        for layers, name in ((self._weights, "weights"), (self._squares, "squares")):
            for part, value in zip(layers.parts(k), known[name], strict=True):
                part[...] = value
        self._learned[:k] = known["learned"]
        self._mask[torch.from_numpy(self._learned)] = 0.0
