"""`cifar10n`: three people's labels of the same pictures, weighed or not, and what is learned.

CIFAR-10N (Wei et al. 2022, *Learning with Noisy Labels Revisited*): each training picture was
labelled by three people, who are wrong in 17 to 18 %. The three columns of labels are taken as
three annotators, which they are not quite: each column has answers of many people. The stream is
split CIFAR-10, two classes after two; features are the pixels of the picture at 8 × 8, projected
on the 64 main directions of pictures that are in no stream. Each event gets its three answers in
an order drawn by the seed, all but the first after the next step. Accuracy on test pictures after
the last task, by true class; every arm has the same events and the same answers to read.
"""

from __future__ import annotations

import io
from itertools import pairwise
from statistics import fmean
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from load_tests.accuracy import mean_and_half
from load_tests.report import MissingData, Options, say, table, target
from stream_cl import build
from stream_cl.config import Config
from stream_cl.core.topics import NAMES, Topics
from stream_cl.pipeline.offline import Offline

PICTURES, LABELS = "cifar10_jpeg.npz", "cifar10n_labels.npz"
EVENTS: Final = 6_000
TESTED: Final = 2_000
FITTED: Final = 2_000
WIDTH: Final = 64
STEP: Final = 32
ANSWERS: Final = 3
CLASSES: Final = 10
ARMS: Final[dict[str, dict[str, Any]]] = {
    "plain: the first answer": {"trust": "none"},
    "votes": {"trust": "votes"},
    "dawid_skene": {"trust": "dawid_skene"},
}


def run(options: Options) -> None:
    """Print the table."""
    for name in (PICTURES, LABELS):
        if not (options.data_dir / name).exists():
            raise MissingData(f"there is no {options.data_dir / name}; set STREAM_CL_DATA")
    stored = np.load(options.data_dir / PICTURES)
    people = np.load(options.data_dir / LABELS)
    train = pixels(stored["train_jpeg"], stored["train_off"], np.arange(EVENTS + FITTED))
    # The test pictures are sorted by class: the first ones are of two classes only.
    shown = np.arange(0, len(stored["y_test"]), len(stored["y_test"]) // TESTED)
    test = pixels(stored["test_jpeg"], stored["test_off"], shown)
    centre, axes = directions(train[EVENTS:])
    x, x_test = ((part - centre) @ axes for part in (train[:EVENTS], test))
    answers = np.stack([people[f"random_label{i + 1}"][:EVENTS] for i in range(ANSWERS)], axis=1)
    true, tested = stored["y_train"][:EVENTS], stored["y_test"][shown]
    assert len(set(tested.tolist())) == len(set(true.tolist())) == CLASSES
    seeds = range(options.seeds)
    found = {
        arm: [one(given, seed, x, answers, true, x_test, tested) for seed in seeds]
        for arm, given in ARMS.items()
    }
    say(f"{EVENTS:,} pictures, replay_mlp with 1,000 remembered, mean of {len(seeds)} seeds (95 %)")
    table(["arm", "accuracy %", "±"], [[a, *_shown(runs)] for a, runs in found.items()])
    plain = found["plain: the first answer"]
    for arm in list(ARMS)[1:]:
        gains = [ours - theirs for ours, theirs in zip(found[arm], plain, strict=True)]
        mean, half = mean_and_half(gains)
        target(f"{arm} above plain, paired (± {half:.2f})", mean, 0.0, unit=" points")
    say(f"answers that are right: {100 * fmean((answers == true[:, None]).ravel().tolist()):.1f} %")


def _shown(runs: list[float]) -> list[str]:
    mean, half = mean_and_half(runs)
    return [f"{mean:.2f}", f"{half:.2f}"]


def pixels(
    jpeg: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], which: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """The pictures `which [n]` at 8 × 8, `float64 [n, 192]`, in [0, 1]."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingData(f"pictures are read by Pillow (`pip install pillow`): {error}") from None
    rows = []
    bounds = list(pairwise(offsets.tolist()))
    for start, stop in (bounds[i] for i in which.tolist()):
        picture = Image.open(io.BytesIO(jpeg[start:stop].tobytes())).convert("RGB")
        rows.append(np.asarray(picture.resize((8, 8), Image.Resampling.BOX)).ravel() / 255.0)
    return np.stack(rows)


def directions(rows: npt.NDArray[np.float64]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Mean and the main directions, each scaled to a standard deviation of 1."""
    centre = rows.mean(axis=0)
    _, sizes, axes = np.linalg.svd(rows - centre, full_matrices=False)
    return centre, (axes[:WIDTH] / (sizes[:WIDTH, None] / np.sqrt(len(rows)))).T


def one(
    given: dict[str, Any],
    seed: int,
    x: npt.NDArray[Any],
    answers: npt.NDArray[Any],
    true: npt.NDArray[Any],
    x_test: npt.NDArray[Any],
    tested: npt.NDArray[Any],
) -> float:
    """Accuracy in per cent of one arm with one seed."""
    config = Config.model_validate(
        {
            "seed": seed,
            "encoder": {"kind": "vector", "width": WIDTH},
            # As the learner advises for classes that come one after another.
            "learner": {"kind": "replay_mlp", "replay_weight": 8.0},
            "memory": {"kind": "class_balanced", "capacity": 1000},
            "labels": {"join": "every", "held_out_fraction": 0.0},
            "annotators": given,
        }
    )
    named = Topics(config.topics.prefix)
    partitions = {named.named(name): 1 for name in NAMES}
    plan = build.plan(config, named, partitions, lambda topic, key: 0)
    offline = Offline(build.fresh_state(config), plan)
    draws = np.random.default_rng(seed)
    order = draws.permutation(len(x))
    order = order[np.argsort(true[order] // 2, kind="stable")]
    who = draws.permuted(np.tile(np.arange(ANSWERS), (len(x), 1)), axis=1)
    later: list[bytes] = []
    for start in range(0, len(order), STEP):
        rows = order[start : start + STEP].tolist()
        offline.step([_event(row, x[row]) for row in rows], later)
        offline.step([], [_answer(row, who[row, 0], answers) for row in rows])
        later = [_answer(row, name, answers) for row in rows for name in who[row, 1:]]
    offline.step([], later)
    names = offline.state.join.classes.names
    predicted = offline.state.guard.predict(x_test.astype(np.float32))[0].argmax(axis=1).tolist()
    hits = [names[p] == str(t) for p, t in zip(predicted, tested.tolist(), strict=True)]
    return 100 * fmean(hits)


def _event(row: int, x: npt.NDArray[Any]) -> bytes:
    return orjson.dumps({"id": str(row), "time": row, "vector": x.round(5).tolist()})


def _answer(row: int, who: int, answers: npt.NDArray[Any]) -> bytes:
    label = {"id": str(row), "annotator": f"person {who}", "label": str(answers[row, who])}
    return orjson.dumps(label)
