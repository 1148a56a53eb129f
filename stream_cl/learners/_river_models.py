"""Which models of river are offered, and how one is built from its name and parameters.

Offered is what a test has shown to be a function of what it learned: predicting changes
nothing, two processes give the same predictions (under the PYTHONHASHSEED that `run` sets),
and so does a model that was put back in another process. A model that differs on replay would
break recovery. Everything else is refused by name with its reason.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

from river import (
    base,
    drift,
    ensemble,
    facto,
    forest,
    imblearn,
    linear_model,
    metrics,
    multiclass,
    naive_bayes,
    neighbors,
    optim,
    tree,
)
from river.drift import binary as drift_binary
from river.optim import initializers, losses, schedulers
from river.tree import mondrian, split_criterion, splitter

from stream_cl.core.draws import keyed_unit
from stream_cl.core.errors import UserError

OFFERED: Final = (
    "drift.DriftRetrainingClassifier",
    "ensemble.ADWINBaggingClassifier",
    "ensemble.ADWINBoostingClassifier",
    "ensemble.AdaBoostClassifier",
    "ensemble.BOLEClassifier",
    "ensemble.BaggingClassifier",
    "ensemble.LeveragingBaggingClassifier",
    "ensemble.SRPClassifier",
    "ensemble.StackingClassifier",
    "ensemble.VotingClassifier",
    "facto.FMClassifier",
    "facto.HOFMClassifier",
    "forest.AMFClassifier",
    "forest.ARFClassifier",
    "imblearn.HardSamplingClassifier",
    "linear_model.ALMAClassifier",
    "linear_model.AdPredictor",
    "linear_model.LogisticRegression",
    "linear_model.PAClassifier",
    "linear_model.Perceptron",
    "linear_model.SoftmaxRegression",
    "multiclass.OneVsOneClassifier",
    "multiclass.OneVsRestClassifier",
    "multiclass.OutputCodeClassifier",
    "naive_bayes.BernoulliNB",
    "naive_bayes.GaussianNB",
    "neighbors.KNNClassifier",
    "tree.ExtremelyFastDecisionTreeClassifier",
    "tree.HoeffdingAdaptiveTreeClassifier",
    "tree.HoeffdingTreeClassifier",
    "tree.LASTClassifier",
    "tree.SGTClassifier",
    "tree.mondrian.MondrianTreeClassifier",
)

_SAMPLER: Final = "its `desired_dist` names classes by numbers that a user does not know"
_COUNTS: Final = "it wants counts, and encoded features are standardised: its logarithms fail"
_FIELDS: Final = "it reads fields out of feature names, and encoded features have numbers"

REFUSED: Final = {
    "active.EntropySampler": "its predict draws random numbers and gives no probabilities",
    "dummy.NoChangeClassifier": "use the learner `no_change`",
    "dummy.PriorClassifier": "use the learner `majority`",
    "facto.FFMClassifier": _FIELDS,
    "facto.FwFMClassifier": _FIELDS,
    "forest.adaptive_random_forest.BaseTreeClassifier": "it is a part of forest.ARFClassifier",
    "imblearn.RandomOverSampler": _SAMPLER,
    "imblearn.RandomSampler": _SAMPLER,
    "imblearn.RandomUnderSampler": _SAMPLER,
    "misc.ZstdClassifier": "it reads texts, which the encoder has turned into numbers",
    "model_selection.BanditClassifier": "river's one-vs-rest, which it needs, fails around it",
    "model_selection.SuccessiveHalvingClassifier": "it must know the length of the stream",
    "naive_bayes.ComplementNB": _COUNTS,
    "naive_bayes.MultinomialNB": _COUNTS,
    "neighbors.SWINN": "its search draws random numbers in predict; use neighbors.LazySearch",
}

_PACKAGES: Final[dict[str, ModuleType]] = {
    "drift": drift,
    "drift.binary": drift_binary,
    "ensemble": ensemble,
    "facto": facto,
    "forest": forest,
    "imblearn": imblearn,
    "linear_model": linear_model,
    "metrics": metrics,
    "multiclass": multiclass,
    "naive_bayes": naive_bayes,
    "neighbors": neighbors,
    "optim": optim,
    "optim.initializers": initializers,
    "optim.losses": losses,
    "optim.schedulers": schedulers,
    "tree": tree,
    "tree.mondrian": mondrian,
    "tree.split_criterion": split_criterion,
    "tree.splitter": splitter,
}
"""Where a name may lie; nothing is imported because a config says so."""

_MEASURED: Final = frozenset({"max_size", "memory_estimate_period", "stop_mem_management"})
"""Settings by which a tree acts on the bytes that the process uses for it. Those are others
after a restore, so the tree would grow another way than it did."""

_BOUNDS: Final = {"max_depth": 12, "max_nodes": 10_000}
"""What bounds a tree in place of its bytes, where the user sets nothing."""

_NEVER: Final = 2**53


def build(model: str, parameters: Mapping[str, Any], seed: int) -> Any:
    """A river classifier for any number of classes, with a seed at every level.

    Raises:
        UserError: the name is not offered, or a parameter is none of the model's.
    """
    classifier = _build(model, parameters, seed, model, want=base.Classifier)
    if classifier._multiclass:
        return classifier
    return multiclass.OneVsRestClassifier(classifier)


def _build(
    model: str, parameters: Mapping[str, Any], seed: int, place: str, want: type[Any]
) -> Any:
    cls = _resolve(model, place, want)
    known = inspect.signature(cls).parameters
    arguments: dict[str, Any] = {}
    for name, value in parameters.items():
        if name not in known or name in _MEASURED:
            why = "depends on the memory of the process: set max_depth" * (name in _MEASURED)
            takes = ", ".join(sorted(set(known) - _MEASURED)) or "nothing"
            raise UserError(f"{place}: {name!r} {why or 'is no parameter'}; it takes {takes}")
        arguments[name] = _value(value, seed, f"{place}.{name}")
    for name, bound in _BOUNDS.items():
        if name in known and arguments.get(name) is None:
            arguments[name] = bound
    if "memory_estimate_period" in known:
        arguments["memory_estimate_period"] = _NEVER
    if model == "neighbors.KNNClassifier" and arguments.get("engine") is None:
        arguments["engine"] = neighbors.LazySearch()
    if "seed" in known and arguments.get("seed") is None:
        arguments["seed"] = derived_seed(seed, place)
    try:
        built = cls(**arguments)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise UserError(f"{place}: river does not take these parameters: {error}") from error
    return _seeded(built, seed, place)


def _resolve(model: str, place: str, want: type[Any]) -> type[Any]:
    if model in REFUSED:
        raise UserError(f"{place}: {model} is not offered: {REFUSED[model]}")
    package, _, name = model.rpartition(".")
    found: Any = getattr(_PACKAGES[package], name, None) if package in _PACKAGES else None
    part = isinstance(found, type) and issubclass(found, base.Base) and issubclass(found, want)
    if part and (model in OFFERED or not issubclass(found, base.Classifier)):
        cls: type[Any] = found
        return cls
    offered = ", ".join(OFFERED)
    raise UserError(f"{place}: river has no {model!r} that can be used here; it offers {offered}")


def _value(value: Any, seed: int, place: str) -> Any:
    if isinstance(value, Mapping) and "model" in value:
        if set(value) - {"model", "parameters"}:
            raise UserError(f"{place}: a nested model has `model` and `parameters`, nothing else")
        return _build(value["model"], value.get("parameters") or {}, seed, place, want=base.Base)
    if isinstance(value, Mapping):
        return {key: _value(item, seed, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_value(item, seed, f"{place}.{index}") for index, item in enumerate(value)]
    return value


def _seeded(built: Any, seed: int, place: str) -> Any:
    """`built`, or a copy in which the parts that river made itself have a seed too."""
    if not built._is_stochastic:
        return built
    return built.clone(_with_seeds(built._get_params(), seed, place))


def _with_seeds(parameters: dict[str, Any], seed: int, place: str) -> dict[str, Any]:
    filled = dict(parameters)
    for name, value in parameters.items():
        if name == "seed" and value is None:
            filled[name] = derived_seed(seed, place)
        elif isinstance(value, tuple) and isinstance(value[0], type) and isinstance(value[1], dict):
            filled[name] = (value[0], _with_seeds(value[1], seed, f"{place}.{name}"))
    return filled


def derived_seed(seed: int, place: str) -> int:
    """The seed of the part at `place`: another for every part, the same in every process."""
    return int(keyed_unit(seed, "river", place) * 2**32)
