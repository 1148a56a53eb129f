"""Novelty: ask for what is far from every labelled event, for classes nobody has named yet.

A learner can only be unsure between classes that it knows: an event of a class that has no label
is often far from all of them and still predicted with certainty, because a linear boundary
extends for ever (open set recognition: Scheirer, de Rezende Rocha, Sapkota and Boult 2013,
*Toward Open Set Recognition*; distance to the nearest known example: Mendes Júnior et al. 2017,
*Nearest Neighbors Distance Ratio Open-Set Classifier*; for streams Masud, Gao, Khan, Han and
Thuraisingham 2011, *Classification and Novel Class Detection in Concept-Drifting Data Streams
under Time Constraints*, section 4). A store holds labelled events s; when it is full a new one
replaces a random one of the class that has most, so a class that was rare stays known:

    novelty(x) = min_s ‖x − s‖

It falls by itself as soon as the first label of a new class is learned. Distance alone asks for
outliers too, so it is mixed with uncertainty. Both become ranks among the last `window` events,
in (0, 1), which makes them comparable without a scale:

    share   a fixed share of the events, by the hash of their id, shows its rank of novelty, the
            others their rank of uncertainty
    product 1 − (1 − rank of novelty) · (1 − rank of uncertainty): how rare it is to be as high
            in both (Fisher 1932, *Statistical Methods for Research Workers*, section 21.1)
    max     max(rank of novelty, rank of uncertainty): what either would ask for
    mean    (1 − share) · rank of uncertainty + share · rank of novelty
    alone   novelty itself

The default is `share`, with three of ten events: about as many of the questions go to what is new,
and the others are the best for the classes that are known (decision 0031).

Distances are those between sketches (`_sketch.py`). Memory: 4 · (dimensions + 2) · store +
16 · window bytes. Cost per event: O(dimensions · store + window), 0.3 µs for
ten features, 0.7 µs for 128 columns of which 39 are filled; 4 µs per label.
"""

from __future__ import annotations

from typing import Any, Literal

import numba
import numpy as np
import numpy.typing as npt

from stream_cl.core.draws import unit
from stream_cl.core.protocols import Asking, Utilities
from stream_cl.core.records import FloatMatrix
from stream_cl.core.snapshot import Snapshot
from stream_cl.query._arrays import Arrayed, Arrays, generator_words, set_generator
from stream_cl.query._sketch import Sketch
from stream_cl.query.uncertainty import Measure, uncertainty

Mix = Literal["share", "product", "max", "mean", "alone"]


class NoveltySampling(Arrayed):
    """Distance to the nearest labelled event, mixed with uncertainty; see above.

    Args:
        width: numbers in an encoded event.
        seed: of the sketch and of what the store lets go.
        mix: how novelty and uncertainty become one number.
        share: weight or share of novelty, for the mixes that have one.
        measure: how uncertainty is measured.
        store: labelled events remembered.
        window: events among which both are ranked.
        dimensions: numbers that an event is remembered by.
    """

    name = "novelty"

    def __init__(
        self,
        width: int,
        seed: int,
        mix: Mix = "share",
        share: float = 0.3,
        measure: Measure = "margin",
        store: int = 200,
        window: int = 200,
        dimensions: int = 32,
    ) -> None:
        assert store >= 1
        assert window >= 1
        self.mix: Mix = mix
        self.measure: Measure = measure
        self._share = float(share)
        self._sketch = Sketch(width, min(width, dimensions), seed)
        self._bits = np.random.PCG64(seed)
        self._draws = np.random.Generator(self._bits)
        events: Arrays = {
            "novelties": np.zeros(window),
            "doubts": np.zeros(window),
            "seen": np.zeros(1, dtype=np.int64),
        }
        labels: Arrays = {
            "points": np.zeros((self._sketch.dimensions, store), dtype=np.float32),
            "classes": np.zeros(store, dtype=np.int64),
            "filled": np.zeros(1, dtype=np.int64),
        }
        super().__init__(events, labels)

    def utility(self, asking: Asking) -> Utilities:
        """Event after event; each joins the window of ranks."""
        after, n = self._copied(), len(asking.x)
        novelty, doubt = np.empty(n), uncertainty(asking.probabilities, self.measure)
        known = self._labels
        _nearest(self._sketch(asking.x), known["points"], known["filled"][0], novelty)
        ranks = np.empty((2, n))
        _ranks(novelty, doubt, after["novelties"], after["doubts"], after["seen"], ranks)
        return Utilities(self._mixed(novelty, ranks, asking), after)

    def _mixed(
        self, novelty: npt.NDArray[np.float64], ranks: npt.NDArray[np.float64], asking: Asking
    ) -> npt.NDArray[np.float64]:
        new, unsure = ranks[0], ranks[1]
        mixed: npt.NDArray[np.float64] = self._share * new + (1.0 - self._share) * unsure
        if self.mix == "alone":
            mixed = novelty
        elif self.mix == "product":
            mixed = 1.0 - (1.0 - new) * (1.0 - unsure)
        elif self.mix == "max":
            mixed = np.maximum(new, unsure)
        elif self.mix == "share" and asking.words is not None:
            mixed = np.where(unit(asking.words) < self._share, new, unsure)
        return mixed

    def learn(self, x: FloatMatrix, y: npt.NDArray[np.int64]) -> None:
        """Labelled events join the store; where it is full a common one leaves."""
        known = self._labels
        classes = known["classes"]
        for row, c in zip(self._sketch(x), y.tolist(), strict=True):
            slot = int(known["filled"][0])
            if slot == len(classes):
                most = np.flatnonzero(classes == np.bincount(classes).argmax())
                slot = int(most[int(self._draws.random() * len(most))])
            else:
                known["filled"][0] += 1
            known["points"][:, slot] = row
            classes[slot] = c

    def snapshot(self) -> Snapshot:
        """Every array, and the generator."""
        return {**super().snapshot(), "generator": generator_words(self._bits)}

    def restore(self, snapshot: Snapshot) -> None:
        """Become what `snapshot` was taken from, in memory of its own."""
        super().restore(snapshot)
        set_generator(self._bits, snapshot["generator"])


@numba.njit(cache=True)
def _nearest(z: Any, points: Any, filled: int, out: Any) -> None:
    dimensions, size = points.shape
    away = np.empty(size, dtype=np.float32)
    for i in range(z.shape[0]):
        away[:] = 0
        for j in range(dimensions):
            value = z[i, j]
            for w in range(size):
                apart = value - points[j, w]
                away[w] += apart * apart
        closest = np.float32(np.inf)
        for w in range(filled):
            closest = min(closest, away[w])
        # Before the first label everything is equally new.
        out[i] = np.sqrt(np.float64(closest)) if filled else 0.0


@numba.njit(cache=True)
def _ranks(novelty: Any, doubt: Any, novelties: Any, doubts: Any, seen: Any, ranks: Any) -> None:
    """Where each stands among the last ones and itself; ties share the middle."""
    size = novelties.shape[0]
    for i in range(novelty.shape[0]):
        filled = min(seen[0], size)
        for which in range(2):
            ring = novelties if which == 0 else doubts
            value = novelty[i] if which == 0 else doubt[i]
            below, equal = 0, 1
            for w in range(filled):
                below += ring[w] < value
                equal += ring[w] == value
            ranks[which, i] = (below + 0.5 * equal) / (filled + 1)
            ring[seen[0] % size] = value
        seen[0] += 1
