"""Honest numbers: unbiased where the naive figure is not, with intervals that cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_cl.evaluation.intervals import WeightedSums, wilson


def sums_of(right, propensity) -> WeightedSums:
    sums = WeightedSums()
    sums.add(np.asarray(right, dtype=np.bool_), np.asarray(propensity, dtype=np.float64))
    return sums


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [
        # R: prop.test(x, n, correct = FALSE)$conf.int
        (0, 10, 0.0, 0.27753279),
        (5, 10, 0.23659309, 0.76340691),
        (10, 10, 0.72246721, 1.0),
        (81, 263, 0.25527346, 0.36620998),  # Newcombe 1998, table I: 0.2553 to 0.3662
        (15, 148, 0.06235720, 0.16049790),  # ... 0.0624 to 0.1605
        (0, 20, 0.0, 0.16112516),  # ... 0.0000 to 0.1611
        (1, 29, 0.00611449, 0.17175522),  # ... 0.0061 to 0.1718
    ],
)
def test_wilson_gives_the_known_intervals(right, total, low, high):
    estimate = wilson(right, total)
    assert estimate is not None
    assert estimate.value == right / total
    assert estimate.low == pytest.approx(low, abs=1e-4)
    assert estimate.high == pytest.approx(high, abs=1e-4)


def test_nothing_counted_is_no_figure():
    """A fresh pipeline must not report an accuracy of 0."""
    assert wilson(0, 0) is None
    assert WeightedSums().naive() is None
    assert WeightedSums().unbiased() is None


_answers = st.lists(st.tuples(st.booleans(), st.floats(1e-4, 1.0)), min_size=1, max_size=60)


@given(_answers)
def test_every_figure_is_a_fraction_inside_its_interval_or_close(answers):
    """Nothing outside [0, 1] and nothing that is not a number ever reaches a screen."""
    sums = sums_of(*zip(*answers, strict=True))
    for estimate in (sums.naive(), sums.unbiased()):
        assert estimate is not None
        assert np.isfinite(estimate).all()
        assert -1e-12 <= estimate.value <= 1 + 1e-12
        assert 0 <= estimate.low < estimate.high <= 1


@given(_answers, _answers)
def test_sums_add_up_over_parts_of_a_stream(first, second):
    """Else the figure depends on how labels were batched."""
    whole = sums_of(*zip(*(first + second), strict=True))
    parts = WeightedSums()
    for part in (first, second):
        right, propensity = zip(*part, strict=True)
        parts.add(np.array(right), np.array(propensity))
    np.testing.assert_allclose(parts.sums, whole.sums, rtol=1e-12)


def test_by_hand():
    """Two answers, of which the right one stands for two events and the other for four."""
    estimate = sums_of([True, False], [0.5, 0.25]).unbiased()
    assert estimate is not None
    assert estimate.value == pytest.approx(2 / 6)
    # a = (4·0.5 + 16·0.75) / 6; mean and variance by the formula of the docstring.
    a = 14 / 6
    mean = (2 + 2 * a) / (6 + 4 * a)
    squares = 2 * (1 - mean) ** 2 + 12 * mean**2 + 2 * a**2 * ((1 - mean) ** 2 + mean**2)
    half = 1.959963984540054 * squares**0.5 / (6 + 4 * a)
    assert estimate.low == pytest.approx(max(0, mean - half))
    assert estimate.high == pytest.approx(mean + half)


def test_when_everything_is_labelled_little_is_uncertain():
    """Propensity 1 for all: the figure is a count, and the interval soon says so."""
    for n in (100, 1000, 10_000):
        estimate = sums_of([True, True, False, True] * (n // 4), [1.0] * n).unbiased()
        assert estimate is not None
        assert estimate.value == 0.75
        assert estimate.high - estimate.low < 5 / n


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 10])
def test_a_few_answers_of_one_kind_prove_nothing(right, n):
    """In the cold start all propensities are 1: three wrong predictions in a row must not be
    shown as an accuracy of 0 without any doubt."""
    estimate = sums_of([right] * n, [1.0] * n).unbiased()
    naive = wilson(n * right, n)
    assert estimate is not None
    assert naive is not None
    assert estimate.value == float(right)
    assert estimate.low <= estimate.value <= estimate.high
    width, known = estimate.high - estimate.low, naive.high - naive.low
    assert 0.8 * known < width < 1.5 * known


def simulated(seed: int, n: int = 5000, fraction: float = 0.05, floor: float = 0.3):
    """One stream: truth, naive and unbiased figures.

    Events differ in how sure the prediction is; the less sure are asked more, ranked like the
    fraction budget does (floor + (b − floor) · 5 r⁴), and are wrong more often.
    """
    draw = np.random.default_rng(seed)
    rank = draw.random(n)
    p = np.minimum(1.0, fraction * (floor + (1 - floor) * 5 * rank**4))
    right = draw.random(n) < 0.95 - 0.45 * rank**2
    asked = draw.random(n) < p
    sums = sums_of(right[asked], p[asked])
    return right.mean(), sums.naive(), sums.unbiased()


def test_unbiased_is_unbiased_and_covers_and_naive_is_not():
    """The interval is believed when a model is let through a gate: 95 % must mean 95 %."""
    runs = [simulated(seed) for seed in range(1000)]
    truth = np.array([t for t, _, _ in runs])
    naive, unbiased = np.array([n for _, n, _ in runs]), np.array([u for _, _, u in runs])
    bias = unbiased[:, 0] - truth
    covered = ((unbiased[:, 1] <= truth) & (truth <= unbiased[:, 2])).mean()
    naive_covered = ((naive[:, 1] <= truth) & (truth <= naive[:, 2])).mean()
    half = ((unbiased[:, 2] - unbiased[:, 1]) / 2).mean()
    print(
        f"\nbias {bias.mean():+.4f}, coverage {covered:.3f}, half-width {half:.3f}; "
        f"naive bias {(naive[:, 0] - truth).mean():+.4f}, coverage {naive_covered:.3f}"
    )
    assert abs(bias.mean()) < 4 * bias.std() / len(runs) ** 0.5 + 0.002
    assert 0.93 <= covered <= 0.97
    assert (naive[:, 0] - truth).mean() < -0.08
    assert naive_covered < 0.5


@pytest.mark.parametrize(("n", "fraction"), [(1000, 0.05), (5000, 0.01), (20_000, 0.1)])
def test_coverage_holds_for_few_and_for_many_labels(n, fraction):
    """From 50 labels to 2,000. Few runs, so the band is wider: three deviations of 300."""
    runs = [simulated(5000 + seed, n, fraction) for seed in range(300)]
    covered = np.mean([u.low <= truth <= u.high for truth, _, u in runs])
    print(f"\n{n} events, {fraction:.0%}: coverage {covered:.3f}")
    assert 0.91 <= covered <= 0.99
