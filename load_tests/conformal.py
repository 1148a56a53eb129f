"""`conformal`: how often the candidates of a label request hold the true class.

Real streams through the default pipeline, with `requests.coverage` of 0.9 and answers that come
at once, or after a heavy-tailed delay. What is counted is read off the published requests: of
those that had a set, how many list the truth among their candidates, since the start. Beside it
the share over all events, each request weighed by 1 / propensity.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import orjson

from load_tests.delayed import delays, steps
from load_tests.report import MissingData, Options, say, table, target
from stream_cl.cli.evaluate import recorded
from stream_cl.config import Config

STREAMS: Final = ("elec2.csv.gz", "insects_gradual_balanced.csv.gz")
DELAYS: Final = (0, 1_000, 5_000)
"""Median delay of an answer, in events."""
FRACTIONS: Final = (0.05, 0.1)


class Found(NamedTuple):
    """Of one run: share of the requests whose candidates hold the truth, their mean number of
    candidates, the share over all events, and that of requests in the tenth of the stream where it
    is furthest from the promise."""

    requests: int
    covered: float
    size: float
    weighted: float
    tenth: float


def run(options: Options) -> None:
    """Print the table."""
    missing = [name for name in STREAMS if not (options.data_dir / name).exists()]
    if missing:
        raise MissingData(f"there is no {missing[0]} in {options.data_dir}; set STREAM_CL_DATA")
    say(
        f"means over seeds 0 to {options.seeds - 1}; softmax, default strategy and budget; sets of "
        "90 %; worst tenth: of the requests in a tenth of the stream, the furthest from 90 %"
    )
    lines, cells = [], {}
    for name in STREAMS:
        rows = recorded(options.data_dir / name, options.limit)
        for fraction in FRACTIONS:
            for median in DELAYS:
                runs = [one(rows, fraction, median, seed) for seed in range(options.seeds)]
                key = (name.split(".")[0], fraction, median)
                cells[key] = [100 * run.covered for run in runs]
                lines.append(_line(key, runs))
    table(
        [
            "stream", "asked %", "delay", "requests", "covered %", "worst seed", "worst tenth",
            "set size", "all events %",
        ],
        lines,
    )  # fmt: skip
    for (stream, fraction, median), covered in cells.items():
        what = f"{stream}, {100 * fraction:.0f} %, delay {median:,}: coverage off by"
        target(what, abs(float(np.mean(covered)) - 90), 2, at_least=False, unit=" points")


def one(rows: list[Any], fraction: float, median: float, seed: int) -> Found:
    """One run over a stream."""
    config = Config().model_copy(
        update={"seed": seed, "budget": Config().budget.model_copy(update={"fraction": fraction})}
    )
    covered: list[bool] = []
    size: list[int] = []
    weight: list[float] = []
    for step in steps(config, rows, delays(len(rows), median, seed)):
        for out in step.scored.outputs:
            if out.topic != "label-requests":
                continue
            for request in map(orjson.loads, out.values):
                if request["status"] == "open" and request["coverage"] is not None:
                    candidates = request["candidates"]
                    covered.append(rows[int(request["id"])].label in candidates)
                    size.append(len(candidates))
                    weight.append(1 / request["propensity"])
    tenths = [float(part.mean()) for part in np.array_split(np.array(covered), 10)]
    return Found(
        len(covered),
        float(np.mean(covered)),
        float(np.mean(size)),
        float(np.average(covered, weights=weight)),
        max(tenths, key=lambda share: abs(share - 0.9)),
    )


def _line(key: tuple[str, float, int], runs: list[Found]) -> list[str]:
    stream, fraction, median = key
    off = max((100 * run.covered for run in runs), key=lambda covered: abs(covered - 90))
    return [
        stream,
        f"{100 * fraction:.0f}",
        f"{median:,}",
        f"{np.mean([run.requests for run in runs]):,.0f}",
        f"{100 * np.mean([run.covered for run in runs]):.2f}",
        f"{off:.2f}",
        f"{100 * max([run.tenth for run in runs], key=lambda share: abs(share - 0.9)):.1f}",
        f"{np.mean([run.size for run in runs]):.2f}",
        f"{100 * np.mean([run.weighted for run in runs]):.2f}",
    ]
