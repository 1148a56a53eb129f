"""Any offered classifier of the river library, as a learner.

Source: Montiel et al. 2021, *River: machine learning for streaming data in Python*. The
update rule, its paper and its cost are those of the model; `_river_models` lists the models
and why others are refused. What is added here:

    p(x) = the model's probabilities for {j: x_j}, scaled to sum 1
         = n_c / Σ n  where the model gives none (yet), or gives numbers that are not finite

- An event is a dict of all `width` numbers by position, so that a model's own hashing of
  names does not depend on the process.
- `weight` is handed on where the model's `learn_one` takes one. Others (naive Bayes,
  ensembles, nearest neighbours) learn each event once, whatever its weight.
- A binary model is put into river's one-vs-rest. A nested model is written as
  `{"model": …, "parameters": …}`, wherever the outer one takes a model, an optimiser, a
  splitter or a detector.

Memory: the model's own. Trees end at a depth of 12 (`max_depth`) or at 10,000 nodes
(`max_nodes`), nearest neighbours at their window. river's `max_size` is not offered: it acts
on measured bytes, and those are others after a restore. Cost: some 10 µs to 10 ms an event.

A snapshot is a pickle, which only `safe_pickle` reads. Its bytes are not canonical (they tell
which objects are shared), so digests use `fingerprint`: counts, and a hash chained over
everything that was learned.
"""

from __future__ import annotations

import copy
import inspect
import math
import pickle
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stream_cl.core.errors import CheckpointCorrupt, LearnerFailed, UserError
from stream_cl.core.records import FloatMatrix, Probabilities
from stream_cl.core.snapshot import Snapshot
from stream_cl.learners import safe_pickle
from stream_cl.learners._river_models import build

_WEIGHT_MAX: Final = 1e150
_CHAIN_BYTES: Final = 16


