"""Every metric, in one table; what /metrics shows is made from it and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from stream_cl.core.protocols import REASONS
from stream_cl.core.records import DEAD_LETTER_CODES

Kind = Literal["counter", "gauge", "histogram"]


class Row(NamedTuple):
    """One metric: its name (with the unit), kind, label names and meaning.

    `of` is the total in the state's counts that a counter shows; a trailing dot means all
    totals of that family, with what follows the dot as the label's value.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str
    of: str = ""


STAGES: Final = ("take", "score", "commit", "learn")
STEP_BUCKETS_S: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
)  # fmt: skip
BEHIND_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600)


LOG_LOSS_SPANS: Final = {"log_loss": "start", "window_log_loss": "window"}
"""Scores that are no ratios: name → what the metric calls their span."""


_KNOWN: Final = {"dead_letters.": DEAD_LETTER_CODES, "decided.": REASONS}
"""Values of a label that are shown from the start, so that a rate of them can be taken."""


def _counter(name: str, of: str, meaning: str, label: str | None = None) -> Row:
    return Row(f"stream_cl_{name}", "counter", (label,) if label else (), meaning, of)


def _gauge(name: str, meaning: str, *labels: str) -> Row:
    return Row(f"stream_cl_{name}", "gauge", labels, meaning)


TABLE: Final = (
    _counter("predictions", "predictions", "Events predicted."),
    _counter(
        "predictions_failed",
        "predictions_failed",
        "Events that the learner could not predict; their prediction is uniform.",
    ),
    _counter("duplicates", "duplicates", "Events dropped because they had come before."),
    _counter("asked", "asked", "Labels asked for."),
    _counter("asked_again", "asked_again", "Further answers asked for, to questions answered."),
    _counter("answered", "answered", "Labels asked for that came in time."),
    _counter("unanswered", "unanswered", "Labels asked for that did not come in time."),
    _counter("labels_read", "labels", "Labels read."),
    _counter("labels", "labels.", "Labels and questions by what became of them.", "fate"),
    _counter("dead_letters", "dead_letters.", "Records that could not be used.", "code"),
    _counter("quarantines", "quarantines", "Batches of labels on which the learner failed."),
    _counter("drifts", "drifts", "Drifts that the query strategy has seen."),
    _gauge("step", "Number of the last step."),
    _gauge("incarnation", "Which life of the writer this is."),
    _gauge("learned_labels", "Labels learned since the state began."),
    _gauge("lag_records", "Input records that are not read yet."),
    _gauge("asking", "1 while labels are asked for, 0 while that is paused."),
    _gauge("checkpoint_steps_behind", "Steps since the last checkpoint."),
    _counter("decisions", "decided.", "Events by what the budget decided.", "reason"),
    _gauge("budget_target_ratio", "Labels to ask for now, as a share of the events."),
    _gauge("budget_floor_ratio", "Smallest propensity of an event that may be asked now."),
    _gauge("budget_spent_labels", "Labels asked for, less those refunded."),
    _gauge("budget_refunded_labels", "Labels paid back for questions that nobody answered."),
    _gauge("budget_refund_waiting_labels", "Labels that are still to be paid back."),
    _gauge("budget_price_units", "What a label is expected to cost; 1 where labels are counted."),
    _gauge("budget_paid_units", "What answers have cost; 0 where labels are counted."),
    _gauge("propensity_mean_ratio", "Mean propensity of the latest events that could be asked."),
    _gauge("propensity_min_ratio", "Smallest propensity of those events."),
    _gauge("open_requests", "Questions that are neither answered nor expired."),
    _gauge("store_entries", "Entries of a bounded store.", "store"),
    _gauge("store_bound", "Most entries that the store may have.", "store"),
    _gauge(
        "figure_ratio",
        "Live accuracy; bound is value, low or high of the 95 % interval.",
        "figure",
        "bound",
    ),
    _gauge(
        "score_ratio",
        "Live figures without an interval: no-change baseline, kappas, spend, answered share, "
        "agreement of annotators.",
        "score",
    ),
    _gauge(
        "class_ratio",
        "Recall and precision of the largest classes that have 30 effective labels; bound is "
        "value, low or high of the 95 % interval.",
        "class",
        "figure",
        "bound",
    ),
    _gauge(
        "gain_ratio",
        "Accuracy that the next 1,000 labels are predicted to add; bound as above.",
        "bound",
    ),
    _gauge(
        "annotator_answers",
        "Answers of the 20 annotators who answered most, and of all (others).",
        "annotator",
    ),
    _gauge("annotator_cost_units", "Mean cost of the answers that named one.", "annotator"),
    _gauge("annotator_seconds", "Mean time from question to answer.", "annotator"),
    _gauge("annotator_trust_ratio", "How likely the annotator is right.", "annotator"),
    _gauge("log_loss_nats", "Log loss by span: start (since then) or window.", "span"),
    Row(
        "stream_cl_step_seconds",
        "histogram",
        ("stage",),
        "Time of a step by stage: take, score, commit, learn.",
    ),
    Row(
        "stream_cl_behind_seconds",
        "histogram",
        (),
        "From the append of a step's newest record to its commit.",
    ),
)


