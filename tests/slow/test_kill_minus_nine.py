"""What docs/architecture.md promises, with real processes and a real `kill -9`.

When one of these fails, a crash loses events, publishes them twice, or leaves another state
behind than the one that the log tells of.
"""

from __future__ import annotations

import random
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from stream_cl.core.faults import FAULT_POINTS
from tests.slow.lives import Life, Victim, left_by, write_inputs

_TRIES: Final = 5
"""Lives in which a fault point must be reached; one whose checkpoint thread was too slow to
come to it tries again."""


class Size(NamedTuple):
    """How large a test is: events, passes over all fault points, kills at random moments."""

    events: int
    step_events: int
    passes: int
    random_kills: int


SIZES: Final = {
    "small": Size(events=10_000, step_events=50, passes=1, random_kills=8),
    "whole": Size(events=100_000, step_events=200, passes=2, random_kills=50),
}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("size", list(SIZES))
def test_killed_everywhere_the_run_ends_as_one_that_never_was(tmp_path: Path, size: str) -> None:
    """(b): outputs and digests are those of a run that was never killed; every event is
    predicted once. (a): the manifest alone gives its outputs and its digests again."""
    wanted = SIZES[size]
    killed, untouched = tmp_path / "killed", tmp_path / "untouched"
    write_inputs(killed, wanted.events, wanted.step_events)
    shutil.copytree(killed, untouched)
    whole = Victim(untouched).end()
    expected = left_by(untouched)
    assert sorted(expected.predicted, key=int) == [str(i) for i in range(wanted.events)]

    lives = _kill(killed, wanted, whole.step)
    last = Victim(killed).end()
    found = left_by(killed)
    _say(f"{wanted}: {whole.step} steps, {found.incarnations} incarnations")
    assert (last.step, last.digest) == (whole.step, whole.digest)
    assert found.predicted == expected.predicted
    assert found.outputs == expected.outputs
    assert sum(life.killed for life in lives) >= wanted.random_kills + wanted.passes * 13

    shutil.rmtree(killed / "checkpoints")
    again = Victim(killed).end()
    _say(f"from empty: {again.replayed} steps replayed, digest {again.digest}")
    assert again.replayed == whole.step
    assert again.digest == whole.digest
    assert left_by(killed).outputs == expected.outputs


def _kill(folder: Path, size: Size, steps: int) -> list[Life]:
    """All deaths, in a random order that is always the same."""
    draw = random.Random(size.events)
    deaths = [point for point in FAULT_POINTS for _ in range(size.passes)]
    deaths += ["random"] * size.random_kills
    draw.shuffle(deaths)
    # So that the last death comes before the run is over: some lives are longer than others.
    stride = max(1, int(0.7 * steps / len(deaths)))
    lives: list[Life] = []
    for death in deaths:
        if death == "random":
            lives.append(_at_a_random_moment(folder, draw, stride))
        else:
            lives += _at(folder, death, draw, stride)
    _report(deaths, lives)
    return lives


def _at_a_random_moment(folder: Path, draw: random.Random, stride: int) -> Life:
    """One in five dies while it recovers, the others somewhere inside or between two steps."""
    victim = Victim(folder)
    if draw.random() < 0.2:
        victim.until("ready")
        return victim.kill(draw.uniform(0, 0.2))
    victim.until("step", draw.randint(1, 2 * stride))
    return victim.kill(draw.uniform(0, 0.02))


def _at(folder: Path, point: str, draw: random.Random, stride: int) -> list[Life]:
    """Dies at the fault point, or tries again; a life that did not reach it ends in order."""
    lives = []
    for attempt in range(_TRIES):
        nth = draw.randint(1, stride) if attempt == 0 and point in _OFTEN else 1
        steps = str(2 * stride + 7)
        arguments = ("--steps", steps, "--point", point, "--nth", str(nth))
        lives.append(Victim(folder, *arguments).end())
        if lives[-1].killed:
            return lives
        # There is nothing to replay after a life that ended in order: leave something.
        victim = Victim(folder)
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
