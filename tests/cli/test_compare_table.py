"""What `compare` makes of its options and of its runs: ways, keys, statistics, tables."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from stream_cl.cli.compare_cells import Cell, Job, Results
from stream_cl.cli.compare_notation import section, split
from stream_cl.cli.compare_plan import ways
from stream_cl.cli.compare_statistics import holm, mean
from stream_cl.cli.compare_table import comma_separated, lines, markdown
from stream_cl.core.errors import UserError

# --- notation ---


def test_the_notation_becomes_a_section() -> None:
    assert section("--strategies", "random") == {"kind": "random"}
    assert section("--strategies", "a:b=1:c=x:d.kind=e:d.f=0.5:g=true") == {
        "kind": "a",
        "b": 1,
        "c": "x",
        "d": {"kind": "e", "f": 0.5},
        "g": True,
    }
    assert section("--strategies", "{kind: a, d: {kind: b, l: [1, 2]}}") == {
        "kind": "a",
        "d": {"kind": "b", "l": [1, 2]},
    }
    assert split(["a,b:c=[1,2],{kind: d, e: 1}", "a", " f "]) == [
        "a",
        "b:c=[1,2]",
        "{kind: d, e: 1}",
        "f",
    ]
    for wrong in ("{measure: x}", "a:=1", "a:b.=1", "a:b=1:b.c=2", "a:b={"):
        with pytest.raises(UserError, match="--strategies"):
            section("--strategies", wrong)


def test_random_is_always_there_once() -> None:
    """A difference needs what it differs from: the same budget at the same rate."""
    found = ways(None, [], ["random", "uncertainty"], ["fraction", "quantile"], [0.1, 0.2])
    assert [(way.strategy, way.budget, way.rate) for way in found] == [
        (strategy, budget, rate)
        for budget in ("fraction", "quantile")
        for rate in (0.1, 0.2)
        for strategy in ("random", "uncertainty")
    ]
    (control, own) = ways(None, ["query.measure=entropy"], [], [], [None])
    assert (control.strategy, own.strategy, own.rate) == ("random", "uncertainty", 0.05)


# --- statistics ---


def test_holm_is_that_of_the_paper() -> None:
    """The example that R's documentation of p.adjust works out by hand."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([None, 0.6, 0.7]) == [None, 1.0, 1.0]
    assert holm([]) == []


def test_the_t_interval_and_test() -> None:
    """Against scipy's own, and where there is nothing to estimate a spread from."""
    from scipy.stats import ttest_1samp

    values = [0.01, 0.03, -0.01, 0.02]
    found, theirs = mean(values), ttest_1samp(values, 0)
    interval = theirs.confidence_interval(0.95)
    assert found.p == pytest.approx(theirs.pvalue)
    assert found.half == pytest.approx((interval.high - interval.low) / 2)
    assert (mean([0.3]).half, mean([0.3]).p) == (None, None)
    assert (mean([0.0, 0.0]).p, mean([0.1, 0.1]).p) == (1.0, 0.0)


def made(strategy: str, seed: int, accuracy: float) -> tuple[Cell, dict[str, Any]]:
    cell = Cell("s", strategy, "fraction", 0.1, seed, Job("", None, (), ()))
    return cell, {"events": 10, "labels_asked": 1, "accuracy": accuracy, "curve": []}


def test_differences_are_paired_by_seed() -> None:
    """Seeds that differ more among themselves than the strategies do must not hide a gain."""
    found = lines(
        [made("random", s, 0.5 + 0.1 * s) for s in range(4)]
        + [made("a", s, 0.52 + 0.1 * s + 0.001 * (s % 2)) for s in range(4)]
        + [made("b", s, 0.5 + 0.1 * s - 0.001 * (s % 2)) for s in range(4)]
        + [made("c", s, 0.4 + 0.1 * s - 0.001 * (s % 2)) for s in range(4)]
    )
    assert [line.verdict for line in found] == ["", "above", "", "below"]
    assert found[0].gain is None
    assert found[1].gain is not None
    assert found[1].gain.value == pytest.approx(0.0205)
    assert "| +2.05 ± 0.09 |" in markdown(found)
    values = list(csv.DictReader(comma_separated(found).splitlines()))
    assert [row["verdict"] for row in values] == ["", "above", "", "below"]


def test_one_seed_has_no_interval() -> None:
    """An interval from one run would be made up."""
    found = lines([made("random", 0, 0.5), made("a", 0, 0.6)])
    assert found[1].gain is not None
    assert (found[1].gain.half, found[1].p, found[1].verdict) == (None, None, "")
    assert "| 60.00 | +10.00 | – |  |" in markdown(found)


def test_a_line_is_added_whole(tmp_path: Path) -> None:
    """Two comparisons may write into one folder."""
    results = Results(tmp_path)
    cell, figures = made("a", 0, 0.5)
    results.append(cell, figures)
    size = results.path.stat().st_size
    with results.path.open("r+b") as file:
        file.truncate(size - 5)
    assert results.read() == {}
    results.append(cell, figures)
    assert list(results.read()) == [""]
