"""One configuration of every offered river model, run by two processes and compared."""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path

import numpy as np

from stream_cl.learners.river import River
from stream_cl.testing.learner_contract import events, run

START, NEXT = 100, 200
TREE = {"model": "tree.HoeffdingTreeClassifier", "parameters": {"grace_period": 20}}
ADAPTIVE = {"model": "tree.HoeffdingAdaptiveTreeClassifier", "parameters": {"grace_period": 20}}
BINARY = {"model": "linear_model.LogisticRegression"}
BAYES = {"model": "naive_bayes.GaussianNB"}

CASES = {
    "drift.DriftRetrainingClassifier": {
        "model": TREE,
        "drift_detector": {"model": "drift.binary.DDM"},
    },
    "ensemble.ADWINBaggingClassifier": {"model": TREE, "n_models": 3},
    "ensemble.ADWINBoostingClassifier": {"model": TREE, "n_models": 3},
    "ensemble.AdaBoostClassifier": {"model": ADAPTIVE, "n_models": 3},
    "ensemble.BOLEClassifier": {"model": TREE, "n_models": 3},
    "ensemble.BaggingClassifier": {"model": ADAPTIVE, "n_models": 3},
    "ensemble.LeveragingBaggingClassifier": {"model": TREE, "n_models": 3},
    "ensemble.SRPClassifier": {"n_models": 3},
    "ensemble.StackingClassifier": {
        "models": [BAYES, TREE],
        "meta_classifier": {"model": "linear_model.SoftmaxRegression"},
    },
    "ensemble.VotingClassifier": {"models": [BAYES, {"model": "forest.AMFClassifier"}]},
    "facto.FMClassifier": {"n_factors": 3},
    "facto.HOFMClassifier": {"n_factors": 2, "degree": 2},
    "forest.AMFClassifier": {"n_estimators": 3},
    "forest.ARFClassifier": {"n_models": 3, "grace_period": 20},
    "imblearn.HardSamplingClassifier": {"classifier": BINARY, "size": 20, "p": 0.2},
    "linear_model.ALMAClassifier": {},
    "linear_model.AdPredictor": {},
    "linear_model.LogisticRegression": {
        "optimizer": {"model": "optim.SGD", "parameters": {"lr": 0.1}},
        "loss": {"model": "optim.losses.Log"},
    },
    "linear_model.PAClassifier": {"mode": 2},
    "linear_model.Perceptron": {},
    "linear_model.SoftmaxRegression": {},
    "multiclass.OneVsOneClassifier": {"classifier": BINARY},
    "multiclass.OneVsRestClassifier": {"classifier": {"model": "tree.SGTClassifier"}},
    "multiclass.OutputCodeClassifier": {"classifier": BINARY, "code_size": 6},
    "naive_bayes.BernoulliNB": {},
    "naive_bayes.GaussianNB": {},
    "neighbors.KNNClassifier": {},
    "tree.ExtremelyFastDecisionTreeClassifier": {"grace_period": 20, "min_samples_reevaluate": 20},
    "tree.HoeffdingAdaptiveTreeClassifier": {"grace_period": 20, "bootstrap_sampling": True},
    "tree.HoeffdingTreeClassifier": {"grace_period": 20},
    "tree.LASTClassifier": {},
    "tree.SGTClassifier": {"grace_period": 20},
    "tree.mondrian.MondrianTreeClassifier": {},
}


def make(name: str) -> River:
    return River(name, CASES[name], width=5, seed=7, max_classes=12)


def main(mode: str, folder: str) -> None:
    """`save`: learn, write a snapshot, go on. `restore`: learn afresh, go on from the snapshot."""
    start, after = events(START, seed=31), events(NEXT, seed=32)
    result = {}
    for index, name in enumerate(CASES):
        file = Path(folder) / f"{index}.npy"
        learner = make(name)
        entry = {"start": _hash(run(learner, start))}
        snapshot = learner.snapshot()
        if mode == "save":
            np.save(file, snapshot["pickle"])
            silent = make(name)
            silent.learn(*start)
            entry["unasked"] = _hash(run(silent, after))
        else:
            learner = make(name)
            learner.restore({**snapshot, "pickle": np.load(file)})
        entry["next"] = _hash(run(learner, after))
        result[name] = entry
    print(json.dumps(result))


def _hash(probabilities: np.ndarray) -> str:
    return blake2b(probabilities.tobytes(), digest_size=8).hexdigest()
