"""The section `encoder`: names that it cannot use as they are given."""

from __future__ import annotations

import pytest

from stream_cl.config.file import load
from stream_cl.core.errors import ConfigError


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        (["encoder.categories=[a, b]", "encoder.logarithmic=[b]"], "'b' is a category too"),
        (
            ["encoder.kind=columns", "encoder.columns=[a]", "encoder.logarithmic=[a, b]"],
            "'b' is no column",
        ),
        (["encoder={kind: vector, width: 3, logarithmic: [a]}"], "no such key"),
    ],
)
def test_a_logarithm_of_what_is_no_number_is_refused(sets: list[str], says: str) -> None:
    """Silently ignored, the setting would be thought to do what it says."""
    with pytest.raises(ConfigError, match=says):
        load(None, sets, {})


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        ("[[a, b], [b, a]]", "'b' with 'a' stands there twice; name each pair once"),
        ("[[a, a]]", "'a' stands there twice"),
        ("[[a, b, c]]", "is no pair; give two feature names"),
        ("[[a]]", "is no pair"),
        ("[a, b]", "'a' is no pair"),
        ("[[a, 3]]", "is no pair"),
        ("a", "'a' is text"),
        ("[[a, '']]", "is no name"),
        ("[['*', '*']]", "stands there twice"),
    ],
)
def test_an_interaction_is_of_two_features(pairs: str, says: str) -> None:
    """What is written down is either encoded or refused."""
    with pytest.raises(ConfigError, match=says):
        load(None, [f"encoder.interactions={pairs}"], {})


def test_interactions_are_for_features_by_any_name() -> None:
    with pytest.raises(ConfigError, match="no such key"):
        load(None, ["encoder={kind: columns, columns: [a, b], interactions: [[a, b]]}"], {})
