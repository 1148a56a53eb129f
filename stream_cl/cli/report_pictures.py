"""The pictures of `stream-cl report`, each with what is to be seen in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stream_cl.cli import page as html
from stream_cl.cli import pictures as draw
from stream_cl.cli.report_account import STRETCHES
from stream_cl.evaluation.intervals import WeightedSums

if TYPE_CHECKING:
    from markupsafe import Markup

    from stream_cl.cli.report_account import Account
    from stream_cl.evaluation.intervals import Estimate

ENOUGH: Final = 20
"""Answers from which on a point has an interval worth showing."""
_MARKS_DRAWN: Final = 3
"""More words than these would lie over each other."""


def _axis(account: Account) -> draw.Axis:
    return draw.times(account.since_ms, account.until_ms, "time (UTC)")


def _moment(account: Account, stretch: float) -> float:
    """Epoch milliseconds of a place among the stretches."""
    return account.since_ms + stretch / STRETCHES * (account.until_ms - account.since_ms)


def _points(account: Account) -> list[tuple[float, Estimate, Estimate]]:
    """Moment, naive and unbiased accuracy; stretches are joined until they have enough answers."""
    found, sums, first = [], WeightedSums(), 0
    for i, stretch in enumerate(account.stretches):
        sums.sums = sums.sums + stretch.sums.sums
        if sums.sums[4] >= ENOUGH:
            naive, unbiased = sums.naive(), sums.unbiased()
            assert naive is not None
            assert unbiased is not None
            found.append((_moment(account, (first + i + 1) / 2), naive, unbiased))
            sums, first = WeightedSums(), i + 1
    return found


def accuracy(account: Account) -> Markup:
    """Unbiased accuracy with its band, and naive accuracy, over time."""
    points = _points(account)
    low = min((min(naive.value, unbiased.low) for _, naive, unbiased in points), default=0.0)
    high = max((max(naive.value, unbiased.high) for _, naive, unbiased in points), default=1.0)
    picture = draw.Picture("Accuracy over time", _axis(account), draw.shares(low, high, ""))
    picture.band(
        [(at, one.low) for at, _, one in points],
        [(at, one.high) for at, _, one in points],
        "primary",
    )
    picture.line([(at, one.value) for at, one, _ in points], "naive")
    picture.line([(at, one.value) for at, _, one in points], "primary")
    for at, _, one in points if len(points) < 3 else ():
        picture.dot(at, one.value, "primary")
    errors = [drift.append_ms for drift in account.drifts if drift.watched == "errors"]
    for at in errors[:_MARKS_DRAWN]:
        picture.mark(at, "drift")
    return html.figure(
        "Accuracy over time",
        picture.svg(),
        f"Each point is of at least {ENOUGH} answers, and stands where their events were predicted."
        if points
        else f"Fewer than {ENOUGH} answers came.",
        (("primary", "unbiased, 95 % band"), ("naive", "naive")),
    )


def calibration(account: Account) -> Markup:
    """Confidence against accuracy."""
    axis, diagonal = draw.shares(0, 1, "confidence of the prediction"), [(0.0, 0.0), (1.0, 1.0)]
    picture = draw.Picture("Confidence against accuracy", axis, draw.shares(0, 1, ""))
    picture.line(diagonal, "level")
    bins = account.figures.reliability.bins()
    picture.line([(one.confidence, one.accuracy) for one in bins], "primary")
    for one in bins:
        picture.dot(one.confidence, one.accuracy, "primary")
    return html.figure(
        "Confidence against accuracy",
        picture.svg(),
        "Below the dashed line it is surer than it is right. Weighted to all events.",
        (("primary", "accuracy"), ("level", "as sure as right")),
    )


def asked(account: Account, target: float | None) -> Markup:
    """What was spent, since the beginning of the period, against the target."""
    points, events, requests = [], 0, 0
    for i, stretch in enumerate(account.stretches):
        events, requests = events + stretch.events, requests + stretch.asked
        if events:
            points.append((_moment(account, i + 1), requests / events))
    top = max([share for _, share in points[len(points) // 10 :]] + [1.3 * (target or 0.0)])
    picture = draw.Picture("Spend over time", _axis(account), draw.shares(0, min(1, top), ""))
    if target is not None:
        picture.level(target)
    picture.line(points, "primary")
    keys = [("primary", "labels asked for per event"), ("level", "target")]
    return html.figure(
        "Spend against target",
        picture.svg(),
        "Since the beginning of the period; further questions about an event count, too.",
        keys if target is not None else keys[:1],
    )


def uncertainty(account: Account) -> Markup:
    """How unsure the predictions were."""
    points = [
        (_moment(account, i + 0.5), stretch.uncertainty / stretch.events)
        for i, stretch in enumerate(account.stretches)
        if stretch.events
    ]
    values = [value for _, value in points]
    axis = draw.shares(min(values, default=0.0), max(values, default=1.0), "")
    picture = draw.Picture("Uncertainty over time", _axis(account), axis)
    picture.line(points, "second")
    unsure = [drift.append_ms for drift in account.drifts if drift.watched == "uncertainty"]
    for at in unsure[:_MARKS_DRAWN]:
        picture.mark(at, "drift")
    return html.figure(
        "Uncertainty",
        picture.svg(),
        "1 − the largest probability, mean over all predictions; it needs no labels.",
        (("second", "mean uncertainty"),),
    )


def throughput(account: Account) -> Markup:
    """Events and dead letters a second."""
    seconds = (account.until_ms - account.since_ms) / 1000 / STRETCHES
    events = [stretch.events / seconds for stretch in account.stretches]
    letters = [stretch.letters / seconds for stretch in account.stretches]
    axis = draw.counts(max(1, round(max([*events, *letters]) * 1.05)), "")
    picture = draw.Picture("Events a second over time", _axis(account), axis)
    for i, rate in enumerate(events):
        picture.bar(_moment(account, i), _moment(account, i + 0.9), rate, "primary")
    if any(letters):
        picture.line(
            [(_moment(account, i + 0.5), rate) for i, rate in enumerate(letters)], "second"
        )
    for at in account.starts_ms[:_MARKS_DRAWN]:
        picture.mark(at, "start")
    keys = [("primary", "events a second"), ("second", "dead letters a second")]
    return html.figure(
        "Throughput", picture.svg(), "By the time at which they were published.",
        keys if any(letters) else keys[:1],
    )  # fmt: skip
