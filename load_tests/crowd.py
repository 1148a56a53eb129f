"""`crowd`: whom to trust, and which label to ask for again, on answers that people gave.

`crowd_face`: 584 faces, 27 workers, 5,242 answers, four classes. Answers come one by one in random
order; after every tenth of them stands how many faces have their right class: by majority vote (of
equal ones the class that had as many first), by online Dawid–Skene, and where each next answer
goes to the most doubtful face (its answers come in random order from those that were recorded; a
face without any left is passed over). A face that nobody answered counts as wrong. All settings
are the defaults; none was chosen on this file.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from statistics import fmean
from typing import Final, NamedTuple

import numpy as np

from load_tests.accuracy import mean_and_half
from load_tests.report import MissingData, Options, say, table, target
from stream_cl.labels.dawid_skene import DawidSkene
from stream_cl.labels.panel import Panel
from stream_cl.labels.question import Question, Vote

FILE: Final = "crowd_face.csv.gz"
SEEDS: Final = 10
POINTS: Final = 20
"""Every so many-th part of the answers the accuracy is taken."""
_NEVER: Final = 2**62
MAJORITY_OF_ALL: Final = 63.0


class Crowd(NamedTuple):
    """truth: class per task. answers: (task, worker, class)."""

    truth: list[int]
    answers: list[tuple[int, str, int]]
    classes: int


def run(options: Options) -> None:
    """Print the table."""
    path = options.data_dir / FILE
    if not path.exists():
        raise MissingData(f"there is no {path}; set STREAM_CL_DATA or --data-dir")
    with gzip.open(path, "rt") as rows:
        crowd = read(list(csv.DictReader(rows)))
    seeds = range(max(SEEDS, options.seeds))
    votes = [by_majority(crowd, seed) for seed in seeds]
    random = [by_panel(crowd, seed, again=False) for seed in seeds]
    again = [by_panel(crowd, seed, again=True) for seed in seeds]
    say(
        f"{FILE}, {len(crowd.truth)} tasks, {len(crowd.answers):,} answers; accuracy %, mean and "
        f"95 % interval of the mean over {len(seeds)} orders of the answers"
    )
    table(
        ["answers %", "majority vote", "Dawid-Skene", "above majority", "relabel"],
        [
            [f"{100 * (i + 1) / POINTS:.0f}", *(_shown([run[i] for run in runs]) for runs in (
                votes, random, _paired(random, votes), again))]
            for i in range(POINTS)
        ],
    )  # fmt: skip
    _targets(votes, random, again)


def read(rows: Sequence[dict[str, str]]) -> Crowd:
    """Tasks and classes by number, in order of first appearance."""
    tasks: dict[str, int] = {}
    names: dict[str, int] = {}
    truth: list[int] = []
    answers = []
    for row in rows:
        if row["question"] not in tasks:
            truth.append(names.setdefault(row["label"], len(names)))
        task = tasks.setdefault(row["question"], len(tasks))
        answers.append((task, row["worker"], names.setdefault(row["worker_label"], len(names))))
    return Crowd(truth, answers, len(names))


def by_majority(crowd: Crowd, seed: int) -> list[float]:
    """Accuracy in per cent at every point, answers in random order."""
    counts = np.zeros((len(crowd.truth), crowd.classes), dtype=np.int64)
    best, found = [-1] * len(crowd.truth), []
    for i, at in enumerate(np.random.default_rng(seed).permutation(len(crowd.answers)).tolist()):
        task, _, class_ = crowd.answers[at]
        counts[task, class_] += 1
        if best[task] < 0 or counts[task, class_] > counts[task, best[task]]:
            best[task] = class_
        if _at_a_point(i, crowd):
            found.append(_right(best, crowd))
    return found


def by_panel(crowd: Crowd, seed: int, again: bool) -> list[float]:
    """The same by the pipeline's consensus; `again`: the next answer to the most doubtful task
    once every task has one."""
    draws = np.random.default_rng(seed)
    order = [crowd.answers[at] for at in draws.permutation(len(crowd.answers)).tolist()]
    left: list[list[tuple[str, int]]] = [[] for _ in crowd.truth]
    for task, worker, class_ in reversed(order):
        left[task].append((worker, class_))
    panel = Panel(len(crowd.truth), DawidSkene(max_annotators=100))
    first = draws.permutation(len(crowd.truth)).tolist()
    nothing, found = np.zeros((1, 1), dtype=np.float32), []
    for i, answer in enumerate(order):
        task = answer[0]
        if again:
            doubtful = panel.most_doubtful(0, _NEVER)
            task = first[i] if i < len(first) or doubtful is None else int(doubtful[0])
        if panel.get(str(task)) is None:
            panel.open(str(task), Question(nothing, held_out=False, predicted=np.zeros(0)))
        panel.vote(str(task), Vote(*left[task].pop()), crowd.classes)
        if not left[task]:
            panel.asked_again(str(task), 0)  # for ever: nobody is left to answer
        if _at_a_point(i, crowd):
            questions = (panel.get(str(task)) for task in range(len(crowd.truth)))
            found.append(_right([-1 if q is None else q.number for q in questions], crowd))
    return found


def _at_a_point(i: int, crowd: Crowd) -> bool:
    n = len(crowd.answers)
    return (i + 1) * POINTS // n != i * POINTS // n


def _right(labels: Sequence[int], crowd: Crowd) -> float:
    return 100 * fmean(a == b for a, b in zip(labels, crowd.truth, strict=True))


def _paired(ours: Sequence[list[float]], theirs: Sequence[list[float]]) -> list[list[float]]:
    return [
        [a - b for a, b in zip(one, other, strict=True)]
        for one, other in zip(ours, theirs, strict=True)
    ]


def _shown(figures: Sequence[float]) -> str:
    mean, half = mean_and_half(figures)
    return f"{mean:.1f} ± {half:.1f}"


def _targets(
    votes: Sequence[list[float]], random: Sequence[list[float]], again: Sequence[list[float]]
) -> None:
    above = [fmean(run[i] for run in _paired(random, votes)) for i in range(POINTS)]
    what = "online Dawid-Skene against majority vote at any number of answers, worst"
    target(what, min(above), -1.5, unit=" points")
    from_40 = above[2 * POINTS // 5 - 1 :]
    target("the same from 40 % of the answers on", min(from_40), 0.0, unit=" points")
    say(f"majority vote of all: {fmean(run[-1] for run in votes):.1f} %")
    for name, runs in (("relabel", again), ("answers in random order", random)):
        means = [fmean(run[i] for run in runs) for i in range(POINTS)]
        reached = [i for i, mean in enumerate(means) if mean >= MAJORITY_OF_ALL]
        at = 100.0 * (reached[0] + 1) / POINTS if reached else 100.0 + 100.0 / POINTS
        what = f"{name}: {MAJORITY_OF_ALL} % reached with"
        if name == "relabel":
            target(what, at, 60.0, at_least=False, unit=" % of the answers")
        else:
            say(f"         {what} {at:.0f} % of the answers")
