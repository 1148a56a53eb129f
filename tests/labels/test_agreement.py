"""Krippendorff's alpha against his own example, and against the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_cl.core.snapshot import digest
from stream_cl.labels.agreement import Agreement

# Krippendorff 2011, section C: four observers, twelve units, 0 where nobody looked.
EXAMPLE = (
    "1 2 3 3 2 1 4 1 2 0 0 0",
    "1 2 3 3 2 2 4 1 2 5 0 3",
    "0 3 3 3 2 3 4 2 2 5 1 0",
    "1 2 3 3 2 4 4 1 2 5 1 0",
)
_units = st.lists(st.lists(st.integers(0, 3), max_size=5), max_size=12)


def of(units: list[list[int]]) -> Agreement:
    agreement = Agreement()
    for unit in units:
        agreement.add(unit)
    return agreement


def test_the_example_of_the_paper() -> None:
    rows = np.array([[int(cell) for cell in row.split()] for row in EXAMPLE])
    alpha = of([[value for value in unit if value] for unit in rows.T.tolist()]).alpha()
    assert alpha == pytest.approx(0.743, abs=5e-4)


@given(_units)
def test_it_is_one_minus_observed_by_expected_disagreement(units: list[list[int]]) -> None:
    paired = [unit for unit in units if len(unit) > 1]
    values = [value for unit in paired for value in unit]
    n = len(values)
    expected = sum(a != b for a in values for b in values) / (n - 1) if n > 1 else 0.0
    alpha = of(units).alpha()
    if not expected:
        assert alpha is None
        return
    observed = sum(sum(a != b for a in u for b in u) / (len(u) - 1) for u in paired)
    assert alpha == pytest.approx(1 - observed / expected)


@given(_units, st.lists(st.integers(0, 6), min_size=2, max_size=4))
def test_taking_out_undoes_adding(units: list[list[int]], unit: list[int]) -> None:
    """An event whose answers change is taken out and added again."""
    agreement = of(units)
    before = agreement.alpha()
    agreement.add(unit)
    agreement.add(unit, -1)
    assert agreement.alpha() == (None if before is None else pytest.approx(before))


@given(_units)
def test_restored_it_is_the_same(units: list[list[int]]) -> None:
    agreement, other = of(units), of([[7, 8]])
    other.restore(agreement.snapshot())
    agreement.add([0, 1])
    other.add([0, 1])
    assert digest(agreement.snapshot()) == digest(other.snapshot())
