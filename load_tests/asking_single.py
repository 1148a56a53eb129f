"""`single`: one event a step, so that every answer is known before the next event is predicted.

The same comparison as `grid` and `reach`: by default, and with no label kept from the learner at
two floors, as the plain simulation was run whose accuracies stand beside ours; so also with the
settings that were chosen on other events of a stream, where it has some.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import nan
from operator import attrgetter
from typing import Final

from load_tests import streams
from load_tests.asking_grid import (
    RATES,
    REACH_RATES,
    Wanted,
    caption,
    needed,
    run_ways,
    targets,
)
from load_tests.page import as_table, put
from load_tests.report import say, target
from stream_cl.cli.compare_statistics import Mean
from stream_cl.cli.compare_table import Line, lines, markdown, percent
from stream_cl.config import Config

_DEFAULT: Final = Config().budget.kind
_EVERY: Final = tuple(f"{_DEFAULT}:floor={floor}:held_out=0" for floor in (0.1, 0.5))
"""Every label is learned, at each of the simulation's floors."""
_SIMULATED: Final = {
    "elec2": (74.2, 79.5, 82.5),
    "insects": (59.1, 70.8, 74.3),
    "covertype": (76.5, 82.7, 85.0),
    "airlines": (66.8, 68.5, 69.0),
    "nsl_kdd": (87.8, 94.2, 95.5),
    "mnist": (76.6, 86.8, 89.0),
}
"""Accuracy in % at `RATES` of a plain simulation: softmax with AdaGrad, event after event at
step 1, margin with the balanced incremental quantile filter, the better of two floors."""
_NONE: Final = Mean(nan, None, None)
_value: Final = attrgetter("value")


def single(wanted: Wanted) -> None:
    """Print the tables of the default, and accuracies beside those of the simulation."""
    alone = replace(
        wanted,
        sets=(*wanted.sets, "step.max_events=1"),
        budgets=wanted.budgets or (_DEFAULT, *_EVERY),
    )
    found = run_ways(alone, REACH_RATES, RATES)
    made = lines(found)
    first = alone.budgets[0]
    default = [line for line in made if line.budget == first]
    shown = [line for line in default if line.rate in RATES]
    text = markdown(shown)
    say(text)
    targets(shown, [run for run in found if run[0].budget == first and run[0].rate in RATES])
    reach = needed(default)
    beside = ""
    if wanted.limit is None and not wanted.budgets:
        beside = _simulated(made, _with_chosen_settings(alone))
    put(wanted.page, "single", f"{caption(alone)}\n\n{text}\n{reach}\n\n{beside}")


def _with_chosen_settings(alone: Wanted) -> list[Line]:
    """The streams that have settings of their own with these, every label learned."""
    made: list[Line] = []
    for name in filter(streams.chosen, alone.streams):
        sets = (*streams.chosen(name), *alone.sets)
        own = replace(alone, streams=(name,), sets=sets, budgets=_EVERY)
        made += lines(run_ways(own, RATES, RATES))
    return made


def _simulated(made: Sequence[Line], chosen: Sequence[Line]) -> str:
    """Print the default, and the better of the others, beside the simulation's accuracies."""
    ways = {
        "default": (made, (_DEFAULT,)),
        "every label learned": (made, _EVERY),
        "chosen settings": (chosen, _EVERY),
    }
    head = ["stream", "labels", *(f"{way} %" for way in ways), "simulation %"]
    rows = []
    for stream in dict.fromkeys(line.stream for line in made):
        for rate, simulated in zip(RATES, _SIMULATED[stream], strict=True):
            best = {way: _best(stream, rate, *of) for way, of in ways.items()}
            shown = ["–" if found is _NONE else percent(found) for found in best.values()]
            rows.append([stream, f"{rate:.0%}", *shown, f"{simulated:.1f}"])
            for way, accuracy in best.items():
                if accuracy is not _NONE:
                    what = f"{stream}, {rate:.0%}, {way}: the simulation's"
                    target(what, 100 * accuracy.value, simulated, unit=" %")
    return as_table(head, rows)


def _best(stream: str, rate: float, made: Sequence[Line], budgets: Sequence[str]) -> Mean:
    """The largest accuracy by choice of the lines with one of these budgets."""
    same = [x for x in made if x.gain and (x.stream, x.rate) == (stream, rate)]
    return max((x.accuracy for x in same if x.budget in budgets), key=_value, default=_NONE)
