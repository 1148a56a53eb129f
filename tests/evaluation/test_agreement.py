"""Accuracy, kappa and the baseline, as benchmarks report them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.evaluation.agreement import accuracy, cohens_kappa, no_change_accuracy

_pairs = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=1, max_size=50
)


def table(counts: dict[tuple[str, str], int]) -> tuple[list[str], list[str]]:
    truth, predicted = [], []
    for (t, p), n in counts.items():
        truth += [t] * n
        predicted += [p] * n
    return truth, predicted


@pytest.mark.parametrize(
    ("counts", "kappa"),
    [
        # Cohen 1960, table 1: agreement .70, by chance .41.
        ({"AA": 88, "AB": 14, "AC": 18, "BA": 10, "BB": 40, "BC": 10, "CA": 2, "CB": 6, "CC": 12},
         0.29 / 0.59),
        ({"YY": 20, "YN": 5, "NY": 10, "NN": 15}, 0.4),
        ({"YY": 45, "YN": 15, "NY": 25, "NN": 15}, 0.13043478260869565),
        ({"YY": 25, "YN": 35, "NY": 5, "NN": 35}, 0.25925925925925924),
        ({"YY": 10, "NN": 10}, 1.0),
        ({"YN": 10, "NY": 10}, -1.0),
        ({"YY": 10}, 0.0),
    ],
)  # fmt: skip
def test_kappa_gives_the_known_values(counts, kappa):
    truth, predicted = table({(k[0], k[1]): n for k, n in counts.items()})
    assert cohens_kappa(truth, predicted) == pytest.approx(kappa)


@settings(deadline=None)  # importing river takes seconds
@given(_pairs)
def test_kappa_is_that_of_river(pairs):
    """The same number that the rest of the field reports."""
    from river import metrics

    kappa = metrics.CohenKappa()
    for truth, predicted in pairs:
        kappa.update(truth, predicted)
    if len({label for pair in pairs for label in pair}) > 1:
        assert cohens_kappa(*zip(*pairs, strict=True)) == pytest.approx(kappa.get(), abs=1e-9)


@given(_pairs)
def test_kappa_is_at_most_one_and_names_do_not_matter(pairs):
    truth, predicted = zip(*pairs, strict=True)
    kappa = cohens_kappa(truth, predicted)
    assert -1 - 1e-9 <= kappa <= 1 + 1e-9
    renamed = [[chr(ord("z") - ord(label) + ord("a")) for label in s] for s in (truth, predicted)]
    assert cohens_kappa(*renamed) == pytest.approx(kappa)


def test_no_prediction_is_a_wrong_one():
    """An event before the first label, or one that was refused, is not left out of the count."""
    assert accuracy(["a", "b", "a", "a"], ["a", None, None, "b"]) == 0.25
    assert cohens_kappa(["a", "b"], [None, None]) == 0.0


def test_the_baseline_counts_the_first_event_as_wrong():
    assert no_change_accuracy(["a", "a", "b", "b", "b"]) == pytest.approx(3 / 5)
    assert no_change_accuracy(["a"]) == 0.0
