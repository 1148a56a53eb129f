"""Every metric, in one table; what /metrics shows is made from it and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

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
    _counter("answered", "answered", "Labels asked for that came in time."),
    _counter("unanswered", "unanswered", "Labels asked for that did not come in time."),
    _counter("labels_read", "labels", "Labels read."),
    _counter("labels", "labels.", "Labels and questions by what became of them.", "fate"),
    _counter("dead_letters", "dead_letters.", "Records that could not be used.", "code"),
    _counter("quarantines", "quarantines", "Batches of labels on which the learner failed."),
    _gauge("step", "Number of the last step."),
    _gauge("incarnation", "Which life of the writer this is."),
    _gauge("learned_labels", "Labels learned since the state began."),
    _gauge("lag_records", "Input records that are not read yet."),
    _gauge("asking", "1 while labels are asked for, 0 while that is paused."),
    _gauge("checkpoint_steps_behind", "Steps since the last checkpoint."),
    _gauge("budget_target_ratio", "Labels to ask for, as a share of the events."),
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
        "Live figures without an interval: no-change baseline, kappas, spend, answered share.",
        "score",
    ),
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
    `window_log_loss` in nats, all others as ratios. A figure that has no value is left out.
    """

    counts: dict[str, int]
    gauges: dict[str, float]
    stores: dict[str, tuple[int, int]]
    figures: dict[str, tuple[float, float, float]]
    scores: dict[str, float]


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
        known = DEAD_LETTER_CODES if row.of == "dead_letters." else ()
        for value in sorted({*known, *_of_family(counts, row.of)}):
            family.add_metric((value,), counts.get(row.of + value, 0))
        return family

    def _gauge(self, row: Row) -> Metric:
        family = GaugeMetricFamily(row.name, row.meaning, labels=row.labels)
        if row.name.startswith("stream_cl_store_"):
            which = 0 if row.name.endswith("entries") else 1
            for store, sizes in self._status.stores.items():
                family.add_metric((store,), sizes[which])
        elif row.name == "stream_cl_figure_ratio":
            for figure, numbers in self._status.figures.items():
                for bound, number in zip(("value", "low", "high"), numbers, strict=True):
                    family.add_metric((figure, bound), number)
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


def _of_family(counts: dict[str, int], prefix: str) -> Iterator[str]:
    return (name.removeprefix(prefix) for name in counts if name.startswith(prefix))
