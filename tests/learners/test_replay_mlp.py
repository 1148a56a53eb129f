"""Experience replay: the contract, the formula against autograd, rehearsals, forgetting."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import torch

from stream_cl.core.errors import LearnerFailed
from stream_cl.core.snapshot import digest
from stream_cl.learners import replay_mlp
from stream_cl.learners._mlp_layers import Layers
from stream_cl.learners.replay_mlp import ReplayMlp
from stream_cl.memory.class_balanced import ClassBalanced
from stream_cl.memory.reservoir import Reservoir
from stream_cl.testing.learner_contract import LearnerContract, events, run, same_bits

from .processes import in_new_process
from .streams import prequential, standardised


def learner(width=5, seed=1, max_classes=12, memory=Reservoir, capacity=30, **settings):
    return ReplayMlp(width, seed, max_classes, memory(width, capacity, seed), **settings)


class TestReplayMlp(LearnerContract):
    EVENTS = 200
    LEARNS_IN_BATCHES = "events of a mini-batch make their steps together"

    def make(self, width: int = 5, seed: int = 1, max_classes: int = 12) -> ReplayMlp:
        return learner(width, seed, max_classes)


class TestReplayMlpEventByEvent(LearnerContract):
    """Mini-batches of one: the state does not depend on how many labels come at once."""

    EVENTS = 200

    def make(self, width: int = 5, seed: int = 1, max_classes: int = 12) -> ReplayMlp:
        return learner(width, seed, max_classes, batch=1, rehearsals=2)


class TestReplayMlpWithEverySettingChanged(LearnerContract):
    EVENTS = 200
    LEARNS_IN_BATCHES = "events of a mini-batch make their steps together"

    def make(self, width: int = 5, seed: int = 1, max_classes: int = 12) -> ReplayMlp:
        return learner(
            width,
            seed,
            max_classes,
            memory=ClassBalanced,
            hidden=33,
            learning_rate=0.2,
            epsilon=0.1,
            forget=0.999,
            batch=7,
            replay=3,
            replay_weight=2.0,
            rehearsals=2,
        )


class ByAutograd:
    """The docstring's formulas with torch's own layers and gradients, in float64."""

    def __init__(self, model: ReplayMlp, memory, batch, replay, replay_weight, rehearsals):
        inner, bias = (torch.tensor(part).double() for part in model.snapshot()["weights"][:2])
        width, hidden = inner.shape
        self.net = torch.nn.Sequential(
            torch.nn.Linear(width, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 4)
        ).double()
        with torch.no_grad():
            self.net[0].weight[...], self.net[0].bias[...] = inner.T, bias
            self.net[2].weight.zero_(), self.net[2].bias.zero_()
        self.squares = [torch.full_like(p, 1e-4) for p in self.net.parameters()]
        self.memory, self.seen = memory, torch.zeros(4, dtype=torch.bool)
        self.batch, self.replay, self.weight = batch, replay, replay_weight
        self.rehearsals = rehearsals

    def loss(self, x, y):
        rows = torch.tensor(x).double()
        rows = rows / ((rows != 0).sum(dim=1, keepdim=True) + 1).sqrt()
        logits = self.net(rows).masked_fill(~self.seen, -torch.inf)
        return torch.nn.functional.cross_entropy(logits, torch.tensor(y), reduction="none")

    def learn(self, x, y, weight):
        for start in range(0, len(y), self.batch):
            part = slice(start, start + self.batch)
            self.seen[y[part]] = True
            for _ in range(self.rehearsals):
                old_x, old_y = self.memory.sample(self.replay)
                loss = (self.loss(x[part], y[part]) * torch.tensor(weight[part])).mean()
                if len(old_y):
                    loss = loss + self.weight * self.loss(old_x, old_y).mean()
                    loss = loss / (1 + self.weight)
                self.net.zero_grad()
                loss.backward()
                with torch.no_grad():
                    for p, square in zip(self.net.parameters(), self.squares, strict=True):
                        square.mul_(0.9999).add_(1e-4 * 1e-4 + p.grad**2)
                        p.sub_(0.05 * p.grad / square.sqrt())
            self.memory.add(x[part], y[part])


@pytest.mark.parametrize(
    ("batch", "replay", "weight", "rehearsals"), [(10, 10, 0.5, 1), (1, 4, 2.0, 3), (6, 0, 1.0, 2)]
)
def test_it_learns_by_the_formula_of_its_docstring(batch, replay, weight, rehearsals):
    settings = {"batch": batch, "replay": replay, "replay_weight": weight, "rehearsals": rehearsals}
    model = learner(**settings)
    expected = ByAutograd(model, Reservoir(5, 30, 1), **settings)
    labelled = events(60)
    model.learn(*labelled)
    expected.learn(*labelled)
    found = model.snapshot()["weights"]
    for ours, theirs in zip(found, expected.net.parameters(), strict=True):
        np.testing.assert_allclose(ours.T, theirs.detach().numpy(), rtol=0.02, atol=2e-3)


def test_more_rehearsals_count_from_the_next_call_on():
    """The pipeline sets them by what time is left; a setting without effect would be a lie."""
    set_later, set_at_first = learner(rehearsals=1), learner(rehearsals=3)
    start = digest(set_at_first.fingerprint())
    set_later.rehearsals = 3
    assert digest(set_later.fingerprint()) == start
    for model in (set_later, set_at_first):
        model.learn(*events(50))
    assert digest(set_later.fingerprint()) == digest(set_at_first.fingerprint())
    other = learner(rehearsals=1)
    other.learn(*events(50))
    assert digest(other.fingerprint()) != digest(set_at_first.fingerprint())


def test_replay_keeps_old_classes():
    """Classes that come one after another are forgotten without memory."""
    x, y, weight = events(1200, seed=3)
    order = np.argsort(y, kind="stable")
    right = []
    for replay in (0, 10):
        model = learner(capacity=100, replay=replay, replay_weight=2.0)
        model.learn(x[order], y[order], weight[order])
        right.append((model.predict(x).argmax(axis=1) == y).mean())
    assert right[1] > right[0] + 0.2


def test_a_learned_batch_stands_in_memory():
    model = learner(capacity=30)
    x, y, weight = events(25)
    model.learn(x, y, weight)
    assert same_bits(model.snapshot()["memory"]["x"], x)
    assert model.snapshot()["memory"]["y"].tolist() == y.tolist()


@pytest.mark.parametrize(("column", "bad"), [(0, np.inf), (0, np.nan), (0, 2e9), (2, 2e9)])
def test_a_refused_batch_leaves_no_trace(column, bad):
    """The labels of a failed batch are quarantined; what was learned before must stand."""
    model = learner()
    model.learn(*events(50))
    before = digest(model.snapshot())
    batch = events(20, seed=3)
    batch[column][19] = bad
    with pytest.raises(LearnerFailed):
        model.learn(*batch)
    assert digest(model.snapshot()) == before


def test_the_largest_inputs_that_are_taken_leave_it_finite():
    """One absurd reading must not make every later prediction NaN."""
    model = learner()
    x, y, weight = events(50)
    model.learn(x, y, weight)
    model.learn((np.sign(x) * 1e9).astype(np.float32), y, np.full(50, 1e9))
    model.learn(x, y, weight)
    assert np.isfinite(model.predict(x)).all()
    assert np.isfinite(model.predict((np.sign(x) * 3e38).astype(np.float32))).all()


def test_parameters_that_are_not_finite_are_a_failure():
    """Otherwise NaN is predicted from then on."""
    model = learner()
    model.learn(*events(50))
    broken = model.snapshot()
    broken["weights"][0][0, 0] = np.nan
    model.restore(broken)
    with pytest.raises(LearnerFailed):
        model.learn(*events(5))


def test_how_far_ahead_arrays_grow_changes_no_bit():
    """Columns stand in waiting for longer in a process that was not restarted."""
    grown = learner(max_classes=100, memory=ClassBalanced)
    for last in range(3, 40, 3):
        restored = learner(max_classes=100, memory=ClassBalanced)
        restored.restore(grown.snapshot())
        x, _, weight = events(40, seed=last)
        y = np.arange(40) % last
        for model in (grown, restored):
            model.learn(x, y, weight)
        assert same_bits(grown.predict(x), restored.predict(x))
        assert digest(grown.fingerprint()) == digest(restored.fingerprint())


PROGRAM = """
import json, sys
import torch
torch.set_num_threads(int(sys.argv[1]))
sys.path.insert(0, ".")
from stream_cl.core.snapshot import digest
from stream_cl.learners._mlp_layers import Layers
from stream_cl.learners.replay_mlp import ReplayMlp
from stream_cl.memory.reservoir import Reservoir
from stream_cl.testing.learner_contract import events
learner = ReplayMlp(300, 1, 4, Reservoir(300, 200, 1), hidden=200, batch=64, replay=64)
learner.learn(*events(300, width=300))
print(json.dumps([str(digest(learner.fingerprint())), torch.get_num_threads()]))
"""


def test_two_processes_with_other_threads_agree_to_the_bit():
    """A machine with more cores must be able to take over; nobody else's setting may change."""
    one, two = (in_new_process(PROGRAM, threads, hash_seed=threads) for threads in ("1", "2"))
    assert one[0] == two[0]
    assert (one[1], two[1]) == (1, 2)


