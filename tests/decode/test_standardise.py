"""The running mean and variance, where others have failed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stream_cl.core.limits import FEATURE_ABS_MAX, STANDARD_SCORE_MAX
from stream_cl.decode.standardise import SCALE, Moments, no_moments, put_rows
from tests.decode.records import rows_of

Matrix = npt.NDArray[np.float64]


def _scores(values: Matrix, moments: Moments) -> npt.NDArray[np.float32]:
    width = values.shape[1]
    out = np.zeros(values.shape, dtype=np.float32)
    put_rows(values, np.arange(width), np.full(width, SCALE, dtype=np.int8), moments, out)
    return out


def _within_reach(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """One number's values, what is beyond e times the geometric mean so far compressed."""
    found = values != 0.0
    logs = np.log(np.abs(values), out=np.zeros_like(values), where=found)
    most = 1.0 + logs.cumsum() / np.maximum(found.cumsum(), 1)
    beyond = found & (logs > most)
    return np.where(beyond, np.sign(values) * np.exp(most) * (1.0 + logs - most), values)


def _river_variances(values: Matrix, batch: int) -> float:
    """The least variance that river's StandardScaler.learn_many (0.26) ever holds.

    Its formulas, step by step: a batch's variance is the mean of squares less the square of
    the mean, and batches are merged by Chan, Golub and LeVeque.
    """
    values = np.asfortranarray(values)  # as a data frame's columns lie, for the order of sums
    mean = variance = np.zeros(values.shape[1])
    count, least = 0, 0.0
    for start in range(0, len(values), batch):
        part = values[start : start + batch]
        part_mean = part.mean(axis=0)
        part_variance = np.einsum("ij,ij->j", part, part) / len(part) - part_mean**2
        a, b = count / (count + len(part)), len(part) / (count + len(part))
        variance = a * variance + b * part_variance + a * b * (mean - part_mean) ** 2
        mean = a * mean + b * part_mean
        count += len(part)
        least = min(least, float(variance.min()))
    return least


def test_elec2_where_a_batched_variance_goes_negative(data_dir: Path) -> None:
    """A negative variance is a NaN for every later prediction."""
    rows = rows_of(data_dir / "elec2.csv.gz", 45_312)
    values = np.array([list(map(float, row.values())) for row in rows])
    assert _river_variances(values, 32) < 0, "the fault that this test is about"
    moments, least = no_moments(values.shape[1]), 0.0
    for start in range(0, len(values), 32):
        scores = _scores(values[start : start + 32], moments)
        assert np.isfinite(scores).all()
        least = min(least, float(moments[2].min()))
    assert least == 0.0
    within = np.apply_along_axis(_within_reach, 0, values)
    assert moments[1] == pytest.approx(within.mean(axis=0), rel=1e-12)
    assert moments[2] == pytest.approx(within.var(axis=0), rel=1e-10)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e9, -1e9])
def test_small_changes_far_from_zero(offset: float) -> None:
    """A sensor that reads 1e9 ± 1e-3 carries as much as one that reads ± 1e-3."""
    values = offset + np.random.default_rng(1).normal(0.0, 1e-3, (2000, 1))
    moments = no_moments(1)
    scores = _scores(values, moments)
    assert moments[2, 0] == pytest.approx(_within_reach(values[:, 0]).var(), rel=1e-3)
    assert 0.9 < scores[100:].std() < 1.1


_extreme = st.sampled_from(
    [0.0, -0.0, 5e-324, -1e-300, 1e-160, 1.0, 1e9, 1e9 + 1e-3, FEATURE_ABS_MAX, -FEATURE_ABS_MAX]
)


@settings(deadline=None)  # the first call compiles
@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 30), st.integers(1, 3)),
        elements=_extreme | st.floats(-FEATURE_ABS_MAX, FEATURE_ABS_MAX),
    )
)
def test_always_finite(values: Matrix) -> None:
    """No number that is let in may make an encoding or the state non-finite."""
    moments = no_moments(values.shape[1])
    scores = _scores(values, moments)
    assert np.isfinite(scores).all()
    assert np.abs(scores).max() <= STANDARD_SCORE_MAX
    assert np.isfinite(moments).all()
    assert (moments[2] >= 0).all()


@settings(deadline=None)  # the first call compiles
@given(st.floats(-FEATURE_ABS_MAX, FEATURE_ABS_MAX), st.integers(1, 50))
def test_a_constant_says_nothing(value: float, n: int) -> None:
    moments = no_moments(1)
    assert not _scores(np.full((n, 1), value), moments).any()
    assert moments[:3, 0].tolist() == [n, value, 0.0]


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_it_encodes_by_the_formula_of_its_docstring(offset: float) -> None:
    """Tails that count as much as they stand out would let one event decide for hundreds.

    Far from zero nothing is beyond the usual magnitude, and a tail is as long as it comes.
    """
    values = offset + np.random.default_rng(2).standard_cauchy((500, 1))
    scores = _scores(values, no_moments(1))[:, 0]
    within = _within_reach(values[:, 0])
    seen = [within[: n + 1] for n in range(len(values))]
    z = np.array([(past[-1] - past.mean()) / (past.std() or 1.0) for past in seen])
    tails = np.sign(z) * (1.0 + np.log(np.maximum(np.abs(z), 1.0)))
    if offset:
        assert np.abs(z).max() > 10, "the tails that this test is about"
    else:
        assert (within != values[:, 0]).any(), "the magnitudes that this test is about"
    assert scores == pytest.approx(np.where(np.abs(z) > 1.0, tails, z), rel=1e-6, abs=1e-6)


def test_missing_values_are_the_mean_and_are_not_counted() -> None:
    values = np.array([[1.0], [np.nan], [3.0], [np.nan]])
    moments = no_moments(1)
    assert _scores(values, moments)[:, 0].tolist() == [0.0, 0.0, 1.0, 0.0]
    assert moments[:3, 0].tolist() == [2.0, 2.0, 1.0]


def test_few_large_values_do_not_hide_the_others() -> None:
    """Bytes: most are some hundreds, and a single transfer of a gigabyte makes the deviation so
    large that a learner could not tell one of the others from the next."""
    values = np.random.default_rng(3).uniform(0.0, 1000.0, (2000, 1))
    values[100::200] = 1e9
    ordinary = np.arange(len(values)) % 200 != 100
    scores = _scores(values, no_moments(1))[1000:][ordinary[1000:]]
    assert scores.std() > 0.2


def test_a_uniform_number_is_only_scaled() -> None:
    """A class boundary is a plane in such numbers, and would not be one in bent ones."""
    values = np.random.default_rng(4).uniform(0.0, 10.0, (20_000, 1))
    moments = no_moments(1)
    _scores(values, moments)
    assert moments[1:3, 0] == pytest.approx([values.mean(), values.var()], rel=0.01)
