"""A worker of `load_tests.asking_peer`: a strategy of scikit-activeml, or ours, over one stream, or
both by turns."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterable
from time import process_time
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from skactiveml import stream as peers
from skactiveml.base import SkactivemlClassifier
from skactiveml.stream.budgetmanager import BalancedIncrementalQuantileFilter

from load_tests import streams
from load_tests.asking_arrays import ask, encoded_once
from load_tests.asking_peer import OURS, WAYS, PeerJob
from stream_cl import build
from stream_cl.cli.compare_worker import checked_config, main
from stream_cl.config import Config
from stream_cl.config.file import load as load_config
from stream_cl.core.protocols import Learner
from stream_cl.core.records import FloatMatrix
from stream_cl.pipeline.arrays import Classes
from stream_cl.pipeline.offline import Row

COLD_START: Final = 10
_KEPT: Final = 500
"""Labelled events that strategies which look at them are given, the latest."""
PACED: Final = 10_000
"""Events, the first, over which theirs and ours take turns."""
TURNS: Final = 5
_TURN_S: Final = 0.3
"""CPU time of a turn of ours at the least, in as many runs as that takes."""


class Wrapped(SkactivemlClassifier):  # type: ignore[misc]  # it ships no types
    """Our learner behind the peer's interface; classes are 0 … k−1."""

    def __init__(self, learner: Learner, classes: Iterable[int]) -> None:
        super().__init__(classes=list(classes))
        self.learner = learner

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Wrapped:
        """Nothing: it learns event by event."""
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """`float64 [n, k]`; equal for all classes before the first label."""
        x = np.ascontiguousarray(X, dtype=np.float32)
        known = self.learner.predict(x)
        k = len(self.classes)
        if not known.shape[1]:
            return np.full((len(x), k), 1 / k)
        return np.pad(known, ((0, 0), (0, k - known.shape[1])))


def _strategy(name: str, classes: int, rate: float, seed: int) -> Any:
    if name == "FixedUncertainty":
        return peers.FixedUncertainty(list(range(classes)), budget=rate, random_state=seed)
    if name == "VariableUncertainty with BIQF":
        manager = BalancedIncrementalQuantileFilter(budget=rate)
        return peers.VariableUncertainty(budget_manager=manager, random_state=seed)
    more: dict[str, Any] = {"metric": "rbf"} if name == "StreamProbabilisticAL" else {}
    return getattr(peers, name)(budget=rate, random_state=seed, **more)


def run(job: PeerJob, rows: Iterable[Row]) -> dict[str, Any]:
    """The figures of one strategy, or of ours."""
    config = checked_config(job)
    x, y = encoded_once(job, config, rows)
    if job.pace:
        return _by_turns(job, config, x[:PACED], y[:PACED])
    if job.strategy == OURS:
        accuracy, labels, cpu_s = ask(config, x, y)
        return _figures(len(y), labels, accuracy, cpu_s)
    return _theirs(job, config, x, y)


def _by_turns(job: PeerJob, config: Config, x: FloatMatrix, y: Classes) -> dict[str, Any]:
    """Events per CPU second, theirs and each of our ways, of every turn."""
    ways = {way: load_config(None, [*job.sets, *own], {}) for way, own in WAYS.items()}
    theirs, ours = list[float](), {way: list[float]() for way in ways}
    for _ in range(TURNS):
        theirs.append(len(y) / _theirs(job, config, x, y)["cpu_s"])
        for way, own in ways.items():
            runs, cpu_s = 0, 0.0
            while cpu_s < _TURN_S:
                runs, cpu_s = runs + 1, cpu_s + ask(own, x, y).cpu_s
            ours[way].append(runs * len(y) / cpu_s)
    return {"theirs": theirs, "ours": ours}


def _theirs(job: PeerJob, config: Config, x: FloatMatrix, y: Classes) -> dict[str, Any]:
    classes = int(y.max()) + 1
    learner = build.learner(config.learner, x.shape[1], config.seed)
    model = Wrapped(learner, range(classes))
    queries = _asker(job, model, classes, config.seed)
    kept_x: deque[Any] = deque(maxlen=_KEPT)
    kept_y: deque[int] = deque(maxlen=_KEPT)
    # Learners number classes as they learn them; the peer's are numbered as they come.
    right = asked = 0
    one = np.ones(1)
    began = process_time()
    for i in range(len(y)):
        now = x[i : i + 1]
        right += int(model.predict_proba(now).argmax() == y[i])
        if queries(now, kept_x, kept_y) or i < COLD_START:
            asked += 1
            learner.learn(now, y[i : i + 1], one)
            kept_x.append(x[i])
            kept_y.append(int(y[i]))
    return _figures(len(y), asked, right / len(y), process_time() - began)


def _figures(events: int, labels: int, accuracy: float, cpu_s: float) -> dict[str, Any]:
    return {"events": events, "labels_asked": labels, "accuracy": accuracy, "cpu_s": cpu_s}


def _asker(
    job: PeerJob, model: Wrapped, classes: int, seed: int
) -> Callable[[FloatMatrix, deque[Any], deque[int]], bool]:
    """Whether to ask for an event; the strategy has taken note of it."""
    strategy = _strategy(job.strategy, classes, job.rate, seed)
    looks = job.strategy == "StreamProbabilisticAL"
    told = job.strategy in {"StreamProbabilisticAL", "VariableUncertainty with BIQF"}
    blind = job.strategy == "StreamRandomSampling"

    def queries(now: FloatMatrix, kept_x: deque[Any], kept_y: deque[int]) -> bool:
        more: dict[str, Any] = {} if blind else {"clf": model}
        if looks:
            if not kept_y:
                return True
            more |= {"X": np.array(kept_x), "y": np.array(kept_y)}
        queried, utilities = strategy.query(now, return_utilities=True, **more)
        after = {"budget_manager_param_dict": {"utilities": utilities}} if told else {}
        strategy.update(now, queried, **after)
        return len(queried) > 0

    return queries


def load(job: PeerJob) -> Iterable[Row]:
    """The rows of a job."""
    return streams.rows(job.files, job.limit)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main(PeerJob, load, run)