def test_steps_of_any_size_predict_the_same_after_the_same_batches():
    """How rows are grouped in a step must not reach the predictions."""
    model = learner()
    whole = run(model, events(64), step=16)
    other = learner()
    x, y, weight = events(64)
    for start in range(0, 64, 16):
        rows = [other.predict(x[i : i + 1]) for i in range(start, start + 16)]
        k = other.n_classes
        assert same_bits(np.vstack(rows), np.ascontiguousarray(whole[start : start + 16, :k]))
        other.learn(x[start : start + 16], y[start : start + 16], weight[start : start + 16])


@pytest.mark.parametrize(
    ("stream", "limit", "floor"),
    [
        ("elec2", 5_000, 0.90),
        ("insects_gradual_balanced", 4_000, 0.80),
        ("keystroke", None, 0.90),
        ("covertype_first100k", 4_000, 0.70),
    ],
)
def test_accuracy_on_real_streams(data_dir, stream, limit, floor):
    """Predict, then learn, each event, with features standardised as they come."""
    x, y = standardised(data_dir / f"{stream}.csv.gz", limit)
    model = ReplayMlp(x.shape[1], 0, 100, Reservoir(x.shape[1], 1000, 0))
    assert prequential(model, x, y) >= floor


def test_examples_in_the_docstring_hold():
    result = doctest.testmod(replay_mlp)
    assert result.attempted > 0
    assert result.failed == 0


def test_tensors_stay_below_what_is_declared():
    """The contract counts arrays; most of this learner's memory is in tensors."""
    model = learner(max_classes=100, capacity=10)
    x, _, weight = events(100)
    for last in (1, 2, 3, 17, 65, 100):
        model.learn(x, np.arange(100) % last, weight)
        tensors = [part for part in vars(model).values() if isinstance(part, torch.Tensor)]
        tensors += [part.flat for part in vars(model).values() if isinstance(part, Layers)]
        held = sum(tensor.numel() * 4 for tensor in tensors)
        assert held <= model.memory_bytes_max - Reservoir(5, 10, 0).bytes_max
    assert len(tensors) == 5
