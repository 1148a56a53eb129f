"""`replay_mlp`: what it reaches on real streams, and its speed beside a plain torch loop.

    python -m load_tests.replay_mlp                       all parts
    python -m load_tests.replay_mlp speed pipeline        some of them

speed: the learner alone against `torch.nn.Sequential`, autograd and the same update, on the same
events in the same run. pipeline: the whole pipeline against such a loop, on elec2 with 5 % labels
at steps of 1, 32 and 256, beside accuracy. streams: elec2 and insects through the pipeline's own
steps, step 1, all labels. split: Split MNIST, five tasks of two classes in one pass, no task ids.
"""

from __future__ import annotations

import argparse
import os

# Before numpy is imported anywhere: one thread, so that one core is one core.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

from collections.abc import Callable, Sequence  # noqa: E402  after the thread counts
from pathlib import Path  # noqa: E402
from statistics import fmean, median  # noqa: E402
from time import perf_counter  # noqa: E402
from typing import Any, Final, Protocol  # noqa: E402

import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402
import torch  # noqa: E402

from load_tests import replay_mlp_pipeline  # noqa: E402
from load_tests.plain_loop import CAPACITY, Labels, PlainLoop  # noqa: E402
from load_tests.report import MissingData, machine, one_core, say, table, target  # noqa: E402
from stream_cl.cli.evaluate import recorded, run_once  # noqa: E402
from stream_cl.config import Config  # noqa: E402
from stream_cl.core.records import FloatMatrix  # noqa: E402
from stream_cl.evaluation.agreement import accuracy, no_change_accuracy  # noqa: E402
from stream_cl.learners.replay_mlp import ReplayMlp  # noqa: E402
from stream_cl.memory.class_balanced import ClassBalanced  # noqa: E402
from stream_cl.memory.reservoir import Reservoir  # noqa: E402
from stream_cl.pipeline.offline import Outcome, Row  # noqa: E402

_SPLIT: Final[dict[str, Any]] = {"hidden": 256, "replay_weight": 8.0}
"""Settings of Split MNIST that are not the defaults."""
_SPLIT_SEEDS: Final = range(2, 7)
"""Seeds 0 and 1 were used to choose the settings."""
_FRACTION: Final = 0.05
_SEEDS: Final = 5


class _Model(Protocol):
    def predict(self, x: FloatMatrix) -> npt.NDArray[Any]: ...

    def learn(self, x: FloatMatrix, y: Labels, weight: npt.NDArray[np.float64]) -> None: ...


def main(args: Sequence[str] | None = None) -> None:
    """Run the parts that the command line names."""
    parts: dict[str, Callable[[Path], None]] = {
        "speed": speed,
        "pipeline": pipeline,
        "streams": streams,
        "split": split,
    }
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser = argparse.ArgumentParser(prog="python -m load_tests.replay_mlp", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("names", nargs="*", metavar="PART", help=", ".join(parts))
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path(os.environ.get("STREAM_CL_DATA", beside)),
        help="folder of real streams (STREAM_CL_DATA, or ../shared/data beside the checkout)",
    )
    given = parser.parse_args(args)
    unknown = [name for name in given.names if name not in parts]
    if unknown:
        parser.error(f"{', '.join(unknown)}: there are {', '.join(parts)}")
    torch.set_num_threads(1)
    say(f"{machine()}, torch {torch.__version__}")
    for name in given.names or parts:
        say(f"\n== {name} ==")
        try:
            parts[name](given.data_dir)
        except MissingData as missing:
            say(f"skipped: {missing}")


def _found(folder: Path, name: str) -> Path:
    if not (folder / name).exists():
        raise MissingData(f"there is no {folder / name}; set STREAM_CL_DATA or --data-dir")
    return folder / name


def pipeline(folder: Path) -> None:
    """Events per second beside accuracy at 5 % labels, and against a plain loop."""
    replay_mlp_pipeline.compare(recorded(_found(folder, "elec2.csv.gz")), _SEEDS)


def streams(folder: Path) -> None:
    """Accuracy with all labels at step 1."""
    wanted = {"elec2": 88.0, "insects_gradual_balanced": 70.0}
    rows, right = [], {}
    for stream in wanted:
        data = recorded(_found(folder, f"{stream}.csv.gz"))
        naive = 100 * (no_change_accuracy([row.label for row in data]) or 0.0)
        run = through_pipeline(data)
        right[stream] = 100 * accuracy(run.truth, run.predicted)
        per_s = f"{len(data) / run.seconds:,.0f}"
        rows.append([stream, f"{right[stream]:.2f}", f"{naive:.2f}", per_s])
    table(["stream", "accuracy %", "no change %", "events/s"], rows)
    for stream, figure in wanted.items():
        target(f"{stream}, all labels, step 1", right[stream], figure, unit=" %")


