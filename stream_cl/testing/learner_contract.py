"""What every learner promises, as tests.

Subclass `LearnerContract` in a test file and give it a factory:

    class TestSoftmax(LearnerContract):
        def make(self, width: int = 5, seed: int = 1, max_classes: int = 12) -> Softmax:
            return Softmax(width, seed, max_classes)

Events come from a fixed seed, and a failure names it.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pytest

from stream_cl.core.errors import LearnerFailed
from stream_cl.core.protocols import Learner
from stream_cl.core.records import FloatMatrix
from stream_cl.core.snapshot import Snapshot, digest

SEED: Final = 20
WIDTH: Final = 5
CLASSES: Final = 4
MAX_CLASSES: Final = 12

Labelled = tuple[FloatMatrix, npt.NDArray[np.int64], npt.NDArray[np.float64]]


class TestedLearner(Learner, Protocol):
    """What the contract needs beyond `core.protocols.Learner`."""

    @property
    def memory_bytes_max(self) -> int | None:
        """Most bytes of arrays; None where a model of another library holds the state."""
        ...

    def fingerprint(self) -> Snapshot:
        """What goes into a digest of the state."""
        ...


def events(n: int, seed: int = SEED, width: int = WIDTH, classes: int = CLASSES) -> Labelled:
    """`x [n, width]`, `y [n]`, `weight [n]`: clusters that move, classes that appear in time.

    A tenth of the numbers are zero, as in encoded events.
    """
    draws = np.random.default_rng(seed)
    centres = draws.normal(scale=1.5, size=(classes, width))
    known = 1 + np.arange(n) * classes // max(n, 1)
    y = (draws.integers(0, 1 << 30, n) % known).astype(np.int64)
    x = centres[y] + draws.normal(size=(n, width)) + np.linspace(0, 1, n)[:, None]
    x[draws.random((n, width)) < 0.1] = 0.0
    return x.astype(np.float32), y, draws.choice([0.5, 1.0, 2.0], n)


def run(learner: Learner, labelled: Labelled, step: int = 1) -> npt.NDArray[np.float64]:
    """Predict, then learn, `step` events at a time; the probabilities `[n, MAX_CLASSES]`."""
    x, y, weight = labelled
    out = np.zeros((len(y), MAX_CLASSES))
    for start in range(0, len(y), step):
        part = slice(start, start + step)
        out[part, : learner.n_classes] = learner.predict(x[part])
        learner.learn(x[part], y[part], weight[part])
    return out


def _part(labelled: Labelled, start: int, stop: int) -> Labelled:
    x, y, weight = labelled
    return x[start:stop], y[start:stop], weight[start:stop]


def same_bits(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> bool:
    """Whether two arrays are equal to the bit."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def shifted(snapshot: Snapshot) -> Snapshot:
    """The snapshot with every array at another alignment, as a file may hold it."""
    moved = dict(snapshot)
    for name, value in snapshot.items():
        if isinstance(value, np.ndarray):
            room = np.empty(value.nbytes + 1, dtype=np.uint8)
            moved[name] = room[1:].view(value.dtype).reshape(value.shape)
            moved[name][...] = value
    return moved


