"""What docs/architecture.md promises, with real processes and a real `kill -9`.

When one of these fails, a crash loses events, publishes them twice, or leaves another state
behind than the one that the log tells of.
"""

from __future__ import annotations

import random
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from stream_cl.core.faults import FAULT_POINTS
from tests.slow.lives import Forked, Left, Life, Victim, left_by, write_inputs

_TRIES: Final = 5
"""Lives in which a fault point must be reached; one whose checkpoint thread was too slow to
come to it tries again."""


class Case(NamedTuple):
    """What is run and how it dies: passes over the fault points, kills at random moments.

    sections: of the config, where it differs from that of `lives`. at_once: events written at a
    time. forked: whether the lives to be killed are forked from a process that has torch.
    """

    events: int
    step_events: int
    passes: int
    random_kills: int
    sections: Mapping[str, Any] | None = None
    at_once: int = 500
    forked: bool = False

    @property
    def deaths(self) -> list[str]:
        return [*FAULT_POINTS] * self.passes + ["random"] * self.random_kills


def _rehearsing(memory: str, passes: int, random_kills: int, **learner: Any) -> Case:
    """A small network with a memory that is full after the first third of the run."""
    sections = {
        "learner": {"kind": "replay_mlp", "hidden": 16, **learner},
        "memory": {"kind": memory, "capacity": 80},
        "budget": {"kind": "fraction", "fraction": 0.5},
        "labels": {"ttl_s": 1.0, "closed_window": 2000, "early_capacity": 500},
    }
    return Case(3_000, 20, passes, random_kills, sections, at_once=100, forked=True)


CASES: Final = {
    "small": Case(events=10_000, step_events=50, passes=1, random_kills=8),
    "whole": Case(events=100_000, step_events=200, passes=2, random_kills=50),
    "reservoir": _rehearsing("reservoir", passes=1, random_kills=5),
    "class balanced": _rehearsing("class_balanced", passes=1, random_kills=5),
}
BOUNDED: Final = _rehearsing("reservoir", 0, random_kills=8, rehearsals=16, compute_ms=1.0)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", list(CASES))
def test_killed_everywhere_the_run_ends_as_one_that_never_was(tmp_path: Path, name: str) -> None:
    """(b): outputs and digests are those of a run that was never killed; every event is
    predicted once. (a): the manifest alone gives its outputs and its digests again."""
    case = CASES[name]
    killed, untouched = tmp_path / "killed", tmp_path / "untouched"
    _write(killed, case)
    shutil.copytree(killed, untouched)
    whole = Victim(untouched).end()
    expected = left_by(untouched)
    assert sorted(expected.predicted, key=int) == [str(i) for i in range(case.events)]

    lives = _kill(killed, case, whole.step)
    last = Victim(killed).end()
    found = left_by(killed)
    _say(f"{name}: {whole.step} steps, {found.incarnations} incarnations")
    assert (last.step, last.digest) == (whole.step, whole.digest)
    assert found.predicted == expected.predicted
    assert found.outputs == expected.outputs
    assert sum(life.killed for life in lives) >= len(case.deaths)
    _replays_from_empty(killed, last, found)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_with_a_compute_bound_the_manifest_gives_the_run_again(tmp_path: Path) -> None:
    """(a) where the clock chose how often each step rehearsed: another run would rehearse
    otherwise, but a replay of this one must not."""
    _write(tmp_path, BOUNDED)
    steps = BOUNDED.events // BOUNDED.step_events
    lives = _kill(tmp_path, BOUNDED, steps)
    last = Victim(tmp_path).end()
    found = left_by(tmp_path)
    _say(f"rehearsals a step: {sorted(Counter(found.rehearsals).items())}")
    assert sorted(found.predicted, key=int) == [str(i) for i in range(BOUNDED.events)]
    assert len(set(found.rehearsals)) > 2, "the bound chose nothing"
    assert sum(life.killed for life in lives) >= len(BOUNDED.deaths)
    _replays_from_empty(tmp_path, last, found)


def _write(folder: Path, case: Case) -> None:
    write_inputs(folder, case.events, case.step_events, case.sections, case.at_once)


def _replays_from_empty(folder: Path, last: Life, found: Left) -> None:
    """(a): without a checkpoint the manifest and the inputs give the digest that the last life
    ended with; that outputs and digests on the way are the same, the replay itself checks."""
    shutil.rmtree(folder / "checkpoints")
    again = Victim(folder).end()
    _say(f"from empty: {again.replayed} steps replayed, digest {again.digest}")
    assert again.replayed == last.step
    assert again.digest == last.digest
    assert left_by(folder).outputs == found.outputs


def _kill(folder: Path, case: Case, steps: int) -> list[Life]:
    """All deaths, in a random order that is always the same."""
    draw = random.Random(case.events)
    deaths = case.deaths
    draw.shuffle(deaths)
    # So that the last death comes before the run is over: some lives are longer than others.
    stride = max(1, int(0.7 * steps / len(deaths)))
    lives: list[Life] = []
    born = partial(Forked if case.forked else Victim, folder)
    for death in deaths:
        if death == "random":
            lives.append(_at_a_random_moment(born, draw, stride))
        else:
            lives += _at(born, death, draw, stride)
    _report(deaths, lives)
    return lives


def _at_a_random_moment(born: Callable[..., Victim], draw: random.Random, stride: int) -> Life:
    """One in five dies while it recovers, the others somewhere inside or between two steps."""
    victim = born()
    if draw.random() < 0.2:
        victim.until("ready")
        return victim.kill(draw.uniform(0, 0.2))
    victim.until("step", draw.randint(1, 2 * stride))
    return victim.kill(draw.uniform(0, 0.02))


def _at(born: Callable[..., Victim], point: str, draw: random.Random, stride: int) -> list[Life]:
    """Dies at the fault point, or tries again; a life that did not reach it ends in order."""
    lives = []
    for attempt in range(_TRIES):
        nth = draw.randint(1, stride) if attempt == 0 and point in _OFTEN else 1
        steps = str(2 * stride + 7)
        arguments = ("--steps", steps, "--point", point, "--nth", str(nth))
        lives.append(born(*arguments).end())
        if lives[-1].killed:
            return lives
        # There is nothing to replay after a life that ended in order: leave something.
        victim = born()
        victim.until("step", 2)
        lives.append(victim.kill(0.0))
    raise AssertionError(f"{point} was not reached in {_TRIES} lives")


_OFTEN: Final = frozenset(
    {
        *("step-taken", "step-scored", "commit-half-written", "committed"),
        *("learning", "learned"),
    }
)
"""Points that are passed in every step."""


def _report(deaths: list[str], lives: list[Life]) -> None:
    replayed = [life.replayed for life in lives if life.replayed is not None]
    at = ", ".join(f"{name} {count}" for name, count in sorted(Counter(deaths).items()))
    _say(
        f"killed {sum(life.killed for life in lives)} of {len(lives)} lives ({at}); "
        f"{len(lives) - len(replayed)} died before they had recovered; steps replayed by the "
        f"others: {sum(replayed)} in all, {max(replayed)} at most"
    )


def _say(text: str) -> None:
    """To the terminal when pytest is run with -s, to its report when the test fails."""
    sys.stdout.write(f"{text}\n")
