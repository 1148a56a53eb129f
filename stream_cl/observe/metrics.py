"""Every metric, in one table: what /metrics shows and docs/metrics.md says is made from it.

Names are Prometheus's: a base unit ends the name, counters end in `_total`, one metric has one
unit. Every metric has a bound on its series, which `exposition` holds whatever a stream is called.
The table alone makes this module longer than others.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from stream_cl.core.protocols import REASONS
from stream_cl.core.records import DEAD_LETTER_CODES

Kind = Literal["counter", "gauge", "histogram"]

PREFIX: Final = "stream_cl_"
CLASSES_SHOWN: Final = 20
"""Classes with series of their own, those with the largest share; all others are OTHERS."""
ANNOTATORS_SHOWN: Final = 20
"""Annotators with series of their own, those who answered most; all others are OTHERS."""
OTHERS: Final = "(others)"

STAGES: Final = ("take", "score", "commit", "learn")
CALLS: Final = ("predict", "learn")
INTERVAL: Final = ("value", "low", "high")

STEP_BUCKETS_S: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
)  # fmt: skip
BEHIND_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600)
ANSWER_BUCKETS_S: Final = (
    1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 86_400, 3 * 86_400, 7 * 86_400, 30 * 86_400,
)  # fmt: skip


class Row(NamedTuple):
    """One metric: its name, kind, unit, label names, most series, and meaning.

    of: the total in the state's counts that a counter shows; a trailing dot means all totals of
    that family, with what follows the dot as the label's value. known: values of the label that
    are shown from the start, so that a rate of them can be taken. buckets: of a histogram.
    """

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    bound: int
    meaning: str
    of: str = ""
    known: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def _counter(name: str, unit: str, meaning: str, of: str = "") -> Row:
    return Row(PREFIX + name, "counter", unit, (), 1, meaning, of)


def _family(
    name: str, unit: str, label: str, bound: int, meaning: str, of: str, known: tuple[str, ...] = ()
) -> Row:
    return Row(PREFIX + name, "counter", unit, (label,), bound, meaning, of, known)


def _gauge(name: str, unit: str, meaning: str, bound: int = 1, labels: tuple[str, ...] = ()) -> Row:
    return Row(PREFIX + name, "gauge", unit, labels, bound, meaning)


def _times(
    name: str,
    buckets: tuple[float, ...],
    meaning: str,
    label: str = "",
    known: tuple[str, ...] = (),
) -> Row:
    labels = (label,) if label else ()
    return Row(
        PREFIX + name,
        "histogram",
        "seconds",
        labels,
        max(1, len(known)),
        meaning,
        "",
        known,
        buckets,
    )


SECTIONS: Final[dict[str, tuple[Row, ...]]] = {
    "Events and labels": (
        _counter("events", "events", "Records read from `events`.", "events"),
        _counter("predictions", "events", "Events predicted.", "predictions"),
        _counter(
            "predictions_failed",
            "events",
            "Events that the learner could not predict; their prediction is uniform.",
            "predictions_failed",
        ),
        _counter(
            "duplicates", "events", "Events dropped because they had come before.", "duplicates"
        ),
        _family(
            "dead_letters",
            "records",
            "code",
            len(DEAD_LETTER_CODES),
            "Records that could not be used.",
            "dead_letters.",
            tuple(DEAD_LETTER_CODES),
        ),
        _counter("labels_read", "labels", "Labels read.", "labels"),
        _family(
            "labels",
            "labels",
            "fate",
            24,
            "Labels and questions by what became of them.",
            "labels.",
        ),
        _gauge("learned_labels", "labels", "Labels learned since the state began."),
        _counter(
            "quarantines",
            "batches",
            "Batches of labels on which the learner failed; they are dead letters.",
            "quarantines",
        ),
        _counter(
            "corrected", "labels", "Labels that became another by further answers.", "corrected"
        ),
        _counter("relearned", "labels", "Of those, the ones that were learned again.", "relearned"),
    ),
    "Progress": (
        _gauge("running", "bool", "1 while steps are taken, 0 while it starts, replays or stops."),
        _gauge("step", "steps", "Number of the last step."),
        _gauge("lag_records", "records", "Input records that are not read yet.", 3, ("topic",)),
        _gauge(
            "lag_seconds",
            "seconds",
            "Age of the oldest record that is not read yet; 0 where all are.",
        ),
        _gauge("partitions", "partitions", "Input partitions that are read.", 3, ("topic",)),
        _counter(
            "partitions_added",
            "partitions",
            "Input partitions that appeared since the process started. One writer reads all of "
            "them, so nothing is ever rebalanced; a new partition is the only change.",
        ),
    ),
    "Time": (
        _times(
            "step_seconds",
            STEP_BUCKETS_S,
            "Time of a step by stage: take (read), score (decode, predict, decide, write down), "
            "commit, learn.",
            "stage",
            STAGES,
        ),
        _times("step_whole_seconds", STEP_BUCKETS_S, "Time of a step, all stages together."),
        _times(
            "learner_seconds",
            STEP_BUCKETS_S,
            "Time of a step in the learner alone: predict is part of score, learn of learn.",
            "call",
            CALLS,
        ),
        _times(
            "behind_seconds",
            BEHIND_BUCKETS_S,
            "From the append of a step's newest record to its commit.",
        ),
        _times(
            "prediction_seconds",
            BEHIND_BUCKETS_S,
            "From the append of each event to the commit of its prediction.",
        ),
        _times(
            "answer_seconds",
            ANSWER_BUCKETS_S,
            "From each question to its first answer, in the time of the log.",
        ),
    ),
    "How well it learns": (
        _gauge(
            "figure_ratio",
            "ratio",
            "Live accuracy and coverage with their 95 % intervals; see figures.md.",
            48,
            ("figure", "bound"),
        ),
        _gauge(
            "score_ratio",
            "ratio",
            "Live figures without an interval: no-change baseline, kappas, calibration error, "
            "spend, answered share, agreement of annotators; see figures.md.",
            24,
            ("score",),
        ),
        _gauge(
            "log_loss_nats", "nats", "Log loss by span: start (since then) or window.", 2, ("span",)
        ),
        _gauge(
            "class_ratio",
            "ratio",
            f"Recall and precision of the {CLASSES_SHOWN} largest classes that have 30 effective "
            f"labels, with 95 % intervals; of all other classes together ({OTHERS}) recall alone.",
            2 * 3 * CLASSES_SHOWN + 3,
            ("class", "figure", "bound"),
        ),
        _gauge(
            "gain_ratio",
            "ratio",
            "Accuracy that the next 1,000 labels are predicted to add, with its 95 % interval.",
            3,
            ("bound",),
        ),
        _gauge(
            "forgetting_ratio",
            "ratio",
            "Mean over the classes of the best held-out accuracy that each ever had, less the one "
            "it has now, at the last checkpoint.",
        ),
        _gauge(
            "worst_case_ratio",
            "ratio",
            "Mean over the classes of the worst held-out accuracy that each had since it was "
            "first learned, at the last checkpoint.",
        ),
        _gauge(
            "class_held_out_ratio",
            "ratio",
            "Held-out accuracy by class at the last checkpoint: now, best and worst so far; of the "
            f"{CLASSES_SHOWN} classes with most held-out events.",
            3 * CLASSES_SHOWN,
            ("class", "figure"),
        ),
    ),
    "Drift": (
        _counter("drifts", "drifts", "Drifts that the query strategy has seen.", "drifts"),
        _gauge(
            "drift_burst_events",
            "events",
            "Events that are still asked about first because of the last drift; 0: no burst.",
        ),
    ),
    "Asking": (
        _counter("asked", "labels", "Labels asked for: label requests opened.", "asked"),
        _counter(
            "asked_again",
            "labels",
            "Further answers asked for, to questions answered: label requests repeated.",
            "asked_again",
        ),
        _counter("answered", "labels", "Labels asked for that came in time.", "answered"),
        _counter(
            "unanswered",
            "labels",
            "Labels asked for that did not come in time: label requests withdrawn.",
            "unanswered",
        ),
        _family(
            "decisions",
            "events",
            "reason",
            len(REASONS),
            "Events by what the budget decided.",
            "decided.",
            tuple(REASONS),
        ),
        _gauge("asking", "bool", "1 while labels are asked for, 0 while that is paused."),
        _gauge("open_requests", "requests", "Questions that are neither answered nor expired."),
        _gauge("budget_target_ratio", "ratio", "Labels to ask for now, as a share of the events."),
        _gauge(
            "budget_floor_ratio", "ratio", "Smallest propensity of an event that may be asked now."
        ),
        _gauge("budget_spent_labels", "labels", "Labels asked for, less those refunded."),
        _gauge(
            "budget_refunded_labels",
            "labels",
            "Labels paid back for questions that nobody answered.",
        ),
        _gauge("budget_refund_waiting_labels", "labels", "Labels that are still to be paid back."),
        _gauge(
            "budget_price_units",
            "units",
            "What a label is expected to cost; 1 where labels are counted.",
        ),
        _gauge("budget_paid_units", "units", "What answers have cost; 0 where labels are counted."),
        _gauge(
            "propensity_mean_ratio",
            "ratio",
            "Mean propensity of the latest events that could be asked.",
        ),
        _gauge("propensity_min_ratio", "ratio", "Smallest propensity of those events."),
    ),
    "Annotators": (
        _gauge(
            "annotator_answers",
            "labels",
            f"Answers of the {ANNOTATORS_SHOWN} annotators who answered most, and of all other "
            f"together ({OTHERS}).",
            ANNOTATORS_SHOWN + 1,
            ("annotator",),
        ),
        _gauge(
            "annotator_cost_units",
            "units",
            "Mean cost of the answers that named one.",
            ANNOTATORS_SHOWN + 1,
            ("annotator",),
        ),
        _gauge(
            "annotator_seconds",
            "seconds",
            "Mean time from question to answer.",
            ANNOTATORS_SHOWN + 1,
            ("annotator",),
        ),
        _gauge(
            "annotator_trust_ratio",
            "ratio",
            "How likely the annotator is right, with `annotators.trust: dawid_skene`.",
            ANNOTATORS_SHOWN,
            ("annotator",),
        ),
    ),
    "Bounded stores": (
        _gauge("store_entries", "entries", "Entries of a bounded store.", 16, ("store",)),
        _gauge("store_bound", "entries", "Most entries that the store may have.", 16, ("store",)),
    ),
    "Checkpoints and recovery": (
        _gauge("checkpoint_steps_behind", "steps", "Steps since the last checkpoint."),
        _gauge(
            "checkpoint_timestamp_seconds",
            "seconds",
            "When the last checkpoint was written, in Unix time.",
        ),
        _gauge("checkpoint_bytes", "bytes", "Size of the last checkpoint."),
        _gauge(
            "checkpoint_seconds",
            "seconds",
            "How long the last checkpoint took: copy holds up the steps, write does not.",
            2,
            ("part",),
        ),
        _counter("checkpoints", "checkpoints", "Checkpoints written since the process started."),
        _counter(
            "checkpoints_skipped",
            "checkpoints",
            "Checkpoints left out since then because the one before was still being written.",
        ),
        _gauge("incarnation", "starts", "Which life of the writer this is."),
        _gauge(
            "recovery_seconds", "seconds", "How long the last start took until it was recovered."
        ),
        _gauge("recovery_replayed_steps", "steps", "Steps that the last start replayed."),
        _gauge(
            "recovery_differing_steps",
            "steps",
            "Of those, the ones whose digests differ in numbers from the manifest's, as they may "
            "on another machine. Any other difference stops the start.",
        ),
        _gauge(
            "recovery_corrupt_checkpoints",
            "checkpoints",
            "Checkpoints that the last start found damaged and passed over.",
        ),
        _gauge(
            "retention_expired",
            "bool",
            "1 where retention has taken what the oldest checkpoint would need.",
        ),
    ),
    "About these figures": (
        Row(
            PREFIX + "build_info",
            "gauge",
            "bool",
            ("version", "learner", "query", "budget", "transport"),
            1,
            "Always 1: the version and the kinds that the config names.",
        ),
        _gauge(
            "status_age_seconds",
            "seconds",
            "Age of what stands here: while a step takes long the last known figures stand.",
        ),
        _gauge(
            "series_left_out",
            "series",
            "Series that were left out here because a metric had more than its bound.",
        ),
    ),
}
"""Heading → its metrics."""

TABLE: Final = tuple(row for rows in SECTIONS.values() for row in rows)
"""All of them."""

assert len({row.name for row in TABLE}) == len(TABLE)
