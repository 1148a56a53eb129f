"""What every query strategy promises, as tests.

Subclass `StrategyContract` in a test file and give it a factory:

    class TestRandomSampling(StrategyContract):
        def make(self) -> RandomSampling:
            return RandomSampling()
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest

from stream_cl.core.protocols import QueryStrategy
from stream_cl.core.records import FloatMatrix, Probabilities

SEED: Final = 60
WIDTH: Final = 4
CLASSES: Final = (0, 1, 2, 3, 50)

Scored = tuple[FloatMatrix, Probabilities]


def scored(n: int, k: int, seed: int = SEED) -> Scored:
    """`x [n, WIDTH]` and `probabilities [n, k]`; rows that are certain or undecided too."""
    draws = np.random.default_rng(seed)
    x = draws.normal(size=(n, WIDTH)).astype(np.float32)
    raw = draws.exponential(size=(n, k)) ** draws.choice([0.1, 1.0, 8.0], size=(n, 1))
    if k and n > 3:
        raw[0] = 1.0
        raw[1:3] = np.eye(k)[[0, k - 1]]
    return x, raw / np.maximum(raw.sum(axis=1, keepdims=True), 1e-300)


class StrategyContract:
    """Subclass it, name the class `Test…`, implement `make`."""

    def make(self) -> QueryStrategy:
        """The strategy."""
        raise NotImplementedError

    def test_name(self) -> None:
        """Every label request says by which strategy it was chosen."""
        assert self.make().name.isidentifier()

    @pytest.mark.parametrize("k", CLASSES)
    @pytest.mark.parametrize("n", [0, 1, 200])
    def test_one_utility_per_event(self, n: int, k: int) -> None:
        """Finite and in [0, 1], whatever the learner says: also before the first class."""
        utility = self.make().utility(*scored(n, k))
        assert utility.shape == (n,)
        assert utility.dtype == np.float64
        assert np.isfinite(utility).all()
        assert (utility >= 0).all()
        assert (utility <= 1).all()

    @pytest.mark.parametrize("k", CLASSES)
    def test_it_is_pure(self, k: int) -> None:
        """Else a step that aborts would leave a trace, and probabilities be published changed."""
        strategy, (x, probabilities) = self.make(), scored(200, k)
        kept = x.tobytes(), probabilities.tobytes()
        x.flags.writeable = probabilities.flags.writeable = False
        first = strategy.utility(x, probabilities)
        assert strategy.utility(x, probabilities).tobytes() == first.tobytes()
        assert (x.tobytes(), probabilities.tobytes()) == kept

    @pytest.mark.parametrize("k", CLASSES)
    def test_an_events_utility_is_its_own(self, k: int) -> None:
        """Else who is asked depends on what else is in the step."""
        strategy, (x, probabilities) = self.make(), scored(200, k)
        whole = strategy.utility(x, probabilities)
        order = np.random.default_rng(1).permutation(200)
        assert strategy.utility(x[order], probabilities[order]).tobytes() == whole[order].tobytes()
        parts = [strategy.utility(x[i : i + 1], probabilities[i : i + 1]) for i in range(200)]
        assert np.concatenate(parts).tobytes() == whole.tobytes()
