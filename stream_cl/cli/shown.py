"""From a pipeline's status to what /metrics shows: the only place that knows both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from stream_cl import __version__
from stream_cl.observe.exposition import Series, Shown
from stream_cl.observe.metrics import INTERVAL, OTHERS, STAGES
from stream_cl.pipeline.details import OTHERS as OTHER_ANNOTATORS

if TYPE_CHECKING:
    from stream_cl.config import Config
    from stream_cl.core.protocols import Spending
    from stream_cl.evaluation.intervals import Estimate
    from stream_cl.observe.exposition import Metrics
    from stream_cl.pipeline.around import Around, Checkpoints
    from stream_cl.pipeline.details import HeldOutFigures
    from stream_cl.pipeline.settings import Recovered
    from stream_cl.pipeline.watch import Status, StepTimes

_SPANS: Final = {"log_loss": "start", "window_log_loss": "window"}
"""Scores in nats: name → what the metric calls their span. All others are ratios."""

assert OTHERS == OTHER_ANNOTATORS


class StepHistograms:
    """Takes the times of steps into the histograms; costs a step of 1,000 events some 20 µs."""

    def __init__(self, metrics: Metrics) -> None:
        self._stages = [metrics.times("step_seconds", stage) for stage in STAGES]
        self._whole = metrics.times("step_whole_seconds")
        self._predict = metrics.times("learner_seconds", "predict")
        self._learn = metrics.times("learner_seconds", "learn")
        self._behind = metrics.times("behind_seconds")
        self._predictions = metrics.times("prediction_seconds")
        self._answers = metrics.times("answer_seconds")

    def __call__(self, times: StepTimes) -> None:
        stages_s = (times.take_s, times.score_s, times.commit_s, times.learn_s)
        for stage, seconds in zip(self._stages, stages_s, strict=True):
            stage.observe(seconds)
        self._whole.observe(times.whole_s)
        if times.events:
            self._predict.observe(times.predict_s)
        if times.learner_s:
            self._learn.observe(times.learner_s)
        if times.behind_s is not None:
            self._behind.observe(times.behind_s)
        for appended_ms in times.appended_ms:
            self._predictions.observe_since(appended_ms, times.committed_ms)
        if len(times.waited_ms):
            self._answers.observe_all(times.waited_ms / 1000)


def shown(status: Status, running: bool, config: Config, now_s: float) -> Shown:
    """What /metrics shows of `status`; nothing of the state before the start has ended.

    running: whether steps are taken. now_s: the monotonic clock.
    """
    from stream_cl.build import strategy_name

    transport = "kafka" if config.on_kafka else "sqlite"
    kinds = (config.learner.kind, strategy_name(config.query), config.budget.kind, transport)
    always: dict[str, Series] = {
        "build_info": {(__version__, *kinds): 1.0},
        "running": {(): float(running)},
    }
    if not status.incarnation:
        return Shown(None, always)
    gauges = {
        "step": status.step,
        "incarnation": status.incarnation,
        "learned_labels": status.learned,
        "asking": status.asking,
        "open_requests": status.open_requests,
        "drift_burst_events": status.drift_burst,
        "status_age_seconds": max(0.0, now_s - status.around.at_s),
        **_spent(status.spending),
        **_of_checkpoints(status.around.checkpoints, status.step),
        **_of_start(status.around.recovered),
    }
    return Shown(
        status.counts,
        {
            **always,
            **{name: {(): number} for name, number in gauges.items() if number is not None},
            **_of_input(status.around),
            **_of_figures(status),
            **_of_held_out(status.held_out),
            **_of_annotators(status.annotators),
            "store_entries": {(name,): n for name, (n, _) in status.stores.items()},
            "store_bound": {(name,): bound for name, (_, bound) in status.stores.items()},
            "checkpoint_seconds": _durations(status.around.checkpoints),
        },
    )


def _spent(spending: Spending | None) -> dict[str, float]:
    if spending is None:
        return {}
    return {
        "budget_target_ratio": spending.target,
        "budget_floor_ratio": spending.floor,
        "budget_spent_labels": spending.asked - spending.refunded,
        "budget_refunded_labels": spending.refunded,
        "budget_refund_waiting_labels": spending.waiting,
        "budget_price_units": spending.price,
        "budget_paid_units": spending.paid,
        "propensity_mean_ratio": spending.mean_propensity,
        "propensity_min_ratio": spending.min_propensity,
    }


def _of_checkpoints(checkpoints: Checkpoints, step: int) -> dict[str, float | None]:
    last = checkpoints.last
    return {
        "checkpoint_steps_behind": step - (last.step if last else 0),
        "checkpoint_timestamp_seconds": last.at_ms / 1000 if last and last.at_ms else None,
        "checkpoint_bytes": last.size_bytes if last else None,
        "checkpoints": checkpoints.count,
        "checkpoints_skipped": checkpoints.skipped,
        "retention_expired": bool(checkpoints.expired),
    }


def _durations(checkpoints: Checkpoints) -> Series:
    last = checkpoints.last
    found = {} if last is None else {"copy": last.copy_s, "write": last.write_s}
    return {(part,): seconds for part, seconds in found.items() if seconds is not None}


def _of_start(recovered: Recovered | None) -> dict[str, float]:
    if recovered is None:
        return {}
    return {
        "recovery_seconds": recovered.seconds,
        "recovery_replayed_steps": recovered.replayed,
        "recovery_differing_steps": recovered.numeric_differences,
        "recovery_corrupt_checkpoints": len(recovered.corrupt_checkpoints),
    }


def _of_input(around: Around) -> dict[str, Series]:
    return {
        "lag_records": {(topic,): n for topic, n in around.unread.items()},
        "lag_seconds": {(): around.behind_s},
        "partitions": {(topic,): n for topic, n in around.partitions.items()},
        "partitions_added": {(): around.added},
    }


def _of_figures(status: Status) -> dict[str, Series]:
    scores = {name: score for name, score in status.scores.items() if score is not None}
    classes = [
        ((OTHERS, "recall"), status.other_classes),
        *(
            ((name, figure), estimate)
            for name, one in status.classes.items()
            for figure, estimate in (("recall", one.recall), ("precision", one.precision))
            if name != OTHERS  # a class may be called so, too
        ),
    ]
    gain = None if status.advice is None else status.advice.interval
    return {
        "figure_ratio": _bounds(((name,), each) for name, each in status.figures.items()),
        "score_ratio": {(name,): n for name, n in scores.items() if name not in _SPANS},
        "log_loss_nats": {(_SPANS[name],): n for name, n in scores.items() if name in _SPANS},
        "class_ratio": _bounds(classes),
        "gain_ratio": {} if gain is None else _bounds([((), gain)]),
    }


def _bounds(
    estimates: Iterable[tuple[tuple[str, ...], Estimate | tuple[float, float, float] | None]],
) -> Series:
    """Value, low and high of each estimate that there is."""
    return {
        (*names, bound): number
        for names, estimate in estimates
        if estimate is not None
        for bound, number in zip(INTERVAL, estimate, strict=True)
    }


def _of_held_out(held_out: HeldOutFigures) -> dict[str, Series]:
    means = {"forgetting_ratio": held_out.forgetting, "worst_case_ratio": held_out.worst_case}
    classes: Series = {
        (name, figure): number
        for name, one in held_out.classes.items()
        for figure, number in (("now", one.now), ("best", one.best), ("worst", one.worst))
        if number is not None
    }
    return {
        **{name: {(): number} for name, number in means.items() if number is not None},
        "class_held_out_ratio": classes,
    }


def _of_annotators(annotators: Mapping[str, Mapping[str, float]]) -> dict[str, Series]:
    metrics = {
        "annotator_answers": "answers",
        "annotator_cost_units": "cost",
        "annotator_seconds": "seconds",
        "annotator_trust_ratio": "trust",
    }
    return {
        metric: {(name,): known[figure] for name, known in annotators.items() if figure in known}
        for metric, figure in metrics.items()
    }
