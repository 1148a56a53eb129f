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
