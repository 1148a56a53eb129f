"""Models of river: the contract, reproducibility of every offered one, refusals, snapshots."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import pickle
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import river as river_library
from river import base

from stream_cl.core.errors import CheckpointCorrupt, UserError
from stream_cl.learners import safe_pickle
from stream_cl.learners._river_models import OFFERED, REFUSED, build
from stream_cl.learners.river import River
from stream_cl.testing.learner_contract import LearnerContract, events, run

from .processes import in_new_process
from .river_cases import CASES
from .streams import prequential, raw


class TestHoeffdingTree(LearnerContract):
    def make(self, width: int = 5, seed: int = 1, max_classes: int = 12) -> River:
        parameters = {"grace_period": 20}
        return River("tree.HoeffdingTreeClassifier", parameters, width, seed, max_classes)


class TestGaussianNaiveBayes(LearnerContract):
    EVENTS = 300

    def make(self, width: int = 5, seed: int = 1, max_classes: int = 12) -> River:
        return River("naive_bayes.GaussianNB", None, width, seed, max_classes)


class TestBinaryModel(LearnerContract):
    def make(self, width: int = 5, seed: int = 1, max_classes: int = 12) -> River:
        optimizer = {"model": "optim.Adam", "parameters": {"lr": 0.05}}
        parameters = {"optimizer": optimizer}
        return River("linear_model.LogisticRegression", parameters, width, seed, max_classes)


class TestNestedModel(LearnerContract):
    EVENTS = 200

    def make(self, width: int = 5, seed: int = 1, max_classes: int = 12) -> River:
        inner = {
            "model": "tree.HoeffdingAdaptiveTreeClassifier",
            "parameters": {"grace_period": 20},
        }
        parameters = {"model": inner, "n_models": 3}
        return River("ensemble.BaggingClassifier", parameters, width, seed, max_classes)


class TestRandomForest(LearnerContract):
    EVENTS = 200

    def make(self, width: int = 5, seed: int = 1, max_classes: int = 12) -> River:
        parameters = {"n_models": 3, "grace_period": 20}
        return River("forest.ARFClassifier", parameters, width, seed, max_classes)


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """Every offered model, learned in one process and continued in another."""
    folder = str(tmp_path_factory.mktemp("river"))
    program = "import sys; from learners.river_cases import main; main(*sys.argv[1:])"
    tests = str(Path(__file__).parents[1])
    head = f"import sys; sys.path.insert(0, {tests!r}); "
    first = in_new_process(head + program, "save", folder)
    second = in_new_process(head + program, "restore", folder)
    return first, second


def test_every_offered_model_has_a_case():
    assert sorted(CASES) == sorted(OFFERED)


@pytest.mark.parametrize("name", OFFERED)
def test_two_processes_agree(two_processes, name):
    """Recovery replays a step in another process and compares its outputs."""
    first, second = two_processes
    assert first[name]["start"] == second[name]["start"]


@pytest.mark.parametrize("name", OFFERED)
def test_a_model_restored_in_another_process_goes_on_the_same(two_processes, name):
    first, second = two_processes
    assert first[name]["next"] == second[name]["next"]


@pytest.mark.parametrize("name", OFFERED)
def test_predicting_changes_no_model(two_processes, name):
    first, _ = two_processes
    assert first[name]["unasked"] == first[name]["next"]


def test_every_classifier_of_river_is_offered_or_refused_with_a_reason():
    """A new release of river brings models that nobody has tested; a user would get a wrong
    message about them."""
    found = set()
    for module in pkgutil.walk_packages(river_library.__path__, "river."):
        if ".test" in module.name or module.name.startswith(("river.compat", "river.datasets")):
            continue
        try:
            namespace = vars(importlib.import_module(module.name))
        except ImportError:
            continue
        found |= {c for c in namespace.values() if _is_classifier(c)}
    known = {name.rpartition(".")[2] for name in (*OFFERED, *REFUSED)}
    assert {cls.__name__ for cls in found} <= known


def _is_classifier(value: object) -> bool:
    return (
        inspect.isclass(value)
        and issubclass(value, base.Classifier)
        and not inspect.isabstract(value)
        and value.__module__.startswith("river.")
    )


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_refused_model_is_named_with_its_reason(name):
    with pytest.raises(UserError, match=r"is not offered: \w"):
        build(name, {}, 0)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("os.system", {}),
        ("tree.base.os", {}),
        ("tree.HoeffdingTreeRegressor", {}),
        ("naive_bayes.GaussianNBB", {}),
        ("optim.SGD", {}),
        ("naive_bayes.GaussianNB", {"alpha": 1}),
        ("tree.HoeffdingTreeClassifier", {"max_size": 5}),
        ("tree.HoeffdingTreeClassifier", {"max_depth": "deep"}),
        ("linear_model.LogisticRegression", {"optimizer": "fast"}),
        ("ensemble.BaggingClassifier", {}),
        ("ensemble.BaggingClassifier", {"model": {"model": "datasets.Elec2"}}),
        ("ensemble.BaggingClassifier", {"model": {"model": "tree.SGTClassifier", "x": 1}}),
        ("neighbors.KNNClassifier", {"engine": {"model": "neighbors.SWINN"}}),
    ],
)
def test_what_cannot_be_built_is_the_users_mistake(name, parameters):
    """A typing error in a config must end in one line, not in a traceback of river."""
    with pytest.raises(UserError):
        River(name, parameters, 5, 0, 12)


def test_every_part_that_draws_has_a_seed_of_its_own():
    parameters = {
        "models": [
            {"model": "forest.AMFClassifier"},
            {"model": "forest.AMFClassifier"},
            {"model": "forest.AMFClassifier", "parameters": {"seed": 5}},
        ]
    }
    one, two, set_by_user = build("ensemble.VotingClassifier", parameters, 3).models
    assert not any(model._is_stochastic for model in (one, two, set_by_user))
    assert one.seed != two.seed
    assert set_by_user.seed == 5
    again = build("ensemble.VotingClassifier", parameters, 3).models
    other = build("ensemble.VotingClassifier", parameters, 4).models
    assert (again[0].seed, again[1].seed) == (one.seed, two.seed)
    assert other[0].seed != one.seed


class Hostile:
    """Pickles to a call of `function`."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def test_a_pickle_that_runs_a_command_is_refused_by_name(tmp_path):
    """Whoever may write the checkpoint folder must not thereby run programs."""
    ran = tmp_path / "ran"
    learner = River("naive_bayes.GaussianNB", None, 5, 0, 12)
    learner.learn(*events(20))
    snapshot = learner.snapshot()
    for hostile in (
        Hostile(os.system, f"touch {ran}"),
        Hostile(eval, f"open({str(ran)!r}, 'w')"),
        Hostile(getattr, base.Classifier, "__init__"),
        Hostile(importlib.import_module, "os"),
        Hostile(subprocess.Popen, ["touch", str(ran)]),
        [np.zeros(3), {"deep": (Hostile(open, str(ran), "w"),)}],
    ):
        snapshot["pickle"] = np.frombuffer(pickle.dumps(hostile), dtype=np.uint8)
        with pytest.raises(CheckpointCorrupt, match="names '"):
            learner.restore(snapshot)
    assert not ran.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("river.base.base", "sys.exit"),
        ("river.base.base", "sys"),
        ("river.base.base", "inspect.signature"),
        ("river.stream.iter_csv", "iter_csv"),
        ("river.tree.hoeffding_tree", "HoeffdingTree.__init__"),
        ("river.datasets.base", "Dataset"),
        ("riverside.tree", "Tree"),
        ("builtins", "eval"),
        ("functools", "reduce"),
        ("numpy", "load"),
    ],
)
def test_no_back_door_through_a_module_that_is_listed(module, name):
    data = pickle.PROTO + b"\x04" + b"c" + f"{module}\n{name}\n".encode() + b"."
    with pytest.raises(CheckpointCorrupt, match="names '"):
        safe_pickle.loads(data, "a test")


