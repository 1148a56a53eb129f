"""Committee and BALD: models that know the same labels, and where they disagree."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from stream_cl.core.protocols import Asking, Learner, QueryStrategy
from stream_cl.core.records import FloatMatrix
from stream_cl.core.snapshot import digest
from stream_cl.query._ensemble import Ensemble
from stream_cl.query._models import mutual_information
from stream_cl.query.bald import BaldSampling
from stream_cl.query.committee import CommitteeSampling
from stream_cl.testing.strategy_contract import WIDTH, Knows, StrategyContract


class Sampled(Knows):
    """A learner with samples of its own: pure, row by row."""

    def sample_posterior(self, x: FloatMatrix, samples: int) -> npt.NDArray[np.float64]:
        assert samples
        k = max(self.n_classes, 1)
        angle = x.sum(axis=1, dtype=np.float64)[:, None] + np.arange(k)
        raw = np.exp(np.sin(angle[None] + np.arange(samples)[:, None, None]))
        result: npt.NDArray[np.float64] = raw / raw.sum(axis=2, keepdims=True)
        return result[:, :, : self.n_classes]


class TestKl(StrategyContract):
    MOST = 1.0

    def make(self) -> QueryStrategy:
        return CommitteeSampling(WIDTH, 1, 60)


class TestVoteEntropy(StrategyContract):
    MOST = 1.0

    def make(self) -> QueryStrategy:
        return CommitteeSampling(WIDTH, 1, 60, measure="vote_entropy", members=3)


class TestBald(StrategyContract):
    MOST = 1.0

    def make(self) -> QueryStrategy:
        return BaldSampling(WIDTH, 1, 60)


class TestBaldOfASampledLearner(StrategyContract):
    MOST = 1.0

    def make(self) -> QueryStrategy:
        return BaldSampling(WIDTH, 1, 60)

    def learner(self, k: int) -> Learner:
        return Sampled(k)


def votes(*members: list[float]) -> npt.NDArray[np.float64]:
    """Of one event."""
    return np.array(members)[:, None, :]


@pytest.mark.parametrize(
    ("members", "kl", "vote_entropy"),
    [
        (([0.5, 0.5], [0.5, 0.5]), 0.0, 0.0),
        (([1.0, 0.0], [0.0, 1.0]), 1.0, 1.0),
        (([0.9, 0.1], [0.9, 0.1]), 0.0, 0.0),
        (([0.75, 0.25], [0.25, 0.75]), 0.18872187554086717, 1.0),
        (([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]), 0.6309297535714574, 1.0),
    ],
)
def test_small_examples(members, kl, vote_entropy):
    """Settles 2009, section 3.2, by hand: sure and apart is worth most, agreed doubt nothing."""
    given = votes(*members)
    assert mutual_information(given)[0] == pytest.approx(kl, abs=1e-12)
    strategy = CommitteeSampling(1, 0, 3, measure="vote_entropy", members=2)
    assert strategy.worth(given)[0] == pytest.approx(vote_entropy, abs=1e-12)


def test_kl_to_the_mean_is_the_mutual_information():
    """What the docstrings say: McCallum and Nigam's measure and BALD's are one number."""
    p = np.random.default_rng(1).dirichlet(np.ones(4), (5, 30))
    divergence = (p * np.log(p / p.mean(axis=0))).sum(axis=2).mean(axis=0) / np.log(4)
    assert mutual_information(p) == pytest.approx(divergence)


def blobs(n: int, seed: int) -> tuple[FloatMatrix, npt.NDArray[np.int64]]:
    draws = np.random.default_rng(seed)
    y = draws.integers(0, 2, n)
    x = draws.normal(size=(n, 2)) + 4.0 * (y[:, None] - 0.5)
    return x.astype(np.float32), y.astype(np.int64)


@pytest.mark.parametrize("strategy", [CommitteeSampling(2, 0, 2), BaldSampling(2, 0, 2)])
def test_models_disagree_away_from_labels_and_agree_on_them(strategy):
    """Else the labels go where all models know the answer."""
    strategy.learn(*blobs(100, 1))
    line = np.linspace(-6.0, 6.0, 25)
    between = np.stack([line, -line], axis=1)
    x = np.concatenate([blobs(25, 5)[0], between]).astype(np.float32)
    apart = strategy.utility(Asking(x, np.full((50, 2), 0.5), Knows(2))).values
    assert apart[25:].mean() > 3 * apart[:25].mean()


def test_members_learn_well_and_each_another_sample():
    committee = Ensemble(2, seed=0, max_classes=2, members=4)
    committee.learn(*blobs(300, 1))
    x, y = blobs(300, 2)
    said = committee.probabilities(x, 2)
    assert ((said.argmax(axis=2) == y).mean(axis=1) > 0.97).all()
    assert len({member.tobytes() for member in said}) == 4


def test_a_learner_that_samples_needs_no_committee():
    """Nothing is trained in vain, also after a restart."""
    strategy = BaldSampling(2, 0, 2)
    x, y = blobs(20, 3)
    strategy.commit(strategy.utility(Asking(x, np.full((20, 2), 0.5), Sampled(2))))
    other = BaldSampling(2, 0, 2)
    other.restore(strategy.snapshot())
    before = digest(other.snapshot())
    other.learn(x, y)
    assert digest(other.snapshot()) == before


def test_a_large_step_is_looked_at_in_parts(monkeypatch):
    """Samples × events × classes would not fit; the parts say what the whole would."""
    from stream_cl.query import _models

    strategy = BaldSampling(2, 0, 2)
    strategy.learn(*blobs(50, 1))
    shown = Asking(blobs(200, 2)[0], np.full((200, 2), 0.5), Knows(2))
    whole = strategy.utility(shown).values
    monkeypatch.setattr(_models, "_NUMBERS_AT_ONCE", 60)
    assert strategy.utility(shown).values.tobytes() == whole.tobytes()
