"""The report of the demo: a web page of one file, with pictures, that can be sent to anyone."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from stream_cl import __version__
from stream_cl.cli import page as html
from stream_cl.cli.demo_figures import Told, accuracy, spend_and_time
from stream_cl.cli.demo_screen import HEADS, estimate, percent
from stream_cl.cli.demo_stage import DELAY
from stream_cl.cli.demo_stream import CHOSEN, RANDOM
from stream_cl.core.errors import StreamClError

if TYPE_CHECKING:
    from stream_cl.cli.demo_account import Account, Request

_FEATURES_SHOWN: Final = 6
_TEXT_SHOWN: Final = 40


def write(path: Path, told: Told) -> None:
    """Write the report to `path`, over what is there.

    Raises:
        StreamClError: it cannot be written.
    """
    try:
        # A file name may hold bytes that are no UTF-8.
        path.write_text(report(told), encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise StreamClError(
            f"the report cannot be written to {path} ({error.strerror}); name another file with "
            "--report"
        ) from None


def report(told: Told) -> str:
    """The page."""
    return html.page(f"stream-cl demo: {told.stream.name}", _body(told))


def _body(told: Told) -> Iterator[Markup]:
    stream = told.stream
    yield html.heading(1, stream.name)
    yield html.paragraph(
        f"stream-cl demo: {stream.events:,} events at {stream.rate:,.0f} a second went to two "
        f"pipelines that may ask for the labels of {told.target:.0%} of them. One asks where it is "
        "unsure, the other at random; events, ids, seed, learner and budget are the same. On the "
        "way both are killed with kill -9 and started again."
    )
    yield html.paragraph(
        html.verdict(told.kept, "Every event is predicted exactly once, by both.")
        if told.kept
        else html.verdict(False, "FAILED: not every event is predicted exactly once.")
    )
    yield from _summary(told)
    yield from accuracy(told)
    yield from spend_and_time(told)
    yield from _asked(told)
    yield from _recovery(told)
    yield from _settings(told)


def _summary(told: Told) -> Iterator[Markup]:
    names = (
        "events, predictions",
        "labels asked, answered",
        "true accuracy",
        "true, last quarter",
        "unbiased, from the answers",
        "does its interval hold the true one?",
        "naive, from the answers",
        "does its interval hold the true one?",
    )
    columns = [_figures_of(account) for account in told.accounts.values()]
    heads = ["", *(f"asked {HEADS[side]}" for side in told.accounts)]
    yield html.table(heads, zip(names, *columns, strict=True))
    truth = told.stream.truth
    same = [a == b for a, b in pairwise(truth) if b is not None]
    repeating = percent(sum(same) / len(same) if same else None)
    yield html.paragraph(
        f"Repeating the true label of the event before would have got {repeating}. True accuracy "
        "is against the truth of every event, which the demo knows and a pipeline in use does "
        "not; there, the unbiased figure stands in for it: every answer is weighted by one over "
        "the probability with which it was asked for. The naive one counts the answers alike, "
        "and is too low where hard events are asked for more often. An unbiased interval is "
        "made to hold the truth in 95 of 100 runs. This is one run over one stream: a difference "
        "of a few points may be luck, and stream-cl evaluate --seeds 10 tells.",
        "faint",
    )


def _figures_of(account: Account) -> list[html.Cell]:
    count, (last,) = account.count, account.sofar(1)[-1:]
    n = len(account.truth)
    quarter = account.recent(1, max(1, n // 4))
    asked = int(account.asked.sum())

    def holds(found: Any) -> html.Cell:
        if found is None or last.true is None:
            return "–"
        inside = found.low <= last.true <= found.high
        return html.verdict(inside, "yes" if inside else "no")

    return [
        f"{count.events:,}, {count.predictions:,}",
        f"{asked:,} ({asked / n:.1%}), {len(account.answers):,}",
        percent(last.true),
        percent(quarter[-1][1] if quarter else None),
        estimate(last.unbiased),
        holds(last.unbiased),
        estimate(last.naive),
        holds(last.naive),
    ]


_REASONS: Final = {
    "not_drawn": "not asked: the draw said no",
    "drawn": "asked: drawn, by utility or at random",
    "held_out": "asked: drawn evenly, to test with and never to learn from",
    "cold_start": "asked: among the first, before anything is known",
    "not_allowed": "not asked: it must not be",
    "no_room": "not asked: too many questions are open",
    "joined": "not asked: a label comes anyway",
    "closed": "not asked: nobody works at this time",
    "key_limit": "not asked: its key has had its labels",
    "class_limit": "not asked: the predicted class has had its share of the labels",
}


def _asked(told: Told) -> Iterator[Markup]:
    reasons = {side: account.reasons for side, account in told.accounts.items()}
    yield html.heading(2, "What was asked, and why")
    yield html.table(
        ["reason", *(f"asked {HEADS[side]}" for side in told.accounts)],
        [
            [words, *(f"{counted.get(reason, 0):,}" for counted in reasons.values())]
            for reason, words in _REASONS.items()
            if any(reason in counted for counted in reasons.values())
        ],
    )
    account = told.accounts[CHOSEN]
    yield html.heading(3, "The most useful questions")
    yield html.paragraph(
        "Of those that were drawn, the ten where the pipeline that chooses was least sure. "
        "Propensity is the probability with which the event was asked for.",
        "faint",
    )
    heads = ["event", "features", "utility", "propensity", "answer", "predicted before"]
    rows = [_question(account, request) for request in account.useful]
    yield html.table(heads, rows, ["", "features"])


def _question(account: Account, request: Request) -> list[html.Cell]:
    answer, predicted = account.answers.get(request.row), account.predicted[request.row]
    said = "nothing" if predicted is None else html.short(predicted, _TEXT_SHOWN)
    judged: html.Cell = said
    if answer is not None:
        right = predicted == answer
        judged = html.verdict(right, f"{said}: {'right' if right else 'wrong'}")
    shown = [
        f"{html.short(name, _TEXT_SHOWN)} = {html.short(value, _TEXT_SHOWN)}"
        for name, value in list(request.features.items())[:_FEATURES_SHOWN]
    ]
    more = len(request.features) - len(shown)
    return [
        f"{request.row:,}",
        ", ".join(shown) + (f", and {more} more" if more > 0 else ""),
        f"{request.utility:.3f}",
        f"{account.propensity[request.row]:.3f}",
        "none" if answer is None else html.short(answer, _TEXT_SHOWN),
        judged,
    ]


def _recovery(told: Told) -> Iterator[Markup]:
    facts = told.recovery
    base = "none" if facts.checkpoint is None else f"of step {facts.checkpoint:,}"
    yield html.heading(2, "The kill and the recovery")
    yield html.table(
        ["", ""],
        [
            ["killed", f"process {facts.pid}, after step {facts.step:,}"],
            ["predicted until then", f"{facts.predicted:,} events"],
            ["waiting one second later", f"{facts.waited:,} events"],
            ["ready again after", f"{facts.took_s:.1f} s, as incarnation {facts.incarnation}"],
            ["checkpoint found", base],
            ["replayed from the log", f"{facts.replayed:,} steps, not published again"],
            ["caught up", f"{facts.caught_up_s:.1f} s later"],
        ],
    )


def _settings(told: Told) -> Iterator[Markup]:
    stream = told.stream
    yield html.heading(2, "Settings")
    yield html.table(
        ["", ""],
        [
            ["data", stream.name + (", its first rows" if stream.cut else "")],
            ["events", f"{stream.events:,} in {stream.seconds:.1f} s"],
            ["answers", f"{DELAY} seconds (median, spread), never wrong"],
            ["stream-cl", __version__],
            ["Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"],
        ],
    )
    for side in (CHOSEN, RANDOM):
        text = stream.configs[side].read_text(encoding="utf-8")
        yield html.details(f"Config of the pipeline that asks {HEADS[side]}", text)
