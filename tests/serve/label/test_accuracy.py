"""Whether people see what their labels do: the pipeline's own figure, or nothing."""

from __future__ import annotations

import pytest

from stream_cl.observe.exposition import Metrics, Shown
from stream_cl.serve.label.accuracy import EVERY_S, Accuracy, Figure, fetching, figure
from stream_cl.testing.clock import FakeClock


def exposition(value: float) -> bytes:
    """What a pipeline says, by its own code."""
    series = {("unbiased", bound): 0.1 for bound in ("value", "low", "high")}
    series |= {("window_unbiased", "value"): value, ("window_unbiased", "low"): 0.5,
               ("window_unbiased", "high"): 0.875}  # fmt: skip
    return Metrics().exposition(Shown(series={"figure_ratio": series}))


def test_the_figure_is_read_as_the_pipeline_writes_it() -> None:
    """A renamed metric must not make it vanish unseen."""
    assert figure(exposition(0.75)) == Figure(True, 0.75, 0.5, 0.875)
    without = exposition(0.75).replace(b"window_unbiased", b"window_other")
    assert figure(without) == Figure(False, 0.1, 0.1, 0.1)


NO_BOUND = b'stream_cl_figure_ratio{figure="window_unbiased"} 1\n'
NO_NUMBER = exposition(0.75).replace(b" 0.75", b" NaN").replace(b" 0.1\n", b" NaN\n")


@pytest.mark.parametrize("text", [b"", b"<html>", NO_BOUND, NO_NUMBER])
def test_what_is_no_figure_is_not_shown(text: bytes) -> None:
    assert figure(text) is None


def test_the_accuracy_of_before_is_beside_that_of_now() -> None:
    clock, told = FakeClock(), [exposition(0.625)]
    accuracy = Accuracy(lambda: told[-1], clock)
    assert accuracy.shown() is None
    accuracy.look()
    assert accuracy.shown() == {
        "latest": True, "value": 0.625, "low": 0.5, "high": 0.875, "before": None, "since_s": 0
    }  # fmt: skip
    clock.advance(600)
    told.append(exposition(0.75))
    accuracy.look()
    shown = accuracy.shown()
    assert shown is not None
    assert (shown["value"], shown["before"], shown["since_s"]) == (0.75, 0.625, 600)
    clock.advance(3 * EVERY_S + 1)
    assert accuracy.shown() is None, "a pipeline that does not answer has no accuracy of now"


def test_a_pipeline_that_is_not_there_is_no_fault() -> None:
    accuracy = Accuracy(fetching("http://127.0.0.1:9/metrics", "x" * 16), FakeClock())
    accuracy.look()
    assert accuracy.shown() is None