class River:
    """A river classifier by name and parameters.

    Args:
        model: its name below `river.`, such as "tree.HoeffdingTreeClassifier".
        parameters: what its constructor is given; nested models as dicts.
        width: numbers in an encoded event.
        seed: every part that draws random numbers gets a seed derived from this one.
        max_classes: most classes that it may ever be given.

    Raises:
        UserError: the name is not offered, a parameter is none of the model's, or the model
            cannot learn, predict or be saved with these parameters.

    >>> import numpy as np
    >>> learner = River("naive_bayes.GaussianNB", {}, width=1, seed=0, max_classes=2)
    >>> x = np.array([[-1.0], [1.0], [-1.1], [1.1]], dtype=np.float32)
    >>> learner.learn(x, np.array([0, 1, 0, 1]), np.ones(4))
    >>> learner.predict(x).argmax(axis=1).tolist()
    [0, 1, 0, 1]
    """

    def __init__(
        self,
        model: str,
        parameters: Mapping[str, Any] | None,
        width: int,
        seed: int,
        max_classes: int,
    ) -> None:
        assert width >= 1
        assert max_classes >= 1
        self._name = model
        self._width = width
        self._max_classes = max_classes
        self._model = build(model, parameters or {}, seed)
        _try(self._model, model, width)
        self._weighted = "w" in inspect.signature(self._model.learn_one).parameters
        self._counts: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._chain = bytes(_CHAIN_BYTES)

    @property
    def n_classes(self) -> int:
        """One more than the largest class ever learned; 0 before the first label."""
        return len(self._counts)

    @property
    def memory_bytes_max(self) -> None:
        """Not known in bytes; the module's docstring says what bounds a model."""
        return

    def predict(self, x: FloatMatrix) -> Probabilities:
        """Class probabilities `float64 [n, k]` of `x [n, width]`. Pure.

        Raises:
            LearnerFailed: the model raised.
        """
        assert x.shape[1] == self._width
        out = np.zeros((len(x), len(self._counts)))
        if not len(self._counts):
            return out
        for row, values in zip(out, x.tolist(), strict=True):
            for c, p in self._ask(values).items():
                row[c] = p
            total = row.sum()
            usable = math.isfinite(total) and total > 0.0 and row.min() >= 0.0
            row[:] = row / total if usable else self._counts / self._counts.sum()
        return out

    def _ask(self, values: list[float]) -> dict[int, float]:
        event = dict(enumerate(values))
        try:
            answer: dict[int, float] = self._model.predict_proba_one(event)
        except NotImplementedError:
            label = self._model.predict_one(event)
            answer = {} if label is None else {label: 1.0}
        except ArithmeticError:
            answer = {}
        except MemoryError:
            raise
        except Exception as error:
            raise LearnerFailed(f"{self._name} raised in predict: {error!r}") from error
        # Some models name classes as they please: one-vs-one may answer None.
        return {c: p for c, p in answer.items() if isinstance(c, int) and c < len(self._counts)}

    def learn(
        self, x: FloatMatrix, y: npt.NDArray[np.int64], weight: npt.NDArray[np.float64]
    ) -> None:
        """Learn `x [n, width]`, `y [n]`, `weight [n]` (larger than 0) event after event.

        Raises:
            LearnerFailed: an input is not finite, the model raised, or what it predicts for
                the last event is no longer finite.
        """
        assert x.shape == (len(y), self._width)
        if not len(y):
            return
        if not (np.isfinite(x).all() and weight.max() <= _WEIGHT_MAX):
            raise LearnerFailed("a feature or weight of the batch is NaN, infinite or too large")
        assert weight.min() > 0.0, "weights are larger than 0"
        assert y.min() >= 0, "classes are whole numbers from 0"
        assert y.max() < self._max_classes, f"max_classes is {self._max_classes}"
        rows = np.ascontiguousarray(x, dtype=np.float32)
        for row, c, w in zip(rows, y.tolist(), weight.tolist(), strict=True):
            self._learn_one(row, c, w)
        answer = self._ask(rows[-1].tolist()).values()
        if not all(map(math.isfinite, answer)):
            raise LearnerFailed(f"{self._name} predicts numbers that are not finite")

    def _learn_one(self, row: npt.NDArray[np.float32], c: int, w: float) -> None:
        event = dict(enumerate(row.tolist()))
        try:
            if self._weighted:
                self._model.learn_one(event, c, w=w)
            else:
                self._model.learn_one(event, c)
        except (MemoryError, AssertionError):
            raise
        except Exception as error:
            raise LearnerFailed(f"{self._name} raised in learn: {error!r}") from error
        if c >= len(self._counts):
            counts = np.zeros(c + 1, dtype=np.int64)
            counts[: len(self._counts)] = self._counts
            self._counts = counts
        self._counts[c] += 1
        learned = self._chain + row.tobytes() + np.int64(c).tobytes() + np.float64(w).tobytes()
        self._chain = blake2b(learned, digest_size=_CHAIN_BYTES).digest()

    def snapshot(self) -> Snapshot:
        """The model as the bytes of a pickle, and what `fingerprint` has.

        Raises:
            LearnerFailed: the model is nested too deeply to be written down.
        """
        try:
            data = pickle.dumps(self._model, protocol=5)
        except RecursionError as error:
            raise LearnerFailed(
                f"{self._name} has grown too deep to be saved: set max_depth"
            ) from error
        return {**self.fingerprint(), "pickle": np.frombuffer(data, dtype=np.uint8).copy()}

    def fingerprint(self) -> Snapshot:
        """What goes into a digest of the state: counts and a chain over all that was learned."""
        return {"model": self._name, "counts": self._counts.copy(), "chain": self._chain.hex()}

    def restore(self, snapshot: Snapshot) -> None:
        """Become what `snapshot` was taken from.

        Raises:
            CheckpointCorrupt: the pickle names what no model needs, or holds another model.
        """
        if snapshot["model"] != self._name:
            raise CheckpointCorrupt(f"a snapshot of {snapshot['model']}, not of {self._name}")
        model = safe_pickle.loads(snapshot["pickle"].tobytes(), f"learner {self._name}")
        if type(model) is not type(self._model):
            raise CheckpointCorrupt(f"the pickle of {self._name} holds a {type(model).__name__}")
        self._model = model
        self._counts = np.array(snapshot["counts"], dtype=np.int64)
        self._chain = bytes.fromhex(snapshot["chain"])


def _try(model: Any, name: str, width: int) -> None:
    """Let a copy learn and be saved, so that a mistake in the parameters shows at the start."""
    trial = copy.deepcopy(model)
    event = dict.fromkeys(range(width), 0.0)
    try:
        for c in (0, 1, 0):
            trial.learn_one(event, c)
            trial.predict_one(event)
        safe_pickle.loads(pickle.dumps(trial, protocol=5), f"learner {name}")
    except MemoryError:
        raise
    except Exception as error:
        raise UserError(f"{name} does not work with these parameters: {error}") from error
