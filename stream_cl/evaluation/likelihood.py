"""How likely the truth was, from the few largest probabilities of a prediction.

An event that waits for its label keeps only those, so that what it costs does not grow with
the number of classes. What they leave is shared evenly among the other classes known then.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stream_cl.core.records import Probabilities


def keep_largest(
    probabilities: Probabilities,
    classes: npt.NDArray[np.int16],
    kept: npt.NDArray[np.float32],
) -> None:
    """Write the m largest of `probabilities [n, k]` into `kept [n, m]`, zeroed before, and
    their class numbers into `classes [n, m]`; of equal ones the smaller class number.
    """
    k, m = probabilities.shape[1], kept.shape[1]
    if k <= m:
        classes[:, :k] = np.arange(k)
        kept[:, :k] = probabilities
        return
    largest = np.argsort(-probabilities, axis=1, kind="stable")[:, :m]
    classes[:] = largest
    kept[:] = np.take_along_axis(probabilities, largest, axis=1)


def given_to(
    true: npt.NDArray[np.int64],
    known: npt.NDArray[np.int32],
    classes: npt.NDArray[np.int16],
    kept: npt.NDArray[np.float32],
) -> npt.NDArray[np.float64]:
    """`float64 [n]`: the probability that each prediction gave to the class `true [n]`.

    known: `[n]`, classes known when it was made. A class that was not known then, and −1,
    have 0.
    """
    probability = np.zeros(len(true))
    rows, m = ((true >= 0) & (true < known)).nonzero()[0], kept.shape[1]
    few = known[rows] <= m  # then every class is kept, in its own place
    if few.all():
        probability[rows] = kept[rows, true[rows]]
        return probability
    left = np.maximum(0.0, 1.0 - kept[rows].sum(axis=1, dtype=np.float64))
    shared = left / np.maximum(1, known[rows] - m)
    listed = classes[rows] == true[rows, None]
    own = np.where(listed, kept[rows], 0.0).sum(axis=1)
    probability[rows] = np.where(listed.any(axis=1), own, shared)
    return probability


def rank_of(
    true: npt.NDArray[np.int64],
    known: npt.NDArray[np.int32],
    classes: npt.NDArray[np.int16],
    kept: npt.NDArray[np.float32],
) -> npt.NDArray[np.int64]:
    """`int64 [n]`: the place of the class `true [n]` among the most probable ones, 0 for the
    first; of equal ones the smaller number goes first. A class that is not among those kept, or
    was not known, and −1, come after all: m, the number of places in `kept [n, m]`.
    """
    m = kept.shape[1]
    there = np.arange(m) < known[:, None]
    own = there & (classes == true[:, None])
    mine = np.where(own, kept, 0.0).sum(axis=1)[:, None]
    before = (kept > mine) | ((kept == mine) & (classes < true[:, None]))
    found: npt.NDArray[np.int64] = np.where(own.any(axis=1), (there & before).sum(axis=1), m)
    return found
