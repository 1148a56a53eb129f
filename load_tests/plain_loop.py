"""The plain torch loop that `replay_mlp` is compared with: the same arithmetic by autograd."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
import torch

from stream_cl.core.records import FloatMatrix
from stream_cl.memory.reservoir import Reservoir

CAPACITY: Final = 1000
"""Events that it remembers."""
_BATCH: Final = 10
_REHEARSALS: Final = 4
_REPLAY_WEIGHT: Final = 0.5

Labels = npt.NDArray[np.int64]


class PlainLoop:
    """What one would write first: layers, autograd, the same update for every parameter.

    It starts with the weights that `ReplayMlp` of this seed starts with, and its memory draws
    what that one's draws.
    """

    def __init__(self, width: int, classes: int, hidden: int = 64, seed: int = 0) -> None:
        self.net = torch.nn.Sequential(
            torch.nn.Linear(width, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, classes)
        )
        draws = np.random.default_rng(seed).standard_normal((width, hidden), dtype=np.float32)
        with torch.no_grad():
            for parameter in self.net.parameters():
                parameter.zero_()
            next(self.net.parameters()).copy_(torch.from_numpy(draws.T))
        self.squares = [torch.full_like(p, 1e-4) for p in self.net.parameters()]
        self.memory = Reservoir(width, CAPACITY, seed)

    @torch.no_grad()
    def predict(self, x: FloatMatrix) -> npt.NDArray[Any]:
        """Class probabilities."""
        found: npt.NDArray[Any] = torch.softmax(self.net(torch.from_numpy(_scaled(x))), 1).numpy()
        return found

    def learn(self, x: FloatMatrix, y: Labels, weight: npt.NDArray[np.float64]) -> None:
        """Mini-batches of ten with ten from memory, four steps each."""
        x = _scaled(x)
        for start in range(0, len(y), _BATCH):
            part = slice(start, start + _BATCH)
            n, strength = len(y[part]), torch.from_numpy(weight[part]).float()
            for _ in range(_REHEARSALS):
                old_x, old_y = self.memory.sample(_BATCH)
                rows = torch.from_numpy(np.vstack((x[part], old_x)))
                classes = torch.from_numpy(np.concatenate((y[part], old_y)))
                losses = torch.nn.functional.cross_entropy(
                    self.net(rows), classes, reduction="none"
                )
                loss = (losses[:n] * strength).mean()
                if len(old_y):
                    drawn = _REPLAY_WEIGHT * losses[n:].mean()
                    loss = (loss + drawn) / (1 + _REPLAY_WEIGHT)
                self.net.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                self._update()
            self.memory.add(x[part], y[part])

    @torch.no_grad()
    def _update(self) -> None:
        for p, square in zip(self.net.parameters(), self.squares, strict=True):
            assert p.grad is not None
            square.mul_(0.9999).addcmul_(p.grad, p.grad).add_(1e-8)
            p.addcdiv_(p.grad, square.sqrt(), value=-0.05)


def _scaled(x: FloatMatrix) -> FloatMatrix:
    """x/√m, with m the inputs that are not zero, and one for the bias."""
    rows = torch.from_numpy(x)
    scaled: FloatMatrix = (
        rows / (torch.count_nonzero(rows, dim=1).unsqueeze(1) + 1).sqrt()
    ).numpy()
    return scaled


class PlainProgram:
    """The loop with what has to stand around it: events parsed and standardised, answers written.

    It parses JSON with orjson, takes for granted that all events have the same numeric
    features in one order, standardises them by the moments of all steps so far (Chan, Golub and
    LeVeque 1979, a step at once), and gives each event's prediction as JSON. It checks nothing,
    remembers no ids, asks for nothing.

    Args:
        width: numbers per event, those without a feature being zero.
        features: of every event.
        classes: that there are.
        seed: of the weights and of the memory.
    """

    def __init__(self, width: int, features: int, classes: int, seed: int) -> None:
        self.predicted: list[int] = []
        self.written: list[bytes] = []
        self._model = PlainLoop(width, classes, seed=seed)
        self._names = [str(number) for number in range(classes)]
        self._width, self._features = width, features
        self._count = 0
        self._mean = torch.zeros(features, dtype=torch.float64)
        self._squares = torch.zeros(features, dtype=torch.float64)

    def block(self, steps: Sequence[tuple[Sequence[bytes], list[int], list[int]]]) -> float:
        """Seconds for these steps: the events of each as JSON, the rows that are learned
        afterwards, and their classes."""
        began = perf_counter()
        for values, rows, classes in steps:
            documents = [orjson.loads(value) for value in values]
            x = self._read(documents)
            probabilities = self._model.predict(x)
            best = probabilities.argmax(axis=1).tolist()
            self.predicted += best
            self.written = [
                orjson.dumps(
                    {
                        "id": document["id"],
                        "label": self._names[label],
                        "probabilities": dict(zip(self._names, row, strict=True)),
                    }
                )
                for document, label, row in zip(
                    documents, best, probabilities.tolist(), strict=True
                )
            ]
            if rows:
                y = np.array(classes, dtype=np.int64)
                self._model.learn(x[rows], y, np.ones(len(rows)))
        return perf_counter() - began

    @torch.no_grad()
    def _read(self, documents: list[Any]) -> FloatMatrix:
        numbers = [list(document["features"].values()) for document in documents]
        given = torch.tensor(numbers, dtype=torch.float64)
        n, before = len(numbers), self._count
        self._count = before + n
        mean = given.mean(0)
        shift = mean - self._mean
        self._mean += shift * (n / self._count)
        self._squares += ((given - mean) ** 2).sum(0) + shift**2 * (before * n / self._count)
        deviation = (self._squares / self._count).sqrt()
        scaled = ((given - self._mean) / deviation.clamp_min(1e-12)).clamp(-8.0, 8.0)
        x = torch.zeros((n, self._width), dtype=torch.float32)
        x[:, : self._features] = scaled
        found: FloatMatrix = x.numpy()
        return found