def through_pipeline(rows: list[Row]) -> Outcome:
    """A recorded stream through the pipeline's own steps, a label with every event."""
    config = Config.model_validate(
        {
            "step": {"max_events": 1},
            "labels": {"join": "every"},
            "learner": {"kind": "replay_mlp"},
            "memory": {"kind": "reservoir", "capacity": CAPACITY},
        }
    )
    with one_core():
        return run_once(config, rows)[0]


def split(folder: Path) -> None:
    """Split MNIST: final accuracy on the 10,000 test images, all ten classes."""
    with np.load(_found(folder, "mnist.npz")) as data:
        x, test_x = (
            (data[name].reshape(-1, 784) / np.float32(255)).astype(np.float32)
            for name in ("X_train", "X_test")
        )
        y, test_y = data["y_train"].astype(np.int64), data["y_test"].astype(np.int64)
    say(f"batches of 10 + 10, memory of {CAPACITY:,}, one pass; seeds {list(_SPLIT_SEEDS)}")
    rows, means = [], []
    for name, kind, settings in (
        ("class_balanced", ClassBalanced, _SPLIT),
        ("reservoir", Reservoir, _SPLIT),
        ("reservoir", Reservoir, {}),
    ):
        right, seconds = [], []
        for seed in _SPLIT_SEEDS:
            draws = np.random.default_rng(seed)
            order = np.concatenate(
                [draws.permutation(np.flatnonzero(y // 2 == t)) for t in range(5)]
            )
            memory = kind(784, CAPACITY, seed)
            model = ReplayMlp(784, seed, 10, memory, batch=10, replay=10, **settings)
            began = perf_counter()
            for start in range(0, len(order), 10):
                part = order[start : start + 10]
                model.learn(x[part], y[part], np.ones(len(part)))
            seconds.append(perf_counter() - began)
            right.append(100 * float((model.predict(test_x).argmax(axis=1) == test_y).mean()))
        said = ", ".join(f"{key} {value:g}" for key, value in settings.items()) or "defaults"
        spread = f"{min(right):.2f} to {max(right):.2f}"
        rows.append([name, said, f"{fmean(right):.2f}", spread, f"{len(y) / fmean(seconds):,.0f}"])
        means.append(fmean(right))
    table(["memory", "settings", "accuracy %", "lowest to highest", "events/s"], rows)
    for row, figure in zip(rows[:2], means, strict=False):
        target(f"Split MNIST, {row[0]}, {row[1]}, mean", figure, 90.0, unit=" %")


def speed(folder: Path) -> None:
    """Predict every event and learn those that are labelled, both models, turn by turn."""
    del folder
    rows, worst = [], np.inf
    for width, classes in ((10, 2), (128, 6)):
        for share in (1.0, _FRACTION):
            for step in (1, 32, 256):
                ours = ReplayMlp(width, 0, classes, Reservoir(width, CAPACITY, 0))
                plain = PlainLoop(width, classes)
                taken = _Turns(width, classes, share, step)
                for model in (ours, plain):
                    taken.seconds(model, 0)
                pairs = [(taken.seconds(ours, k), taken.seconds(plain, k)) for k in range(1, 8)]
                mine, theirs = (median(column) for column in zip(*pairs, strict=True))
                ratio, n = median(b / a for a, b in pairs), taken.events
                worst = min(worst, ratio)
                shown = [f"{n / mine:,.0f}", f"{n / theirs:,.0f}", f"{ratio:.2f}"]
                rows.append([f"{width} → {classes}", f"{100 * share:.0f} %", f"{step:,}", *shown])
    head = ["width → classes", "labels", "step", "events/s", "plain loop", "times as fast"]
    table(head, rows)
    target("the slowest of them beside the plain loop", float(worst), 0.9, unit=" times")


class _Turns:
    """Events of which a share is labelled; one turn takes some hundred of them."""

    def __init__(self, width: int, classes: int, share: float, step: int) -> None:
        self.events = 512 if share == 1.0 else 4096
        draws = np.random.default_rng(0)
        self._x = draws.normal(size=(8 * self.events, width)).astype(np.float32)
        self._y = draws.integers(0, classes, len(self._x))
        self._labelled = draws.random(len(self._x)) < share
        self._step = step

    def seconds(self, model: _Model, turn: int) -> float:
        """What turn `turn` takes with `model`."""
        began = perf_counter()
        for start in range(turn * self.events, (turn + 1) * self.events, self._step):
            rows = slice(start, start + self._step)
            x, labelled = self._x[rows], self._labelled[rows]
            model.predict(x)
            if labelled.any():
                model.learn(x[labelled], self._y[rows][labelled], np.ones(int(labelled.sum())))
        return perf_counter() - began


if __name__ == "__main__":
    main()
