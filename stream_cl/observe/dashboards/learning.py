"""Learning: is it right, is it better than doing nothing, does it forget."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.models.dashboard import Dashboard

from stream_cl.observe.dashboards.frame import ASK, Part, dashboard
from stream_cl.observe.dashboards.panels import (
    ACT,
    CALM,
    LOOK,
    WELL,
    Line,
    Panel,
    bars,
    graph,
    rows,
    tile,
)

_UNBIASED: Final = ASK.gauge("figure_ratio", figure="window_unbiased", bound="value")
_NO_CHANGE: Final = ASK.gauge("score_ratio", score="window_no_change")


def learning() -> Dashboard:
    """The dashboard."""
    return dashboard(
        "learning",
        "Learning",
        "For who answers for the predictions: whether they are right, better than repeating the "
        "last label, and whether old classes are forgotten.",
        [_healthy(), _accuracy(), _forgetting(), _classes(), _scores()],
    )


def _healthy() -> Part:
    return Part(
        "Is it healthy?",
        [
            tile(
                "Accuracy",
                "Unbiased, over the last evaluation.window events. Good: what it was. Its interval "
                "is below; no value yet means that too few questions were answered.",
                _UNBIASED,
                "percentunit",
                [(None, CALM)],
                decimals=1,
            ),
            tile(
                "Over the baseline",
                "Accuracy less that of repeating the last label. Good: above 0. Below, the "
                "learner is worth nothing here, or learns too slowly.",
                f"{_UNBIASED} - on (job, instance) {_NO_CHANGE}",
                "percentunit",
                [(None, ACT), (-0.02, LOOK), (0, WELL)],
                alert="StreamClAccuracyBelowBaseline",
                decimals=1,
            ),
            tile(
                "Forgetting",
                "Held-out accuracy that the classes have lost since their best, in the mean. Good: "
                "below 0.1. More: rehearse (memory), or learn more slowly.",
                ASK.gauge("forgetting_ratio"),
                "percentunit",
                [(None, WELL), (0.1, LOOK), (0.2, ACT)],
                alert="StreamClForgetting",
                decimals=1,
            ),
            tile(
                "Calibration error",
                "How far confidence is from accuracy, over the window. Good: below 0.1; few "
                "answers make it larger. More: do not act on the probabilities.",
                ASK.gauge("score_ratio", score="window_calibration_error"),
                "percentunit",
                [(None, WELL), (0.1, LOOK), (0.2, ACT)],
                alert="StreamClCalibrationOff",
                decimals=1,
            ),
            tile(
                "Next 1,000 labels",
                "Accuracy that they are predicted to add. Near 0: more labels will not help, "
                "another learner or other features may. No value below 500 labels.",
                ASK.gauge("gain_ratio", bound="value"),
                "percentunit",
                [(None, CALM)],
                decimals=1,
            ),
            tile(
                "Learner's faults",
                "Batches of labels and events on which the learner failed within the hour. Good: "
                "0. The log has the error; the labels are dead letters.",
                f"{ASK.increase('quarantines', '1h')} + {ASK.increase('predictions_failed', '1h')}",
                "short",
                [(None, WELL), (1, ACT)],
                alert="StreamClLearnerFails",
                decimals=0,
            ),
        ],
    )


def _with_interval(figure: str, name: str, colour: str) -> list[Line]:
    """A figure and its 95 % interval, filled."""
    value, low, high = (
        ASK.gauge("figure_ratio", figure=figure, bound=bound) for bound in ("value", "low", "high")
    )
    return [
        Line(high, f"{name} high", colour, fill_to=f"{name} low"),
        Line(low, f"{name} low", colour),
        Line(value, name, colour),
    ]


def _accuracy() -> Part:
    return Part(
        "Accuracy",
        [
            graph(
                "Accuracy over the last events: $instance",
                "Over evaluation.window events, with 95 % intervals. `unbiased` speaks of all "
                "events, `naive` of the questions, which are the hard ones. Good: the green band "
                "lies above the dashed line of repeating the last label.",
                [
                    *_with_interval("window_unbiased", "unbiased", "green"),
                    Line(
                        ASK.gauge("figure_ratio", figure="window_naive", bound="value"),
                        "naive",
                        "blue",
                    ),
                    Line(_NO_CHANGE, "no change", "orange", dashed=True),
                ],
                "percentunit",
                high=1,
                each_instance=True,
                alert="StreamClAccuracyBelowBaseline",
                width=24,
            ),
            graph(
                "Accuracy since the start: $instance",
                "Since the state began, with 95 % intervals. It is steadier than the window, and "
                "slower to show a change.",
                [
                    *_with_interval("unbiased", "unbiased", "green"),
                    Line(ASK.gauge("figure_ratio", figure="naive", bound="value"), "naive", "blue"),
                    Line(
                        ASK.gauge("score_ratio", score="no_change"),
                        "no change",
                        "orange",
                        dashed=True,
                    ),
                ],
                "percentunit",
                high=1,
                each_instance=True,
                width=24,
            ),
        ],
    )


def _forgetting() -> Part:
    return Part(
        "Forgetting and drift",
        [
            graph(
                "Forgetting and the worst case",
                "On held-out events, at every checkpoint. Forgetting: lost since the best, good "
                "near 0. Worst case: how low each class has fallen since it was learned, in the "
                "mean.",
                [
                    Line(ASK.gauge("forgetting_ratio"), "forgetting {{instance}}"),
                    Line(ASK.gauge("worst_case_ratio"), "worst case {{instance}}"),
                ],
                "percentunit",
                low=0,
                alert="StreamClForgetting",
            ),
            graph(
                "Today's learner on held-out events",
                "What the learner as it is now gets on held-out events, old and new. Good: close "
                "to the accuracy above; below it, what was known before is lost.",
                [
                    Line(
                        ASK.gauge("figure_ratio", figure="held_out_now", bound=bound),
                        f"{bound} {{{{instance}}}}",
                        dashed=bound != "value",
                    )
                    for bound in ("value", "low", "high")
                ],
                "percentunit",
                high=1,
            ),
            graph(
                "Drift",
                "Drifts that the query strategy saw, and the events that are still asked about "
                "first because of the last. Only burst_on_drift looks for drifts. After one the "
                "accuracy should come back with the labels.",
                [
                    Line(ASK.counter("drifts"), "drifts {{instance}}"),
                    Line(ASK.gauge("drift_burst_events"), "burst {{instance}}"),
                ],
                "short",
                low=0,
                alert="StreamClDriftWithoutLabels",
            ),
        ],
    )


def _classes() -> Part:
    def by_class(figure: str, bound: str) -> str:
        return ASK.gauge("class_ratio", figure=figure, bound=bound)

    held_out: list[Panel] = [
        bars(
            "Held-out accuracy by class",
            "At the last checkpoint. Good: no class far behind the others. One that is: it is "
            "rare, new or forgotten; ask for more of it (class_balance).",
            Line(ASK.gauge("class_held_out_ratio", figure="now"), "{{class}} {{instance}}"),
            "percentunit",
            [(None, ACT), (0.5, LOOK), (0.7, WELL)],
            alert="StreamClForgetting",
            width=6,
        ),
        rows(
            "Recall and precision",
            "Of the largest classes with 30 effective labels, since the state began; low and high "
            "bound the recall in 95 of 100 cases.",
            [
                Line(by_class("recall", "value"), "recall"),
                Line(by_class("recall", "low"), "low"),
                Line(by_class("recall", "high"), "high"),
                Line(by_class("precision", "value"), "precision"),
            ],
            "percentunit",
            by="class",
            width=10,
        ),
    ]
    over_time = graph(
        "Recall over time",
        "Share of each class that is found. Good: steady or rising. A class that falls while "
        "others rise is being forgotten.",
        [Line(by_class("recall", "value"), "{{class}} {{instance}}")],
        "percentunit",
        high=1,
        alert="StreamClForgetting",
    )
    return Part("Classes", [*held_out, over_time])


def _scores() -> Part:
    def score(name: str) -> str:
        return ASK.gauge("score_ratio", score=name)

    return Part(
        "Scores",
        [
            graph(
                "Kappa over the last events",
                "kappa: beyond guessing by the shares of the classes. temporal: beyond repeating "
                "the last label. Good: above 0.",
                [
                    Line(score("window_kappa"), "kappa {{instance}}"),
                    Line(score("window_kappa_temporal"), "temporal {{instance}}"),
                ],
                "percentunit",
                steps=[(None, ACT), (0, WELL)],
                alert="StreamClAccuracyBelowBaseline",
            ),
            graph(
                "Log loss",
                "Mean of -ln of the probability that the true class was given. Good: falling. "
                "Rising while the accuracy stays: it is sure of what is wrong.",
                [Line(ASK.gauge("log_loss_nats"), "{{span}} {{instance}}")],
                "suffix: nats",
                low=0,
                alert="StreamClCalibrationOff",
            ),
            graph(
                "Calibration error over time",
                "Expected calibration error since the start and over the window. Good: below 0.1.",
                [
                    Line(score("calibration_error"), "start {{instance}}"),
                    Line(score("window_calibration_error"), "window {{instance}}"),
                ],
                "percentunit",
                low=0,
                steps=[(None, WELL), (0.2, ACT)],
                alert="StreamClCalibrationOff",
            ),
        ],
    )
