"""What every query strategy promises, as tests.

Subclass `StrategyContract` in a test file and give it a factory:

    class TestRandomSampling(StrategyContract):
        def make(self) -> RandomSampling:
            return RandomSampling()

Events come from a fixed seed. A strategy that needs a power of the learner overrides `learner`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from stream_cl.core.protocols import Asking, HearsAnswers, Learner, QueryStrategy, Utilities
from stream_cl.core.records import FloatMatrix, Probabilities
from stream_cl.core.snapshot import Digest, Snapshot, digest

SEED: Final = 60
WIDTH: Final = 4
CLASSES: Final = (0, 1, 2, 3, 50)

Scored = tuple[FloatMatrix, Probabilities]


class Knows(NamedTuple):
    """A learner that says nothing but how many classes it knows; it cannot learn."""

    n_classes: int

    def predict(self, x: FloatMatrix) -> Probabilities:
        return np.full((len(x), self.n_classes), 1 / max(self.n_classes, 1))

    def learn(
        self, x: FloatMatrix, y: npt.NDArray[np.int64], weight: npt.NDArray[np.float64]
    ) -> None:
        raise RuntimeError("a strategy changed the learner")

    def fingerprint(self) -> Snapshot:
        return {}

    def snapshot(self) -> Snapshot:
        return {}

    def restore(self, snapshot: Snapshot) -> None:
        raise RuntimeError("a strategy changed the learner")


def scored(n: int, k: int, seed: int = SEED) -> Scored:
    """`x [n, WIDTH]` and `probabilities [n, k]`; rows that are certain or undecided too."""
    draws = np.random.default_rng(seed)
    x = draws.normal(size=(n, WIDTH)).astype(np.float32)
    raw = draws.exponential(size=(n, k)) ** draws.choice([0.1, 1.0, 8.0], size=(n, 1))
    if k and n > 3:
        raw[0] = 1.0
        raw[1:3] = np.eye(k)[[0, k - 1]]
    return x, raw / np.maximum(raw.sum(axis=1, keepdims=True), 1e-300)


def asking(n: int, k: int, seed: int = SEED, learner: Learner | None = None) -> Asking:
    """A step of n events over k classes."""
    words = np.random.default_rng(seed).integers(0, 1 << 64, n, dtype=np.uint64)
    return Asking(*scored(n, k, seed), learner or Knows(k), words)


def some(whole: Asking, rows: Any) -> Asking:
    """The events of these rows, in the order of the rows."""
    words = None if whole.words is None else whole.words[rows]
    return Asking(whole.x[rows], whole.probabilities[rows], whole.learner, words)


def answers(n: int, k: int, seed: int = SEED) -> tuple[FloatMatrix, npt.NDArray[np.int64]]:
    """Labelled events `x [n, WIDTH]`, `y [n]` of k classes, the first class most often."""
    draws = np.random.default_rng(seed + 1)
    y = np.minimum(draws.geometric(0.4, n) - 1, k - 1).astype(np.int64)
    return (draws.normal(size=(n, WIDTH)) + y[:, None]).astype(np.float32), y


def teach(strategy: QueryStrategy, x: FloatMatrix, y: npt.NDArray[np.int64]) -> None:
    """Let it learn labelled events, and hear how they were predicted and what they cost."""
    strategy.learn(x, y)
    if isinstance(strategy, HearsAnswers):
        said = (x[:, 0] > 0.0).astype(np.int64)
        predicted = np.where(x[:, 1] > 2.0, -1, np.where(said == 1, y, 0))
        cost = np.where(x[:, 2] > 1.0, np.nan, 1.0 + y)
        strategy.hear(y, predicted, cost)


def in_steps(
    strategy: QueryStrategy, whole: Asking, sizes: Iterable[int] = ()
) -> Iterator[npt.NDArray[np.float64]]:
    """The values of each step, committed; steps of `sizes`, the rest as one."""
    start = 0
    for size in [*sizes, len(whole.x)]:
        utilities = strategy.utility(some(whole, slice(start, start + size)))
        strategy.commit(utilities)
        start += size
        yield utilities.values


class StrategyContract:
    """Subclass it, name the class `Test…`, implement `make`."""

    MOST: float = inf
    """The largest utility that it may give."""
    LEARNS_IN_BATCHES: str = ""
    """Why its state depends on how many labels come at once; empty where it does not."""

    def make(self) -> QueryStrategy:
        """The strategy, before the first event; of `WIDTH` features, 50 classes or more."""
        raise NotImplementedError

    def learner(self, k: int) -> Learner:
        """A learner that knows k classes."""
        return Knows(k)

    def used(self, k: int = 3) -> QueryStrategy:
        """The strategy after events and labels."""
        strategy = self.make()
        if k:
            teach(strategy, *answers(20, k, SEED + 9))
        strategy.commit(strategy.utility(self.asking(300, k, SEED + 10)))
        if k:
            teach(strategy, *answers(60, k, SEED + 11))
        return strategy

    def asking(self, n: int, k: int, seed: int = SEED) -> Asking:
        """A step of n events over k classes, with this strategy's learner."""
        return asking(n, k, seed, self.learner(k))

    def test_name(self) -> None:
        """Every label request says by which strategy it was chosen."""
        assert self.make().name.isidentifier()

    @pytest.mark.parametrize("k", CLASSES)
    @pytest.mark.parametrize("n", [0, 1, 200])
    def test_one_utility_per_event(self, n: int, k: int) -> None:
        """Finite and not below 0, whatever the learner says: also before the first class."""
        for strategy in (self.make(), self.used(k)):
            values = strategy.utility(self.asking(n, k)).values
            assert values.shape == (n,)
            assert values.dtype == np.float64
            assert np.isfinite(values).all()
            assert (values >= 0).all()
            assert (values <= self.MOST).all()

    @pytest.mark.parametrize("k", CLASSES)
    def test_it_is_pure(self, k: int) -> None:
        """Else a step that aborts would leave a trace, and probabilities be published changed."""
        for strategy in (self.make(), self.used(k)):
            shown, before = self.asking(200, k), digest(strategy.snapshot())
            arrays = _arrays(shown)
            kept = [array.tobytes() for array in arrays]
            for array in arrays:
                array.flags.writeable = False
            first = strategy.utility(shown)
            values = first.values.tobytes()
            assert strategy.utility(shown).values.tobytes() == values
            assert first.values.tobytes() == values
            assert [array.tobytes() for array in arrays] == kept
            assert digest(strategy.snapshot()) == before

    @pytest.mark.parametrize("k", CLASSES)
    def test_the_size_of_a_step_changes_nothing(self, k: int) -> None:
        """Else who is asked depends on how fast records came."""
        for used in (False, True):
            found = set()
            for sizes in ([], [1] * 200, [7] * 20, [0, 1, 2, 3, 5, 8, 13, 21, 34], [199]):
                strategy = self.used(k) if used else self.make()
                values = np.concatenate(list(in_steps(strategy, self.asking(200, k), sizes)))
                found.add((values.tobytes(), digest(strategy.snapshot())))
            assert len(found) == 1

    @pytest.mark.parametrize("k", CLASSES)
    def test_without_a_state_an_events_utility_is_its_own(self, k: int) -> None:
        """Else who is asked depends on what else is in the step."""
        strategy, shown = self.used(k), self.asking(200, k)
        whole = strategy.utility(shown)
        if whole.after is not None:
            pytest.skip("its state moves with events")
        order = np.random.default_rng(1).permutation(200)
        mixed = strategy.utility(some(shown, order)).values
        assert mixed.tobytes() == whole.values[order].tobytes()

    def test_no_events_and_no_labels_change_nothing(self) -> None:
        for strategy in (self.make(), self.used()):
            before = digest(strategy.snapshot())
            strategy.commit(strategy.utility(self.asking(0, 3)))
            teach(strategy, *answers(0, 3))
            assert digest(strategy.snapshot()) == before

    def test_classes_appear_while_running(self) -> None:
        """The probabilities get wider when labels bring a new class, and must be read so."""
        strategy = self.make()
        for seed, k in enumerate(CLASSES):
            for n in (1, 40):
                utilities = strategy.utility(self.asking(n, k, seed))
                assert np.isfinite(utilities.values).all()
                strategy.commit(utilities)
            if k:
                teach(strategy, *answers(30, k, seed))
                assert strategy.utility(self.asking(5, k, seed)).values.shape == (5,)

    def test_learning_one_by_one_is_learning_together(self) -> None:
        """Else the state depends on how many labels a step happened to take."""
        if self.LEARNS_IN_BATCHES:
            pytest.skip(self.LEARNS_IN_BATCHES)
        x, y = answers(60, 3)
        together, single = self.used(), self.used()
        teach(together, x, y)
        for i in range(60):
            teach(single, x[i : i + 1], y[i : i + 1])
        assert digest(single.snapshot()) == digest(together.snapshot())
        assert _goes_on(self, single, 1) == _goes_on(self, together, 1)

    def test_learn_leaves_its_arguments_alone(self) -> None:
        """And keeps none of them: the pipeline may use its buffers again."""
        x, y = answers(60, 3)
        strategy, other = self.used(), self.used()
        teach(other, x.copy(), y.copy())
        kept = x.tobytes(), y.tobytes()
        teach(strategy, x, y)
        assert (x.tobytes(), y.tobytes()) == kept
        x[...], y[...] = 0, 0
        assert digest(strategy.snapshot()) == digest(other.snapshot())

    def test_same_seed_same_run(self) -> None:
        assert _goes_on(self, self.make(), 2) == _goes_on(self, self.make(), 2)

    def test_a_restored_strategy_goes_on_to_the_bit(self) -> None:
        """The next utilities after a restart are those that would have been."""
        strategy = self.used()
        saved = strategy.snapshot()
        before = digest(saved)
        expected = _goes_on(self, strategy, 2)
        assert digest(saved) == before, "the snapshot shares memory with the strategy"
        for other in (self.make(), self.used(2)):
            other.restore(saved)
            assert digest(other.snapshot()) == before
            assert _goes_on(self, other, 2) == expected
        assert digest(saved) == before, "restoring shares memory with the snapshot"

    def test_a_fresh_one_can_be_restored(self) -> None:
        strategy = self.used()
        strategy.restore(self.make().snapshot())
        assert _goes_on(self, strategy, 2) == _goes_on(self, self.make(), 2)

    def test_memory_does_not_grow(self) -> None:
        """Bounded memory: it has stopped growing long before the stream ends."""
        strategy, sizes = self.make(), []
        for seed in range(20):
            strategy.commit(strategy.utility(self.asking(500, 50, seed)))
            teach(strategy, *answers(100, 50, seed))
            sizes.append(_bytes_of(strategy.snapshot()))
        assert sizes[-1] <= 1.25 * sizes[9] + 256


def _arrays(shown: Asking) -> list[npt.NDArray[Any]]:
    assert shown.words is not None
    return [shown.x, shown.probabilities, shown.words]


def _goes_on(contract: StrategyContract, strategy: QueryStrategy, k: int) -> tuple[bytes, Digest]:
    """What it says of the next 200 events with labels between them, and its state then."""
    said = []
    for seed in range(4):
        utilities: Utilities = strategy.utility(contract.asking(50, k + 1, 200 + seed))
        strategy.commit(utilities)
        teach(strategy, *answers(15, k + 1, 300 + seed))
        said.append(utilities.values.tobytes())
    return b"".join(said), digest(strategy.snapshot())


def _bytes_of(node: Any) -> int:
    if isinstance(node, dict):
        return sum(_bytes_of(inner) for inner in node.values())
    if isinstance(node, list | tuple):
        return sum(_bytes_of(inner) for inner in node)
    return node.nbytes if isinstance(node, np.ndarray) else 8
