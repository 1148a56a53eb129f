"""The compiled loops of `softmax`, event after event; its formula stands there.

Weights and squares are `[width + 1, sets · room]`, the bias last: the sets side by side, each with
room for as many classes as `learned [room]`, so that one pass over an event's inputs serves all.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from stream_cl.core.records import FloatMatrix
from stream_cl.learners._compiled import compiled

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
_Ints = npt.NDArray[np.int64]

RECENT: Final = 0.99
"""How much of an error stays with every label: about the last hundred count."""


@compiled("int64(float32[:,::1], int64, int64[::1], float64[::1])")
def _inputs(x: FloatMatrix, i: int, places: _Ints, values: Floats) -> int:
    """How many numbers of event i are not zero; where they stand and what they are, in the first
    entries of `places [width + 1]` and `values [width + 1]`."""
    found, width = 0, x.shape[1]
    fours = width - width % 4
    for j in range(0, fours, 4):
        # One branch for four zeros, of which an image has many.
        if abs(x[i, j]) + abs(x[i, j + 1]) + (abs(x[i, j + 2]) + abs(x[i, j + 3])) != 0.0:
            for k in range(j, j + 4):
                # Written every time and kept by counting on: a branch would be guessed wrong often.
                places[found], values[found] = k, x[i, k]
                found += x[i, k] != 0.0
    for j in range(fours, width):
        places[found], values[found] = j, x[i, j]
        found += x[i, j] != 0.0
    return found


@compiled("void(float64[::1], boolean[::1])")
def _normalise(out: Floats, learned: Flags) -> None:
    """From logits to probabilities; 0 for a class that was never learned."""
    largest = -np.inf
    for c in range(out.shape[0]):
        if learned[c] and out[c] > largest:
            largest = out[c]
    total = 0.0
    for c in range(out.shape[0]):
        out[c] = np.exp(out[c] - largest) if learned[c] else 0.0
        total += out[c]
    for c in range(out.shape[0]):
        out[c] /= total


@compiled("void(int64[::1], float64[::1], int64, float64[:,::1], boolean[::1], float64[::1])")
def _say(
    places: _Ints, values: Floats, found: int, weights: Floats, learned: Flags, out: Floats
) -> None:
    """What each set of weights says of the event with these `_inputs`, into `out [sets · room]`."""
    columns, room, bias = out.shape[0], learned.shape[0], weights.shape[0] - 1
    for c in range(columns):
        out[c] = weights[bias, c]
    fours = found - found % 4
    # Four inputs at a time and in their order: the same sums, read and written a quarter as often.
    for a in range(0, fours, 4):
        j, k, m, n = places[a], places[a + 1], places[a + 2], places[a + 3]
        p, q, r, s = values[a], values[a + 1], values[a + 2], values[a + 3]
        for c in range(columns):
            sum_ = out[c] + p * weights[j, c]
            sum_ += q * weights[k, c]
            sum_ += r * weights[m, c]
            out[c] = sum_ + s * weights[n, c]
    for a in range(fours, found):
        j, p = places[a], values[a]
        for c in range(columns):
            out[c] += p * weights[j, c]
    for first in range(0, columns, room):
        _normalise(out[first : first + room], learned)


@compiled("void(float32[:,::1], float64[:,::1], boolean[::1], float64[::1], float64[:,::1])")
def predict_rows(
    x: FloatMatrix, weights: Floats, learned: Flags, losses: Floats, out: Floats
) -> None:
    room = learned.shape[0]
    shares = np.exp(losses.min() - losses)
    shares /= shares.sum()
    said = np.empty(weights.shape[1])
    places, values = np.empty(x.shape[1] + 1, np.int64), np.empty(x.shape[1] + 1)
    for i in range(x.shape[0]):
        found = _inputs(x, i, places, values)
        _say(places, values, found, weights, learned, said)
        for c in range(out.shape[1]):
            out[i, c] = 0.0
            for s in range(shares.shape[0]):
                out[i, c] += shares[s] * said[s * room + c]


@compiled(
    "int64(float32[:,::1], int64[::1], float64[::1], float64[:,::1], float64[:,::1],"
    " boolean[::1], float64[::1], int64, float64[::1], float64[::1], float64, float64)"
)
def learn_rows(
    x: FloatMatrix,
    y: npt.NDArray[np.int64],
    weight: Floats,
    weights: Floats,
    squares: Floats,
    learned: Flags,
    losses: Floats,
    classes: int,
    rates: Floats,
    forgets: Floats,
    epsilon: float,
    l2: float,
) -> int:
    width, room = x.shape[1], learned.shape[0]
    error = np.empty(weights.shape[1])
    refills = (1.0 - forgets) * epsilon
    places, values = np.empty(width + 1, np.int64), np.empty(width + 1)
    for i in range(x.shape[0]):
        known = learned[y[i]]
        while classes <= y[i]:
            # Forgotten and refilled with the others until now, which may have rounded them.
            squares[:, classes::room] = epsilon
            classes += 1
        learned[y[i]] = True
        found = _inputs(x, i, places, values)
        places[found], values[found] = width, 1.0
        scale = 1.0 / np.sqrt(found + 1)
        _say(places, values, found, weights, learned, error)
        for s in range(losses.shape[0]):
            said = error[s * room : (s + 1) * room]
            if known:
                losses[s] = RECENT * losses[s] + (0.0 if said.argmax() == y[i] else 1.0)
            said[y[i]] -= 1.0
        error *= weight[i]
        for a in range(found + 1):
            j, value = places[a], values[a]
            decay = l2 if j < width else 0.0
            for c in range(error.shape[0]):
                g = error[c] * value + decay * weights[j, c]
                square = forgets[c] * squares[j, c] + refills[c] + g * g
                squares[j, c] = square
                weights[j, c] -= scale * rates[c] * g / np.sqrt(square)
    return classes
