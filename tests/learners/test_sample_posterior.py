"""The power `SamplesPosterior`: how else a learner might have predicted."""

from __future__ import annotations

import numpy as np
import pytest

from stream_cl.core.protocols import SamplesPosterior
from stream_cl.core.snapshot import digest
from stream_cl.learners.replay_mlp import ReplayMlp
from stream_cl.memory.reservoir import Reservoir
from stream_cl.testing.learner_contract import WIDTH, events, same_bits

SAMPLES = 6


def trained(n: int = 300) -> ReplayMlp:
    learner = ReplayMlp(WIDTH, 3, 12, Reservoir(WIDTH, 50, 3))
    learner.learn(*events(n))
    return learner


def test_samples_are_probabilities_and_differ():
    """Else BALD sees no disagreement, or none that means anything."""
    learner, x = trained(), events(100, seed=5)[0]
    assert isinstance(learner, SamplesPosterior)
    drawn = learner.sample_posterior(x, SAMPLES)
    assert drawn.shape == (SAMPLES, 100, learner.n_classes)
    np.testing.assert_allclose(drawn.sum(axis=2), 1.0, atol=1e-9)
    assert len({sample.tobytes() for sample in drawn}) == SAMPLES
    agree = (drawn.argmax(axis=2) == learner.predict(x).argmax(axis=1)).mean()
    assert agree > 0.8, "the samples are about something else than the learner"


def test_sampling_is_pure_and_row_by_row():
    """Else who is asked depends on how often, and with what else, an event was looked at."""
    learner, x = trained(), events(40, seed=6)[0]
    before = digest(learner.fingerprint())
    whole = learner.sample_posterior(x, SAMPLES)
    assert same_bits(learner.sample_posterior(x, SAMPLES), whole)
    for i in range(40):
        assert same_bits(learner.sample_posterior(x[i : i + 1], SAMPLES)[:, 0], whole[:, i])
    assert digest(learner.fingerprint()) == before


def test_more_samples_leave_the_first_as_they_were():
    learner, x = trained(), events(10, seed=7)[0]
    assert same_bits(learner.sample_posterior(x, 3), learner.sample_posterior(x, SAMPLES)[:3])


def test_a_restored_learner_draws_the_same():
    """Else a restart changes who is asked."""
    learner, other, x = trained(), trained(20), events(10, seed=8)[0]
    other.restore(learner.snapshot())
    assert same_bits(other.sample_posterior(x, 4), learner.sample_posterior(x, 4))


@pytest.mark.parametrize("n", [0, 3])
def test_before_any_label_there_is_no_class(n):
    assert trained(0).sample_posterior(events(n)[0], 2).shape == (2, n, 0)
