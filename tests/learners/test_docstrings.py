"""The examples in the learners' docstrings are what a newcomer copies first."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["softmax", "prototype", "river", "no_change", "majority"])
def test_examples_in_docstrings_hold(name):
    result = doctest.testmod(importlib.import_module(f"stream_cl.learners.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
