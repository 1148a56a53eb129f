"""`strategies`: every query strategy and wrapper against `random`, where classes are many.

The stream is nsl_kdd unless `--streams` names others, the share of labels 5 %. A strategy that
beats `random` nowhere has no place in the product, so each has to be significantly above it here,
p adjusted after Holm over all of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from load_tests import streams
from load_tests.asking_grid import Wanted, caption, run_ways
from load_tests.page import put
from load_tests.report import say, target
from stream_cl.cli.compare_table import lines, markdown

STRATEGIES: Final = (
    "uncertainty",
    "uncertainty:measure=least_confidence",
    "uncertainty:measure=entropy",
    "probabilistic",
    "density",
    "committee",
    "bald",
    "vessal",
    "novelty",
    "class_balance",
    "stochastic",
    "cost_aware",
    "burst_on_drift",
)
"""Wrappers around the default strategy. All labels cost the same here, as to `cost_aware`."""
_RATES: Final = (0.05,)
_STREAMS: Final = ("nsl_kdd",)


def strategies(wanted: Wanted) -> None:
    """Print the table."""
    named = wanted.strategies or STRATEGIES
    chosen = _STREAMS if wanted.streams == streams.NAMES else wanted.streams
    wanted = replace(wanted, strategies=named, streams=chosen)
    made = lines(run_ways(wanted, _RATES, _RATES))
    text = markdown(made)
    say(text)
    put(wanted.page, "strategies", f"{caption(wanted)}\n\n{text}")
    won = {line.strategy for line in made if line.verdict == "above"}
    target("strategies above random somewhere", len(won), len(named))
