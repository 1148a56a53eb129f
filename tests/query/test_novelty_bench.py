"""What `make bench ARGS=novelty` counts, on a case by hand."""

from __future__ import annotations

import math

import numpy as np

from load_tests.novelty import Wait, middle, rate, waits


def test_how_long_a_class_waits_for_its_first_label():
    """Else the promised ratio says something else than what was promised."""
    classes = np.array([0, 1, 2, 1, 1, 2, 0, 3])
    asked = np.array([True, False, False, True, True, False, True, True])
    found = waits(classes, asked, np.array([1, 2, 3]))
    assert found == [Wait(3, 2, True), Wait(2, 2, False), Wait(1, 1, True)]
    assert rate(found) == 2 / 5
    assert middle(found) == 2
    assert math.isinf(middle([Wait(2, 2, False)]))
