"""The page of `stream-cl report`: what is on it, in the order in which it is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from stream_cl import __version__
from stream_cl.cli import page as html
from stream_cl.cli.report_pictures import accuracy, asked, calibration, throughput, uncertainty
from stream_cl.pipeline.publish import rfc3339

if TYPE_CHECKING:
    from stream_cl.cli.report_account import Account
    from stream_cl.config import Config
    from stream_cl.evaluation.intervals import Estimate

CLASSES_SHOWN: Final = 20
CELLS_SHOWN: Final = 10
ANNOTATORS_SHOWN: Final = 30
CODES_SHOWN: Final = 30
MARKS_SHOWN: Final = 40
_NAME: Final = 60
_LETTER: Final = 160


def report(account: Account, config: Config, now_ms: int) -> str:
    """The whole file. `now_ms`: when it is written."""
    return html.page(f"stream_cl: {log_name(config)}", _body(account, config, now_ms))


def _body(account: Account, config: Config, now_ms: int) -> Iterator[Markup]:
    yield html.heading(1, f"Report of {html.short(log_name(config))}")
    first, last, now = moments(account.since_ms, account.until_ms, now_ms)
    yield html.paragraph(
        f"Predictions from {first} to {last}, and the answers to them until then; written {now} "
        f"by stream-cl {__version__}. All times are UTC."
    )
    yield _first(account, target(config))
    yield html.heading(2, "Accuracy")
    yield html.figures(accuracy(account), calibration(account))
    yield from _figures(account)
    yield html.heading(2, "Labels and spend")
    yield html.figures(asked(account, target(config)))
    yield from _annotators(account)
    yield from _classes(account)
    yield html.heading(2, "Operation")
    yield html.figures(throughput(account), uncertainty(account))
    yield from _marks(account)
    yield from _letters(account)


def log_name(config: Config) -> str:
    """The log as strangers may read it: not where on the machine its file lies."""
    return config.transport if config.on_kafka else config.log_file.name


def target(config: Config) -> float | None:
    """Share of the events that may be asked about; None where the budget is no share."""
    fraction = getattr(config.budget, "fraction", None)
    if fraction is None or config.labels.join == "every":
        return None
    return float(fraction) * config.annotators.answers


def moments(*times_ms: int) -> list[str]:
    """Times as people read them, to the second."""
    return [text.decode()[:19].replace("T", " ") for text in rfc3339(list(times_ms))]


def percent(value: float | None) -> str:
    """A share with one digit behind the point."""
    return "–" if value is None else f"{value:.1%}"


def between(estimate: Estimate | None) -> str:
    """The interval of an estimate."""
    return "" if estimate is None else f"{estimate.low:.1%} to {estimate.high:.1%}"


def _first(account: Account, spend: float | None) -> Markup:
    counts, found = (
        account.counts,
        account.figures.figures(account.counts["events"], account.waiting),
    )
    events, seconds = counts["events"], (account.until_ms - account.since_ms) / 1000
    unbiased, naive = found["unbiased"], found["naive"]
    share = counts["asked"] / events if events else None
    goal = "no share to hold" if spend is None else f"target {spend:.1%}"
    answered = counts["answered"] / counts["questions"] if counts["questions"] else None
    return html.tiles(
        [
            ("Events predicted", f"{events:,}", f"{events / seconds:,.1f} a second in the mean"),
            ("Accuracy, unbiased", percent(unbiased and unbiased.value), between(unbiased)),
            ("Accuracy, naive", percent(naive and naive.value), "of the answered questions alone"),
            ("Labels asked for", f"{counts['asked']:,}", f"{percent(share)} of the events; {goal}"),
            ("Questions answered", f"{counts['answered']:,}", f"{percent(answered)} of them"),
            ("Dead letters", f"{counts['letters']:,}", f"{len(account.letters)} kinds"),
            ("Drifts seen", f"{len(account.drifts):,}", "in uncertainty or errors"),
            ("Starts", f"{len(account.starts_ms):,}", "of the pipeline, in the period"),
        ]
    )


_FIGURES: Final = {
    "unbiased": "accuracy on all events that could be asked about; each answer weighs one over "
    "the probability with which it was asked for",
    "sequence": "the same, with an interval that holds at all times together",
    "held_out": "accuracy on events that were drawn uniformly",
    "naive": "share of right predictions among the answered questions, which are the hard ones",
}
_SCORES: Final = {
    "kappa": "agreement beyond chance: 0 is no better than guessing by the shares of the classes",
    "kappa_temporal": "agreement beyond repeating the last known label",
    "no_change": "accuracy that repeating the last known label would have had",
    "log_loss": "mean of −ln(probability given to the true class), in nats",
    "calibration_error": "expected calibration error over ten bins: 0 where 80 % sure is right in "
    "80 %",
}


def _figures(account: Account) -> Iterator[Markup]:
    events = account.counts["events"]
    found = account.figures.figures(events, account.waiting)
    rows = [
        [name, percent(figure and figure.value), between(figure), words]
        for name, words in _FIGURES.items()
        for figure in (found[name],)
    ]
    scores = {
        **account.figures.scores()._asdict(),
        "calibration_error": account.figures.reliability.error(),
    }
    rows += [
        [name, "–" if scores[name] is None else f"{scores[name]:.3f}", "", words]
        for name, words in _SCORES.items()
    ]
    yield html.table(["figure", "value", "95 % interval", "what it says"], rows, ["", "number"])
    unaskable = account.counts["unaskable"]
    if unaskable and events:
        yield html.paragraph(
            f"{unaskable / events:.1%} of the events could not have been asked about, such as "
            "while asking was paused; no weighted figure speaks of them.",
            "faint",
        )
    if account.counts["forgotten"]:
        yield html.paragraph(
            f"{account.counts['forgotten']:,} questions waited longer than this report remembers; "
            "their answers are not counted.",
            "faint",
        )


def _annotators(account: Account) -> Iterator[Markup]:
    yield html.heading(3, "Who answered")
    known = sorted(account.annotators.items().items(), key=lambda one: (-one[1].answers, one[0]))
    if not known:
        yield html.paragraph("No label came in this period.", "faint")
        return
    rows = [
        [
            html.short(name, _NAME) or "(no name)",
            f"{one.answers:,}",
            f"{one.abstained:,}",
            "–" if one.mean_seconds is None else f"{one.mean_seconds:,.1f} s",
            "–" if one.mean_cost is None else f"{one.mean_cost:,.2f}",
        ]
        for name, one in known[:ANNOTATORS_SHOWN]
    ]
    heads = ["annotator", "answers", "abstentions", "mean time to answer", "mean cost"]
    yield html.table(heads, rows, ["", *["number"] * 4])
    if len(known) > ANNOTATORS_SHOWN:
        yield html.paragraph(f"and {len(known) - ANNOTATORS_SHOWN:,} more.", "faint")


def _classes(account: Account) -> Iterator[Markup]:
    names, confusion = account.classes.names, account.figures.confusion
    figures = confusion.classes(CLASSES_SHOWN)
    if not figures:
        return
    yield html.heading(2, "Classes")
    rows = [
        [
            html.short(names[one.number], _NAME),
            percent(one.share),
            f"{one.effective:,.0f}",
            *(
                "–" if figure is None else f"{figure.value:.1%} ({between(figure)})"
                for figure in (one.recall, one.precision)
            ),
        ]
        for one in figures
    ]
    heads = ["class", "share of all events", "effective labels", "recall", "precision"]
    yield html.table(heads, rows, ["", *["number"] * 4])
    numbers, shares = confusion.shares(CELLS_SHOWN)
    labels = ["(others)" if n < 0 else html.short(names[n], 24) for n in numbers]
    yield html.heading(3, "What was taken for what")
    yield html.paragraph(
        "Share of all events in each cell: the true class by row, the predicted one by column.",
        "faint",
    )
    cells = [
        [label, *(f"{share:.1%}" if share else "" for share in row)]
        for label, row in zip(labels, shares.tolist(), strict=True)
    ]
    yield html.table(["true", *labels], cells, ["", *["number"] * len(labels)])


def _marks(account: Account) -> Iterator[Markup]:
    marks = [(at, "the pipeline started") for at in account.starts_ms]
    for drift in account.drifts:
        way = "rose" if drift.rose else "fell"
        marks.append((drift.append_ms, f"drift: {drift.watched} {way} (ADWIN)"))
    if not marks:
        return
    yield html.heading(3, "Starts and drifts")
    marks.sort()
    rows = [[moments(at)[0], words] for at, words in marks[-MARKS_SHOWN:]]
    yield html.table(["when", "what"], rows)
    if len(marks) > MARKS_SHOWN:
        yield html.paragraph(f"The latest {MARKS_SHOWN} of {len(marks):,}.", "faint")


def _letters(account: Account) -> Iterator[Markup]:
    yield html.heading(3, "Dead letters")
    if not account.letters:
        yield html.paragraph("None.", "faint")
        return
    rows = []
    for code, count in account.letters.most_common(CODES_SHOWN):
        for i, letter in enumerate(account.examples[code]):
            shown = letter.value.decode(errors="replace")
            rows.append(
                [
                    html.short(code, _NAME) if i == 0 else "",
                    f"{count:,}" if i == 0 else "",
                    html.short(letter.reason, _LETTER),
                    html.short(letter.source, _NAME),
                    html.short(shown, _LETTER),
                ]
            )
    heads = ["code", "count", "reason", "record", "its bytes"]
    yield html.table(heads, rows, ["", "number", "", "", "features"])
