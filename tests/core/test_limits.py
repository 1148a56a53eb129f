"""Bounds: each has a unit and a reason to be that large, and they fit one another."""

from __future__ import annotations

from stream_cl.core import limits
from stream_cl.core.records import DEAD_LETTER_CODES


def test_every_bound_is_a_positive_number():
    """A bound of zero takes nothing, and one that is not a number bounds nothing."""
    bounds = {name: value for name, value in vars(limits).items() if name.isupper()}
    assert len(bounds) > 20
    for name, value in bounds.items():
        assert isinstance(value, int | float), name
        assert value > 0 or name == "TIME_MIN_MS", name


def test_what_a_record_may_hold_fits_into_it():
    """Else an event that is within every limit could never be published as a request."""
    assert limits.ID_BYTES * 4 + limits.ANNOTATOR_BYTES + limits.LABEL_BYTES < limits.RECORD_BYTES
    assert limits.REASON_CHARS * 4 < limits.RECORD_BYTES
    top = limits.PROBABILITIES_TOP * (limits.LABEL_BYTES * 6 + 30)
    assert top + limits.ID_BYTES * 6 < limits.RECORD_BYTES, "a prediction fits into a record"


def test_the_largest_step_fits_the_stores_that_it_fills():
    """`check` asks for stores larger than a step; the largest step must leave that possible."""
    assert limits.STEP_EVENTS_MAX < limits.PENDING_MAX
    assert limits.STEP_EVENTS_MAX < limits.DEDUPE_WINDOW_MAX


def test_a_dead_letter_code_is_a_header_that_anyone_can_match():
    for code, meaning in DEAD_LETTER_CODES.items():
        assert code.isascii()
        assert code == code.lower().replace(" ", "_")
        assert meaning