def test_bytes_that_are_no_pickle_are_corrupt():
    data = pickle.dumps(build("tree.HoeffdingTreeClassifier", {}, 0))
    for broken in (b"", b"nothing", data[:50], data[:-1], b"\x80\x05}\x94."[:-1]):
        with pytest.raises(CheckpointCorrupt):
            safe_pickle.loads(broken, "a test")


def test_the_pickle_of_another_model_is_corrupt():
    learner = River("naive_bayes.GaussianNB", None, 5, 0, 12)
    snapshot = learner.snapshot()
    other = River("linear_model.SoftmaxRegression", None, 5, 0, 12).snapshot()
    with pytest.raises(CheckpointCorrupt):
        learner.restore(other)
    with pytest.raises(CheckpointCorrupt):
        learner.restore({**snapshot, "pickle": other["pickle"]})


def test_fingerprints_tell_what_was_learned_apart():
    """They stand for the state in digests, since pickle bytes cannot."""
    labelled = events(20)
    prints = set()
    for change in range(4):
        x, y, weight = (column.copy() for column in labelled)
        if change:
            (x, y, weight)[change - 1][7] += 1
        learner = River("naive_bayes.GaussianNB", None, 5, 0, 12)
        learner.learn(x, y, weight)
        prints.add(json.dumps(learner.fingerprint(), default=str))
    assert len(prints) == 4


def test_the_depth_bound_keeps_a_tree_small_enough_to_pickle():
    learner = River(
        "tree.HoeffdingTreeClassifier", {"grace_period": 1, "delta": 0.9, "tau": 1.0}, 2, 0, 2
    )
    draws = np.random.default_rng(0)
    x = draws.normal(size=(4000, 2)).astype(np.float32)
    learner.learn(x, draws.integers(0, 2, 4000), np.ones(4000))
    assert learner._model.height <= 13
    assert len(run(learner, events(5, width=2, classes=2))) == 5
    assert learner.snapshot()["pickle"].size < 20_000_000


def test_the_published_figure_of_keystroke(data_dir):
    """River's Hoeffding tree reaches 73.3 % on the raw values; another figure means that the
    learner hands something else to it."""
    x, y = raw(data_dir / "keystroke.csv.gz")
    learner = River("tree.HoeffdingTreeClassifier", None, x.shape[1], 0, 4)
    assert prequential(learner, x, y) == pytest.approx(0.733, abs=0.002)


def test_river_is_not_imported_by_other_learners():
    """It takes seconds to import, and the default learner does not need it."""
    program = (
        "import sys, json, stream_cl.learners.softmax, stream_cl.learners.prototype;"
        "print(json.dumps('river' in sys.modules))"
    )
    assert in_new_process(program) is False
    assert sys.modules.get("river") is not None