class Shown(NamedTuple):
    """What of a pipeline's status the metrics show; gauges by name without the prefix.

    figures: name → value, low, high. scores: those without an interval, `log_loss` and
    `window_log_loss` in nats, all others as ratios. classes: (class, figure) → value, low, high.
    gain: value, low, high. annotators: name → answers, cost, seconds, trust. A figure that has no
    value is left out.
    """

    counts: dict[str, int]
    gauges: dict[str, float]
    stores: dict[str, tuple[int, int]]
    figures: dict[str, tuple[float, float, float]]
    scores: dict[str, float]
    classes: Mapping[tuple[str, str], tuple[float, float, float]] = MappingProxyType({})
    gain: tuple[float, float, float] | None = None
    annotators: Mapping[str, Mapping[str, float]] = MappingProxyType({})


class Metrics(Collector):
    """A registry of its own, filled from a status at every scrape."""

    def __init__(self) -> None:
        self._status = Shown({}, {}, {}, {}, {})
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        rows = {row.name: row for row in TABLE}
        step, behind = rows["stream_cl_step_seconds"], rows["stream_cl_behind_seconds"]
        step_s = Histogram(
            step.name, step.meaning, step.labels, registry=self._registry, buckets=STEP_BUCKETS_S
        )
        self._stages = {stage: step_s.labels(stage) for stage in STAGES}
        self._behind_s = Histogram(
            behind.name, behind.meaning, registry=self._registry, buckets=BEHIND_BUCKETS_S
        )

    def observe_step(self, stages_s: dict[str, float], behind_s: float | None) -> None:
        """Take the times of one step, in seconds."""
        for stage, seconds in stages_s.items():
            self._stages[stage].observe(seconds)
        if behind_s is not None:
            self._behind_s.observe(behind_s)

    def exposition(self, status: Shown) -> bytes:
        """The text that Prometheus scrapes."""
        self._status = status
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """Called by the registry: every row of the table that is no histogram."""
        for row in TABLE:
            if row.kind == "counter":
                yield self._counter(row)
            elif row.kind == "gauge":
                yield self._gauge(row)

    def _counter(self, row: Row) -> Metric:
        family = CounterMetricFamily(row.name, row.meaning, labels=row.labels)
        counts = self._status.counts
        if not row.labels:
            family.add_metric((), counts.get(row.of, 0))
            return family
        known = _KNOWN.get(row.of, ())
        for value in sorted({*known, *_of_family(counts, row.of)}):
            family.add_metric((value,), counts.get(row.of + value, 0))
        return family

    def _gauge(self, row: Row) -> Metric:
        family = GaugeMetricFamily(row.name, row.meaning, labels=row.labels)
        if row.name.startswith("stream_cl_store_"):
            which = 0 if row.name.endswith("entries") else 1
            for store, sizes in self._status.stores.items():
                family.add_metric((store,), sizes[which])
        elif row.labels and row.labels[-1] == "bound":
            for names, numbers in self._intervals(row).items():
                for bound, number in zip(("value", "low", "high"), numbers, strict=True):
                    family.add_metric((*names, bound), number)
        elif row.labels == ("annotator",):
            for name, number in self._of_annotators(row):
                family.add_metric((name,), number)
        elif row.name == "stream_cl_score_ratio":
            for score, number in self._status.scores.items():
                if score not in LOG_LOSS_SPANS:
                    family.add_metric((score,), number)
        elif row.name == "stream_cl_log_loss_nats":
            for score, span in LOG_LOSS_SPANS.items():
                if score in self._status.scores:
                    family.add_metric((span,), self._status.scores[score])
        else:
            family.add_metric((), self._status.gauges.get(row.name.removeprefix("stream_cl_"), 0))
        return family

    def _of_annotators(self, row: Row) -> Iterator[tuple[str, float]]:
        """The annotators of whom the figure that a gauge shows is known."""
        figure = row.name.removeprefix("stream_cl_annotator_").split("_")[0]
        for name, figures in self._status.annotators.items():
            if figure in figures:
                yield name, figures[figure]

    def _intervals(self, row: Row) -> Mapping[tuple[str, ...], tuple[float, float, float]]:
        """The figures with an interval that a gauge shows: labels before `bound` → numbers."""
        status = self._status
        match row.name.removeprefix("stream_cl_"):
            case "figure_ratio":
                return {(name,): numbers for name, numbers in status.figures.items()}
            case "class_ratio":
                return {(*names,): numbers for names, numbers in status.classes.items()}
            case _:
                return {} if status.gain is None else {(): status.gain}


def _of_family(counts: dict[str, int], prefix: str) -> Iterator[str]:
    return (name.removeprefix(prefix) for name in counts if name.startswith(prefix))
