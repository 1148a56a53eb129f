"""`stream-cl evaluate`: a recorded stream through the pipeline's own steps, judged by the truth."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream_cl.cli.common import Sets, emit, progress, read_config
from stream_cl.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stream_cl.config import Config
    from stream_cl.core.protocols import Transport
    from stream_cl.core.topics import Topics
    from stream_cl.pipeline.offline import Outcome, Row


def command(
    config: Annotated[
        Path | None, typer.Argument(metavar="[CONFIG]", help="A YAML file; defaults without it.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FILE", help="CSV with a column `label`.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Events at most.")] = None,
    id_column: Annotated[
        str | None,
        typer.Option("--id", metavar="COLUMN", help="A column of ids, which is no feature."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, metavar="N", help="Runs, with seeds 0 … N−1.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    from_log: Annotated[
        bool,
        typer.Option("--recorded", help="The events and labels of the config's log, not a file."),
    ] = False,
    sets: Sets = None,
) -> None:
    """Predict, ask and learn over a recorded stream, without a log; answers come from the file.

    With --recorded the stream is what stands in the topics events and labels of the config's log
    (see `stream-cl copy`): of each event the first label that came. Events without one are
    predicted, asked for in vain, and not judged.

    What the encoder could not use in full is counted, too: with `overflow_keys` above 0 there were
    more names and categories than columns for them, and a wider `encoder.width` may be better.

    With several seeds the figures are means over them, and the intervals are 95 % t intervals
    of the mean; with one they are those of a single run.
    """
    import orjson

    from stream_cl.cli.run import fix_hash_seed

    if (data is None) != from_log:
        raise UserError("--data: name a CSV file with a column `label`, or take --recorded instead")
    loaded = read_config(config, sets)
    fix_hash_seed(loaded)
    rows = recorded(data, limit, id_column) if data else rows_of_log(loaded, limit)
    with progress("events", len(rows) * seeds) as advance:
        found = evaluate(loaded, rows, seeds, advance)
    if as_json:
        emit(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    for name, value in found.items():
        if name not in {"seeds", "details"}:
            emit(f"{name:24} {_shown(value)}")
    for line in _told(found.get("details")):
        emit(line)


def recorded(path: Path, limit: int | None = None, id_column: str | None = None) -> list[Row]:
    """The rows of a CSV file with their true labels.

    Raises:
        UserError: the file cannot be read, or a row has no label or one that is too long.
    """
    from stream_cl.cli.rows import read_rows
    from stream_cl.core.errors import Rejected
    from stream_cl.decode.fields import label_text
    from stream_cl.pipeline.offline import Row

    rows = []
    for row in islice(read_rows(path, id_column, need_label=True), limit):
        try:
            rows.append(Row(row.features, label_text(row.label)))
        except Rejected as error:
            raise UserError(
                f"{path}:{row.line}: {error.reason}; every row needs one to be judged by"
            ) from None
    return rows


def rows_of_log(config: Config, limit: int | None = None) -> list[Row]:
    """The events that stand in the config's log, in the order in which a pipeline reads them, each
    with the first label that names a class; None where there is none.

    Raises:
        UserError: there is no log, or no event in it that can be read.
    """
    from stream_cl import build
    from stream_cl.core.clock import SystemClock
    from stream_cl.core.topics import Topics

    log = build.open_transport(config, SystemClock(), create=False)
    try:
        rows = _read_log(config, log, Topics(config.topics.prefix), limit)
    finally:
        log.close()
    if not rows:
        raise UserError(f"--recorded: {config.transport} holds no event that can be read")
    return rows


def _read_log(config: Config, log: Transport, topics: Topics, limit: int | None) -> list[Row]:
    from stream_cl import build
    from stream_cl.core.records import NONE_OF_THESE
    from stream_cl.decode.encoder import by_name
    from stream_cl.pipeline.offline import Row
    from stream_cl.pipeline.taken import Taken
    from stream_cl.transport.merged import runs

    decoder = build.decoder(config.format, config.folder)
    features: dict[str, Any] = {}
    labels: dict[str, str] = {}
    for chunk in runs(log, [topics.events, topics.labels], {}):
        raw = Taken([chunk], [], None, None).records(chunk.topic)
        if chunk.topic == topics.events:
            events, _ = decoder.events(raw)
            for i, id_ in enumerate(events.ids):
                named, numbers = events.features[i], events.numbers[i]
                found = events.vectors[i] if named is None else by_name(named, numbers)
                features.setdefault(id_, found)
                label = events.labels[i]
                if label is not None:
                    labels.setdefault(id_, label)
        else:
            for answer in decoder.labels(raw)[0]:
                if answer.label is not None and answer.label != NONE_OF_THESE:
                    labels.setdefault(answer.id, answer.label)
    rows = islice(features.items(), limit)
    return [Row(found, labels.get(id_)) for id_, found in rows]


def evaluate(
    config: Config,
    rows: list[Row],
    seeds: int = 1,
    progressed: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """What `evaluate` prints, for seeds 0 … N−1 (the config's own seed if there is one only)."""
    runs = []
    for seed in range(seeds):
        seeded = config.model_copy(update={"seed": seed}) if seeds > 1 else config
        runs.append(figures(*run_once(seeded, rows, _from(seed * len(rows), progressed))))
    return {**_summary(runs), "seeds": runs}


def _from(before: int, progressed: Callable[[int], None]) -> Callable[[int], None]:
    return lambda done: progressed(before + done)


def run_once(
    config: Config, rows: Iterable[Row], progressed: Callable[[int], None] = lambda _: None
) -> tuple[Outcome, Any]:
    """One run: its outcome, and the figures the pipeline itself has at the end."""
    from stream_cl import build
    from stream_cl.core.clock import SystemClock
    from stream_cl.core.topics import NAMES, Topics
    from stream_cl.pipeline.crowd import Crowd
    from stream_cl.pipeline.details import details_of
    from stream_cl.pipeline.offline import Offline, replay
    from stream_cl.pipeline.watch import live_figures

    named = Topics(config.topics.prefix)
    partitions = {named.named(name): 1 for name in NAMES}
    state = build.fresh_state(config)
    offline = Offline(state, build.plan(config, named, partitions, lambda topic, key: 0))
    step, delay = config.step.max_events, config.labels.delay
    people = max(config.labels.annotators, config.annotators.answers)
    crowd = Crowd(config.seed, people, config.labels.error_rate)
    outcome = replay(offline, rows, step, delay, SystemClock(), progressed, crowd)
    return outcome, {
        **live_figures(state),
        "calibration_error": state.accuracy.reliability.error(),
        "encoder": state.encoder.counters,
        "details": details_of(state),
    }


def figures(outcome: Outcome, live: Any) -> dict[str, Any]:
    """The figures of one run."""
    from stream_cl.evaluation.agreement import accuracy, cohens_kappa, no_change_accuracy
    from stream_cl.evaluation.intervals import wilson

    truth, predicted = outcome.judged()
    right = accuracy(truth, predicted)
    naive, unbiased = wilson(right * len(truth), len(truth)), live["unbiased"]
    sequence, sets, advice = live["sequence"], live["set_coverage"], live["details"]["advice"]
    return {
        "events": len(outcome.truth),
        "labels_asked": outcome.labels,
        "accuracy": right,
        "accuracy_ci": [naive.low, naive.high] if naive else None,
        "accuracy_unbiased": unbiased.value if unbiased else None,
        "accuracy_unbiased_ci": [unbiased.low, unbiased.high] if unbiased else None,
        "accuracy_sequence_ci": [sequence.low, sequence.high] if sequence else None,
        "calibration_error": live["calibration_error"],
        "set_coverage": sets.value if sets else None,
        "set_coverage_ci": [sets.low, sets.high] if sets else None,
        "gain_next_1000": advice["gain"],
        "gain_next_1000_ci": None if advice["gain"] is None else [advice["low"], advice["high"]],
        "kappa": cohens_kappa(truth, predicted),
        "baseline_no_change": no_change_accuracy(truth),
        **live["encoder"],
        "events_per_second": len(outcome.truth) / outcome.seconds if outcome.seconds else None,
        "details": live["details"],
    }


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    if len(runs) == 1:
        return dict(runs[0])
    summary: dict[str, Any] = {}
    for name, first in runs[0].items():
        if name == "details":
            continue  # each run has its own
        values = [run[name] for run in runs]
        if name == "accuracy_sequence_ci":
            summary[name] = summary["accuracy_unbiased_ci"]  # a mean over runs is no sequence
        elif name.endswith("_ci"):
            centre = name.removesuffix("_ci")
            summary[name] = _mean_interval([run[centre] for run in runs])
        elif first is None or None in values:
            summary[name] = None
        else:
            mean = sum(values) / len(values)
            summary[name] = round(mean) if isinstance(first, int) else mean
    return summary


def _mean_interval(values: list[float | None]) -> list[float] | None:
    """95 % t interval of the mean (Student 1908)."""
    import numpy as np
    from scipy.stats import t

    known = np.array([value for value in values if value is not None])
    if len(known) < 2:
        return None
    half = float(t.ppf(0.975, len(known) - 1) * known.std(ddof=1) / np.sqrt(len(known)))
    return [float(known.mean()) - half, float(known.mean()) + half]


def _told(details: dict[str, Any] | None) -> list[str]:
    """Of the figures that are more than a number: recall by class, and whether to go on."""
    if details is None:
        return []
    lines = [
        f"recall of {name!r:.14}".ljust(25) + _shown(one["recall"] and one["recall"]["value"])
        for name, one in details["classes"].items()
    ]
    return [*lines, f"{'next_1000_labels':24} {details['advice']['says']}"]


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        return f"{value[0]:.4f} to {value[1]:.4f}"
    return f"{value:,.4f}" if isinstance(value, float) and value < 100 else f"{value:,.0f}"
