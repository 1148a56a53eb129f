"""The layers of `replay_mlp`, and what is done with them row by row.

Kept apart from the algorithm, which is in `replay_mlp.py`: compiled loops whose bits do not
depend on how many rows there are, and parameters in one piece of memory, so that an optimiser
step is one operation over all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch

from stream_cl.core.records import FloatMatrix, Probabilities
from stream_cl.learners._compiled import compiled

_Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@compiled("void(float32[::1], float32[:,::1], float32[::1], float64[::1])")
def _hidden(
    row: npt.NDArray[np.float32],
    inner: FloatMatrix,
    bias: _Floats,
    out: npt.NDArray[np.float64],
) -> None:
    """The hidden units of one event before they are cut at zero, into `out [hidden]`."""
    inputs = 1
    for j in range(len(row)):
        inputs += row[j] != 0.0
    scale = 1.0 / np.sqrt(inputs)
    for u in range(len(out)):
        out[u] = bias[u]
    for j in range(len(row)):
        if row[j] != 0.0:
            value = np.float64(row[j]) * scale
            for u in range(len(out)):
                out[u] += value * inner[j, u]


@compiled(
    "void(float32[:,::1], float32[:,::1], float32[::1], float32[:,::1], float32[::1],"
    " boolean[::1], float64[:,::1])"
)
def predict_rows(
    x: FloatMatrix,
    inner: FloatMatrix,
    inner_bias: _Floats,
    outer: FloatMatrix,
    outer_bias: _Floats,
    learned: Flags,
    out: Probabilities,
) -> None:
    """Class probabilities of `x` into `out [n, k]`, added up in float64 in a written order."""
    classes = out.shape[1]
    hidden = np.empty(len(inner_bias))
    for i in range(x.shape[0]):
        row = out[i]
        _hidden(x[i], inner, inner_bias, hidden)
        for c in range(classes):
            row[c] = outer_bias[c]
        for u in range(len(hidden)):
            if hidden[u] > 0.0:
                for c in range(classes):
                    row[c] += hidden[u] * outer[u, c]
        largest = -np.inf
        for c in range(classes):
            if learned[c] and row[c] > largest:
                largest = row[c]
        total = 0.0
        for c in range(classes):
            row[c] = np.exp(row[c] - largest) if learned[c] else 0.0
            total += row[c]
        for c in range(classes):
            row[c] /= total


@compiled("void(float32[:,::1], float32[:,::1], float32[::1], float64[:,::1])")
def hidden_rows(x: FloatMatrix, inner: FloatMatrix, bias: _Floats, out: Probabilities) -> None:
    """The hidden units of `x` before they are cut at zero, into `out [n, hidden]`."""
    for i in range(x.shape[0]):
        _hidden(x[i], inner, bias, out[i])


@compiled(
    "void(float64[:,::1], float64[:,::1], float32[:,::1], float32[::1], boolean[::1],"
    " float64[:,:,::1])"
)
def thinned_rows(
    hidden: Probabilities,
    masks: Probabilities,
    outer: FloatMatrix,
    bias: _Floats,
    learned: Flags,
    out: npt.NDArray[np.float64],
) -> None:
    """Class probabilities of `hidden [n, units]`, multiplied by each row of `masks [s, units]`,
    into `out [s, n, k]`."""
    for s in range(masks.shape[0]):
        for i in range(hidden.shape[0]):
            row = out[s, i]
            for c in range(len(row)):
                row[c] = bias[c]
            for u in range(hidden.shape[1]):
                value = hidden[i, u] * masks[s, u]
                if value > 0.0:
                    for c in range(len(row)):
                        row[c] += value * outer[u, c]
            largest = -np.inf
            for c in range(len(row)):
                if learned[c] and row[c] > largest:
                    largest = row[c]
            total = 0.0
            for c in range(len(row)):
                row[c] = np.exp(row[c] - largest) if learned[c] else 0.0
                total += row[c]
            for c in range(len(row)):
                row[c] /= total


@compiled("void(float32[:,::1], float32[:,::1])")
def scale_rows(x: FloatMatrix, out: FloatMatrix) -> None:
    """x/√m, row by row."""
    for i in range(x.shape[0]):
        inputs = 1
        for j in range(x.shape[1]):
            inputs += x[i, j] != 0.0
        scale = np.float32(1.0 / np.sqrt(inputs))
        for j in range(x.shape[1]):
            out[i, j] = x[i, j] * scale


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums must not depend on how many cores there are; torch's setting is the process's."""
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Layers:
    """Two layers in one piece of memory, and each of its four parts as a view."""

    def __init__(self, width: int, hidden: int, classes: int, value: float = 0.0) -> None:
        sizes = [width * hidden, hidden, hidden * classes, classes]
        self.flat = torch.full((sum(sizes),), value, dtype=torch.float32)
        inner, self.inner_bias, outer, self.outer_bias = torch.split(self.flat, sizes)
        self.inner = inner.view(width, hidden)
        self.outer = outer.view(hidden, classes)
        self._views = (
            self.inner.numpy(),
            self.inner_bias.numpy(),
            self.outer.numpy(),
            self.outer_bias.numpy(),
        )
        self._classes = classes

    def parts(self, classes: int) -> tuple[_Floats, _Floats, _Floats, _Floats]:
        """Inner weights, inner bias, outer weights and bias of the first so many classes.

        They share memory with the layers.
        """
        if classes == self._classes:
            return self._views
        inner, inner_bias, outer, bias = self._views
        return inner, inner_bias, outer[:, :classes], bias[:classes]