class LearnerContract:
    """Subclass it, name the class `Test…`, implement `make`; fewer `EVENTS` for slow models."""

    EVENTS: int = 400
    LEARNS_IN_BATCHES: str = ""
    """Why the state depends on how many labels come at once; empty where it does not."""

    def make(
        self, width: int = WIDTH, seed: int = 1, max_classes: int = MAX_CLASSES
    ) -> TestedLearner:
        """A learner that has learned nothing."""
        raise NotImplementedError

    def trained(self) -> TestedLearner:
        """A learner after `EVENTS` events."""
        learner = self.make()
        learner.learn(*events(self.EVENTS))
        return learner

    def test_before_any_label_no_class_is_predicted(self) -> None:
        learner = self.make()
        assert learner.n_classes == 0
        answer = learner.predict(events(3)[0])
        assert answer.shape == (3, 0)
        assert answer.dtype == np.float64

    def test_an_empty_batch_changes_nothing(self) -> None:
        for learner in (self.make(), self.trained()):
            before = digest(learner.fingerprint())
            learner.learn(*events(0))
            assert digest(learner.fingerprint()) == before
            assert learner.predict(events(0)[0]).shape == (0, learner.n_classes)

    def test_probabilities_are_finite_and_rows_sum_to_one(self) -> None:
        learner = self.trained()
        x = events(200, seed=SEED + 1)[0]
        for scale in (1.0, 1e3, 1e6):
            answer = learner.predict((x * np.float32(scale)).astype(np.float32))
            assert answer.shape == (200, learner.n_classes)
            assert answer.dtype == np.float64
            assert np.isfinite(answer).all()
            assert (answer >= 0.0).all()
            np.testing.assert_allclose(answer.sum(axis=1), 1.0, atol=1e-9)

    def test_predict_is_pure(self) -> None:
        """Otherwise what was predicted in a step that aborted would change the next one."""
        asked, silent = self.trained(), self.trained()
        x = events(100, seed=SEED + 2)[0]
        kept = x.copy()
        before = digest(asked.fingerprint())
        first = asked.predict(x)
        assert same_bits(asked.predict(x), first)
        assert same_bits(x, kept)
        assert digest(asked.fingerprint()) == before
        more = events(100, seed=SEED + 3)
        assert same_bits(run(asked, more), run(silent, more))

    def test_one_by_one_equals_a_batch_when_predicting(self) -> None:
        """Otherwise predictions depend on how many events a step happened to take."""
        learner = self.trained()
        x = events(70, seed=SEED + 4)[0]
        whole = learner.predict(x)
        assert same_bits(np.vstack([learner.predict(x[i : i + 1]) for i in range(70)]), whole)
        assert same_bits(np.vstack([learner.predict(x[:33]), learner.predict(x[33:])]), whole)

    def test_strides_and_alignment_of_the_input_change_no_bit(self) -> None:
        learner = self.trained()
        x = events(50, seed=SEED + 5)[0]
        wide = np.zeros((50, 2 * WIDTH), dtype=np.float32)
        wide[:, ::2] = x
        locked = x.copy()
        locked.flags.writeable = False
        for other in (wide[:, ::2], np.asfortranarray(x), shifted({"x": x})["x"], locked):
            assert same_bits(learner.predict(other), learner.predict(x))

    def test_one_by_one_equals_a_batch_when_learning(self) -> None:
        """Otherwise the state depends on how many labels a step happened to take."""
        if self.LEARNS_IN_BATCHES:
            pytest.skip(self.LEARNS_IN_BATCHES)
        labelled = events(self.EVENTS, seed=SEED + 6)
        single, pairs, whole = self.make(), self.make(), self.make()
        for learner, step in ((single, 1), (pairs, 7), (whole, self.EVENTS)):
            for start in range(0, self.EVENTS, step):
                learner.learn(*_part(labelled, start, start + step))
        assert digest(single.fingerprint()) == digest(pairs.fingerprint())
        assert digest(single.fingerprint()) == digest(whole.fingerprint())
        assert same_bits(single.predict(labelled[0]), whole.predict(labelled[0]))

    def test_learn_leaves_its_arguments_alone(self) -> None:
        learner, labelled = self.make(), events(50)
        kept = [column.tobytes() for column in labelled]
        learner.learn(*labelled)
        assert [column.tobytes() for column in labelled] == kept
        for column in labelled:
            column.flags.writeable = False
        learner.learn(*labelled)

    def test_what_was_learned_from_may_be_overwritten(self) -> None:
        """Otherwise a reused buffer of the pipeline would reach into the state."""
        learner, labelled = self.make(), events(50)
        learner.learn(*labelled)
        x = events(20, seed=SEED + 7)[0]
        before = learner.predict(x)
        for column in labelled:
            column[...] = 0
        assert same_bits(learner.predict(x), before)

    def test_classes_appear_while_running(self) -> None:
        learner = self.make()
        x, _, weight = events(60)
        for c in (0, 1, 2, 5, 11):
            learner.learn(x[:10], np.full(10, c), weight[:10])
            assert learner.n_classes == c + 1
            answer = learner.predict(x)
            assert answer.shape == (60, c + 1)
            np.testing.assert_allclose(answer.sum(axis=1), 1.0, atol=1e-9)

    def test_a_class_never_learned_is_never_predicted(self) -> None:
        """Held-out labels leave gaps: class 3 may come before any event of class 2."""
        learner = self.make()
        x, y, weight = events(60)
        learner.learn(x, np.where(y % 2 == 0, 1, 3), weight)
        answer = learner.predict(x)
        assert answer.shape == (60, 4)
        assert (answer[:, [0, 2]] < 1e-6).all()
        learner.learn(x[:5], np.full(5, 2), weight[:5])
        assert learner.n_classes == 4
        assert np.isfinite(learner.predict(x)).all()

    def test_a_class_beyond_the_most_is_a_broken_invariant(self) -> None:
        learner = self.make(max_classes=2)
        x, _, weight = events(1)
        try:
            learner.learn(x, np.array([2]), weight)
        except AssertionError:
            return
        raise RuntimeError("class 2 of at most 2 was learned")

    def test_same_seed_same_run(self) -> None:
        labelled = events(self.EVENTS)
        assert same_bits(run(self.make(), labelled), run(self.make(), labelled))

    def test_a_restored_learner_goes_on_to_the_bit(self) -> None:
        """The next 200 predictions and what is learned between them, after a restart."""
        learner = self.trained()
        saved, before = learner.snapshot(), digest(learner.fingerprint())
        more = events(200, seed=SEED + 8)
        expected = run(learner, more)
        for snapshot in (saved, shifted(saved)):
            other = self.make()
            other.learn(*events(30, seed=SEED + 9))
            other.restore(snapshot)
            assert digest(other.fingerprint()) == before
            assert same_bits(run(other, more), expected)
            assert digest(other.fingerprint()) == digest(learner.fingerprint())

    def test_a_learner_that_knows_nothing_can_be_restored(self) -> None:
        learner = self.trained()
        learner.restore(self.make().snapshot())
        labelled = events(60)
        assert same_bits(run(learner, labelled), run(self.make(), labelled))

    def test_snapshots_share_no_memory(self) -> None:
        """Otherwise the thread that writes a checkpoint would write the next step's state."""
        learner = self.trained()
        saved = learner.snapshot()
        before = digest(saved)
        learner.learn(*events(50, seed=SEED + 10))
        assert digest(saved) == before
        other = self.make()
        other.restore(saved)
        other.learn(*events(50, seed=SEED + 10))
        assert digest(saved) == before

    def test_memory_stays_below_what_is_declared(self) -> None:
        learner = self.make()
        x, _, weight = events(1)
        for c in range(MAX_CLASSES):
            learner.learn(x, np.array([c]), weight)
            if learner.memory_bytes_max is not None:
                assert _bytes_of(vars(learner)) <= learner.memory_bytes_max

    def test_a_batch_that_cannot_be_learned_fails_or_leaves_the_learner_finite(self) -> None:
        """Otherwise one absurd reading makes every later prediction NaN."""
        for column, bad in ((0, np.inf), (0, np.nan), (0, 3e38), (2, np.inf), (2, np.nan)):
            learner = self.trained()
            batch = events(20, seed=SEED + 11)
            batch[column][10] = bad
            try:
                learner.learn(*batch)
            except LearnerFailed:
                continue
            assert np.isfinite(learner.predict(events(20)[0])).all()


def _bytes_of(attributes: dict[str, Any]) -> int:
    return sum(value.nbytes for value in attributes.values() if isinstance(value, np.ndarray))
