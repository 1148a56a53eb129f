"""The pictures in the demo's report, each with what is to be seen in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from stream_cl.cli import page as html
from stream_cl.cli import pictures as draw
from stream_cl.cli.demo_screen import HEADS
from stream_cl.cli.demo_stream import CHOSEN

if TYPE_CHECKING:
    from stream_cl.cli.demo_account import Account, Sofar
    from stream_cl.cli.demo_stage import Recovery
    from stream_cl.cli.demo_stream import Stream

_POINTS: Final = 200
_FEW_ANSWERS: Final = 30
"""Below these an interval says nothing, so it is not drawn."""
_BOTH: Final = tuple(HEADS.items())


@dataclass(frozen=True, slots=True)
class Told:
    """What the report is made of. target: the share of events that may be asked for."""

    stream: Stream
    accounts: Mapping[str, Account]
    recovery: Recovery
    kept: bool
    target: float


def accuracy(told: Told) -> Iterator[Markup]:
    """Both pipelines against the truth, and each against what its answers say."""
    events = _events_axis(told)
    window = max(20, min(500, told.stream.events // 10))
    recent = {side: account.recent(_POINTS, window) for side, account in told.accounts.items()}
    values = [share for points in recent.values() for _, share in points]
    both = draw.Picture(
        "True accuracy of both pipelines over the stream",
        events,
        draw.shares(min(values, default=0), max(values, default=1), events.name),
    )
    _killed(both, told.recovery)
    for side, points in recent.items():
        both.line(points, side)
    yield html.heading(2, "Accuracy over time")
    yield html.figures(
        html.figure(
            "Chosen against random",
            both.svg(),
            f"True accuracy over the last {window:,} events. The shaded events came while both "
            "pipelines were dead, and were predicted with an old model when they were back.",
            _BOTH,
        ),
        *(_since_start(told, side) for side in told.accounts),
    )


def _since_start(told: Told, side: str) -> Markup:
    account = told.accounts[side]
    points = account.sofar(_POINTS)
    known = {row: i + 1 for i, row in enumerate(sorted(account.answers))}
    enough = [row for row, number in known.items() if number >= _FEW_ANSWERS]
    shown = [point for point in points if enough and point.row >= enough[0]]
    lines = {
        "band-low": _line(shown, lambda p: p.unbiased and p.unbiased.low),
        "band-high": _line(shown, lambda p: p.unbiased and p.unbiased.high),
        "unbiased": _line(shown, lambda p: p.unbiased and p.unbiased.value),
        "naive": _line(shown, lambda p: p.naive and p.naive.value),
        "true": _line(points, lambda p: p.true),
    }
    picture = draw.Picture(
        f"Accuracy since the start, asked {HEADS[side]}", _events_axis(told), draw.shares(0, 1, "")
    )
    _killed(picture, told.recovery)
    picture.band(lines["band-low"], lines["band-high"], side)
    picture.line(lines["unbiased"], side)
    picture.line(lines["naive"], "naive")
    picture.line(lines["true"], "true")
    return html.figure(
        f"Known from the answers, asked {HEADS[side]}",
        picture.svg(),
        "Accuracy since the start. Only the line “true” needs the truth of every event."
        if side == CHOSEN
        else "The same. Here naive and unbiased differ only because the first events, when little "
        "is known, are all asked for.",
        (("true", "true"), (side, "unbiased, 95 % band"), ("naive", "naive")),
    )


def _line(points: list[Sofar], value: Any) -> list[draw.Point]:
    return [(point.row, value(point)) for point in points if value(point) is not None]


def _events_axis(told: Told) -> draw.Axis:
    return draw.counts(told.stream.events, "events")


def _killed(picture: draw.Picture, recovery: Recovery) -> None:
    picture.stretch(recovery.predicted, max(recovery.predicted, recovery.until), "down")
    picture.mark(recovery.predicted, "kill -9")


def spend_and_time(told: Told) -> Iterator[Markup]:
    """What was spent, and how long answers and predictions took."""
    accounts = told.accounts
    spent = {side: account.spend(_POINTS) for side, account in accounts.items()}
    top = 2.5 * told.target
    spend = draw.Picture(
        "Share of the events asked for", _events_axis(told), draw.shares(0, min(1, top), "")
    )
    spend.level(told.target)
    for side, points in spent.items():
        spend.line(points, side)
    delays = {side: [ms / 1000 for ms in a.delay_ms] for side, a in accounts.items()}
    latency: dict[str, list[float]] = {
        side: [float(ms) for ms in account.latency_ms] for side, account in accounts.items()
    }
    every_delay = [value for column in delays.values() for value in column]
    every_latency = [value for column in latency.values() for value in column]
    yield html.heading(2, "Spend, answers, speed")
    yield html.figures(
        html.figure(
            "Spend against target",
            spend.svg(),
            f"Labels asked for per event since the start; dashed, the target of {told.target:.0%}. "
            "The labels asked for at once at the start are a debt that is paid back.",
            _BOTH,
        ),
        html.figure(
            "How long answers took",
            draw.histogram(
                "Answer delays", draw.even_edges(every_delay), delays, "seconds, from each bar on"
            ),
            "From the question to its answer, as a share of the answers. Longer ones are in the "
            "last bar.",
            _BOTH,
        ),
        html.figure(
            "How long predictions took",
            draw.histogram(
                "Latencies",
                draw.growing_edges(every_latency),
                latency,
                "milliseconds, from each bar on",
            ),
            f"From an event's append to its prediction's, both on disk. {_latency_words(latency)} "
            "The slow ones waited while the pipelines were dead.",
            _BOTH,
        ),
    )


def _latency_words(latency: Mapping[str, list[float]]) -> str:
    words = []
    for side, values in latency.items():
        ordered = sorted(values)
        if ordered:
            middle, late = ordered[len(ordered) // 2], ordered[int(0.99 * (len(ordered) - 1))]
            words.append(f"Asked {HEADS[side]}: half within {middle:,.0f} ms, 99 % {late:,.0f} ms.")
    return " ".join(words)
